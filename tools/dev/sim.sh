# ./dev sim [ARG ...]: the loop against simulated applications; ./dev sim --help tells the arguments.

cmd_sim() {
  cmd_setup
  [ -e build/release/build.ninja ] || cmake --preset release >/dev/null
  cmake --build --preset release --target homeostat_sim
  build/release/homeostat_sim "$@"
}

# For soak (CI runs 23 seeds as a unit test): one incident of every kind, then mutants of the loop, each where the laws
# are known to notice it. Not here: swapped-arms and first-look, which the laws do not notice yet.
sim_mutants() {
  cmd_sim --seeds 23 || return 1
  sim_must_notice no-corroboration --from 11 --seeds 1 &&
    sim_must_notice no-revert --from 1 --seeds 1 &&
    sim_must_notice no-lease --kind two --seeds 60 &&
    sim_must_notice no-mismatch-check --kind survivors --seeds 42
}
sim_must_notice() {
  local status=0
  build/release/homeostat_sim --mutant "$@" > /dev/null || status=$?
  [ "$status" = 1 ] && return
  say "the laws did not notice the mutant $1 (exit $status)"
  return 1
}
