"""Calls that fail, and after which a video goes on; libraries in processes of their own."""

from __future__ import annotations

import pytest
from batch_helpers import rows

RAISES = """
def process_ip(buffer, in_meta, options):
    if in_meta["frame"][0]["frame_num"] % 3 == 0:
        raise ValueError("no ball")
    return {"frame": {"seen": True}}
"""


@pytest.mark.parametrize(("policy", "frames"), [("pass", 10), ("drop", 6)])
def test_a_video_goes_on_after_calls_that_fail(batch, library, videos, tmp_path, policy, frames):
    out = tmp_path / "results"
    ended = batch(videos(2), "--on-error", policy, "--lib", library(RAISES), "--out", out, "--jobs", 1)
    assert ended.returncode == 0, ended.stderr
    assert rows(f"SELECT state, frames, failed_calls, error FROM '{out}/videos.parquet'") == [("done", frames, 4, "")] * 2
    assert rows(f"SELECT count(*), sum(frame_num) FROM '{out}/frames/*.parquet' WHERE seen") == [(12, 2 * 27)]
    warning = "0.mkv: {}: process_ip raised ValueError: no ball at frame 0".format
    text = ended.stderr.replace("\n", " ")
    assert text.count("empycustom: warning: ") == text.count("; 4 calls have failed") == 2
    assert warning(f"{tmp_path / 'lib.py'}:4") in text
    assert text.count("Traceback") == 1, "it is the same for each video"


AT_THREE = """
import os, time
def process_ip(buffer, in_meta, options):
    if in_meta["frame"][0]["frame_num"] == 3:
        {}
    return {{"frame": {{"seen": True}}}}
"""


@pytest.mark.parametrize(
    ("what", "given", "why"),
    [
        ("os._exit(3)", [], "process_ip"),
        ("time.sleep(60)", ["--call-timeout", "3000"], "process_ip took longer than call-timeout=3000"),
    ],
)
def test_a_library_in_a_process_of_its_own_costs_a_frame(batch, library, videos, tmp_path, what, given, why):
    out, lib = tmp_path / "results", library(AT_THREE.format(what))
    ended = batch(videos(1), "--lib", lib, "--workers", 1, "--on-error", "pass", *given, "--out", out)
    assert ended.returncode == 0, ended.stderr
    assert why in ended.stderr
    assert rows(f"SELECT frames, failed_calls FROM '{out}/videos.parquet'") == [(10, 1)]
    assert rows(f"SELECT count(*) FROM '{out}/frames/*.parquet' WHERE seen") == [(9,)]


def test_options_for_libraries_without_one(batch, videos, tmp_path):
    ended = batch(videos(1), "--on-error", "pass", "--out", tmp_path / "results")
    assert ended.returncode == 2
    assert "--on-error is for libraries, and there is no --lib" in ended.stderr
