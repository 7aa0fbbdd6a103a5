"""Check the demo's results for the sample video with its known content: ``check_sample_demo.py FOLDER``."""

# ruff: noqa: T201 - a script prints

import json
import sys
from pathlib import Path

import cv2

FRAMES, WIDTH, HEIGHT = 795, 768, 576


def main(folder):
    """Return the exit code: 1 if something is missing."""
    documents = [json.loads(line)["frame"][0] for line in (folder / "meta.jsonl").read_text().splitlines()]
    counts = [len(frame["object"]) for frame in documents]
    picture = cv2.imread(str(folder / "people.png"))
    facts = {
        "a document for each frame": len(documents) == FRAMES,
        "frames are counted from 0": [frame["frame_num"] for frame in documents] == list(range(FRAMES)),
        "three people and more in an average frame": sum(counts) / max(len(counts), 1) > 3,
        "the video has all frames": frames_of(folder / "people.mp4") == FRAMES,
        "the picture has the size of the video": picture is not None and picture.shape == (HEIGHT, WIDTH, 3),
    }
    for fact, true in facts.items():
        print(f"{'ok   ' if true else 'WRONG'} {fact}")
    return 0 if all(facts.values()) else 1


def frames_of(path):
    """Count the frames by decoding them all."""
    video, count = cv2.VideoCapture(str(path)), 0
    while video.read()[0]:
        count += 1
    return count


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
