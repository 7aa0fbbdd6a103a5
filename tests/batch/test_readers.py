"""The tables of a batch as docs/batch.md reads them: as one table, whatever columns a video has."""

from __future__ import annotations

import json
from glob import glob

import duckdb
import pandas
import polars
import pyarrow.dataset
import pyarrow.parquet
import pytest

VALUES = """
VALUES = {
    "0": {},
    "1": {"value": 1},
    "2": {"value": 2.5, "more": True},
    "3": {"value": "text", "text": "text"},
    "4": {"value": 2**60, "text": 7, "big": 2**53 + 1},
    "5": {"value": 3, "big": 0.5},
}

def process_ip(buffer, in_meta, options):
    frame = in_meta["frame"][0]
    if options.get("played"):
        with open(options["played"], "a") as file:
            file.write(frame["source"][-5] * (frame["frame_num"] == 0))
    values = VALUES[frame["source"][-5]]
    box = {"left": 1, "top": 1, "width": 8, "height": 4}
    found = [{"obj_label": "ball", "rect_params": box, "emcustom": values}] * (frame["source"][-5] != "2")
    return {"frame": [{"meta": values, "new_object": found}]}
"""
WANTED = {
    "0": (None, None, None, None, None),
    "1": (1.0, None, None, None, None),
    "2": (2.5, True, None, None, None),
    "3": (None, None, "text", None, {"value": "text"}),
    "4": (None, None, None, None, {"value": 2**60, "text": 7, "big": 2**53 + 1}),
    "5": (3.0, None, None, 0.5, None),
}
NAMES = ("value", "more", "text", "big", "emcustom")


def by_duckdb(folder):
    return duckdb.sql(f"SELECT video, frame_num, {', '.join(NAMES)} FROM read_parquet('{folder}/*.parquet')").fetchall()


def by_pandas(folder):
    table = pandas.read_parquet(folder)
    table = table.astype(object).where(table.notna(), None)
    return [*table[["video", "frame_num", *NAMES]].itertuples(index=False, name=None)]


def by_polars(folder):
    return polars.read_parquet(f"{folder}/*.parquet")[["video", "frame_num", *NAMES]].rows()


def by_lazy_polars(folder):
    return polars.scan_parquet(f"{folder}/*.parquet").select("video", "frame_num", *NAMES).collect().rows()


def by_pyarrow(folder):
    rows = pyarrow.dataset.dataset(folder).to_table(columns=["video", "frame_num", *NAMES]).to_pylist()
    return [tuple(row.values()) for row in rows]


READERS = (by_duckdb, by_pandas, by_polars, by_lazy_polars, by_pyarrow)


def read(reader, folder):
    """Return the rows of a table, as they are in WANTED, by video and frame."""
    found = {}
    for video, number, *values, text in reader(folder):
        assert (video[-5], number) not in found
        found[video[-5], number] = (*values, json.loads(text) if text else None)
    return found


def schemas(out):
    """Return the schemas of the files of each table."""
    return [
        {str(pyarrow.parquet.read_schema(file)) for file in glob(f"{out}/{table}/*.parquet")} for table in ("frames", "objects")
    ]


def changed(folder):
    """Return when each file was written."""
    return {file.name: file.stat().st_mtime_ns for table in ("frames", "objects") for file in (folder / table).iterdir()}


@pytest.mark.parametrize("segment", [[], ["--segment", "0.5"]], ids=["whole", "pieces"])
def test_every_reader_takes_the_files_as_one_table(batch, library, videos, tmp_path, segment):
    out = tmp_path / "results"
    arguments = ("--lib", library(VALUES), "--out", out, "--jobs", 1, *segment)
    ended = batch(videos(6), *arguments)
    assert ended.returncode == 0, ended.stderr
    assert [len(each) for each in schemas(out)] == [1, 1]
    for reader in READERS:
        frames, objects = read(reader, f"{out}/frames"), read(reader, f"{out}/objects")
        assert frames == {(video, number): WANTED[video] for number in range(10) for video in WANTED}
        assert objects.keys() == {key for key in frames if key[0] != "2"}
        assert objects["3", 3] == WANTED["3"]
        # Objects have no value with a fraction, so the column is one of whole numbers, which takes a large one.
        assert objects["4", 3] == (2**60, None, None, None, {"text": 7, "big": 2**53 + 1})
    before = changed(out)
    again = batch(videos(6), *arguments)
    assert "Videos finished before: 6; left: 0." in again.stderr
    assert changed(out) == before


def test_columns_that_come_with_a_later_start(work, library, videos, tmp_path):
    out, lib = tmp_path / "results", library(VALUES)
    assert work(videos(2), "--lib", lib, "--out", out).returncode == 0
    first = {key: when for key, when in changed(out).items() if key[0] == "0"}
    ended = work(videos(6), "--lib", lib, "--out", out)
    assert ended.returncode == 0, ended.stderr
    assert "Videos finished before: 2; left: 4." in ended.stderr
    assert [len(each) for each in schemas(out)] == [1, 1]
    assert {(key, changed(out)[key] == when) for key, when in first.items()} == {(key, False) for key in first}
    for reader in READERS:
        assert read(reader, f"{out}/frames").keys() == {(video, number) for number in range(10) for video in WANTED}
    assert "left: 0." in work(videos(6), "--lib", lib, "--out", out).stderr


ENDS = """
import os, sys

wanted, part, *counts = os.environ["ENDS_AT"].split()
left = [int(counts[0])]

def looked_at(event, arguments):
    place = arguments[1] if event == "os.rename" else arguments[0] if event == "open" else ""
    if event == wanted and isinstance(place, str) and place.endswith(part):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), 9)

if "batch" in sys.orig_argv:
    sys.addaudithook(looked_at)
"""


def test_killed_while_files_are_written_anew_nothing_is_lost(batch, library, videos, tmp_path):
    """Started again and again, and killed at other places, it never plays a video a second time."""
    out, played = tmp_path / "results", tmp_path / "played"
    library(ENDS, "site/sitecustomize.py")
    options = json.dumps({"played": str(played)})
    arguments = (videos(3), "--lib", library(VALUES), "--options", options, "--out", out, "--jobs", 1)
    places = [
        "os.rename .parquet 7",  # the first three videos have two files each: now nothing is renamed
        "os.rename .parquet 2",  # one of the files is
        "open /frames 1",  # when all are, and the journal does not say so
        "os.rename .parquet 1",
    ]
    for place in places:
        ended = batch(*arguments, env={"PYTHONPATH": str(tmp_path / "site"), "ENDS_AT": place})
        assert ended.returncode == -9, (place, ended.stderr)
        assert "Videos finished before" not in ended.stderr or "Videos finished before: 3; left: 0." in ended.stderr
    ended = batch(*arguments)
    assert ended.returncode == 0, ended.stderr
    assert played.read_text() == "012"
    assert [len(each) for each in schemas(out)] == [1, 1]
    states = [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    last = {state["key"]: state for state in states}
    for key, state in last.items():
        assert state["bytes"] == {table: (out / table / f"{key}.parquet").stat().st_size for table in ("frames", "objects")}
        assert "rewritten" not in state
    found = duckdb.sql(f"SELECT DISTINCT right(video, 5), value, more FROM '{out}/frames/*.parquet' ORDER BY 1").fetchall()
    assert found == [("0.mkv", None, None), ("1.mkv", 1.0, None), ("2.mkv", 2.5, True)]
    assert "gone or cut off" not in batch(*arguments).stderr
