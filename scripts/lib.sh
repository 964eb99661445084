# Shared by the scripts of this folder; sourced, never run.
# shellcheck shell=bash
export LC_ALL=C.UTF-8
umask 022
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# Runs a command as root: directly, or through sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "needs root or sudo for: $*"
  fi
}

# Runs a command as a user whom PostgreSQL accepts: postgres for root, else ourselves. PostgreSQL
# wants a working directory that it can read.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then
    (cd / && runuser -u postgres -- "$@")
  else
    (cd / && "$@")
  fi
}

# The major version to build for: what PG_CONFIG names, else the newest installed server, else what
# the distribution calls "postgresql" (needs package lists).
pg_major() {
  local server
  if [ -n "${PG_CONFIG:-}" ]; then
    "$PG_CONFIG" --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/'
    return
  fi
  server=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)
  if [ -x "$server" ]; then
    basename "${server%/bin/postgres}"
    return
  fi
  apt-cache depends postgresql 2>/dev/null | sed -nE 's/.*Depends: postgresql-([0-9]+)$/\1/p' | head -n 1
}

# Sets and exports PG_CONFIG, unless the caller has.
choose_pg_config() {
  local major
  if [ -z "${PG_CONFIG:-}" ]; then
    major=$(pg_major)
    PG_CONFIG=/usr/lib/postgresql/$major/bin/pg_config
    [ -x "$PG_CONFIG" ] || PG_CONFIG=pg_config
  fi
  command -v "$PG_CONFIG" >/dev/null || die "no pg_config: install PostgreSQL's server headers, or set PG_CONFIG"
  export PG_CONFIG
}

# Copies the tree without what was built in it: what is built and written by a run stays with it.
copy_tree() {
  local to=$1
  mkdir -p "$to"
  tar -C "$top" --exclude=./.git --exclude='./build*' --exclude=./node_modules --exclude=./results \
    --exclude=./tmp_check --exclude=./output_iso --exclude='*.o' --exclude='*.so' --exclude='*.bc' --exclude='*.d' \
    -cf - . | tar -C "$to" --no-same-owner -xf -
}

# A short directory for sockets and clusters that postgres can enter: $1 is a word for its name.
make_work_dir() {
  local dir
  dir=$(mktemp -d "${TMPDIR:-/tmp}/$1.XXXXXX")
  chmod 755 "$dir"
  printf '%s\n' "$dir"
}

# Compilers through ccache where there is one: what was built once, in whatever directory of this kind, is not built again.
# Sets `ccache` for CMake.
use_ccache() { # DIRECTORY OF THE BUILD
  ccache=
  if command -v ccache >/dev/null; then
    # shellcheck disable=SC2034
    ccache=ccache
    export PATH=/usr/lib/ccache:$PATH CCACHE_BASEDIR=$1 CCACHE_NOHASHDIR=1
  fi
}
