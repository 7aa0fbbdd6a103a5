"""Make the moving pictures of the README and of docs/gallery.md: ``gallery.py [NAME...]``, all of them without names.

    .venv/bin/python tools/gallery.py people mirror

Each is what a row of ``CLIPS`` plays over the video of tools/walkers.py, as an animated WebP in docs/pictures. It needs what
`tools/setup.sh demo` installs, the extra vision for ``line``, and for ``people`` the networks of the demo, which are fetched.
"""

# ruff: noqa: T201 - a script prints

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
MODELS = ROOT / ".cache" / "models"
VIDEO_RATE = 25
LIBS, EXAMPLES = "empycustom.libs.", "examples/"
Library = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Clip:
    """What is played, and how large and how smooth its picture is: pixels, every n-th frame, WebP's quality."""

    libraries: tuple[Library, ...]
    width: int = 480
    every: int = 3
    quality: int = 45
    first: int = 0


PEOPLE: Library = (EXAMPLES + "people.py", {})
TRACK: Library = (LIBS + "track", {})
DRAW: Library = (LIBS + "draw", {})
NETWORK: Library = (LIBS + "detect", {"model": str(MODELS / "objects.onnx"), "classes": ["person"], "confidence": 0.35})
POSES: Library = (LIBS + "detect", {"model": str(MODELS / "pose.onnx"), "objects": ["person"], "confidence": 0.3})
SURE: Library = (LIBS + "track", {"start_confidence": 0.5, "keep_untracked": False})
LINE = {"zones": [{"name": "line", "line": [[0.63, 1], [0.63, 0.4]]}], "min_frames": 3}
AREA = {
    "zones": [
        {"name": "gate", "line": [[0.63, 0.48], [0.63, 1]]},
        {"name": "square", "polygon": [[0.2, 0.65], [0.75, 0.65], [0.85, 0.95], [0.1, 0.95]]},
    ]
}
CLIPS = {
    "people": Clip(
        (NETWORK, SURE, POSES, (LIBS + "zones", LINE), (LIBS + "draw", {"text": "{obj_label} {object_id}"})),
        width=720,
        every=2,
        first=20,
    ),
    "found": Clip((PEOPLE, DRAW), width=640),
    "brightness": Clip((PEOPLE, (EXAMPLES + "average_intensity.py", {}), DRAW)),
    "near": Clip((PEOPLE, (EXAMPLES + "draw.py", {"height": 0.3}))),
    "tails": Clip((PEOPLE, TRACK, (LIBS + "draw", {"tail": 90}))),
    "counted": Clip((PEOPLE, TRACK, (LIBS + "zones", AREA), DRAW)),
    "hidden": Clip((PEOPLE, (LIBS + "privacy", {"grow": 0.2}))),
    "line": Clip((PEOPLE, (EXAMPLES + "line_counter.py", {"at": 0.65}))),
    "mirror": Clip(((EXAMPLES + "new_buffer.py", {}),)),
    "corner": Clip((PEOPLE, (EXAMPLES + "picture_in_picture.py", {}))),
}


def words(clip: Clip) -> list[str]:
    """Return the arguments of `empycustom run`."""
    found: list[str] = []
    for library, options in clip.libraries:
        found += ["--lib", library, "--options", json.dumps(options)] if options else ["--lib", library]
    return found


def frames(video: Path, clip: Clip) -> list[Image.Image]:
    """Return the frames of a video that the picture has, scaled."""
    found, capture, number = [], cv2.VideoCapture(str(video)), 0
    while (read := capture.read())[0]:
        if number >= clip.first and (number - clip.first) % clip.every == 0:
            height = round(read[1].shape[0] * clip.width / read[1].shape[1])
            scaled = cv2.resize(read[1], (clip.width, height), interpolation=cv2.INTER_AREA)
            found.append(Image.fromarray(cv2.cvtColor(scaled, cv2.COLOR_BGR2RGB)))
        number += 1
    return found


def make(name: str, folder: Path) -> None:
    """Play the clip ``name`` in a folder with the video, and write its picture."""
    clip, played = CLIPS[name], folder / f"{name}.mp4"
    command = [sys.executable, "-m", "empycustom", "run", folder / "walkers.mp4", *words(clip), "--save", played, "--quiet"]
    subprocess.run(command, cwd=ROOT, check=True)
    *others, last = frames(played, clip)
    path = PICTURES / f"{name}.webp"
    lasts_ms = [1500] + [1000 * clip.every // VIDEO_RATE] * len(others)  # the last one is first, for who sees nothing move
    last.save(path, save_all=True, append_images=others, duration=lasts_ms, loop=0, quality=clip.quality, method=6)
    print(f"docs/pictures/{path.name}: {last.width}x{last.height}, {len(lasts_ms)} frames, {path.stat().st_size // 1024} KB")


def main(names: list[str]) -> None:
    """Make the pictures with these names."""
    unknown = [name for name in names if name not in CLIPS]
    if unknown:
        sys.exit(f"gallery.py: there is no picture {', '.join(unknown)}; known here: {', '.join(CLIPS)}")
    chosen = names or list(CLIPS)
    if "people" in chosen and not (MODELS / "pose.onnx").exists():
        subprocess.run([sys.executable, ROOT / "tools" / "human_models.py", MODELS], check=True)
    with TemporaryDirectory() as folder:
        subprocess.run([sys.executable, ROOT / "tools" / "walkers.py", Path(folder, "walkers.mp4")], check=True)
        for name in chosen:
            make(name, Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
