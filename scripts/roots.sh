# Roots of Debian suites: made by mmdebstrap, kept, entered by chroot in namespaces of their own. Sourced, never run.
# shellcheck shell=bash
roots=${MEND_ROOTS:-/var/cache/mendpg}

# What apt takes Debian itself from.
mirror() {
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sort | sed -n 1p
}

# Makes $roots/NAME unless it is there as this recipe would make it. Further arguments go to mmdebstrap.
make_root() { # SUITE, NAME, PACKAGES (comma-separated), ARGUMENT ...
  local suite=$1 root=$roots/$2 include=${3%,} from stamp
  shift 3
  stamp="$suite $include $(printf '%s\n' "$@" "$(declare -f make_root)" | sha256sum | cut -c1-12)"
  [ "$(cat "$root/.stamp" 2>/dev/null)" != "$stamp" ] || return 0
  command -v mmdebstrap >/dev/null || die "needs mmdebstrap (apt-get install mmdebstrap)"
  from=$(mirror)
  [ -n "$from" ] || die "apt has no Debian source to take $suite from"
  say "making a root of $suite in $root"
  mkdir -p "$roots"
  rm -rf --one-file-system "$root"
  # shellcheck disable=SC2016
  mmdebstrap --quiet --variant=apt --include="$include" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Retries "3"' \
    --setup-hook='mkdir -p "$1/etc/postgresql-common" && echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"' \
    --customize-hook='mkdir -m 1777 "$1/src" "$1/shared" "$1/old" "$1/var/cache/ccache"' \
    "$@" "$suite" "$root" "$from" >"$root.log" 2>&1 || { tail -n 40 "$root.log" >&2; die "no root of $suite"; }
  say "$stamp" >"$root/.stamp"
}

# Keeps the root from being made anew while somebody is in it: call before make_root, and hold_root after it.
lock_root() { mkdir -p "$roots"; exec 9>"$roots/$1.lock"; flock 9; }
hold_root() { flock -s 9; }

# Runs a command as the root's root. Nothing that runs in there outlives it. TREE is seen at /src, read-only, and what the variables
# SHARED and OLD name at /shared and /old. With OVERLAY=1 nothing of what is written there stays.
in_root() { # ROOT, COMMAND ...
  local root=$1
  shift
  # shellcheck disable=SC2016
  root=$root tree=${TREE:-} shared=${SHARED:-} old=${OLD:-} overlay=${OVERLAY:-} unshare --mount --pid --ipc --fork --kill-child --propagation private bash -c '
    set -e
    cache=$root/var/cache/ccache
    if [ -n "$overlay" ]; then
      mount -t tmpfs tmpfs /mnt
      mkdir /mnt/upper /mnt/work /mnt/root
      mount -t overlay overlay -o "lowerdir=$root,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
      root=/mnt/root
      mount --bind "$cache" "$root/var/cache/ccache"
    fi
    mount -t proc proc "$root/proc"
    if [ -n "$tree" ]; then mount --bind "$tree" "$root/src"; mount -o remount,bind,ro "$root/src"; fi
    [ -z "$shared" ] || mount --bind "$shared" "$root/shared"
    [ -z "$old" ] || mount --bind "$old" "$root/old"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    [ -c "$root/dev/null" ] || mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    exec chroot "$root" env -i -C / HOME=/root PATH=/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 LC_ALL=C.UTF-8 \
      CCACHE_DIR=/var/cache/ccache CCACHE_NOHASHDIR=1 CCACHE_UMASK=000 ${CCACHE_DISABLE:+CCACHE_DISABLE=1} "$@"' in_root "$@"
}

in_overlay() { OVERLAY=1 in_root "$@"; }
