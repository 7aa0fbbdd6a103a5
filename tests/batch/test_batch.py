"""What a batch writes, and what it does when it is started again."""

from __future__ import annotations

import json

import pandas
import pytest
from batch_helpers import OBJECTS, rows
from pyarrow.parquet import ParquetFile


def test_frames_and_objects_are_tables(batch, library, videos, tmp_path):
    folder, out = videos(3), tmp_path / "results"
    ended = batch(folder, "--lib", library(OBJECTS), "--out", out, "--jobs", 2)
    assert ended.returncode == 0, ended.stderr
    frames = rows(f"SELECT video, frame_num, time, objects, number, even, emcustom FROM '{out}/frames/*.parquet' ORDER BY 1, 2")
    assert frames == [
        (str(folder / f"{video}.mkv"), number, number / 10, number % 3, number, number % 2 == 0, f'{{"list":[{number}]}}')
        for video in range(3)
        for number in range(10)
    ]
    found = rows(f"SELECT label, count(*), sum(score), min(\"left\"), max(width) FROM '{out}/objects/*.parquet' GROUP BY 1")
    assert found == [("ball", 3 * 9, 3 * sum(n / 4 * (n % 3) for n in range(10)), 1.0, 8.0)]
    done = rows(f"SELECT state, frames, objects, error FROM '{out}/videos.parquet'")
    assert done == [("done", 10, 9, "")] * 3


ODD = """
def process_ip(buffer, in_meta, options):
    return {"frame": [{"meta": {"time": 1, "time_": 2, "big": 2**70}}]}
"""


def test_values_that_no_column_takes_are_kept_as_json(batch, library, videos, tmp_path):
    out = tmp_path / "results"
    ended = batch(videos(1), "--lib", library(ODD), "--out", out)
    assert ended.returncode == 0, ended.stderr
    found = rows(f"SELECT DISTINCT time_, emcustom FROM '{out}/frames/*.parquet'")
    assert found == [(1, f'{{"time_":2,"big":{2**70}}}')]


def test_a_broken_video_costs_that_video_alone(batch, library, videos, tmp_path):
    folder, out = videos(2), tmp_path / "results"
    (folder / "broken.mkv").write_bytes(b"no video")
    ended = batch(folder, "--lib", library(OBJECTS), "--out", out)
    assert ended.returncode == 1
    assert "broken.mkv" in ended.stderr
    assert rows(f"SELECT state, count(*) FROM '{out}/videos.parquet' GROUP BY 1 ORDER BY 1") == [("done", 2), ("failed", 1)]
    again = batch(folder, "--lib", library(OBJECTS), "--out", out)
    assert again.returncode == 1
    assert "Videos finished before: 3; left: 0." in again.stderr
    assert "Nothing is left to do, 1 failed (1 of them before; --retry-failed tries again); " in again.stderr
    quiet = batch(folder, "--lib", library(OBJECTS), "--out", out, "--quiet")
    assert quiet.returncode == 1
    assert quiet.stderr == "empycustom: error: 1 video failed before; --retry-failed tries again.\n"


CRASHES = """
import ctypes
def process_ip(buffer, in_meta, options):
    if in_meta["frame"][0]["source"].endswith("1.mkv"):
        ctypes.string_at(0)
"""


def test_a_library_that_ends_its_process_costs_that_video_alone(batch, library, videos, tmp_path):
    out = tmp_path / "results"
    ended = batch(videos(4), "--lib", library(CRASHES), "--out", out, "--jobs", 1)
    assert ended.returncode == 1
    states = rows(f"SELECT video, state, error FROM '{out}/videos.parquet' ORDER BY 1")
    assert [state for _, state, _ in states] == ["done", "failed", "done", "done"]
    assert f"{tmp_path}/lib.py:5: the process that played it was killed by SIGSEGV in process_ip: " in states[1][2]
    assert "libraries share" not in ended.stderr


def test_started_again_it_goes_on(batch, library, videos, tmp_path):
    out, lib = tmp_path / "results", library(OBJECTS)
    assert batch(videos(2), "--lib", lib, "--out", out).returncode == 0
    before = {file.name: file.stat().st_mtime_ns for file in (out / "frames").iterdir()}
    ended = batch(videos(3), "--lib", lib, "--out", out)
    assert ended.returncode == 0, ended.stderr
    after = {file.name: file.stat().st_mtime_ns for file in (out / "frames").iterdir()}
    assert len(after) == 3
    assert before.items() <= after.items()


def test_other_libraries_or_options_are_refused_unless_forced(batch, library, videos, tmp_path):
    out, folder = tmp_path / "results", videos(1)
    lib = library(OBJECTS)
    assert batch(folder, "--lib", lib, "--out", out).returncode == 0
    lib.write_text(OBJECTS.replace("ball", "cube"))
    ended = batch(folder, "--lib", lib, "--out", out)
    assert ended.returncode == 1
    assert f"{lib.name} has changed" in ended.stderr
    assert "--force" in ended.stderr
    assert batch(folder, "--lib", lib, "--out", out, "--force").returncode == 0
    assert rows(f"SELECT DISTINCT label FROM '{out}/objects/*.parquet'") == [("cube",)]
    ended = batch(folder, "--lib", lib, "--options", '{"a": 1}', "--out", out)
    assert '--options was {}, is {"a": 1}' in ended.stderr


def test_lines_instead_of_tables(batch, library, videos, tmp_path):
    out = tmp_path / "results"
    assert batch(videos(1), "--lib", library(OBJECTS), "--out", out, "--format", "jsonl").returncode == 0
    (file,) = (out / "documents").iterdir()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["frame"][0]["frame_num"] for line in lines] == [*range(10)]
    assert lines[0]["video"].endswith("0.mkv")
    assert json.loads((out / "videos.jsonl").read_text())["state"] == "done"


def test_another_format_is_refused_and_with_force_nothing_of_the_one_before_is_left(batch, library, videos, tmp_path):
    out = tmp_path / "results"
    arguments = (videos(1), "--lib", library(OBJECTS), "--out", out)
    assert batch(*arguments).returncode == 0
    for given, before in (
        (("--format", "jsonl"), "it was --format parquet"),
        (("--pixel-format", "RGB"), "--pixel-format was RGBA"),
    ):
        ended = batch(*arguments, *given)
        assert (ended.returncode, f"has results of other work: {before}. Give another folder" in ended.stderr) == (1, True)
    assert batch(*arguments, "--format", "jsonl", "--force").returncode == 0
    assert {file.name for file in out.glob("[!.]*")} == {"batch.json", "journal.jsonl", "documents", "videos.jsonl"}
    assert batch(*arguments, "--force").returncode == 0
    assert {file.name for file in out.glob("[!.]*")} == {"batch.json", "journal.jsonl", "frames", "objects", "videos.parquet"}


@pytest.mark.parametrize("wrong", ["def process_ip(b, m, o)\n", "import nothing_there\n"])
def test_a_library_that_cannot_be_loaded_is_reported_before_any_video_is_touched(batch, library, videos, tmp_path, wrong):
    ended = batch(videos(1), "--lib", library(wrong), "--out", tmp_path / "results")
    assert ended.returncode == 1
    assert "lib.py:1" in ended.stderr
    assert not (tmp_path / "results").exists()


DECLARES = """
from empycustom import Option
OPTIONS = {"threshold": Option(0.5, "how sure", limits=(0, 1))}
MANDATORY = True
def process_ip(buffer, in_meta, options):
    return {"frame": {"threshold": options["threshold"]}}
"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--options", '{"threshold": 7}'], "lib.py:3: the option threshold must be a number, 0 to 1, not 7"),
        (["--options", '{"treshold": 0.7}'], "there is no option treshold; threshold may be meant"),
        (["--options", "[1]"], "options is not a JSON object but list: [1]"),
        (["--options", "@none.json"], "none.json cannot be read (No such file or directory)"),
        (["--every", "2"], "process-interval=2 lets frames go on that"),
        (["--pixel-format", "XYZ"], '--pixel-format "XYZ" must be one of RGBA'),
    ],
)
def test_what_is_wrong_with_every_video_is_reported_before_any_is_touched(batch, library, videos, tmp_path, arguments, message):
    for dry in ([], ["--dry-run"]):
        ended = batch(videos(1), "--lib", library(DECLARES), *arguments, "--out", "results", *dry)
        assert ended.returncode == 1
        assert message in ended.stderr
        assert ended.stderr.count("error:") == 1
        assert not (tmp_path / "results").exists()


def test_options_in_a_file_are_those_of_its_content(batch, library, videos, tmp_path):
    (tmp_path / "options.json").write_text('{"threshold": 0.25}')
    arguments = (videos(1), "--lib", library(DECLARES), "--options", "@options.json", "--out", "results")
    assert batch(*arguments).returncode == 0
    assert rows(f"SELECT DISTINCT threshold FROM '{tmp_path}/results/frames/*.parquet'") == [(0.25,)]
    assert batch(*arguments).returncode == 0
    (tmp_path / "options.json").write_text('{"threshold": 0.75}')
    ended = batch(*arguments)
    assert ended.returncode == 1
    assert "has results of other work: " in ended.stderr
    assert """options was {"threshold": 0.25}, is {"threshold": 0.75}""" in ended.stderr


HIDDEN = ("_1.mkv", ".2.mkv", "(3).mkv", "__.mkv")


def test_no_name_of_a_video_hides_it_from_readers(batch, library, made, tmp_path):
    """What begins with a point or an underscore is left out by pyarrow, Spark and others where they read a folder."""
    for name in HIDDEN:
        (tmp_path / name).write_bytes(made.read_bytes())
    arguments = (*HIDDEN, "--lib", library(OBJECTS), "--out", "results")
    assert batch(*arguments).returncode == 0
    found = pandas.read_parquet(tmp_path / "results" / "frames")
    assert set(found["video"]) == {str(tmp_path / name) for name in HIDDEN}
    again = batch(*arguments)
    assert again.stderr.startswith("Videos finished before: 4; left: 0.")


LARGE = """
def process_ip(buffer, in_meta, options):
    number = in_meta["frame"][0]["frame_num"]
    return {"frame": {"text": str(number) * 3_000_000} | ({"late": number} if number in options["late"] else {})}
"""


@pytest.mark.parametrize("segment", [[], ["--segment", "0.5"]], ids=["whole", "pieces"])
def test_large_values_are_written_before_they_fill_the_memory(batch, library, videos, tmp_path, segment):
    late = [3] if segment else [8]
    options = json.dumps({"late": late})
    assert batch(videos(1), "--lib", library(LARGE), "--options", options, "--out", "results", *segment).returncode == 0
    (path,) = (tmp_path / "results" / "frames").iterdir()
    assert ParquetFile(path).num_row_groups == 2
    found = rows(f"SELECT frame_num, text[1:1], len(text), late FROM '{path}' ORDER BY 1")
    each = [number if not segment else number % 5 for number in range(10)]
    assert found == [(at, str(number), 3_000_000, number if number in late else None) for at, number in enumerate(each)]
    (objects,) = (tmp_path / "results" / "objects").iterdir()
    assert ParquetFile(objects).metadata.num_rows == 0


CASES = """
def process_ip(buffer, in_meta, options):
    return {"frame": {"Time": "noon", "Speed": 1, "speed": 2, "": 3}}
"""


def test_no_two_columns_differ_by_case_alone(batch, library, videos, tmp_path):
    """DuckDB would give one of them another name."""
    assert batch(videos(1), "--lib", library(CASES), "--out", "results").returncode == 0
    found = rows(f"SELECT DISTINCT Time_, Speed, emcustom FROM '{tmp_path}/results/frames/*.parquet'")
    assert found == [("noon", 1, '{"speed":2,"":3}')]


VALUES = """
VALUES = {"0": 1, "1": 2.5, "2": "text"}
def process_ip(buffer, in_meta, options):
    name = in_meta["frame"][0]["source"][-5]
    return {"frame": {"value": VALUES[name]}}
"""


def test_a_column_has_one_type_and_what_does_not_fit_is_json(batch, library, videos, tmp_path):
    out = tmp_path / "results"
    ended = batch(videos(3), "--lib", library(VALUES), "--out", out, "--jobs", 1)
    assert ended.returncode == 0, ended.stderr
    found = rows(f"SELECT DISTINCT right(video, 5), value, emcustom FROM '{out}/frames/*.parquet' ORDER BY 1")
    assert found == [("0.mkv", 1.0, None), ("1.mkv", 2.5, None), ("2.mkv", None, '{"value":"text"}')]


MANY = """
def process_ip(buffer, in_meta, options):
    video, number = int(in_meta["frame"][0]["source"][-5]), in_meta["frame"][0]["frame_num"]
    return {"frame": {f"of_{video}_{number}_{each}": each for each in range(40)}}
"""


def test_names_without_end_fill_no_table(batch, library, videos, tmp_path):
    """A library that puts numbers into its names has as many names as values."""
    out = tmp_path / "results"
    ended = batch(videos(2), "--lib", library(MANY), "--out", out, "--jobs", 1)
    assert ended.returncode == 0, ended.stderr
    (columns,) = rows(f"SELECT count(*) FROM (DESCRIBE SELECT * FROM '{out}/frames/*.parquet')")
    assert columns == (500 + 8,)
    assert rows(f"SELECT sum(of_0_9_39), count(emcustom) FROM '{out}/frames/*.parquet'") == [(39, 8)]
    ((text,),) = rows(f"SELECT emcustom FROM '{out}/frames/*.parquet' WHERE frame_num = 9 AND right(video, 5) = '1.mkv'")
    assert json.loads(text) == {f"of_1_9_{each}": each for each in range(40)}


def test_a_dry_run_lists_each_video_with_its_state(batch, library, videos, tmp_path):
    out, lib, folder = tmp_path / "results", library(OBJECTS), videos(2)
    broken = folder / "broken.mkv"
    broken.write_bytes(b"no video")
    ended = batch(folder, "--lib", lib, "--out", out, "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert [line.split() for line in ended.stdout.splitlines()] == [["new", str(folder / name)] for name in FOLDER]
    assert ended.stderr == "3 new: 3 videos would be played.\n"
    assert not out.exists()
    batch(folder / "0.mkv", broken, "--lib", lib, "--out", out)
    ended = batch(folder, "--lib", lib, "--out", out, "--dry-run")
    states = zip(("done", "new", "failed"), FOLDER, strict=True)
    assert [line.split() for line in ended.stdout.splitlines()] == [[state, str(folder / name)] for state, name in states]
    assert ended.stderr == (
        "1 new, 1 done before, 1 failed before (left out; --retry-failed tries them again): 1 video would be played.\n"
    )
    ended = batch(folder, "--lib", lib, "--out", out, "--dry-run", "--retry-failed")
    assert ended.stderr == "1 new, 1 done before, 1 failed before (tried again): 2 videos would be played.\n"
    (gone,) = (out / "objects").iterdir()
    gone.write_bytes(gone.read_bytes()[:-10])  # which is noticed, and done again
    assert batch(folder / "0.mkv", "--lib", lib, "--out", out, "--dry-run").stdout.startswith("new ")
    assert batch(folder, "--lib", lib, "--out", out, "--dry-run", "--force").stderr == "3 new: 3 videos would be played.\n"
    lib.write_text(OBJECTS.replace("ball", "cube"))
    ended = batch(folder, "--lib", lib, "--out", out, "--dry-run")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "lib.py has changed" in ended.stderr


FOLDER = ("0.mkv", "1.mkv", "broken.mkv")


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (["nothing"], "There is no file or folder nothing."),
        (["*.mp4"], "There is no file that *.mp4 matches."),
        (["test"], "test is not a recorded video; name files, folders, globs or URIs."),
        (
            ["@none.txt"],
            "@none.txt: the list cannot be read (No such file or directory); give a text file with one source a line.",
        ),
        (["@empty.txt"], "There is no video in @empty.txt."),
        (["@bytes.txt"], "@bytes.txt: the list cannot be read ("),
        (["@lists.txt"], "@lists.txt, line 2: @empty.txt is a list itself; name it on the command line."),
        (["folder"], "folder has no pictures or videos, it is empty.\n"),
    ],
)
def test_sources_without_videos_are_refused_before_anything_is_written(batch, library, tmp_path, sources, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "lists.txt").write_text("# others\n@empty.txt\n")
    for dry in ([], ["--dry-run"]):
        ended = batch(*sources, "--lib", library(OBJECTS), "--out", "results", *dry)
        assert ended.returncode == 1
        assert ended.stderr.startswith(f"empycustom: error: {message}")
        assert not (tmp_path / "results").exists()


def test_a_video_of_a_list_that_is_missing_costs_that_video_alone(batch, library, videos, tmp_path):
    (tmp_path / "list.txt").write_text(f"{videos(1) / '0.mkv'}\nmissing.mkv\n")
    ended = batch("@list.txt", "--lib", library(OBJECTS), "--out", "results")
    assert ended.returncode == 1
    assert f"empycustom: error: {tmp_path}/missing.mkv: there is no such file.\n" in ended.stderr
    states = rows(f"SELECT state, error FROM '{tmp_path}/results/videos.parquet' ORDER BY state")
    assert [state for state, _ in states] == ["done", "failed"]
    assert "missing.mkv" in states[1][1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", "mine", "has files, but no batch.json: they are not results of `empycustom batch`; give another folder."),
        ("batch.json", "{", "batch.json cannot be read (Expecting property name"),
        ("batch.json", '{"mine": 1}', "batch.json was not written by `empycustom batch`; give another folder."),
        (None, "mine", "is a file; give a folder."),
    ],
)
def test_an_out_folder_of_something_else_is_refused_as_it_is(batch, library, videos, tmp_path, name, content, message):
    out = tmp_path / "mine"
    if name:
        out.mkdir()
    file = out / name if name else out
    file.write_text(content)
    for more in ([], ["--dry-run"], ["--force"]):
        ended = batch(videos(1), "--lib", library(OBJECTS), "--out", out, *more)
        assert ended.returncode == 1
        assert ended.stderr.startswith(f"empycustom: error: --out {out}")
        assert message in ended.stderr
        assert file.read_text() == content
        assert not name or [*out.iterdir()] == [file]


def test_modules_of_gvapython_work_on_videos_too(batch, library, videos, tmp_path):
    out = tmp_path / "results"
    module = library(
        "class Finds:\n"
        "    def __init__(self, label):\n"
        "        self.label = label\n"
        "    def process_frame(self, frame):\n"
        "        frame.add_region(1, 2, 3, 4, self.label, 0.5)\n"
        "        return True\n"
    )
    folder = videos(2)
    ended = batch(folder, "--lib", module, "--class", "Finds", "--kwarg", '{"label": "car"}', "--out", out)
    assert ended.returncode == 0, ended.stderr
    assert rows(f"SELECT label, count(*) FROM '{out}/objects/*.parquet' GROUP BY 1") == [("car", 20)]
    ended = batch(folder, "--lib", module, "--class", "Finds", "--kwarg", '{"label": "bus"}', "--out", out)
    assert (ended.returncode, """--kwarg was {"label": "car"}, is {"label": "bus"}""" in ended.stderr) == (1, True)
