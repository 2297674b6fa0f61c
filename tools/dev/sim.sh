# ./dev sim [ARG ...]: the loop against simulated applications; ./dev sim --help tells the arguments.

cmd_sim() {
  cmd_setup
  [ -e build/release/build.ninja ] || cmake --preset release >/dev/null
  CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1 cmake --build --preset release --target homeostat_sim
  build/release/homeostat_sim "$@"
}

# What CI runs: incidents of every kind, and each mutant, which the laws must catch. Under a minute.
sim_for_ci() {
  local mutant
  cmd_sim --seeds 84 || return 1
  for mutant in no-lease swapped-arms first-look no-mismatch-check no-corroboration no-revert; do
    if build/release/homeostat_sim --seeds 84 --mutant "$mutant" > /dev/null; then
      say "the laws do not notice the mutant $mutant"
      return 1
    fi
  done
}
