#!/bin/bash
# Print the path of the sample video, people walking (768x576, 795 frames); fetch it first if it is not there.
#
# It lies in the package opencv-doc of Debian and Ubuntu, which is fetched for that one file. Nothing is installed, and root is
# not needed. The video stays in .cache.
set -euo pipefail
cd "$(dirname "$0")/.."
video=.cache/vtest.avi

if [ -s "$video" ]; then
    echo "$video"
    exit
fi
say() { echo "sample video: $*" >&2; }
command -v apt-get >/dev/null || {
    say "error: it comes from Debian's or Ubuntu's package opencv-doc, and there is no apt here." \
        "Take a video of your own: make demo VIDEO=file.mp4"
    exit 1
}

mkdir -p .cache
folder=$(mktemp -d -p "$(pwd -P)/.cache")
trap 'rm -rf "$folder"' EXIT
options=(-o APT::Sandbox::User=root)

download() { (cd "$folder" && apt-get "${options[@]}" "$@" download opencv-doc >&2); }

# With package lists of our own where the system's are empty or old: updating those would need root.
download_with_new_lists() {
    local own=(-o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder/cache")
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
    say "the system's package lists did not help; fetching new ones"
    apt-get "${options[@]}" "${own[@]}" -q update >&2
    download "${own[@]}"
}

say "fetching the package opencv-doc (95 MB) for the one file in it; it is kept in .cache"
download || download_with_new_lists || {
    say "error: opencv-doc cannot be fetched, for the reason shown above." \
        "Look at the network, or take a video of your own: make demo VIDEO=file.mp4"
    exit 1
}
dpkg-deb --fsys-tarfile "$folder"/opencv-doc_*.deb | tar --extract --to-stdout --wildcards '*/vtest.avi' >"$folder/video"
mv "$folder/video" "$video"
echo "$video"
