# ./dev bench NAME [ARG ...]: build one benchmark of bench/, optimised, and run it

cmd_bench() {
  local name=${1:-}
  if [ -z "$name" ]; then
    echo "usage: ./dev bench NAME [ARG ...]; one of: $(cd bench && ls *_bench.cpp | sed 's/\.cpp//' | tr '\n' ' ')" >&2
    return 2
  fi
  cmake --preset release -DHS_BENCH=ON >/dev/null
  cmake --build --preset release --target "$name"
  "build/release/bench/$name" "${@:2}"
}
