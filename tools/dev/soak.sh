# ./dev soak: what is too long for CI. Each part's output goes to soak/<date>/, which is kept in the repository.

soak_fuzz_seconds=600
soak_kills=200

cmd_soak() {
  cmd_setup
  build_preset release
  local home python
  home="soak/$(date -u +%Y-%m-%d)"
  mkdir -p "$home"
  python=$(python_env python)
  say "$soak_kills random kills of serve, engine and both (results in $home/kills.txt)"
  HOMEOSTAT="$PWD/build/release/homeostat" HOMEOSTAT_KILLS=$soak_kills "$python" -m pytest -q -p no:cacheprovider \
    apptest/test_kill.py 2>&1 | tee "$home/kills.txt"
  say "official SDK clients that must be built first ($home/sdk.txt)"
  HOMEOSTAT="$PWD/build/release/homeostat" "$python" -m pytest -q -p no:cacheprovider -m soak apptest/test_sdk.py 2>&1 |
    tee "$home/sdk.txt"
  say "a hundred healthy hours and many incidents, simulated ($home/sim.txt)"
  cmd_sim --seeds 2300 --healthy-hours 100 2>&1 | tee "$home/sim.txt"
  say "threads under TSan"
  thread_tests
  say "each fuzz target for $soak_fuzz_seconds s ($home/fuzz.txt)"
  fuzz_all "$soak_fuzz_seconds" 2>&1 | tee "$home/fuzz.txt"
}
