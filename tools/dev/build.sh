# ./dev build [PRESET]

export CCACHE_BASEDIR="${CCACHE_BASEDIR:-$PWD}" CCACHE_NOHASHDIR=1

build_preset() {
  local preset=$1
  [ -e "build/$preset/build.ninja" ] || cmake --preset "$preset" >/dev/null
  ln -sfn "$(engine_library)" "build/$preset/libchdb.so"
  cmake --build --preset "$preset" -- "${@:2}"
}

cmd_build() {
  cmd_setup
  build_preset "${1:-release}" "${@:2}"
}
