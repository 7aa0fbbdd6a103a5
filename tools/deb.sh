#!/bin/bash
# Build the Debian package, and try it: in root file systems of Debian, one to build and one of a user who has nothing else.
#
#   tools/deb.sh             trixie, the oldest release that has all that the package needs (python3-orjson); into dist/
#   tools/deb.sh forky       another release
#
# It takes the files as they are in this checkout. The root file systems are kept in ~/.cache/empycustom/suites (or
# $XDG_CACHE_HOME; 2 GB together), and made again after a change of packaging/debian/control. Mounting and chroot need root.
# Exit code: 0 if the package was built and works, 77 if this machine cannot make or enter root file systems, else 1.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=deb
. tools/roots.sh
suite=${1:-trixie}
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' src/empycustom/__init__.py)
stamp=$(cksum <packaging/debian/control)
builder=$suite-build user=$suite-user
elements=(empycustom aimeta metapublish perf gvapython hailopython)

# with_lock NAME: no other run uses this root file system until this one ends
with_lock() {
    exec {lock}>"$cache/$1.lock"
    flock --nonblock "$lock" || { log "$1: waiting for another run in it"; flock "$lock"; }
}

# Debian's changelog: the version, and the time of the last commit, so that the same commit gives the same package.
changelog() {
    printf 'empycustom (%s) %s; urgency=medium\n\n  * CHANGELOG.md lists what changed.\n\n -- %s  %s\n' \
        "$version" "$suite" "$(sed -n 's/^Maintainer: //p' packaging/debian/control)" \
        "$(git log -1 --format=%cD 2>/dev/null || date --utc --rfc-email --reference CHANGELOG.md)"
}

install_in() {
    local root=$cache/$1
    shift
    quietly inside "$root" DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
}

build() {
    local root=$cache/$builder source=/build/empycustom-$version
    root_of "$builder" "$suite" "$stamp"
    network "$root"
    as_root rm -rf "$root/build"
    as_root mkdir -p "$root$source"
    checkout | as_root tar --extract --directory "$root$source" --no-same-owner
    as_root cp -r packaging/debian "$root$source/debian"
    changelog | as_root tee "$root$source/debian/changelog" >/dev/null
    log "$builder: installing what the build needs"
    { install_in "$builder" build-essential lintian &&
        quietly inside "$root" DEBIAN_FRONTEND=noninteractive apt-get build-dep --yes --no-install-recommends "$source"; } ||
        fail "what the build needs could not be installed, for the reason shown above."
    log "$builder: dpkg-buildpackage"
    quietly inside "$root" sh -c 'cd "$1" && dpkg-buildpackage --unsigned-source --unsigned-changes' sh "$source" ||
        fail "dpkg-buildpackage failed, for the reason shown above."
    log "$builder: lintian"
    inside "$root" sh -c 'lintian --allow-root --fail-on error,warning /build/*.changes' || fail "lintian found what is shown above."
    mkdir -p dist
    rm -f dist/empycustom_*
    cp "$root"/build/empycustom_* dist/
}

# Run a command as a user of that system, in a folder of his own, without a variable of GStreamer.
as_user() { inside "$cache/$user" setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/home/user sh -c "cd && $1"; }

library='import empycustom, tqdm
def process_ip(io_buffer, in_meta, options):
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        return {"frame": {"tqdm": tqdm.__file__, "file": empycustom.__file__, "brightness": round(frame.rgb.mean())}}
'
attached='"file":"/usr/lib/python3/dist-packages/empycustom/__init__.py","brightness":'

pipeline='gst-launch-1.0 -q videotestsrc num-buffers=3 ! video/x-raw,format=RGBA ! empycustom in-place=true'
pipeline+=' custom-lib=brightness.py ! aimeta silent=false ! fakesink'

# expect NUMBER COMMAND [TEXT]: the user's command succeeds, and prints so many lines with what the library has attached, and with TEXT
expect() {
    local printed
    printed=$(as_user "$2") || fail "this failed: $2
$printed"
    [ "$(grep -F "$attached" <<<"$printed" | grep -cF "${3:-}")" = "$1" ] || fail "$1 documents with the library's values were expected of: $2
$printed"
    log "$user: works: $2"
}

# The elements are found, by somebody whose registry is of the time before, too; and are gone when the package is removed.
try_out() {
    local root=$cache/$user package element left
    root_of "$user" "$suite" "$stamp"
    network "$root"
    as_root rm -rf "$root/home/user"
    as_root install -d -o 65534 -g 65534 "$root/home/user"
    printf '%s' "$library" | as_root tee "$root/home/user/brightness.py" >/dev/null
    quietly inside "$root" dpkg --purge empycustom || fail "the package of an earlier run could not be removed."
    install_in "$user" gstreamer1.0-tools gir1.2-gst-plugins-bad-1.0 || fail "GStreamer could not be installed, for the reason shown above."
    ! as_user "gst-inspect-1.0 empycustom" >/dev/null 2>&1 || fail "there is an element empycustom before the package is installed."
    package=$(cd dist && echo empycustom_"$version"_*.deb)
    as_root cp "dist/$package" "$root/tmp/$package"
    log "$user: apt install ./$package"
    install_in "$user" "/tmp/$package" || fail "the package could not be installed, for the reason shown above."
    for element in "${elements[@]}"; do
        quietly as_user "gst-inspect-1.0 $element" || fail "gst-inspect-1.0 does not find $element, as shown above."
    done
    quietly as_user "empycustom doctor" || fail "empycustom doctor found what is shown above."
    expect 3 "$pipeline"
    expect 5 "empycustom run test --frames 5 --lib brightness.py"
    # In an environment, whose packages go before those of the system.
    quietly as_user 'python3 -m venv --system-site-packages --without-pip own && touch $(echo own/lib/python3.*/site-packages)/tqdm.py' ||
        fail "the environment could not be made, for the reason shown above."
    expect 3 ". own/bin/activate && $pipeline" '"tqdm":"/home/user/own/'
    quietly inside "$root" apt-get remove --yes empycustom || fail "the package could not be removed, for the reason shown above."
    ! as_user "gst-inspect-1.0 empycustom" >/dev/null 2>&1 || fail "the element is still there after the package was removed."
    left=$(cd "$root/usr" && find . -path '*empycustom*')
    [ -z "$left" ] || fail "these files are left after the package was removed:
$left"
}

check_permissions
maker
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
with_lock "$builder"
build
with_lock "$user"
try_out
log "$(ls dist/empycustom_*.deb) is built, and works in $suite"
