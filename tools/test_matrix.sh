#!/bin/bash
# Run the tests on other versions of GStreamer, Python and PyGObject: in root file systems of Debian's suites.
#
#   tools/test_matrix.sh                         bookworm (1.22), trixie (1.26) and forky (1.28), one after the other
#   tools/test_matrix.sh trixie                  that one
#   tools/test_matrix.sh trixie -- -k crop -x    arguments after -- go to pytest
#
# The root file systems are made by mmdebstrap or debootstrap and kept in ~/.cache/empycustom/suites (or $XDG_CACHE_HOME, 3 GB
# each): the first run of a suite takes some minutes longer. They are made again after a change of tools/setup.sh or
# pyproject.toml, or if they were removed. Packages come from $DEBIAN_MIRROR, by default from the mirror that apt uses here.
#
# Mounting and chroot need root. Exit code: 0 if all passed, 77 if this machine cannot make or enter root file systems, else 1.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${HOME:=/root}"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/empycustom/suites
stamp=$(cat tools/setup.sh pyproject.toml | cksum)

log() { echo "matrix: $*"; }
fail() { echo "matrix: error: $*" >&2; exit 1; }
cannot() { echo "matrix: skipped: $*" >&2; exit 77; }

suites=()
while [ $# != 0 ] && [ "$1" != -- ]; do
    [[ $1 =~ ^[a-z]+$ ]] || fail "a suite of Debian is expected, such as trixie, not $1; arguments for pytest come after --"
    suites+=("$1")
    shift
done
shift $(($# > 0))
[ ${#suites[@]} != 0 ] || suites=(bookworm trixie forky)

# Variables for fetching packages, here and inside, and for the tests.
wanted='^(https?_proxy|no_proxy|all_proxy|PIP_.*|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|EMPYCUSTOM_.*|CI|TERM)='
mapfile -d '' -t settings < <(env -0 | grep -ziE "$wanted" || true)

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo env "${settings[@]}" "$@"; fi
}

# Run a command with much output; show the output only if it fails.
quietly() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 || { status=$?; tail -n 40 "$log" >&2; }
    rm -f "$log"
    return $status
}

# Run a command whose mounts only it can see; its mounts and processes end with it.
unshared() { as_root unshare --mount --pid --fork --kill-child "$@"; }

check_permissions() {
    [ "$(id -u)" = 0 ] || { command -v sudo && sudo true; } >/dev/null || cannot "root file systems need root, and there is no sudo here."
    mkdir -p "$cache"
    chmod 700 "$cache"
    command -v unshare >/dev/null || cannot "there is no \`unshare\` here; it is in the package util-linux."
    quietly unshared true || cannot "this machine does not allow private mounts (a container without CAP_SYS_ADMIN?)."
    quietly unshared mount --bind "$cache" "$cache" || cannot "mounting is not allowed here (a container without CAP_SYS_ADMIN?)."
    quietly unshared mount -t proc proc /proc || cannot "/proc cannot be mounted here (a container that hides parts of it?)."
    quietly as_root chroot / true || cannot "chroot is not allowed here (a container without CAP_SYS_CHROOT?)."
    local device=$cache/device.$$ usable=yes
    { quietly as_root mknod "$device" c 1 3 && quietly as_root sh -c 'echo >"$1"' sh "$device"; } || usable=''
    as_root rm -f "$device"
    [ -n "$usable" ] ||
        cannot "device files cannot be made and used in $cache (a container without CAP_MKNOD, or a mount with nodev?)."
}

# The program that makes root file systems, and the keys with which Debian signs its suites.
keys=/usr/share/keyrings/debian-archive-keyring.gpg
maker() {
    local missing=()
    command -v mmdebstrap >/dev/null || command -v debootstrap >/dev/null || [ -x /usr/sbin/debootstrap ] || missing+=(debootstrap)
    [ -s $keys ] || missing+=(debian-archive-keyring)
    [ ${#missing[@]} = 0 ] && return
    command -v apt-get >/dev/null || cannot "debootstrap makes the root file systems: install ${missing[*]}, then run this again."
    log "installing with apt: ${missing[*]}"
    quietly as_root apt-get update || log "apt-get update had problems, shown above; continuing"
    quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}" ||
        fail "apt-get install failed, for the reason shown above."
}

mirror() {
    local here=''
    here=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Label: Debian' 'Component: main' 2>/dev/null) || true
    here=${here%%$'\n'*}
    echo "${DEBIAN_MIRROR:-${here:-http://deb.debian.org/debian}}"
}

apt_settings() { apt-config dump 2>/dev/null | grep -E '^Acquire::(https?|Check-Date|Check-Valid-Until|Retries|ForceIPv[46])\b' || true; }

packages=python3,ca-certificates

# make_root SUITE FOLDER
make_root() {
    local options=() from
    from=$(mirror)
    if command -v mmdebstrap >/dev/null; then
        apt_settings >"$scratch/apt.conf"
        quietly as_root mmdebstrap --mode=root --variant=minbase --include=$packages --keyring=$keys \
            --aptopt="$scratch/apt.conf" "$1" "$2" "deb $from $1 main"
        return
    fi
    # Suites that are newer than debootstrap are made like sid.
    [ -e "/usr/share/debootstrap/scripts/$1" ] || options=(sid)
    quietly unshared env PATH="$PATH:/usr/sbin:/sbin" \
        debootstrap --variant=minbase --include=$packages --keyring=$keys "$1" "$2" "$from" "${options[@]}"
}

# The root file system of a suite: the existing one, or a new one.
root_of() {
    local suite=$1 root=$cache/$1
    if [ "$(as_root cat "$root/stamp" 2>/dev/null)" = "$stamp" ]; then
        log "$suite: using $root, made on $(date --reference "$root/stamp" +%F)"
        return
    fi
    log "$suite: making a root file system in $root"
    as_root rm -rf --one-file-system "$root" "$root.new"
    make_root "$suite" "$root.new" || cannot "the root file system of $suite could not be made, for the reason shown above."
    # No service may start inside, and a root that can be made again need not be synced to disk.
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$root.new/usr/sbin/policy-rc.d" >/dev/null
    as_root chmod +x "$root.new/usr/sbin/policy-rc.d"
    echo force-unsafe-io | as_root tee "$root.new/etc/dpkg/dpkg.cfg.d/unsafe-io" >/dev/null
    echo "$stamp" | as_root tee "$root.new/stamp" >/dev/null
    as_root mv "$root.new" "$root"
}

# copy_in ROOT FILE [PATH INSIDE]: copy a file into the root, if it exists
copy_in() {
    [ -e "$2" ] || return 0
    as_root mkdir -p "$(dirname "$1${3:-$2}")"
    as_root cp --dereference "$2" "$1${3:-$2}"
}

# The network settings of this machine: names, certificates, settings of apt and pip.
network() {
    local root=$1 file setting
    apt_settings | as_root tee "$root/etc/apt/apt.conf.d/90here" >/dev/null
    for file in /etc/resolv.conf /etc/hosts /etc/pip.conf; do copy_in "$root" "$file"; done
    for file in .config/pip/pip.conf .pip/pip.conf; do copy_in "$root" "$HOME/$file" "/root/$file"; done
    for file in /usr/local/share/ca-certificates/*.crt; do copy_in "$root" "$file"; done
    inside "$root" update-ca-certificates >/dev/null 2>&1 || true
    copy_in "$root" /etc/ssl/certs/ca-certificates.crt
    for setting in "${settings[@]}"; do
        case $setting in
            PIP_CERT=/* | SSL_CERT_FILE=/* | REQUESTS_CA_BUNDLE=/* | CURL_CA_BUNDLE=/*) copy_in "$root" "${setting#*=}" ;;
        esac
    done
}

# inside ROOT COMMAND...: run a command inside
inside() {
    local root=$1
    shift
    unshared bash -c '
        set -e
        root=$1
        shift
        mount -t proc proc "$root/proc"
        mount --rbind /sys "$root/sys"
        mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
        mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
        status=0
        chroot "$root" env -i "$@" || status=$?
        exit $status
    ' bash "$root" HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${settings[@]}" "$@"
}

# The current checkout, without ignored files.
checkout() {
    if git ls-files >/dev/null 2>&1; then
        # without removed files
        comm -z -23 <(git ls-files -z --cached --others --exclude-standard | sort -zu) <(git ls-files -z --deleted | sort -z) |
            tar --create --null --files-from=-
    else
        tar --create --exclude=.git --exclude-from=<(sed 's:/$::' .gitignore) .
    fi
}

# Print the results as a line of the table.
results='
import sys
import xml.etree.ElementTree as tree
import gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst
Gst.init(None)
versions = [".".join(map(str, version[:3])) for version in (Gst.version(), sys.version_info, gi.version_info)]
tests = next(tree.parse("/tmp/results.xml").iter("testsuite"))
total, skipped, failed, errors = (int(tests.get(name)) for name in ("tests", "skipped", "failures", "errors"))
print(*versions, total - skipped - failed - errors, failed + errors, skipped, round(float(tests.get("time"))))
'
row() { printf '%-10s %-10s %-8s %-10s %7s %7s %8s %8s\n' "$@"; }

# test_in SUITE [PYTEST ARGUMENTS]: write its line of the table to the file of that name
test_in() {
    local suite=$1 root=$cache/$1 status=0 line cells
    shift
    root_of "$suite"
    network "$root"
    as_root sh -c 'mkdir -p "$1/src" && find "$1/src" -mindepth 1 -maxdepth 1 ! -name .venv -exec rm -rf {} +' sh "$root"
    checkout | as_root tar --extract --directory "$root/src" --no-same-owner
    log "$suite: tools/setup.sh dev"
    inside "$root" bash -c '/src/tools/setup.sh dev 2>/tmp/errors || { cat /tmp/errors >&2; exit 1; }' ||
        fail "$suite: the set-up failed, for the reason shown above."
    inside "$root" apt-get clean
    log "$suite: the tests"
    inside "$root" bash -c 'rm -f /tmp/results.xml && exec /src/tools/test.sh --junitxml=/tmp/results.xml "$@"' bash "$@" || status=$?
    # Without arguments, run those of the elements a second time.
    [ $# != 0 ] || inside "$root" /src/tools/test.sh slow-path || status=$?
    line=$(inside "$root" /src/.venv/bin/python -c "$results") || fail "$suite: pytest left no results."
    read -ra cells <<<"$line"
    row "$suite" "${cells[@]}" >"$scratch/$suite"
    return $status
}

check_permissions
maker
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
worst=0
for suite in "${suites[@]}"; do
    # In its own process, so that the others continue after a failure.
    set +e
    (
        set -e
        exec 9>"$cache/$suite.lock"
        flock --nonblock 9 || { log "$suite: waiting for another run in it"; flock 9; }
        test_in "$suite" "$@"
    )
    status=$?
    set -e
    [ -s "$scratch/$suite" ] || row "$suite" - - - - - - - >"$scratch/$suite"
    case $status in
        0) ;;
        77) [ $worst != 0 ] || worst=77 ;;
        *) worst=1 ;;
    esac
done
echo
row suite GStreamer Python PyGObject passed failed skipped seconds
for suite in "${suites[@]}"; do cat "$scratch/$suite"; done
exit $worst
