# Functions for root file systems of Debian's suites, for the scripts here that need some (`. tools/roots.sh`); nothing is done yet.
#
# They are made by mmdebstrap or debootstrap and kept in $cache. Packages come from $DEBIAN_MIRROR, by default from the mirror that
# apt uses here. The script sets `tool`, the name in messages, and stands in the project's folder.
: "${HOME:=/root}"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/empycustom/suites

log() { echo "$tool: $*"; }
fail() { echo "$tool: error: $*" >&2; exit 1; }
cannot() { echo "$tool: skipped: $*" >&2; exit 77; }

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

# root_of NAME SUITE STAMP: the root file system of this name, with the policies of one for tests: the existing one if it was made
# for STAMP, or a new one.
root_of() {
    local name=$1 suite=$2 stamp=$3 root=$cache/$1
    if [ "$(as_root cat "$root/stamp" 2>/dev/null)" = "$stamp" ]; then
        log "$name: using $root, made on $(date --reference "$root/stamp" +%F)"
        return
    fi
    log "$name: making a root file system in $root"
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
