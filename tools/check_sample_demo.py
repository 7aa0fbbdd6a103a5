"""Check the demo's results for the sample video with its known content: ``check_sample_demo.py FOLDER``.

Numbers are a little different on other processors; where the networks could not be fetched, and HOG did it, they are others.
"""

# ruff: noqa: T201 - a script prints

import json
import sys
from collections import Counter
from pathlib import Path

import cv2

FRAMES, WIDTH, HEIGHT = 395, 768, 576  # the second half of the video
NETWORK = Path(__file__).parents[1] / ".cache/models/objects.onnx"
# By the networks, or without them: people in an average frame; fewest and most numbers, and how many stay for ten seconds at
# least; the part of the boxes with a pose.
EXPECTED = {True: (5.3, 11, 18, 8, 0.98), False: (4.8, 20, 35, 4, 0.0)}


def main(folder):
    """Return the exit code: 1 if something is missing."""
    documents = [json.loads(line)["frame"][0] for line in (folder / "meta.jsonl").read_text().splitlines()]
    boxes = sum(len(frame["object"]) for frame in documents) / max(len(documents), 1)
    tracks = Counter(obj["object_id"] for frame in documents for obj in frame["object"])
    events = [event for frame in documents for event in frame["emcustom"].get("events", [])]
    (line,) = documents[-1]["emcustom"]["zones"]
    crossed = Counter(event["direction"] for event in events)
    mean, fewest, most, staying, posed = EXPECTED[NETWORK.exists()]
    poses = sum("keypoints" in obj for frame in documents for obj in frame["object"]) / max(tracks.total(), 1)
    picture = cv2.imread(str(folder / "people.png"))
    facts = {
        "a document for each frame": len(documents) == FRAMES,
        "frames are counted from 0": [frame["frame_num"] for frame in documents] == list(range(FRAMES)),
        f"about {mean} people in an average frame": abs(boxes - mean) < 0.5,
        f"{fewest} to {most} numbers": fewest <= len(tracks) <= most,
        f"{staying} and more of them for ten seconds": sum(count >= 100 for count in tracks.values()) >= staying,
        "9 to 15 cross the line": 9 <= len(events) <= 15,
        "who crosses it is counted": (crossed["in"], crossed["out"]) == (line["in"], line["out"]),
        "they cross it one way and the other": min(crossed["in"], crossed["out"]) >= 3,
        f"about {posed:.0%} of the boxes have a pose": abs(poses - posed) < 0.1,
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
