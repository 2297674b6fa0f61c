# ./dev demo [ARG ...]: break a real application in several ways and watch it being repaired.

demo_tools() {
  local program package
  while read -r program package; do
    case "$program" in ''|'#'*) continue ;; esac
    command -v "$program" >/dev/null || printf '%s\n' "$package"
  done < tools/deps/demo-tools.txt | sort -u | apt_install_list /dev/stdin
}

cmd_demo() {
  local python
  case "${1:-}" in -h|--help|--list) exec python3 demo/run.py "$@" ;; esac
  demo_tools
  python=$(python_env demo-python)
  if [ -z "${HOMEOSTAT:-}" ]; then
    cmd_build release
    export HOMEOSTAT="$PWD/build/release/homeostat"
  fi
  exec "$python" demo/run.py "$@"
}
