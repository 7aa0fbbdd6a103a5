"""What the ways to hand on a changed frame cost beside each other: ``python -m benchmarks.new_frames [--quick]``.

Each library below makes the same picture, every byte inverted, of 1280x720 RGBA. They play in turn, in one process; what is shown
is the median over the rounds of the time of a buffer, less that of ``identity`` in the same round, and its ratio to writing in
place.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import Any

import empycustom
from benchmarks.gstreamer import Gst

WIDTH, HEIGHT = 1280, 720
HEAD = "import numpy as np\nfrom gi.repository import Gst\nimport empycustom\n"
IN_PLACE = """
def process_ip(io_buffer, in_meta, options):
    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
        np.invert(frame.pixels, out=frame.pixels)
"""
ARRAY = """
def process(in_buffer, in_meta, options):
    with empycustom.map_frame(in_buffer, in_meta) as frame:
        return np.invert(frame.pixels), None
"""
MAPPED = """
def process(in_buffer, in_meta, options):
    out_buffer = Gst.Buffer.new_allocate(None, in_buffer.get_size(), None)
    with (
        empycustom.map_frame(in_buffer, in_meta) as frame,
        empycustom.map_frame(out_buffer, in_meta, writable=True) as out,
    ):
        np.invert(frame.pixels, out=out.pixels)
    return out_buffer, None
"""
WRAPPED = """
def process(in_buffer, in_meta, options):
    with empycustom.map_frame(in_buffer, in_meta) as frame:
        return Gst.Buffer.new_wrapped(np.invert(frame.pixels).tobytes()), None
"""
UNCHANGED = "\ndef process(in_buffer, in_meta, options):\n    return in_buffer, None\n"
WAYS = {
    "written in place, into a frame of one's own": (IN_PLACE, "in-place=true"),
    "process returns an array": (ARRAY, ""),
    "process maps a new Gst.Buffer": (MAPPED, ""),
    "process wraps array.tobytes()": (WRAPPED, ""),
    "process returns in_buffer": (UNCHANGED, ""),
}


def played_ns(element: str, buffers: int) -> float:
    """Play and return how long a buffer took. Each has pixels of its own, from a pool."""
    pipeline = Gst.parse_launch(
        f"videotestsrc pattern=black num-buffers={buffers} ! video/x-raw,format=RGBA,width={WIDTH},height={HEIGHT} ! "
        f"{element} ! fakesink sync=false"
    )
    pipeline.set_state(Gst.State.PAUSED)
    pipeline.get_state(Gst.CLOCK_TIME_NONE)
    began = perf_counter_ns()
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    took = perf_counter_ns() - began
    pipeline.set_state(Gst.State.NULL)
    if message.type == Gst.MessageType.ERROR:
        raise RuntimeError(message.parse_error()[0].message)
    return took / buffers


def measure(buffers: int, rounds: int) -> dict[str, list[float]]:
    """Return for each way the ns of a buffer above ``identity``, in each round. The first round is not counted."""
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        elements = {}
        for number, (name, (source, properties)) in enumerate(WAYS.items()):
            path = Path(folder) / f"way{number}.py"
            path.write_text(HEAD + source, encoding="utf-8")
            elements[name] = f"empycustom custom-lib={path} {properties}"
        for turn in range(rounds + 1):
            least = played_ns("identity", buffers)
            for name in reversed(elements) if turn % 2 else elements:
                took = played_ns(elements[name], buffers)
                if turn:
                    found[name].append(took - least)
    return found


def main(argv: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.new_frames", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few buffers: to see whether it works")
    quick: Any = parser.parse_args(argv).quick
    empycustom.register()
    medians = {name: median(times) for name, times in measure(*((20, 1) if quick else (600, 9))).items()}
    first = next(iter(medians.values()))
    print(f"| {WIDTH}x{HEIGHT} RGBA | µs a buffer | ratio |\n|---|---:|---:|")
    for name, took in medians.items():
        print(f"| {name} | {took / 1000:.0f} | {took / first:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
