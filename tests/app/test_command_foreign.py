"""`empycustom check` and `run` with modules of other projects."""

from __future__ import annotations

import json
import sys

import pytest

COUNTER = """\
from gstgva import VideoFrame


class Counter:
    def __init__(self, *names, line=1):
        self.names, self.line = names, line

    def count(self, frame: VideoFrame) -> bool:
        for region in frame.regions():
            region.add_tensor("size").set_label(str(region.rect().w))
        frame.add_region(1, 2, 3, 4, "line")
        frame.add_message(f"{self.names} {self.line}")
        return True

    def __del__(self):
        print("gone")
"""
CALLED = ["--class", "Counter", "--function", "count", "--arg", '"a"', "--arg", '["b", 3]', "--kwarg", '{"line": 2}']
SAID = "('a', 'b', 3) 2"


def test_check_says_how_a_module_is_called_and_what_it_does(cli, library):
    file = library(COUNTER)
    ended = cli("check", file, *CALLED, "--objects", 1)

    assert ended.code == 0, ended.err
    assert (
        "It is called as gvapython does it, because it imports gstgva: the method count of an object of Counter, for each frame."
        in ended.out
    )
    calls = ["__init__(*arg, **kwarg)  line 5", "count(frame)  line 8", "__del__()  line 15"]
    calls += ['with arg = ["a", "b", 3]', 'with kwarg = {"line": 2}']
    assert [line.strip() for line in ended.out.split("calls, in this order:\n")[1].splitlines()[:5]] == calls
    assert "count added and changed, as libraries of empycustom return it:" in ended.out
    assert 'object 0 (person): {"tensors": [{"name": "size", "label": "480"}]}' in ended.out
    assert f'the frame: {{"messages": ["{SAID}"]}}' in ended.out
    assert "a new object: " in ended.out
    assert ended.err == "gone\n"


def test_programs_get_the_same(cli, library):
    file = library(f"{COUNTER}\n\ndef draw(frame: VideoFrame):\n    frame.roi\n")
    ended = cli("check", file, *CALLED, "--json")

    assert ended.code == 0, ended.err
    facts = json.loads(ended.out)
    assert facts["dialect"] == {"name": "gvapython", "why": "it imports gstgva"}
    assert facts["call"] == {"class": "Counter", "function": "count", "arg": ["a", "b", 3], "kwarg": {"line": 2}}
    assert facts["missing"] == [{"line": 20, "text": "frame.roi: gstgva has no VideoFrame.roi here"}]
    assert [call["callback"] for call in facts["calls"]] == ["__init__", "count", "__del__"]
    assert (facts["results"][0]["dropped"], facts["results"][0]["pixels"]) == (None, "unchanged")
    own = json.loads(cli("check", library("def process_ip(b, m, o):\n    pass\n", "own.py"), "--json").out)
    assert (own["dialect"], own["call"], own["missing"]) == ({"name": "empycustom", "why": "it has process_ip"}, {}, [])


@pytest.mark.parametrize(
    ("returned", "why"),
    [
        ("None", "process_frame returned None, so frames are dropped, as gvapython does; return True to let them go on."),
        ("0", "process_frame returned 0, which drops it."),
        ("False", "process_frame returned False, which drops it."),
    ],
)
def test_a_dropped_frame_is_explained(cli, library, returned, why):
    file = library(f"def process_frame(frame):\n    return {returned}\n")
    ended = cli("check", file)
    assert ended.code == 0, ended.err
    assert "It is called as gvapython does it, because it has process_frame with one argument: its function" in ended.out
    assert f"The frame is dropped: {why}\n" in ended.out
    warning = (
        f"empycustom: warning: {file}:1: process_frame always returns None, which drops all frames; end it with return True\n"
    )
    assert ended.err == (warning if returned == "None" else "")
    result = json.loads(cli("check", file, "--json").out)["results"][0]
    assert (result["dropped"], result["pixels"]) == (why.rstrip("."), "dropped")


def test_what_a_module_uses_and_is_not_there_is_listed(cli, library):
    file = library(
        "from gstgva import VideoFrame\n"
        "def process_frame(frame: VideoFrame):\n"
        "    if frame.video_info().width < 0:\n"
        "        frame.to_json({})\n"
        "    for region in frame.regions():\n"
        "        region.label() == 'none' and region.caption('x')\n"
        "    return True\n"
    )
    ended = cli("check", file)
    assert ended.code == 0, ended.err
    assert ended.err.splitlines() == [
        f"empycustom: warning: {file}:4: frame.to_json: gstgva has no VideoFrame.to_json here",
        f"empycustom: warning: {file}:6: region.caption: gstgva has no RegionOfInterest.caption here",
    ]


def test_what_keeps_a_module_from_being_loaded_is_listed_too(cli, library):
    file = library(
        "from gstgva import VideoFrame, AudioFrame\nfrom gstgva.audio import AudioEvent\ndef process_frame(frame):\n    return True\n"
    )
    ended = cli("check", file)
    assert ended.code == 1
    first, second, error, *_ = ended.err.splitlines()
    assert first == f"empycustom: warning: {file}:1: gstgva has no AudioFrame here: audio is left out"
    assert second == f"empycustom: warning: {file}:2: gstgva has no audio here: audio is left out"
    assert error.startswith(
        f"empycustom: error: {file}:1 cannot be loaded: ImportError: cannot import name 'AudioFrame' from 'gstgva'"
    )
    assert error.endswith(
        ". gstgva is empycustom's own here, and does not have that; 'empycustom check' lists all that is missing"
    )


def test_what_is_given_to_import_statements_alone_is_said(cli, library):
    file = library(
        "import importlib\nutil = importlib.import_module('gstgva.util')\ndef process_frame(frame):\n    return True\n"
    )
    ended = cli("check", file)
    assert ended.code == 1
    error = ended.err.splitlines()[0]
    assert error.startswith(f"empycustom: error: {file}:2 cannot be loaded: ModuleNotFoundError: No module named 'gstgva'")
    assert error.endswith(f". empycustom gives gstgva to import statements alone: write one, or install it for {sys.prefix}")


def test_modules_of_hailopython_are_checked_too(cli, library):
    file = library("from gsthailo import VideoFrame\ndef run(video_frame: VideoFrame):\n    video_frame.tensors\n")
    ended = cli("check", file)
    assert ended.code == 1
    assert "It is called as hailopython does it, because it imports gsthailo: its function run, for each frame." in ended.out
    assert [line.partition(f"{file}:")[2] for line in ended.err.splitlines()[:2]] == [
        "3: video_frame.tensors: gsthailo has no VideoFrame.tensors here",
        "2: run always returns None, which is an error; end it with return Gst.FlowReturn.OK",
    ]
    dropping = "from gi.repository import Gst\ndef run(video_frame):\n    return Gst.FlowReturn.CUSTOM_SUCCESS\n"
    ended = cli("check", library(f"from gsthailo import VideoFrame\n{dropping}", "drops.py"))
    assert ended.code == 0, ended.err
    assert "The frame is dropped: run returned " in ended.out


def test_a_class_without_its_name_is_an_error_that_names_it(cli, library):
    file = library(
        COUNTER.replace("from gstgva import VideoFrame\n", "").replace(": VideoFrame", "").replace("count", "process_frame")
    )
    ended = cli("check", file)
    assert ended.code == 1
    assert "has no process_frame, which function=process_frame needs; the class Counter has it: set class=Counter\n" in ended.err
    assert cli("check", file, "--class", "Counter").code == 0


@pytest.mark.parametrize("more", [(), ("--workers", "1")])
def test_run_passes_the_options_on(cli, library, gst_launch, more):
    file = library(COUNTER.replace("from gstgva import VideoFrame\n", "").replace(": VideoFrame", ""))
    ended = cli("run", "test", "--lib", file, "--dialect", "gvapython", *CALLED, *more, "--frames", 2)
    assert ended.code == 0, ended.err
    assert [document["frame"][0]["emcustom"] for document in ended.documents] == [{"messages": [SAID]}] * 2
    typed = cli("run", "test", "--lib", file, *CALLED, *more, "--frames", 2, "--dry-run").out
    launched = gst_launch(typed.removeprefix("gst-launch-1.0 "))
    assert [document["frame"][0]["emcustom"] for document in launched.documents] == [{"messages": [SAID]}] * 2, launched.text


def test_a_configuration_names_them_too(cli, library, tmp_path):
    library(COUNTER)
    custom = {"custom-lib": "lib.py", "class": "Counter", "function": "count", "arg": ["a", "b", 3], "kwarg": {"line": 2}}
    content = {"pipeline_configuration": {"empycustom": custom}, "streams": [{"stream_id": "a", "location": "test"}]}
    (tmp_path / "emi_stream_config.json").write_text(json.dumps(content))
    for command in (["check"], ["run", "--frames", "1", "--quiet"]):
        ended = cli(command[0], "emi_stream_config.json", *command[1:])
        assert ended.code == 0, ended.text


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (("--kwarg", "[1]"), "argument --kwarg: [1] is not a JSON object; write '{\"key\": 1}'"),
        (("--kwarg", "{"), "argument --kwarg: { is not JSON, nor @file.json (Expecting"),
        (("--arg", "@none.json"), "argument --arg: @none.json is not JSON, nor @file.json ("),
        (("--dialect", "gva"), "argument --dialect: gva is not one of auto, "),
        (("--class", "A", "--class", "B"), "--class is there twice, with different values; give it once"),
    ],
)
def test_what_cannot_be_is_refused(cli, library, line, complaint):
    file = library(COUNTER)
    assert complaint in cli("check", file, *line).err
    assert complaint.replace("--class is", f"--class of --lib {file} is") in cli("run", "test", "--lib", file, *line).err


def test_arguments_come_from_files_too(cli, library, tmp_path):
    (tmp_path / "kwarg.json").write_text('{"line": 7}')
    ended = cli("check", library(COUNTER), "--class", "Counter", "--function", "count", "--kwarg", "@kwarg.json")
    assert 'the frame: {"messages": ["() 7"]}' in ended.out


def test_a_configuration_takes_them_in_the_file_alone(cli):
    assert "does not go with a stream configuration" in cli("check", "a.json", "--class", "A").err
    assert "--class belongs to the --lib before it" in cli("run", "test", "--class", "A").err


def test_messages_have_the_source_where_it_is_known(cli, library):
    """Modules read it from the frame's own message, as gvametaconvert writes it."""
    text = (
        "import json\ndef process_frame(frame):\n    (own,) = frame.messages()\n    print('source', json.loads(own)['source'])\n"
    )
    file = library(f"{text}    return True\n")
    finds = library("def process_ip(b, m, o):\n    return {'frame': [{'meta': {'a': 1}}]}\n", "finds.py")
    assert "source test" in cli("check", file).text
    assert "source test" in cli("run", "test", "--frames", 1, "--quiet", "--lib", finds, "--lib", file).text
