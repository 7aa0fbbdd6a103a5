"""What is the same on this machine and on Ray, and what Ray adds. All tests have one Ray, which takes seconds to start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import duckdb
import pytest
from batch_helpers import OBJECTS
from ray_helpers import environment, home_of_ray, wait_for


def rows(query):
    return duckdb.sql(query).fetchall()


def states(out):
    """What became of each video, with its error, where lines were written."""
    found = [json.loads(line) for line in (out / "videos.jsonl").read_text().splitlines()]
    return {each["video"][-5:]: (each["state"], each["error"]) for each in found}


def numbers(out):
    """The frames of each video, by its name."""
    return dict(rows(f"SELECT right(video, 5), list(frame_num ORDER BY frame_num) FROM '{out}/frames/*.parquet' GROUP BY 1"))


def test_the_tables_are_the_same(work, library, videos, tmp_path):
    out = tmp_path / "results"
    ended = work(videos(3), "--lib", library(OBJECTS), "--out", out)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ""
    frames = rows(
        f"SELECT right(video, 5), frame_num, time, objects, number, even, emcustom FROM '{out}/frames/*.parquet' ORDER BY 1, 2"
    )
    assert frames == [
        (f"{video}.mkv", number, number / 10, number % 3, number, number % 2 == 0, f'{{"list":[{number}]}}')
        for video in range(3)
        for number in range(10)
    ]
    assert rows(f"SELECT label, count(*), sum(score) FROM '{out}/objects/*.parquet' GROUP BY 1") == [
        ("ball", 3 * 9, 3 * sum(n / 4 * (n % 3) for n in range(10)))
    ]


FAILS = """
import ctypes, pathlib
def process_ip(buffer, in_meta, options):
    name = in_meta["frame"][0]["source"][-5:]
    if name == "1.mkv":
        with open(options["tries"], "a") as file:
            file.write("once ")
        ctypes.string_at(0)
    if name == "2.mkv":
        raise ValueError("not this one")
"""


def test_a_failure_costs_its_video_alone_and_is_not_tried_again(work, library, videos, tmp_path):
    folder, out = videos(5), tmp_path / "results"
    (folder / "3.mkv").write_bytes(b"no video")
    lib, options = library(FAILS), json.dumps({"tries": str(tmp_path / "tries")})
    ended = work(folder, "--lib", lib, "--options", options, "--out", out, "--format", "jsonl")
    assert ended.returncode == 1
    found = states(out)
    assert [name for name, (state, _) in sorted(found.items()) if state == "done"] == ["0.mkv", "4.mkv"]
    assert ": the process that played it was killed by SIGSEGV in process_ip: " in found["1.mkv"][1]
    assert f"{lib}:10" in found["2.mkv"][1]
    assert "not this one" in found["2.mkv"][1]
    assert found["3.mkv"][1]
    assert (tmp_path / "tries").read_text() == "once "
    assert {len(file.read_text().splitlines()) for file in (out / "documents").iterdir()} == {10}


HELPED = """
from pathlib import Path
from shape.names import NAME
LABEL = (Path(__file__).parent / "label.txt").read_text()
VALUES = {"0": 1, "1": 2.5, "2": "text"}
def process_ip(buffer, in_meta, options):
    value = VALUES[in_meta["frame"][0]["source"][-5]]
    return {"frame": {"name": NAME, "label": LABEL, "option": options["a"], "value": value}}
"""


def test_started_again_in_pieces_with_a_library_that_has_what_lies_beside_it(work, library, videos, tmp_path):
    out, lib = tmp_path / "results", library(HELPED, "libs/lib.py")
    library("NAME = 'helped'", "libs/shape/names.py")
    (lib.parent / "label.txt").write_text("read")
    (tmp_path / "options.json").write_text('{"a": 1.5}')
    arguments = ("--lib", lib, "--options", "@options.json", "--out", out, "--segment", "0.5s")
    assert work(videos(1), *arguments).returncode == 0
    ended = work(videos(3), *arguments)
    assert ended.returncode == 0, ended.stderr
    assert "Videos finished before: 1; left: 2." in ended.stderr
    read = f"'{out}/frames/*.parquet'"
    assert rows(f"SELECT DISTINCT name, label, option FROM {read}") == [("helped", "read", 1.5)]
    values = rows(f"SELECT DISTINCT right(video, 5), value, emcustom FROM {read} ORDER BY 1")
    assert values == [("0.mkv", 1.0, None), ("1.mkv", 2.5, None), ("2.mkv", None, '{"value":"text"}')]
    assert numbers(out) == {f"{video}.mkv": [*range(10)] for video in range(3)}


# Ray alone.


LOSES = """
import os, signal, time
def process_ip(buffer, in_meta, options):
    frame = in_meta["frame"][0]
    if frame["source"].endswith("1.mkv") and frame["frame_num"] == 5 and not os.path.exists(options["mark"]):
        open(options["mark"], "w").close()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
"""


def test_a_worker_of_ray_that_is_killed_in_the_middle_changes_nothing(on_ray, library, videos, tmp_path):
    out, mark = tmp_path / "results", tmp_path / "mark"
    ended = on_ray(videos(4), "--lib", library(LOSES), "--options", json.dumps({"mark": str(mark)}), "--out", out)
    assert ended.returncode == 0, ended.stderr
    assert mark.exists()
    assert numbers(out) == {f"{video}.mkv": [*range(10)] for video in range(4)}
    assert ended.stdout == ""


def test_what_no_node_has_is_refused_and_results_stay(on_ray, batch, library, videos, tmp_path):
    lib, out, folder = library(OBJECTS), tmp_path / "results", videos(1)
    assert batch(folder, "--lib", lib, "--out", out).returncode == 0
    ended = on_ray(folder, "--lib", lib, "--out", out, "--force", "--gpus-per-video", 1)
    assert ended.returncode == 1
    assert "No node of the cluster can give a video 1 CPUs and 1 GPUs:" in ended.stderr
    assert "has 2 CPUs and 0 GPUs. Lower --cpus-per-video or --gpus-per-video, or add a node." in ended.stderr
    assert numbers(out) == {"0.mkv": [*range(10)]}


SLEEPS = """
import os, time
def process_ip(buffer, in_meta, options):
    with open(options["pids"], "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(60)
"""


def test_a_batch_that_is_killed_leaves_nothing_on_the_nodes(cluster, ray_environment, env_with, library, videos, tmp_path):
    pids, lib = tmp_path / "pids", library(SLEEPS)
    command = [sys.executable, "-m", "empycustom", "batch", str(videos(2)), "--lib", str(lib), "--out", "results"]
    command += ["--options", json.dumps({"pids": str(pids)}), "--ray", cluster]
    process = subprocess.Popen(command, env=env_with() | ray_environment, cwd=tmp_path, stderr=subprocess.DEVNULL)
    wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2, 60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids.read_text().split()), 30)


def test_one_that_ray_starts_here(batch, library, videos, tmp_path, monkeypatch):
    out = tmp_path / "results"
    with home_of_ray() as home:
        for name, value in environment(home).items():
            monkeypatch.setenv(name, value)
        ended = batch(videos(2), "--lib", library(OBJECTS), "--out", out, "--ray")
        assert ended.returncode == 0, ended.stderr
        wait_for(lambda: subprocess.run(["pgrep", "-f", str(home)], check=False, capture_output=True).stdout == b"", 30)
    assert numbers(out) == {f"{video}.mkv": [*range(10)] for video in range(2)}
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (
            ["--ray", "127.0.0.1:9"],
            1,
            "--ray 127.0.0.1:9 cannot be reached (Connection refused); give the address that `ray start",
        ),
        (["--ray", "ray://nowhere.invalid:10001"], 1, "cannot be reached"),
        (["--cpus-per-video", "2"], 2, "--cpus-per-video is for --ray"),
        (["--ray", "--jobs", "2"], 2, "--jobs is for this machine; with --ray, --cpus-per-video says how many fit"),
        (["--ray", "--gpus-per-video", "1.5"], 2, "1.5: a GPU can be shared, and more than one are a whole number"),
        (["--ray", "more/"], 2, "more/ is not the address of a cluster, as 10.0.0.5:6379; SOURCE goes before --ray"),
    ],
)
def test_what_cannot_be_is_refused(batch, library, videos, tmp_path, arguments, code, text):
    ended = batch(videos(1), "--lib", library(OBJECTS), "--out", "results", *arguments)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert text in ended.stderr
    assert not (tmp_path / "results").exists()


def test_a_folder_that_is_too_large_is_refused(batch, library, videos, tmp_path):
    lib = library(OBJECTS, "libs/lib.py")
    with (lib.parent / "model.onnx").open("wb") as file:
        file.truncate(300 << 20)
    ended = batch(videos(1), "--lib", lib, "--out", "results", "--ray")
    assert ended.returncode == 1
    assert (
        f"{lib.parent} has more than 256 MB or 10000 files; put the library, and what it needs, into a folder of its own"
        in ended.stderr
    )


def test_without_ray_it_says_what_to_install(env_with, library, videos, tmp_path):
    code = "import sys; sys.modules['ray'] = None; from empycustom.app.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "batch", str(videos(1)), "--out", "results", "--ray"]
    ended = subprocess.run(command, env=env_with(), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "--ray needs the package ray" in ended.stderr
    assert "pip install 'empycustom[ray]'" in ended.stderr
