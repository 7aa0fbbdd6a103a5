"""Files that options name, such as a model, belong to the work: another content is other work."""

from __future__ import annotations

import json

import pytest
from batch_helpers import rows

READS = """
def process_ip(buffer, in_meta, options):
    with open(options["files"]["model"]) as file:
        return {"frame": {"model": file.read()}}
"""


def test_a_model_that_has_changed_is_other_work(batch, library, videos, tmp_path):
    out, model = tmp_path / "results", tmp_path / "m.bin"
    model.write_text("first")
    arguments = [videos(1), "--lib", library(READS), "--options", json.dumps({"files": {"model": "m.bin"}}), "--out", out]
    assert batch(*arguments).returncode == 0
    model.touch()
    assert "Nothing is left to do" in batch(*arguments).stderr
    model.write_text("other")
    ended = batch(*arguments)
    assert ended.returncode == 1
    assert f"--out {out} has results of other work: m.bin has changed. Give another folder" in ended.stderr
    assert batch(*arguments, "--force").returncode == 0
    assert rows(f"SELECT DISTINCT model FROM '{out}/frames/*.parquet'") == [("other",)]


WRITES = """
def process_ip(buffer, in_meta, options):
    with open(options["log"], "a") as file:
        file.write("frame")
"""


@pytest.mark.parametrize("is_there", [False, True])
def test_a_file_that_a_library_writes_does_not_matter(batch, library, videos, tmp_path, is_there):
    if is_there:
        (tmp_path / "log.txt").write_text("begin")
    arguments = ["--lib", library(WRITES), "--options", '{"log": "log.txt"}', "--out", tmp_path / "results"]
    for count in (1, 2, 3):
        ended = batch(videos(count), *arguments)
        assert ended.returncode == 0, ended.stderr
        assert ("log.txt, which an option names, has changed while the batch ran" in ended.stderr) == (is_there and count == 1)


def test_what_is_set_otherwise_is_said(batch, library, videos, tmp_path):
    arguments = ["--lib", library(WRITES), "--options", '{"log": "log.txt"}', "--out", tmp_path / "results"]
    assert batch(videos(1), *arguments).returncode == 0
    for more, was in (
        (["--every", 2], "--every was 1, is 2"),
        (["--on-error", "pass"], "--on-error was fail, is pass"),
        (["--workers", 1], ""),
    ):
        ended = batch(videos(1), *arguments, *more, "--dry-run")
        assert (f"has results of other work: {was}. Give" in ended.stderr) == bool(was)
        assert ended.returncode == bool(was)
