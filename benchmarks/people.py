"""How many people detectors find, and what it costs: ``python -m benchmarks.people VIDEO FOLDER``.

The camera of the video stands still, so that what moves is known without a detector: the pixels that are far from the median of
many frames, in blobs as high as somebody who walks. FOLDER has the models that ``tools/human_models.py`` and
``tools/people_model.py`` write: ``objects.onnx`` and ``people.onnx``.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from empycustom.libs import detect
from empycustom.libs.detect.model import Model

FRAMES = 40  # that are looked at, evenly over the video
FAR, LEAST_HEIGHT, LEAST_PIXELS = 30, 45, 400  # a difference of colours, and pixels
EXAMPLE = Path(__file__).parents[1] / "examples" / "people.py"
Find = Callable[[Any], list[tuple[float, float, float, float]]]


def main(video: str, folder: Path) -> None:
    """Print a table: each detector, and its ratios to the first one."""
    cv2.setNumThreads(1)
    pictures = [frame[..., ::-1].copy() for frame in frames(video)]
    walking = moving(pictures)
    chosen = range(0, len(pictures), max(len(pictures) // FRAMES, 1))
    blobs = sum(len(blobs_of(walking[n])) for n in chosen)
    print(f"{len(chosen)} frames, {blobs} blobs that move\n")
    print("| detector | covered | boxes on nothing that moves | ms of CPU a frame | covered, ratio | time, ratio |")
    print("|---|---:|---:|---:|---:|---:|")
    first: tuple[int, float] | None = None
    for name, find in detectors(folder):
        covered, still, spent = measured(find, [(pictures[n], walking[n]) for n in chosen])
        first = first or (covered, spent)
        ratios = f"{covered / first[0]:.2f} | {spent / first[1]:.2f}"
        print(f"| {name} | {covered / blobs:.0%} | {still} | {spent * 1e3:.0f} | {ratios} |")


def frames(video: str) -> Iterator[Any]:
    """Yield the frames of a file, BGR."""
    capture = cv2.VideoCapture(video)
    while True:
        there, frame = capture.read()
        if not there:
            return
        yield frame


def moving(pictures: list[Any]) -> list[Any]:
    """Return for each picture where something moves."""
    usual = np.median(pictures[:: max(len(pictures) // 60, 1)], axis=0)
    kernel = np.ones((5, 5), np.uint8)
    far = [(np.abs(picture - usual).max(axis=2) > FAR).astype(np.uint8) for picture in pictures]
    return [cv2.morphologyEx(cv2.medianBlur(each, 3), cv2.MORPH_CLOSE, kernel) for each in far]


def blobs_of(mask: Any) -> list[Any]:
    """Return the places (rows, columns) of each blob that may be somebody who walks."""
    _, numbers, about, _ = cv2.connectedComponentsWithStats(mask)
    high = [n for n in range(1, len(about)) if about[n, cv2.CC_STAT_HEIGHT] >= LEAST_HEIGHT]
    return [np.nonzero(numbers == n) for n in high if about[n, cv2.CC_STAT_AREA] >= LEAST_PIXELS]


def detectors(folder: Path) -> Iterator[tuple[str, Find]]:
    """Yield the name and the search of each detector."""
    spec = importlib.util.spec_from_file_location("people", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    people = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(people)

    def hog(picture: Any) -> list[tuple[float, float, float, float]]:
        return [tuple(each.box) for each in people.search(picture, people.SEARCHED_LINES / picture.shape[0], 0.62)]

    yield "HOG, as examples/people.py", hog
    yield "the same, as a model (people.onnx)", model(folder / "people.onnx", labels=["person"], confidence=0.62, iou=0.3)
    for least in (0.45, 0.4, 0.35, 0.3):
        yield (
            f"CenterNet (objects.onnx), confidence {least}",
            model(folder / "objects.onnx", classes=["person"], confidence=least),
        )


def model(path: Path, **more: Any) -> Find:
    """Return the search of a model."""
    options = {**{name: option.default for name, option in detect.OPTIONS.items()}, "model": str(path), **more}
    loaded = Model(options)
    return lambda picture: [tuple(each["rect_params"].values()) for each in loaded.find(picture, options)]


def measured(find: Find, given: list[tuple[Any, Any]]) -> tuple[int, int, float]:
    """Return how many blobs are covered (most of their pixels in boxes), how many boxes hold nothing that moves, and seconds."""
    covered = still = 0
    find(given[0][0])
    began = time.thread_time()
    found = [find(picture) for picture, _ in given]
    spent = (time.thread_time() - began) / len(given)
    for boxes, (_, mask) in zip(found, given, strict=True):
        inside = np.zeros_like(mask)
        for left, top, width, height in boxes:
            rows, columns = slice(max(round(top), 0), round(top + height)), slice(max(round(left), 0), round(left + width))
            inside[rows, columns] = 1
            still += mask[rows, columns].mean() < 0.05
        covered += sum(inside[blob].mean() > 0.5 for blob in blobs_of(mask))
    return covered, still, spent


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]))
