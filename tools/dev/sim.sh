# ./dev sim [ARG ...]: the loop against simulated applications; ./dev sim --help tells the arguments.

cmd_sim() {
  cmd_setup
  [ -e build/release/build.ninja ] || cmake --preset release >/dev/null
  cmake --build --preset release --target homeostat_sim
  build/release/homeostat_sim "$@"
}
