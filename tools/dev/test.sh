# ./dev test [NAME]: the tests of the README. NAME limits it to the suites (ctest) or files (apptest) that match.

export HOMEOSTAT_SHARED="${HOMEOSTAT_SHARED:-$PWD/../shared}"

unit_tests() { ctest --test-dir "build/$1" --output-on-failure -LE slow ${2:+-R "$2"}; }

# The real binary through its real protocols, by official clients.
black_box_tests() {
  local python
  python=$(python_env python)
  HOMEOSTAT="$PWD/build/$1/homeostat" "$python" -m pytest -q --durations=10 -p no:cacheprovider -m "not soak" \
    apptest ${2:+-k "$2"} || { [ $? = 5 ] && [ -n "${2:-}" ]; }  # 5: no test of this name, which is fine then
}

# Pure modules and those that own files and threads, under ASan and UBSan. (The engine's library is not instrumented, so
# store's tests stay outside.)
sanitized="base io model wire_otlp wire_prometheus wire_syslog config security chaos values ledger stream promql rules
  scrape loop_detect loop_explain loop_incident loop_learn loop_verify loop_decide loop_machine"
sanitizer_tests() {
  local module
  build_preset asan $(printf '%s_test ' $sanitized)
  for module in $sanitized; do
    say "sanitized: $module"
    "build/asan/src/${module}_test" --gtest_brief=1
  done
}

# TSan for what owns threads. Left out: the crash tests (one thread and thousands of lives), gRPC (Debian's library is not
# compiled for TSan, which then takes what its atomics order for races), and names (glibc looks them up on threads of its
# own, in which TSan's allocator crashes).
threaded="base io ingest chaos security values ledger net store_engine promql_store"
thread_tests() {
  local module failed=0
  build_preset tsan $(printf '%s_test ' $threaded)
  for module in $threaded; do
    say "threads: $module"
    TSAN_OPTIONS=halt_on_error=1 "build/tsan/src/${module}_test" --gtest_brief=1 \
      --gtest_filter="-*Crash*:Grpc*:HttpClient.ANameThatDoesNotExist" || failed=1
  done
  return $failed
}

cmd_test() {
  cmd_setup
  cmd_tidy
  cmd_grafana --check
  say "building (dev)"
  build_preset dev
  say "unit tests"
  unit_tests dev "${1:-}"
  say "black-box tests"
  black_box_tests dev "${1:-}"
  [ -z "${1:-}" ] || return 0
  say "unit tests under sanitizers"
  sanitizer_tests
}
