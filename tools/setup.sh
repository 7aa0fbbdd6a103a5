#!/bin/bash
# Set up a checkout on Debian or Ubuntu: system packages, a virtual environment in .venv, the project in it.
#
#   tools/setup.sh demo    what examples and demo need
#   tools/setup.sh bench   what the benchmark needs
#   tools/setup.sh docs    what the documentation needs
#   tools/setup.sh dev     the same, and what tests, linter and type checker need
#   tools/setup.sh gpu     the same, and what NVIDIA's decoder needs (150 MB)
#
# What is there already is left alone, so a second run does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
project=$(pwd -P)
extra=${1:?"say what to set up: tools/setup.sh demo, or tools/setup.sh dev"}
system_python=/usr/bin/python3
nvidia_package='nvidia-deepstream-videodecode-cu13==9.0.*'
# Another environment that happens to be active must not get in the way.
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX GST_PLUGIN_PATH

# PyGObject and GStreamer belong to the system: pip would have to compile them. -libav decodes most videos, -ugly has x264,
# and -x shows windows.
packages=(
    python3 python3-venv python3-gi python3-gst-1.0
    gstreamer1.0-python3-plugin-loader gstreamer1.0-tools
    gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
    gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-x
    gir1.2-gst-plugins-base-1.0 gir1.2-gst-plugins-bad-1.0
)

with_tests() { [ "$extra" = dev ] || [ "$extra" = gpu ]; }

# C programs of the tests read DeepStream metadata, and stand for NVIDIA's driver; an RTSP server goes away and comes back; a window
# is shown on a display that nobody sees; docs/results.md pipes documents to jq, docs/metrics.md asks with curl; commands are completed
# in bash and zsh. tests/publish and
# the benchmarks start brokers and databases of their own, the tests of docs/metrics.md a Prometheus (19 MB).
! with_tests || packages+=(gcc libc6-dev libgstreamer1.0-dev pkg-config gir1.2-gst-rtsp-server-1.0 xvfb x11-utils
    jq curl mosquitto mosquitto-clients redis-server postgresql prometheus bash-completion zsh)

did_something=
say() { echo "set-up: $*"; }
act() { did_something=yes; say "$*"; }
fail() { echo "set-up: error: $*" >&2; exit 1; }

if with_tests; then
    if grep -qsx ID=ubuntu /etc/os-release; then
        say "Ubuntu has Chromium as a snap alone: without it (snap install chromium) the tests of studio's page fail"
    else
        packages+=(chromium) # tests/studio opens its page in it
    fi
fi

# Run a command that talks too much; show what it said only if it fails.
quietly() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 || { status=$?; cat "$log" >&2; }
    rm -f "$log"
    return $status
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

may_be_root() { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; }

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install_packages() {
    may_be_root || fail "packages are missing, and there is no sudo here. Run as root: apt-get install --no-install-recommends $*"
    act "installing with apt: $*"
    quietly as_root apt-get update || say "apt-get update had problems, shown above; trying all the same"
    quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@" ||
        fail "apt-get install failed, for the reason shown above."
}

system_packages() {
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || { other_system; return; }
    local missing=() package
    for package in "${packages[@]}"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
}

other_system() {
    $system_python -c 'import gi; gi.require_version("GstVideo", "1.0"); from gi.repository import GstVideo' 2>/dev/null ||
        fail "this is neither Debian nor Ubuntu. Install what they call: ${packages[*]}; then run this again."
}

# A registry of its own: the user's may remember a failure of another time.
loader_works() {
    local registry status=0
    registry=$(mktemp)
    GST_REGISTRY=$registry gst-inspect-1.0 python >/dev/null 2>&1 || status=$?
    rm -f "$registry"
    return $status
}

# Some versions of GStreamer's loader of Python elements want libpython's file of the -dev package, without depending on it.
plugin_loader() {
    loader_works && return
    command -v apt-get >/dev/null &&
        install_packages "lib$($system_python -c 'import sys; print("python%d.%d-dev" % sys.version_info[:2])')"
    loader_works || say "warning: GStreamer cannot load its plugin for Python, so gst-launch-1.0 will not find the elements;" \
        "\`.venv/bin/empycustom doctor\` says more"
}

describe_python='import sys; print(sys.base_prefix, "%d.%d" % sys.version_info[:2])'

# Made here, by the system's Python as it is now, and able to see the system's packages.
environment_is_good() {
    [ "$(.venv/bin/python -c "$describe_python" 2>/dev/null)" = "$($system_python -c "$describe_python")" ] &&
        grep -q '^include-system-site-packages = true' .venv/pyvenv.cfg &&
        grep -qF "$project/.venv" .venv/bin/activate &&
        .venv/bin/python -m pip --version >/dev/null 2>&1
}

environment() {
    environment_is_good && return
    if [ -e .venv ]; then
        act "making .venv anew: it is broken, was moved, or is not of $system_python"
        rm -rf .venv
    else
        act "making a virtual environment in .venv, from $system_python"
    fi
    quietly $system_python -m venv --system-site-packages "$project/.venv" || fail "python3 -m venv failed, as shown above."
}

# What it depends on is for its decoder, 150 MB; without a GPU the tests use its libraries of metadata alone.
nvidia_libraries() {
    [ "$(uname -m)" = x86_64 ] || { say "NVIDIA's metadata libraries are on PyPI for x86_64 only: tests with them are skipped"; return; }
    local how=()
    [ "$extra" = gpu ] || how=(--no-deps)
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input "${how[@]}" "$nvidia_package" ||
        fail "pip failed, for the reason shown above: tests of DeepStream metadata need $nvidia_package."
}

project_in_environment() {
    local stamp=.venv/installed-$extra state larger
    state=$(cksum <pyproject.toml)
    # gpu holds all that dev does, and dev all that the others do
    for larger in gpu dev "$extra"; do
        [ "$state" != "$(cat ".venv/installed-$larger" 2>/dev/null)" ] || return 0
        [ "$larger" != "$extra" ] || break
    done
    plugin_loader
    act "installing the project and its Python packages into .venv; the first time this takes a minute"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --editable ".[${extra/gpu/dev}]" ||
        fail "pip failed, for the reason shown above. If a package could not be fetched, look at the network and run this again."
    ! with_tests || nvidia_libraries
    echo "$state" >"$stamp"
}

system_packages
environment
project_in_environment
if [ -n "$did_something" ]; then say "done"; else say "nothing to do, all is there"; fi
