"""The benchmark works from end to end, on few buffers. Nothing here looks at how long anything takes."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.contenders import ContenderError, read_contender
from benchmarks.worker import notes_of

from empycustom.publish.destinations import DESTINATIONS

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "benchmarks" / "contenders").glob("*.toml"))
ELSEWHERE = {"gvapython.toml"}  # they need another project
CAN_DRAW = importlib.util.find_spec("matplotlib") is not None
BUILT_IN = {"empycustom", "gst-python", "pad-probe", "appsink-appsrc", "identity"}
STREAMS = ("nothing", "pixels", "objects-0", "objects-10", "objects-100", "two-elements", "four-streams")

# SIGINT is ignored by what a shell starts in the background, and its children.
INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from benchmarks.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def benchmarks(*arguments, **extra):
    env = {**os.environ, **extra}
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *map(str, arguments)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """One quick run of everything: the process, and the folder with what it kept."""
    folder = tmp_path_factory.mktemp("results")
    without = [] if CAN_DRAW else ["--no-plot"]
    done = benchmarks("--quick", "--out", folder, *without)
    assert done.returncode == 0, done.stderr
    return done, folder


@pytest.fixture(scope="module")
def found(whole_run):
    return json.loads((whole_run[1] / "results.json").read_text())


@pytest.fixture
def contender(tmp_path):
    def write(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return write


def test_every_workload_is_run_by_everybody_who_can(found):
    listed, contenders = benchmarks("--list").stdout.split("\n\n")
    assert list(found["workloads"]) == [line.split()[0] for line in listed.splitlines()]
    assert {line.split()[0] for line in contenders.splitlines()} == BUILT_IN
    for name in STREAMS:
        assert set(found["workloads"][name]["contenders"]) == BUILT_IN


def test_the_examples_of_further_contenders_work(tmp_path):
    here = [path for path in EXAMPLES if path.name not in ELSEWHERE]
    assert len(here) == 4
    done = benchmarks("--quick", "--only", "nothing", "--contender", *here, "--out", tmp_path, "--no-plot")
    assert done.returncode == 0, done.stderr
    examples = {re.search(r'^name = "(.*)"', path.read_text(), re.MULTILINE)[1] for path in here}
    found = json.loads((tmp_path / "results.json").read_text())["workloads"]["nothing"]["contenders"]
    assert set(found) == BUILT_IN | examples
    assert "empycustom, no fast path: version" in done.stdout
    assert "no fast path (EMPYCUSTOM_FAST_PATH=off)" in done.stdout


def test_every_sample_is_there_and_all_buffers_arrived(found):
    """A worker raises when buffers are missing at a sink; what it counts is what it pushed."""
    streams = [one for one in found["workloads"].values() if one["kind"] == "stream"]
    assert len(streams) >= len(STREAMS)
    for workload in streams:
        for contender in workload["contenders"].values():
            assert [sample["repeat"] for sample in contender["samples"]] == [1, 2]
            for sample in contender["samples"]:
                assert sample["buffers"] == workload["quick"]
                assert min(sample["wall_ns"], sample["rss_kib"], sample["peak_kib"]) > 0
                assert sample["cpu_ns"] >= 0  # some kernels count in steps longer than a quick round


def test_the_summary_compares_with_the_hand_written_element(found):
    rows = {row["contender"]: row for row in found["workloads"]["nothing"]["summary"]}
    assert rows["gst-python"]["ratio"] == 1
    assert rows["identity"]["ratio"] is None
    assert all(row["wall"]["low"] <= row["wall"]["median"] <= row["wall"]["high"] for row in rows.values())
    assert len(found["wanted"]) == 20
    assert all(isinstance(one["measured"], float) for one in found["wanted"])


def test_another_commit_is_played_beside_this_checkout(tmp_path):
    arguments = ("--quick", "--against", "HEAD", "--only", "nothing", "start", "json", "--out", tmp_path, "--no-plot")
    done = benchmarks(*arguments)
    if "git rev-parse failed" in done.stderr or "needs git" in done.stderr:
        pytest.skip("this is not a checkout of git")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results.json").read_text())
    commit = next(name for name in found["workloads"]["nothing"]["contenders"] if name not in BUILT_IN)
    notes = {name: one["notes"] for name, one in found["workloads"]["json"]["contenders"].items()}
    assert notes["empycustom"].endswith(str(ROOT / "src" / "empycustom" / "__init__.py"))
    assert notes[commit].endswith(f"/{commit}/src/empycustom/__init__.py")
    measured = {one["aim"]["workload"] for one in found["against"] if one["ratio"] is not None}
    assert measured == {"nothing", "start", "json"}
    for aim in ("nothing, to gst-python", "start", "json, above nothing"):
        assert re.search(rf"^{aim} +-?\d+\.\d\d +\d+\.\d\d +-?\d+\.\d\d +≤ [\d.]+ +(met|missed) ", done.stdout, re.MULTILINE)
    assert re.search(r"^json-10 +- +- +- +≤ 0.25 +not run", done.stdout, re.MULTILINE)


def test_a_commit_that_is_not_there_is_named():
    done = benchmarks("--quick", "--against", "nowhere")
    assert done.returncode == 1
    assert re.search(
        r"^ERROR: git rev-parse failed: .*; give --against a commit of this checkout\.$|needs git", done.stderr, re.M
    )


def test_a_package_from_elsewhere_is_refused(contender):
    path = contender('name = "mine"\nsetup = "empycustom:register"\n[workloads]\nnothing = "identity"')
    mine = replace(read_contender(path), package="/elsewhere/empycustom")
    with pytest.raises(ContenderError, match=r"empycustom is loaded from .*, not from /elsewhere/empycustom"):
        notes_of(mine)


def test_long_streams_are_looked_at_three_times(found):
    for name in ("memory", "memory-json", "memory-workers"):
        for contender in found["workloads"][name]["contenders"].values():
            marks = contender["marks"]
            assert len(marks) == 3
            assert all(mark["buffers"] >= mark["wanted"] and mark["rss_kib"] > 0 for mark in marks)


def test_gst_launch_is_started_in_pairs(found):
    for contender in found["workloads"]["start"]["contenders"].values():
        assert [sample["repeat"] for sample in contender["samples"]] == [1, 2]


def test_a_library_is_looked_into(found):
    (contender,) = found["workloads"]["inside"]["contenders"].values()
    groups = {piece["group"] for piece in contender["pieces"]}
    assert len(groups) == 2
    assert len(contender["pieces"]) > 20


def test_workers_are_measured_beside_what_they_are_compared_with(found):
    measured = {name: found["workloads"][f"workers-{name}"]["contenders"] for name in ("speed", "transport", "live")}
    for contenders in measured.values():
        assert list(contenders) == ["empycustom"]
        assert {len(values) for values in contenders["empycustom"]["measured"].values()} == {1}
    shared = [
        values
        for name, values in measured["transport"]["empycustom"]["measured"].items()
        if name.startswith("frames that were in the worker's memory")
    ]
    assert shared == [[100], [0]]
    assert measured["live"]["empycustom"]["measured"]["frames that left [frames]"] == [30]


def test_documents_are_sent_to_every_kind_of_destination(found):
    """Each was started, and acknowledged all of them: else the workload fails."""
    measured = found["workloads"]["publish-destinations"]["contenders"]["empycustom"]["measured"]
    rates = {name.removeprefix("documents a second, "): values for name, values in measured.items() if "[1/s]" in name}
    kinds = {name.partition(",")[0].removesuffix(" [1/s]") for name in rates}
    assert kinds == {scheme for scheme in DESTINATIONS if scheme not in ("mqtts", "rediss", "https")}
    assert all(len(values) == 1 and values[0] > 0 for values in rates.values())


def test_results_name_where_they_are_from(found):
    machine = found["machine"]
    assert {"processor", "cores", "kernel", "python", "gstreamer", "pygobject", "numpy", "load_average_before"} <= set(machine)
    assert found["command"].startswith("python -m benchmarks --quick")
    notes = [one["notes"] for workload in found["workloads"].values() for one in workload["contenders"].values() if one["notes"]]
    assert any("fast path" in one for one in notes)


def test_tables_are_printed_and_kept(whole_run, found):
    done, folder = whole_run
    kept = (folder / "table.md").read_text()
    for name in found["workloads"]:
        assert re.search(rf"^{name}: ", done.stdout, re.MULTILINE)
        assert re.search(rf"^## {name}: ", kept, re.MULTILINE)
    assert "to gst-python" in done.stdout
    assert re.search(r"^start, to .* ≤ 1.5 of it +\d+\.\d\d +(met|missed)$", done.stdout, re.MULTILINE)
    tables = re.findall(r"(?:^\|.*\|$\n?)+", kept, re.MULTILINE)
    assert len(tables) >= len(found["workloads"])
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


@pytest.mark.skipif(not CAN_DRAW, reason="matplotlib is not installed")
def test_a_plot_is_drawn(whole_run):
    assert (whole_run[1] / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('name = "x"\ncolour = "red"\n[workloads]\nnothing = "identity"', "the key 'colour' is unknown; known are name,"),
        ('name = "x"\n[workloads]\nnothin = "identity"', "there is no workload 'nothin' (in [workloads]); known are nothing,"),
        ('[workloads]\nnothing = "identity"', "the key 'name' is missing or empty; write, for example, name ="),
        ('name = "x"', "the key 'workloads' is missing or empty; write, for example, [workloads]"),
        ('name = "x"\nworkloads = "identity"', "workloads is not a table; write [workloads] on a line of its own"),
        ('name = "x"\n[workloads]\nnothing = 1', "workloads.nothing = 1 is not a string; put it in quotes"),
        (
            'name = "x"\nsetup = "module"\n[workloads]\nnothing = "identity"',
            "setup = 'module' is not the name of a function; write it as",
        ),
        ("name = ", "is not TOML: "),
        ('name = "identity"\n[workloads]\nnothing = "identity"', "two contenders are called 'identity'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_key_and_the_fix(contender, text, expected):
    path = contender(text)
    done = benchmarks("--quick", "--only", "nothing", "--contender", path)
    assert done.returncode == 1
    assert expected in done.stderr
    assert str(path) in done.stderr or "two contenders" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_is_named():
    done = benchmarks("--contender", "nowhere.toml")
    assert (done.returncode, done.stderr) == (
        1,
        "ERROR: nowhere.toml cannot be read (No such file or directory); give the path of a TOML file.\n",
    )


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ("nosuchelement", 'no element "nosuchelement": install its plugin, or correct its name.'),
        ("identity error-after=50", "/GstPipeline:pipeline0/GstIdentity:identity0: Failed after iterations as requested."),
        ("identity drop-probability=0.5", "of 200 buffers arrived at the sink of stream 0"),
    ],
)
def test_a_pipeline_that_fails_is_named_with_its_contender(contender, tmp_path, element, expected):
    path = contender(f'name = "mine"\n[workloads]\nnothing = "{element}"')
    done = benchmarks("--quick", "--only", "nothing", "--contender", path, "--out", tmp_path, "--no-plot")
    assert done.returncode == 1
    assert f"ERROR: mine failed at nothing ({path}, [workloads], nothing): " in done.stderr
    assert expected in done.stderr


def test_a_worker_that_dies_is_named_and_what_was_found_before_is_kept(contender, tmp_path):
    (tmp_path / "dying.py").write_text("import os, sys\ndef now():\n    sys.stderr.write('farewell\\n')\n    os._exit(3)\n")
    path = contender('name = "mine"\nsetup = "dying:now"\n[workloads]\npassed = "identity"')
    arguments = ("--quick", "--only", "nothing", "passed", "--contender", path, "--out", tmp_path, "--no-plot")
    done = benchmarks(*arguments, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "passed): its process ended with exit code 3\nfarewell" in done.stderr
    assert list(json.loads((tmp_path / "results.json").read_text())["workloads"]) == ["nothing"]


def test_an_interrupted_run_ends_and_keeps_what_was_found(tmp_path):
    arguments = ("--quick", "--only", "nothing", "memory-json", "--out", tmp_path, "--no-plot", "--repeats", "1")
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *map(str, arguments)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    with process:
        for line in process.stderr:
            if "memory-json" in line:
                process.send_signal(signal.SIGINT)
                break
        printed = process.stderr.read()
        assert process.wait(timeout=60) == 1
    assert "ERROR: interrupted; the workloads before are kept" in printed
    assert list(json.loads((tmp_path / "results.json").read_text())["workloads"]) == ["nothing"]


def test_a_setup_that_is_not_there_is_named(contender):
    path = contender('name = "mine"\nsetup = "nowhere:now"\n[workloads]\nnothing = "identity"')
    done = benchmarks("--quick", "--only", "nothing", "--contender", path)
    assert done.returncode == 1
    assert f"({path}, [workloads], nothing): there is no function 'nowhere:now' (No module named 'nowhere')" in done.stderr


def test_paths_with_blanks_are_no_hindrance(tmp_path):
    folder = tmp_path / "with blanks"
    shutil.copytree(ROOT / "benchmarks" / "libraries", folder / "libraries")
    path = folder / "contenders" / "mine.toml"
    path.parent.mkdir()
    shutil.copy(ROOT / "benchmarks" / "contenders" / "returning.toml", path)
    done = benchmarks("--quick", "--only", "nothing", "--contender", path, "--out", folder, "--no-plot")
    assert done.returncode == 0, done.stderr


def test_the_page_on_performance_names_every_key_of_a_file_and_shows_one_that_works(contender):
    page = (ROOT / "docs" / "performance.md").read_text()
    known = benchmarks("--contender", contender('unknown = "x"')).stderr.split("known are ")[1].split(". ")[0].split(", ")
    table = page.split("| key | meaning |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `\[?([\w-]+)\]?` \|", table, re.MULTILINE)) == set(known)
    done = benchmarks("--list", "--contender", contender(re.search(r"```toml\n(.*?)```", page, re.DOTALL)[1]))
    assert done.returncode == 0, done.stderr
    assert re.search(r"^my-element +2 workloads$", done.stdout, re.MULTILINE)


def test_help_explains():
    done = benchmarks("--help")
    assert done.returncode == 0
    assert {"--quick", "--repeats", "--only", "--contender", "--list", "--against", "--no-plot", "--out"} <= set(
        re.findall(r"--[a-z-]+", done.stdout)
    )


def test_ways_to_hand_on_a_frame_are_measured_side_by_side():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.new_frames", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 5
    assert rows[0].endswith("| 1.00 |")


def test_metrics_are_measured_beside_a_stream_without():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.metrics", "--frames", "400", "--repeats", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == ["without", "not asked", "asked once a second", "asked without a pause"]
    assert rows[0][2] == rows[0][4] == "1.000"
    assert (rows[0][5], rows[1][5]) == ("0", "0")
    assert int(rows[3][5]) > 1


def test_batches_are_measured_beside_what_they_are_compared_with():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.batch", "--scale", "0.005", "--rounds", "1", "--jobs", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = {text: float(value) for value, text in (line.split(maxsplit=1) for line in done.stdout.splitlines()[1:-1])}
    assert all(value > 0 for text, value in found.items() if "[s]" in text or "[times]" in text)
    assert "2 jobs, to one [times]" in found
    assert "speed of batch, to that of gst-launch-1.0, as decoded [times]" in found
    assert "CPU beyond decoding [ms]" in found
    assert "5050 rows of one video [s]" in found
