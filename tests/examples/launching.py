"""Examples in gst-launch: the arguments, and the output."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "examples"
WIDTH, HEIGHT = 320, 240
SOLID = ["videotestsrc", "num-buffers=3", "pattern=solid-color", "foreground-color=0xff204060"]  # red 32, green 64, blue 96
RGBA = f"video/x-raw,format=RGBA,width={WIDTH},height={HEIGHT},framerate=10/1"

# Two objects in every frame, and one beside the picture.
BOXES = """
def process_ip(io_buffer, in_meta, options):
    boxes = [(2, "person", 40, 60), (1, "bicycle", 200, 100), (2, "person", 1000, 1000)]
    return {"frame": [{"new_object": [
        {"class_id": class_id, "obj_label": label, "confidence": 0.5, "object_id": number,
         "rect_params": {"left": left, "top": top, "width": 50, "height": 80}}
        for number, (class_id, label, left, top) in enumerate(boxes)]}]}
"""


class Launch:
    """gst-launch-1.0 with our elements, and the files that it leaves in a folder."""

    said = ""  # what is said on standard error and is not to be looked at, a part of it

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment

    def process(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["gst-launch-1.0", "-q", *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def __call__(self, source: list[str], *libraries: list[str], caps: str = RGBA) -> tuple[list[dict], np.ndarray]:
        """Play source and libraries; return each frame of the documents, and the pixels (frame, row, column, 4)."""
        elements = [word for library in libraries for word in ["!", "empycustom", *library]]
        ended = self.process(
            *source, "!", "videoconvert", "!", caps, *elements,
            "!", "aimeta", "location=meta.jsonl", "!", "filesink", "location=raw",
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        assert ended.stderr == "" or (self.said and self.said in ended.stderr), ended.stderr
        documents = [json.loads(line)["frame"][0] for line in (self.folder / "meta.jsonl").read_text().splitlines()]
        height, width = documents[0]["source_frame_height"], documents[0]["source_frame_width"]
        return documents, np.fromfile(self.folder / "raw", np.uint8).reshape(len(documents), height, width, 4)


def example(name: str | Path, options: dict | None = None, in_place: bool = True) -> list[str]:
    arguments = [f"custom-lib={EXAMPLES / name}", f"in-place={str(in_place).lower()}"]
    return arguments if options is None else [*arguments, f"options={json.dumps(options)}"]


WALKERS_CAPS = "video/x-raw,format=RGBA"


def overlap(rect: dict, left: int, top: int, right: int, bottom: int) -> float:
    """Intersection over union."""
    width = min(rect["left"] + rect["width"], right) - max(rect["left"], left)
    height = min(rect["top"] + rect["height"], bottom) - max(rect["top"], top)
    shared = max(width, 0) * max(height, 0)
    return shared / (rect["width"] * rect["height"] + (right - left) * (bottom - top) - shared)


# Measured by eye: left, top, right, bottom of the three people in the first frame.
FIRST_FRAME = [(497, 157, 530, 239), (246, 222, 284, 316), (642, 239, 682, 324)]
