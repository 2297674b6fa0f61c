# ./dev test [NAME]: the tests of the README. NAME limits it to the suites (ctest) or files (apptest) that match.

export HOMEOSTAT_SHARED="${HOMEOSTAT_SHARED:-$PWD/../shared}"

unit_tests() { ctest --test-dir "build/$1" --output-on-failure -LE slow ${2:+-R "$2"}; }

# The real binary through its real protocols, by official clients, in real time on a machine that may be busy with other
# things: one or two tests that failed run once more, alone. What passes only then is named as unstable.
unstable_max=2
black_box_tests() {
  local python status=0 cache="$PWD/build/$1/pytest"
  local failed="$cache/v/cache/lastfailed"
  python=$(python_env python)
  local pytest=(env HOMEOSTAT="$PWD/build/$1/homeostat" "$python" -m pytest -q -o cache_dir="$cache" -m "not soak" apptest)
  rm -f "$failed"
  "${pytest[@]}" --durations=10 ${2:+-k "$2"} || status=$?
  [ "$status" != 5 ] || [ -z "${2:-}" ] || return 0  # 5: no test of this name, which is fine then
  [ "$status" = 1 ] && [ "$(grep -c '": true' "$failed")" -le "$unstable_max" ] || return "$status"
  say "what failed, once more and alone"
  cp "$failed" "$cache/unstable"
  "${pytest[@]}" --last-failed || return
  say "UNSTABLE: passed only when run again"
  cat "$cache/unstable"
}

# Pure modules and those that own files and threads, under ASan and UBSan. (The engine's library is not instrumented, so
# store's tests stay outside.)
sanitized="base io model wire_otlp wire_prometheus wire_syslog config security chaos values ledger stream promql rules
  scrape sampling loop_detect loop_explain loop_incident loop_learn loop_verify loop_decide loop_machine"
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
