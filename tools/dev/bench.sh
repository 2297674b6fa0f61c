# ./dev bench NAME [ARG ...]: build one benchmark of bench/, optimised, and run it. NAME without "_bench"; `values` is given
# the binary that it measures.

cmd_bench() {
  local name=${1:-}
  if [ -z "$name" ]; then
    echo "usage: ./dev bench NAME [ARG ...]; one of: promql ingest rules" \
      $(cd bench && ls *_bench.cpp | sed 's/_bench\.cpp//') >&2
    return 2
  fi
  case "$name" in
    promql|ingest|rules) "bench_$name" "${@:2}"; return ;;
  esac
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

# What is measured: the binary that HOMEOSTAT names, or the one of this source.
measured_homeostat() {
  [ -z "${HOMEOSTAT:-}" ] || return 0
  cmd_build release homeostat
  export HOMEOSTAT="$PWD/build/release/homeostat"
}

# Homeostat against a real Prometheus.
bench_promql() {
  local out="$PWD/build/bench-promql"
  need_go "bench promql"
  measured_homeostat
  mkdir -p "$out"
  (cd bench/promql && go build -o "$out/writer" ./data)
  build_prometheus "$out/prometheus"
  python3 bench/promql/run.py --prometheus "$out/prometheus" --writer "$out/writer" "$@"
}

# The OpenTelemetry Collector, from its Go modules by its own builder. One minute of one core the first time.
build_collector() {
  mkdir -p "$1"
  sed "s#^dist:#&\n  output_path: $1#" bench/ingest/collector.yaml >"$1/builder.yaml"
  go run go.opentelemetry.io/collector/cmd/builder@v0.162.0 --config "$1/builder.yaml" >"$1/builder.log" 2>&1 ||
    { cat "$1/builder.log" >&2; return 1; }
}

# The load generator, which is not part of this repository, into folder $1.
load_generator() {
  local generator="${HOMEOSTAT_SHARED:-../shared}/bench/loadgen"
  if [ ! -d "$generator" ]; then
    echo "no load generator at $generator; HOMEOSTAT_SHARED names the folder that has bench/loadgen" >&2
    return 2
  fi
  mkdir -p "$1"
  (cd "$generator" && go build -o "$1/loadgen" .)
}

# $1: what for. From 1.21 on Go fetches the tool chain that modules name.
need_go() {
  local version
  version=$(go env GOVERSION 2>/dev/null || true)
  case "$version" in
    go1.2[1-9]*|go1.[3-9][0-9]*|go[2-9]*) return 0 ;;
  esac
  echo "./dev $1: what is measured beside Homeostat is built from Go modules, and there is ${version:-no go} on PATH:" \
    "install Go 1.21 or newer (https://go.dev/dl; Debian 12's is too old), which fetches the version that they name" >&2
  return 2
}

# Homeostat and its agent beside the Collector and Prometheus, taking the same telemetry.
bench_ingest() {
  local out="$PWD/build/bench-ingest"
  case " $* " in *" --help "*|*" -h "*) python3 bench/ingest/run.py --help; return ;; esac
  need_go "bench ingest"
  load_generator "$out"
  say "homeostat"
  measured_homeostat
  say "the Collector (the first time about a minute)"
  [ -x "$out/collector/collector" ] || build_collector "$out/collector"
  say "Prometheus (the first time about four minutes)"
  build_prometheus "$out/prometheus"
  say "engine_bench"
  cmake --preset release -DHS_BENCH=ON >/dev/null
  cmake --build --preset release --target engine_bench >/dev/null
  python3 bench/ingest/run.py --generator "$out/loadgen" --collector "$out/collector/collector" \
    --prometheus "$out/prometheus" --engine-bench build/release/bench/engine_bench "$@"
}

# What rules cost: many small ones and a few over everything, every 15 s.
bench_rules() {
  measured_homeostat
  "$(python_env python)" bench/rules/run.py "$@"
}
