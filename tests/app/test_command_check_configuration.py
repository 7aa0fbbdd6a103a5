"""`empycustom check emi_stream_config.json`: what `run` would refuse and what it would play, without playing it."""

from __future__ import annotations

import json
import os

import pytest
from command_helpers import COUNTS, LIB

HOOKS = """\
def start(options):
    open("started", "a").write(f"{options.get('n')} ")

def process_ip(io_buffer, in_meta, options):
    open("called", "w").close()

def stop(options):
    open("stopped", "a").write(f"{options.get('n')} ")
"""


def test_what_is_played_is_shown_and_libraries_are_started_and_stopped(cli, configured, library, tmp_path):
    library(HOOKS, "hooks.py")
    pipeline = {
        "primary": {"empycustom": {"custom-lib": "hooks.py", "in-place": True, "options": {"n": 1}}},
        "empycustom": [{"custom-lib": "hooks.py", "in-place": True, "format": "GRAY8", "options": {"n": 2}}],
        "overlay": {"clockoverlay": {}},
        "publish": [f"file://{tmp_path}/{{stream_id}}.jsonl", {"uri": "mqtt://me:secret@nowhere/a?qos=2", "select": "objects"}],
    }
    streams = [{"stream_id": "garden", "location": "rtsp://me:secret@nowhere/garden"}, {"stream_id": "b", "location": "test"}]
    name = configured(pipeline, callback=COUNTS, streams=streams)
    ended = cli("check", name)

    assert (ended.code, ended.err) == (0, "")
    lib = tmp_path / "hooks.py"
    stages = f"  empycustom {lib}: process_ip, RGBA\n  empycustom {lib}: process_ip, GRAY8\n  clockoverlay\n"
    stages += f"  metapublish file://{tmp_path}/NAME.jsonl\n  metapublish mqtt://me:***@nowhere/a?qos=2 select=objects\n"
    stages += "  aimeta, whose documents update gets\n"
    garden, b = (stages.replace("NAME", each) for each in ("garden", "b"))
    assert ended.out == (f"{name}: 2 streams, nothing is wrong\n\ngarden: rtsp://me:***@nowhere/garden\n{garden}\nb: test\n{b}")
    assert [(tmp_path / name).read_text() for name in ("started", "stopped")] == ["1 2 "] * 2
    assert not (tmp_path / "called").exists()

    whole = json.loads(cli("check", name, "--json").out)
    assert list(whole) == ["empycustom", "configuration", "streams", "callback", "warnings"]
    assert (whole["configuration"], whole["callback"], whole["warnings"]) == (name, "update", [])
    first, second = whole["streams"]
    assert (first["stream_id"], first["source"]) == ("garden", "rtsp://me:***@nowhere/garden")
    assert first["stages"] == second["stages"]
    assert first["published"][1] == {"uri": "mqtt://me:***@nowhere/a?qos=2", "select": "objects"}
    assert first["stages"][1] == {
        "path": "$.pipeline_configuration.empycustom[0]",
        "element": "empycustom",
        "library": str(lib),
        "callback": "process_ip",
        "format": "GRAY8",
        "memory": "CPU",
    }


def test_what_is_typed_counts(cli, configured, video):
    options = [{"key": {"element": "empycustom", "property": "process-interval"}, "option_type": "gstreamer"}]
    name = configured({"empycustom": LIB}, options=options)

    assert "there is no source; give --source URI" in cli("check", name).err
    assert cli("check", name, "--source", video).code == 0
    wrong = cli("check", name, "--source", video, "--set", "empycustom.process-interval=0")
    assert wrong.code == 1
    assert "--set empycustom.process-interval" in wrong.err


def test_what_run_refuses_is_refused_with_the_same_messages(cli, configured):
    pipeline = {"empycustom": {"custom-lib": "nope.py"}, "tracker": {"identity": {"slient": True}}}
    name = configured(pipeline, streams=[{"stream_id": "a", "location": "nope.mp4"}])
    checked, played = cli("check", name), cli("run", name)

    assert (checked.code, played.code, checked.out) == (1, 1, "")
    assert "3 problems" in checked.err
    assert checked.err == played.err
    error = json.loads(cli("check", name, "--json").out)["error"]
    assert checked.err == f"empycustom: error: {error['message']}\n"


def test_a_camera_that_is_not_there_is_a_problem(cli, configured):
    ended = cli("check", configured({}, streams=[{"stream_id": "a", "location": "camera:99"}]))

    assert ended.code == 1
    assert "$.streams[0].location: There is no camera at /dev/video99" in ended.err


@pytest.mark.parametrize("word", ["", "--json"])
def test_all_failing_libraries_and_the_callback_are_reported_at_once(cli, configured, library, word):
    library("def process_ip(b, m, o)\n", "syntax.py")
    library("def start(o):\n    1 / 0\ndef process_ip(b, m, o): pass\n", "start.py")
    library("def process_ip(b, m, o): pass\ndef stop(o):\n    raise OSError('sorry')\n", "stop.py")
    names = ("syntax.py", "start.py", "stop.py", "lib.py")
    pipeline = {"empycustom": [{"custom-lib": name, "in-place": name != "lib.py"} for name in names]}
    name = configured(pipeline, callback="def other(signal): pass\n", streams=[{"stream_id": "a", "location": "test"}])
    ended = cli("check", name, *filter(None, [word]))

    assert ended.code == 1
    said = [line.removeprefix("empycustom: error: ") for line in ended.err.splitlines() if line.startswith("empycustom: error: ")]
    path = "$.pipeline_configuration.empycustom"
    for index, (line, part) in enumerate(
        zip(
            said,
            ["syntax.py:1 has a syntax error", "start.py:2: start raised Zero", "stop.py:3: stop raised OS", "no process"],
            strict=False,
        )
    ):
        assert line.startswith(f"{path}[{index}].custom-lib: ")
        assert part in line
    assert "has no function update" in said[4]
    assert len(said) == 5
    assert "1 / 0" in ended.err, "tracebacks are shown"
    if word:
        error = json.loads(ended.out)["error"]
        assert error["message"].splitlines() == said
        assert "1 / 0" in error["details"]


@pytest.mark.parametrize(
    "words", [["--objects", "0"], ["--image", "a.jpg"], ["--save", "a.png"], ["--options", "{}"], ["--at", "0"]]
)
def test_what_is_for_libraries_does_not_go_with_it(cli, configured, words):
    ended = cli("check", configured({"empycustom": LIB}), *words)

    assert ended.code == 2
    assert f"{words[0]} does not go with a stream configuration" in ended.err


def test_what_does_not_go_together_with_workers_is_known_before_the_start(cli, configured, library):
    library("def process(b, m, o): return b, None\ndef process_ip(b, m, o): pass\n")
    stages = [
        {"in-place": True, "call-timeout": 500},
        {"in-place": True, "pace": "skip"},
        {"workers": 1, "pace": "latest"},
        {"in-place": True, "workers": 1, "memory": "NVMM"},
        {"in-place": True, "workers": 1, "pace": "latest", "call-timeout": 500, "reload": True},
    ]
    name = configured({"empycustom": [{"custom-lib": "lib.py", **stage} for stage in stages]})
    told = [
        "[0].call-timeout: call-timeout=500 ends the process of a call, and the library runs in the streaming thread; set workers=1",
        "[1].pace: pace=skip needs workers, and the library runs in the streaming thread; set workers=1",
        "[2].pace: with pace=latest results go with later frames, and new frames cannot; use process_ip (in-place=true), or pace=skip",
        "[3].workers: frames in NVMM memory cannot go to workers; set workers=0, or put",
    ]
    for command in ("check", "run"):
        ended = cli(command, name, "--source", "test")
        assert ended.code == 1
        for text in told:
            assert f"$.pipeline_configuration.empycustom{text}" in ended.err
        assert "empycustom[4]" not in ended.err


def test_a_library_with_workers_is_started_in_one(cli, configured, library, tmp_path):
    library(f"import os\nopen('pid', 'w').write(str(os.getppid()))\n{HOOKS}", "hooks.py")
    element = {"custom-lib": "hooks.py", "in-place": True, "workers": 3, "options": {"n": 1}}
    assert cli("check", configured({"empycustom": element}), "--source", "test").code == 0
    assert [(tmp_path / name).read_text() for name in ("started", "stopped")] == ["1 "] * 2
    assert int((tmp_path / "pid").read_text()) != os.getpid()
    library("import os\ndef start(o): os.abort()\ndef process_ip(b, m, o): pass\n", "hooks.py")
    ended = cli("check", configured({"empycustom": element}), "--source", "test")
    assert ended.code == 1
    assert "empycustom.custom-lib: " in ended.err
    assert "hooks.py:2: the worker was killed by SIGABRT" in ended.err


def test_a_library_that_would_hand_state_over_to_its_new_version_is_reported(cli, configured, library):
    library("def process_ip(b, m, o): pass\n\n\ndef reloaded(old): pass\n")
    stage = {"custom-lib": "lib.py", "in-place": True}
    for more, reported in (({"workers": 2, "reload": True}, True), ({"workers": 2}, False), ({"reload": True}, False)):
        ended = cli("check", configured({"empycustom": {**stage, **more}}), "--source", "test")
        assert ended.code == 0
        assert ("lib.py:4: reloaded is not called with workers=2: the version before" in ended.err) is reported
    assert "reloaded hands state over with reload=true and workers=0; with workers it is not called" in cli("check", "lib.py").out
