#!/bin/bash
# Do the steps of packaging/Containerfile in a root file system of Debian, and run packaging/compose/compose.yaml in it: without a
# registry and without a container engine. tools/container.py reads the files.
#
# What comes before the first COPY is kept in ~/.cache/empycustom/suites (or $XDG_CACHE_HOME; 2 GB), and made again when that changes.
# Mounting and chroot need root. The broker is the mosquitto of this machine, which tools/setup.sh dev installs.
# Exit code: 0 if all works, 77 if this machine cannot make or enter root file systems, else 1.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=container
. tools/roots.sh
python=$PWD/.venv/bin/python
[ -x "$python" ] || fail "there is no .venv: run tools/setup.sh dev"
root=$cache/trixie-container

in_order() { inside "$root" sh -c "$1"; }

check_permissions
maker
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
exec 9>"$cache/trixie-container.lock"
flock --nonblock 9 || { log "waiting for another run"; flock 9; }
kept=$("$python" tools/container.py build kept)
root_of trixie-container trixie "$(cksum <<<"$kept")"
network "$root"
if ! as_root test -e "$root/kept"; then
    log "the instructions before the first COPY"
    quietly in_order "$kept" || fail "an instruction failed, as shown above."
    as_root touch "$root/kept"
fi
log "the instructions from the first COPY on"
as_root rm -rf "$root/.context"
as_root mkdir "$root/.context"
checkout | as_root tar --extract --directory "$root/.context" --no-same-owner
quietly in_order "$("$python" tools/container.py build rest)" || fail "an instruction failed, as shown above."
as_root rm -rf "$root/.context"
log "the services of compose.yaml"
chmod 711 "$scratch"
unshared --net bash -c '
    set -e
    root=$1
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t proc proc /proc
    mount --rbind /sys "$root/sys"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    exec "$2" tools/container.py try "$root" "$3"
' bash "$root" "$python" "$scratch"
log "works: packaging/Containerfile, packaging/compose/compose.yaml"
