"""Files that are cut off are failed videos, and whole ones are not, whatever durations they have."""

from __future__ import annotations

import subprocess

import pytest
from batch_helpers import OBJECTS, rows

SOUND = "audiotestsrc num-buffers=200 ! opusenc ! mux."  # four seconds; the video has one
MADE = {
    "a.mkv": "x264enc ! matroskamux",
    "b.mp4": "x264enc ! mp4mux faststart=true",
    "c.mp4": "x264enc ! mp4mux",
    "d.webm": "vp8enc ! webmmux",
    "e.avi": "jpegenc ! avimux",
    "f.mp4": "x264enc ! mp4mux fragment-duration=200",
    "g.mkv": f"x264enc ! mux. {SOUND} matroskamux name=mux",
    "h.mp4": f"x264enc ! mux. {SOUND} mp4mux name=mux faststart=true",
    "i.mkv": "x264enc ! matroskamux streamable=true",  # it does not say how long it is
}
SILENT = "i.mkv"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder of whole videos."""
    folder = tmp_path_factory.mktemp("whole")
    for name, line in MADE.items():
        source = "videotestsrc num-buffers=30 ! video/x-raw,width=64,height=48,framerate=30/1"
        made = f"gst-launch-1.0 -q {source} ! {line} ! filesink location={folder / name}"
        subprocess.run(made.split(), check=True, timeout=60)
    return folder


def test_whole_files_are_done(batch, library, whole, tmp_path):
    ended = batch(whole, "--lib", library(OBJECTS), "--out", tmp_path / "results")
    assert ended.returncode == 0, ended.stderr
    assert f"{len(MADE)} videos done: " in ended.stderr


def test_files_that_are_cut_off_are_failed(batch, library, whole, tmp_path):
    folder, out = tmp_path / "cut", tmp_path / "results"
    folder.mkdir()
    for name in MADE:
        content = (whole / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])
    ended = batch(folder, "--lib", library(OBJECTS), "--out", out)
    assert ended.returncode == 1
    found = dict(rows(f"SELECT parse_filename(video), error FROM '{out}/videos.parquet' WHERE state = 'failed'"))
    assert sorted(found) == sorted(set(MADE) - {SILENT})
    size = (folder / "a.mkv").stat().st_size
    start = f"{folder}/a.mkv: the file is cut off: it ends at byte {size:,} of at least {(whole / 'a.mkv').stat().st_size:,}; "
    assert found["a.mkv"].startswith(start + "copy it again, or keep what is left: ffmpeg -i FILE -c copy NEW")
    assert all(": the file is cut off: " in error for error in found.values())
