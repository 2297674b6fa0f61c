# ./dev test [NAME]: the tests of the README.

cmd_test() {
  cmd_setup
  build_preset dev
  ctest --test-dir build/dev --output-on-failure ${1:+-R "$1"}
}
