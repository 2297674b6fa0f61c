# ./dev soak [OPTION ...] [PART ...]: what is too long for CI, at idle priority, so that it can run beside work.

soak_usage() {
  cat <<'TEXT'
usage: ./dev soak [--hours H] [--kills N] [--seed S] [--full-rate-seconds S] [PART ...]
  kills     N random kill -9 of serve, the engine, both, also during replay (default 200)
  stop      seconds from SIGTERM to the end, whatever hangs: clients, targets, receivers, the engine
  threads   the modules that own threads under TSan, and kill -9 of their journal simulated
  sim       healthy hours and incidents in simulated applications, and every mutant of the loop
  fuzz      every fuzz target, the same time for each
  retention the store's bound under ingest at full speed
  prometheus a real Prometheus remote-writing, native histograms too; both answer queries alike, panels of dashboards too
  rate      ingest at full speed: memory, exactly once, how fast
  full_rate all three signals at once at the maximum rate (default 3600 s): memory flat, queues and parts bounded
--hours H (default 8) is shared: half for fuzz, a quarter for sim, an eighth each for retention and rate. Results:
soak/<date>/<part>.txt (the end of the output) and a line in soak/<date>/results.jsonl; both belong into the repository.
TEXT
}

# Runs one part; its last lines and its result stay.
soak_part() {
  local part=$1 home=$2 started=$SECONDS code=0
  shift 2
  say "soak: $part"
  "$@" >"build/soak-$part.log" 2>&1 || code=$?
  tail -n 60 "build/soak-$part.log" | cut -c1-300 >"$home/$part.txt"
  printf '{"part": "%s", "at": "%s", "commit": "%s", "seconds": %d, "exit_code": %d}\n' "$part" \
    "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(git rev-parse --short HEAD)" $((SECONDS - started)) "$code" >>"$home/results.jsonl"
  [ "$code" = 0 ] || echo "soak: $part FAILED ($code); see build/soak-$part.log" >&2
  soak_failed=$((soak_failed + (code != 0)))
}

soak_program() { (cd apptest && HOMEOSTAT="$soak_binary" "$soak_python" "$@"); }

soak_kills() { HOMEOSTAT_KILLS=$1 HOMEOSTAT_SEED=$2 soak_program test_kill.py; }

soak_prometheus() {
  local out="$PWD/build/bench-promql"
  mkdir -p "$out"
  build_prometheus "$out/prometheus"
  HOMEOSTAT="$soak_binary" HOMEOSTAT_PROMETHEUS="$out/prometheus" "$soak_python" -m pytest -q -p no:cacheprovider -m soak \
    apptest/test_real_prometheus.py apptest/test_panels.py
}

soak_sim() {
  cmd_sim --mutants && cmd_sim --seeds "$1" --healthy-hours "$2"
}

soak_full_rate() {
  local out="$PWD/build/bench-ingest"
  load_generator "$out"
  HOMEOSTAT="$soak_binary" python3 bench/ingest/full_rate.py --generator "$out/loadgen" --seconds "$1"
}

# Each target for so many seconds; corpora that grew stay in build/ for the next time.
soak_fuzz() {
  local target name count seconds failed=0
  build_preset fuzz fuzzers
  count=$(find build/fuzz/src -maxdepth 1 -name '*_fuzz' -type f | wc -l)
  seconds=$(($1 / count))
  for target in build/fuzz/src/*_fuzz; do
    name=$(basename "$target")
    mkdir -p "build/corpus/$name"
    say "$name for $seconds s"
    if "$target" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 -print_final_stats=1 -verbosity=0 \
      -artifact_prefix=build/fuzz/ "build/corpus/$name" >"build/soak-$name.log" 2>&1; then
      grep -E "^Done|number_of_executed|peak_rss" "build/soak-$name.log" || true
    else
      tail -n 40 "build/soak-$name.log"
      failed=1
    fi
  done
  return $failed
}

cmd_soak() {
  local hours=8 kills=200 seed=0 full_rate_seconds=3600 parts=() home part
  while [ $# -gt 0 ]; do
    case "$1" in
      --hours) hours=$2; shift ;;
      --kills) kills=$2; shift ;;
      --seed) seed=$2; shift ;;
      --full-rate-seconds) full_rate_seconds=$2; shift ;;
      kills|stop|threads|sim|fuzz|retention|rate|full_rate|prometheus) parts+=("$1") ;;
      *) soak_usage; return 2 ;;
    esac
    shift
  done
  [ ${#parts[@]} -gt 0 ] || parts=(kills stop threads prometheus sim retention rate full_rate fuzz)
  cmd_setup
  build_preset release homeostat
  renice -n 19 $$ >/dev/null
  chrt --idle -p 0 $$ 2>/dev/null || true
  soak_failed=0
  soak_binary="$PWD/build/release/homeostat"
  soak_python=$(python_env python)
  home="soak/$(date -u +%Y-%m-%d)"
  mkdir -p "$home"
  local s_of
  s_of() { awk -v h="$hours" -v share="$1" 'BEGIN { printf "%d", h * 3600 * share }'; }
  for part in "${parts[@]}"; do
    case "$part" in
      kills) soak_part kills "$home" soak_kills "$kills" "$seed" ;;
      stop) soak_part stop "$home" soak_program test_stop.py ;;
      threads) soak_part threads "$home" thread_tests ;;
      prometheus) soak_part prometheus "$home" soak_prometheus ;;
      # About 25 simulated healthy hours and 300 incidents fit into a quarter of an hour of one core.
      sim) soak_part sim "$home" soak_sim "$(($(s_of 0.25) / 3))" "$(($(s_of 0.25) / 36))" ;;
      fuzz) soak_part fuzz "$home" soak_fuzz "$(s_of 0.5)" ;;
      retention) soak_part retention "$home" soak_program soak_ingest.py --retention 50000000 \
        --minutes "$(($(s_of 0.125) / 60 + 1))" ;;
      full_rate) soak_part full_rate "$home" soak_full_rate "$full_rate_seconds" ;;
      rate) soak_part rate "$home" soak_program soak_ingest.py --minutes "$(($(s_of 0.125) / 60 + 1))" ;;
    esac
  done
  return "$soak_failed"
}
