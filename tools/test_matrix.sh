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
tool=matrix
. tools/roots.sh
stamp=$(cat tools/setup.sh pyproject.toml | cksum)

suites=()
while [ $# != 0 ] && [ "$1" != -- ]; do
    [[ $1 =~ ^[a-z]+$ ]] || fail "a suite of Debian is expected, such as trixie, not $1; arguments for pytest come after --"
    suites+=("$1")
    shift
done
shift $(($# > 0))
[ ${#suites[@]} != 0 ] || suites=(bookworm trixie forky)

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
    root_of "$suite" "$suite" "$stamp"
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
