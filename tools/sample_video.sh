#!/bin/bash
# Print the path of the sample video, people walking (768x576, 795 frames); download it first if it does not exist.
#
# It is in the package opencv-doc of Debian and Ubuntu, which is downloaded for that one file. Nothing is installed, and root is
# not needed. The video stays in .cache.
set -euo pipefail
cd "$(dirname "$0")/.."
video=.cache/vtest.avi

if [ -s "$video" ]; then
    echo "$video"
    exit
fi
log() { echo "sample video: $*" >&2; }
command -v apt-get >/dev/null || {
    log "error: it comes from Debian's or Ubuntu's package opencv-doc, and there is no apt here." \
        "Use your own video: make demo VIDEO=file.mp4"
    exit 1
}

mkdir -p .cache
folder=$(mktemp -d -p "$(pwd -P)/.cache")
trap 'rm -rf "$folder"' EXIT
options=(-o APT::Sandbox::User=root)

download() { (cd "$folder" && apt-get "${options[@]}" "$@" download opencv-doc >&2); }

# With our own package lists if the system's are empty or old: updating those would need root.
download_with_new_lists() {
    local own=(-o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder/cache")
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
    log "the system's package lists are not sufficient; downloading new ones"
    apt-get "${options[@]}" "${own[@]}" -q update >&2
    download "${own[@]}"
}

log "downloading the package opencv-doc (95 MB) for one file in it, which is kept in .cache"
download || download_with_new_lists || {
    log "error: opencv-doc cannot be downloaded, for the reason shown above." \
        "Check the network, or use your own video: make demo VIDEO=file.mp4"
    exit 1
}
dpkg-deb --fsys-tarfile "$folder"/opencv-doc_*.deb | tar --extract --to-stdout --wildcards '*/vtest.avi' >"$folder/video"
mv "$folder/video" "$video"
echo "$video"
