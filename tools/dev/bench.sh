# ./dev bench NAME [ARG ...]: build one benchmark of bench/, optimised, and run it. NAME without "_bench"; `values` is given
# the binary that it measures.

cmd_bench() {
  local name=${1:-}
  if [ -z "$name" ]; then
    echo "usage: ./dev bench NAME [ARG ...]; one of: promql" $(cd bench && ls *_bench.cpp | sed 's/_bench\.cpp//') >&2
    return 2
  fi
  if [ "$name" = promql ]; then
    bench_promql "${@:2}"
    return
  fi
  name=${name%_bench}_bench
  cmake --preset release -DHS_BENCH=ON >/dev/null
  cmake --build --preset release --target "$name"
  local measured=()
  if [ "$name" = values_bench ]; then
    build_preset release homeostat
    measured=(build/release/homeostat)
  fi
  "build/release/bench/$name" "${measured[@]}" "${@:2}"
}

# A real Prometheus, from its Go module, without its service discoveries. Three and a half minutes of one core the first
# time.
build_prometheus() {
  (cd bench/promql && go build -tags remove_all_sd -o "$1" github.com/prometheus/prometheus/cmd/prometheus)
}

# Homeostat against a real Prometheus.
bench_promql() {
  local out="$PWD/build/bench-promql"
  if [ -z "${HOMEOSTAT:-}" ]; then
    cmd_build release homeostat
    export HOMEOSTAT="$PWD/build/release/homeostat"
  fi
  mkdir -p "$out"
  (cd bench/promql && go build -o "$out/writer" ./data)
  build_prometheus "$out/prometheus"
  python3 bench/promql/run.py --prometheus "$out/prometheus" --writer "$out/writer" "$@"
}
