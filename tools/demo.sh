#!/bin/bash
# People in a video: found by a neural network, numbered, counted at a line, drawn: tools/demo.sh [VIDEO [LINE]]
#
# LINE are its two points, in parts of the picture: '[[0.5, 1], [0.5, 0]]' is the middle, from below.
set -euo pipefail
cd "$(dirname "$0")/.."
video=${1:-}
line='[[0.63, 1], [0.63, 0.4]]'
[ -n "$video" ] || { video=$(tools/sample_video.sh) && line='[[0.37, 0.62], [0.43, 0.36]]'; } # across its path
line=${2:-$line}

case $(realpath -m "$video") in
"$(pwd -P)"/demo-output/*)
    echo "demo: error: $video is in demo-output, where the demo writes; copy it to another folder first." >&2
    exit 1
    ;;
esac

# The network is fetched once, and stays in .cache.
network=.cache/models/objects.onnx
cores=$(nproc)
find=(
    --lib empycustom.libs.detect --options '{"model": "'$network'", "classes": ["person"], "confidence": 0.35}'
    --workers $((cores < 4 ? cores : 4))
)
sure=0.5
if ! [ -s "$network" ] && ! .venv/bin/python tools/human_models.py .cache/models; then
    echo "demo: so OpenCV's people detector (HOG) finds people: fewer, and in every 6th frame" >&2
    find=(--lib examples/people.py) sure=0.62
fi

mkdir -p demo-output
rm -f demo-output/meta.jsonl demo-output/people.mp4 demo-output/people.png
run=(
    .venv/bin/empycustom run "$video" "${find[@]}"
    --lib empycustom.libs.track --options '{"start_confidence": '$sure', "keep_untracked": false}'
    --lib empycustom.libs.zones --options '{"zones": [{"name": "line", "line": '"$line"'}], "min_frames": 3}'
    --lib empycustom.libs.draw --options '{"text": "{obj_label} {object_id}"}'
    --out demo-output/meta.jsonl --save demo-output/people.mp4 --save demo-output/people.png
)
shown=$(printf "'%s' " "${run[@]}" | sed "s/'\([^ {']*\)'/\1/g; s/ --\(lib\|out\)/ \\\\\n    --\1/g")
echo "demo: $shown"
"${run[@]}"
.venv/bin/python tools/demo_report.py demo-output
