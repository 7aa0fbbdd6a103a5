#!/bin/bash
# Walk tutorials as printed, each in a fresh root file system of Debian: every command is typed, every output compared.
#
#   tools/walk_tutorials.sh                       all of docs/tutorials, one after the other, in trixie
#   tools/walk_tutorials.sh door probe            these
#   SUITE=bookworm tools/walk_tutorials.sh door   in another release
#
# What is followed is the page, from the installation that it names to its end, by tools/walk_page.py. The reader is somebody with a new
# machine, who may use sudo, answers yes to apt, and has a clone of this checkout. Servers that are installed are started, as on such a
# machine. A root file system takes 300 MB in ~/.cache/empycustom/suites (or $XDG_CACHE_HOME), and 3 GB more while a tutorial is walked, which
# takes some minutes. Ports of servers are those of this machine: a PostgreSQL or a broker that runs here is in the way.
#
# Mounting and chroot need root. Exit code: 0 if all went as printed, 77 if this machine cannot make or enter root file systems, else 1.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=tutorials
. tools/roots.sh
suite=${SUITE:-trixie}
fresh=$suite-fresh
walked=$cache/$suite-walked
packages=$packages,sudo
user=reader

names=("$@")
if [ ${#names[@]} = 0 ]; then
    for page in docs/tutorials/*.md; do
        name=$(basename "$page" .md)
        [ "$name" = index ] || names+=("$name")
    done
fi
for name in "${names[@]}"; do
    [ -f "docs/tutorials/$name.md" ] || fail "there is no docs/tutorials/$name.md"
done

# A machine as somebody has it who has just installed Debian, with a clone of this checkout.
new_machine() {
    local folder=$walked/home/$user/empycustom
    as_root rm -rf --one-file-system "$walked"
    as_root cp --archive --reflink=auto "$cache/$fresh" "$walked"
    network "$walked"
    # pip of somebody who is not root reads the settings of all
    [ ! -e "$walked/root/.config/pip/pip.conf" ] || as_root cp "$walked/root/.config/pip/pip.conf" "$walked/etc/pip.conf"
    quietly inside "$walked" sh -ec '
        useradd --create-home --shell /bin/bash "$1"
        echo "$1 ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/reader
        echo "APT::Get::Assume-Yes \"true\";" >/etc/apt/apt.conf.d/91yes
        apt-get update' sh "$user" || fail "the reader could not be made, for the reason shown above."
    as_root mkdir "$folder"
    checkout | as_root tar --extract --directory "$folder" --no-same-owner
    quietly inside "$walked" chown --recursive "$user:$user" "/home/$user"
}

walk() {
    log "$1: a new machine with $suite"
    new_machine
    inside "$walked" DEBIAN_FRONTEND=noninteractive runuser --user "$user" -- env HOME="/home/$user" LANG=C.UTF-8 \
        sh -c 'cd ~/empycustom && exec python3 tools/walk_page.py "docs/tutorials/$1.md"' sh "$1"
}

check_permissions
maker
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"; as_root rm -rf --one-file-system "$walked"' EXIT
exec 9>"$cache/$fresh.lock"
flock --nonblock 9 || { log "waiting for another run"; flock 9; }
root_of "$fresh" "$suite" "$packages"
failed=()
for name in "${names[@]}"; do
    walk "$name" || failed+=("$name")
done
[ ${#failed[@]} = 0 ] || fail "not as printed: ${failed[*]}"
log "all is as printed: ${names[*]}"
