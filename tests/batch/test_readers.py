"""The tables of a batch as docs/batch.md reads them, where videos do not have the same columns."""

from __future__ import annotations

from glob import glob

import duckdb
import pandas
import polars
import pytest

VALUES = """
VALUES = {"0": {}, "1": {"value": 1}, "2": {"value": 2.5, "more": True}}

def process_ip(buffer, in_meta, options):
    return {"frame": VALUES[in_meta["frame"][0]["source"][-5]]}
"""


def by_duckdb(folder):
    tables = f"read_parquet('{folder}/frames/*.parquet', union_by_name=true)"
    return duckdb.sql(f"SELECT frame_num, value, more, left(parse_filename(video), 1) FROM {tables}").fetchall()


def by_pandas(folder):
    frames = pandas.concat(map(pandas.read_parquet, glob(f"{folder}/frames/*.parquet")))
    frames = frames.astype(object).where(frames.notna(), None)
    return [*zip(frames["frame_num"], frames["value"], frames["more"], frames["video"].str[-5], strict=True)]


def by_polars(folder):
    frames = polars.concat(map(polars.scan_parquet, glob(f"{folder}/frames/*.parquet")), how="diagonal_relaxed")
    return frames.select("frame_num", "value", "more", polars.col("video").str.slice(-5, 1)).collect().rows()


@pytest.mark.parametrize("read", [by_duckdb, by_pandas, by_polars])
@pytest.mark.parametrize("segment", [[], ["--segment", "0.5"]], ids=["whole", "pieces"])
def test_files_with_other_columns_are_one_table(batch, library, videos, tmp_path, read, segment):
    ended = batch(videos(3), "--lib", library(VALUES), "--out", tmp_path / "results", "--jobs", 1, *segment)
    assert ended.returncode == 0, ended.stderr
    values = {"0": (None, None), "1": (1.0, None), "2": (2.5, True)}
    wanted = [(number, *values[video], video) for number in range(10) for video in values]
    assert sorted(read(tmp_path / "results"), key=lambda row: (row[0], row[3])) == wanted
