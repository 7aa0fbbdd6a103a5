#!/bin/bash
# People in a video: found by a neural network, numbered, counted at a line, drawn: tools/demo.sh [VIDEO [LINE]]
#
#   tools/demo.sh --studio [VIDEO [LINE [WORDS...]]]   the same in the page of `empycustom studio`, which gets the words as well
#
# LINE are its two points, in parts of the picture: '[[0.5, 1], [0.5, 0]]' is the middle, from below.
set -euo pipefail
cd "$(dirname "$0")/.."
is_studio=
if [ "${1:-}" = --studio ]; then
    is_studio=yes
    shift
fi
video=${1:-}
line='[[0.63, 1], [0.63, 0.4]]' part=()
if [ -z "$video" ]; then
    video=$(tools/sample_video.sh)
    line='[[0.33, 0.6], [0.37, 0.35]]' part=(--start 40) # across its path; the second half, where more people walk
fi
line=${2:-$line}
words=("${@:3}")

case $is_studio$(realpath -m "$video") in
"$(pwd -P)"/demo-output/*)
    echo "demo: error: $video is in demo-output, where the demo writes; copy it to another folder first." >&2
    exit 1
    ;;
esac

# Two networks are fetched once, and stay in .cache.
models=.cache/models cores=$(nproc)
workers=(--workers $((cores < 4 ? cores : 4)))
if [ -s $models/objects.onnx ] && [ -s $models/pose.onnx ] || .venv/bin/python tools/human_models.py $models; then
    find=(
        --lib empycustom.libs.detect "${workers[@]}"
        --options '{"model": "'$models'/objects.onnx", "classes": ["person"], "confidence": 0.35}'
    )
    pose=(
        --lib empycustom.libs.detect "${workers[@]}"
        --options '{"model": "'$models'/pose.onnx", "objects": ["person"], "confidence": 0.3}'
    )
    sure=0.5
else
    echo "demo: so OpenCV's people detector (HOG) finds people: fewer, in every 6th frame, and without poses" >&2
    find=(--lib examples/people.py) pose=() sure=0.62
fi

libraries=(
    "${find[@]}"
    --lib empycustom.libs.track --options '{"start_confidence": '$sure', "keep_untracked": false}'
    "${pose[@]}"
    --lib empycustom.libs.zones --options '{"zones": [{"name": "line", "line": '"$line"'}], "min_frames": 3}'
)
if [ -n "$is_studio" ]; then
    run=(.venv/bin/empycustom studio "$video" "${libraries[@]}" "${words[@]}")
else
    mkdir -p demo-output
    rm -f demo-output/meta.jsonl demo-output/people.mp4 demo-output/people.png
    run=(
        .venv/bin/empycustom run "$video" "${part[@]}" "${libraries[@]}"
        --lib empycustom.libs.draw --options '{"text": "{obj_label} {object_id}"}'
        --out demo-output/meta.jsonl --save demo-output/people.mp4 --save demo-output/people.png
    )
fi
shown=$(printf "'%s' " "${run[@]}" | sed "s/'\([^ {']*\)'/\1/g; s/ --\(lib\|out\)/ \\\\\n    --\1/g")
echo "demo: $shown"
[ -z "$is_studio" ] || exec "${run[@]}"
"${run[@]}"
.venv/bin/python tools/demo_report.py demo-output
