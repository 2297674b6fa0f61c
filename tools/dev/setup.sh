# ./dev setup: install every dependency. Each step first looks whether there is anything to do.

deps_cache="${XDG_CACHE_HOME:-$HOME/.cache}/homeostat"

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Installs the Debian packages of a list file that are missing.
apt_install_list() {
  local missing=() package
  while read -r package; do
    case "$package" in ''|'#'*) continue ;; esac
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done < "$1"
  [ ${#missing[@]} -eq 0 ] && return
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# The engine's library: 566 MB, shared by all checkouts of this user. npm checks the lock file's hash.
install_engine() {
  local version home
  version=$(sed -n 's/.*"@chdb\/lib-linux-x64-gnu": "\([^"]*\)".*/\1/p' tools/deps/engine/package.json)
  home="$deps_cache/engine-$version"
  [ -e "$home/libchdb.so" ] && return
  command -v npm >/dev/null || { printf 'npm\n' | apt_install_list /dev/stdin; }
  say "downloading the storage engine (chDB $version)"
  mkdir -p "$home"
  cp tools/deps/engine/package*.json "$home/"
  (cd "$home" && npm ci --ignore-scripts --no-audit --no-fund --silent)
  ln -sfn node_modules/@chdb/lib-linux-x64-gnu/libchdb.so "$home/libchdb.so"
}
engine_library() {
  local version
  version=$(sed -n 's/.*"@chdb\/lib-linux-x64-gnu": "\([^"]*\)".*/\1/p' tools/deps/engine/package.json)
  echo "$deps_cache/engine-$version/libchdb.so"
}

# A Python environment of the project's own, pinned. $1: list below tools/deps. Prints the interpreter.
python_env() {
  local list="tools/deps/$1.txt" home stamp
  home="$deps_cache/python-$1-$(sha256sum "$list" | cut -c1-12)"
  stamp="$home/ready"
  if [ ! -e "$stamp" ]; then
    say "installing Python packages of $list"
    python3 -m venv "$home" && "$home/bin/pip" install -q --disable-pip-version-check -r "$list" >&2 && touch "$stamp"
  fi
  echo "$home/bin/python"
}

cmd_setup() {
  apt_install_list tools/deps/apt.txt
  install_engine
  say "ready"
}
