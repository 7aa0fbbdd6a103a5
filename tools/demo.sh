#!/bin/bash
# People in a video, and the average intensity of each: tools/demo.sh [VIDEO]
set -euo pipefail
cd "$(dirname "$0")/.."
video=${1:-}
[ -n "$video" ] || video=$(tools/sample_video.sh)

case $(realpath -m "$video") in
"$(pwd -P)"/demo-output/*)
    echo "demo: error: $video is in demo-output, where the demo writes; copy it to another folder first." >&2
    exit 1
    ;;
esac
mkdir -p demo-output
rm -f demo-output/meta.jsonl demo-output/people.mp4 demo-output/people.png
run=(
    .venv/bin/empycustom run "$video"
    --lib examples/people.py --lib examples/average_intensity.py --lib empycustom.libs.draw
    --out demo-output/meta.jsonl --save demo-output/people.mp4 --save demo-output/people.png
)
echo "demo: ${run[*]}"
"${run[@]}"
.venv/bin/python tools/demo_report.py demo-output
