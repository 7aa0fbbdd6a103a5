"""`empycustom run emi_stream_config.json`: what is played, printed, and said when something is wrong."""

from __future__ import annotations

import gc
import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from argparse import Namespace
from pathlib import Path

import pytest
from command_helpers import SAYS, SLOW, STUCK, wait_for
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from empycustom.app.health import packages
from empycustom.app.health.report import Output
from empycustom.app.playing.player import Interrupts
from empycustom.app.streams import connection, live, stages
from empycustom.errors import ConfigurationError
from empycustom.gstreamer import Gst
from empycustom.stream import config, schema
from empycustom.stream.launch import Description, assignments

SERVER = Path(__file__).with_name("rtsp_server.py")
LIB = {"custom-lib": "lib.py", "in-place": "true"}
TELLS = """\
def process_ip(io_buffer, in_meta, options):
    buffer = in_meta["buffer"]
    return [{options["as"]: [buffer["format"], buffer["width"], buffer["height"]]}]
"""
COUNTS = """\
def update(signal):
    number = signal["frame"][0]["frame_num"]
    return [{"number": number, "options": signal["options"]}], f"saw {number}"
"""


@pytest.fixture
def configured(tmp_path):
    """Write a configuration, with SAYS in lib.py and, if wanted, a callback beside it; return its name."""
    (tmp_path / "lib.py").write_text(SAYS)

    def write(pipeline, *, callback=None, **more):
        if callback:
            (tmp_path / "emi_signal_callback.py").write_text(callback)
            more["signal_callback_function_name"] = "update"
        (tmp_path / "emi_stream_config.json").write_text(json.dumps({"pipeline_configuration": pipeline, **more}))
        return "emi_stream_config.json"

    return write


def words(documents):
    return [document["frame"][0].get("emcustom") for document in documents]


def test_a_file_plays_and_its_documents_are_printed(cli, configured, video):
    ended = cli("run", configured({"empycustom": LIB}), "--source", video)

    assert ended.code == 0, ended.err
    assert words(ended.documents) == [{"said": "hello"}] * 40
    assert ended.err.startswith("40 frames in ")


def test_stages_options_formats_and_size(cli, configured, library):
    library(TELLS, "tells.py")
    tells = {"custom-lib": "tells.py", "in-place": "true"}
    pipeline = {
        "input": {"width": 96, "height": 64},
        "secondary": [{"empycustom": {**tells, "options": {"as": "first"}}}],
        "emcustom": {**tells, "format": "I420", "options": {"as": "second"}},
        "empycustom": [{**tells, "format": "NV12", "process-interval": 2, "options": {"as": 'th"ird'}}, LIB],
    }
    ended = cli("run", configured(pipeline), "--source", "test", "--frames", 3)

    rest = {"first": ["RGBA", 96, 64], "second": ["I420", 96, 64], "said": "hello"}
    whole = {**rest, 'th"ird': ["NV12", 96, 64]}
    assert words(ended.documents) == [whole, rest, whole], ended.err


def test_a_library_may_be_the_detector(cli, configured, library):
    library(
        "def process_ip(b, m, o):\n    box = {'left': 1, 'top': 2, 'width': 8, 'height': 9}\n"
        "    return {'frame': [{'new_object': [{'rect_params': box, 'obj_label': 'car'}]}]}\n",
        "detect.py",
    )
    pipeline = {
        "primary": {"empycustom": {"custom-lib": "detect.py", "in-place": True}},
        "tracker": {"identity": {}},
        "empycustom": LIB,
    }
    ended = cli("run", configured(pipeline), "--source", "test", "--frames", 1)

    (found,) = ended.documents[0]["frame"][0]["object"]
    assert (found["obj_label"], found["emcustom"]) == ("car", {"said": "hello"})


def test_frames_go_into_files(cli, configured, library, video, tmp_path, frames_in):
    library(
        "import empycustom\ndef process_ip(b, m, o):\n    with empycustom.map_frame(b, m, writable=True) as f:\n        f.rgb[:] = 90\n"
    )
    pipeline = {"input": {"width": 96, "height": 64}, "empycustom": {**LIB, "custom-lib": "lib.py"}}
    ended = cli("run", configured(pipeline), "--source", video, "--save", "out/a.mp4", "--save", "last.png")

    assert (ended.code, ended.out) == (0, ""), ended.err
    assert [frames_in(tmp_path / name) for name in ("out/a.mp4", "last.png")] == [40, 1]
    assert ended.err.rstrip().endswith("; written: out/a.mp4, last.png")
    with Image.open(tmp_path / "last.png") as picture:
        assert (picture.size, picture.convert("RGB").getpixel((50, 30))) == ((96, 64), (90, 90, 90))


def test_each_stream_has_its_files(cli, configured, video, tmp_path, frames_in):
    streams = [{"stream_id": "a b", "location": video.name}, {"stream_id": "c", "location": "test"}]
    name = configured({"empycustom": LIB}, streams=streams)
    together = cli("run", name, "--save", "out/film.mkv")
    played = cli("run", name, "--save", "{stream_id}.mkv", "--frames", 7)

    assert together.code == 1
    assert "--save out/film.mkv: several streams cannot write one file; write {stream_id} into its name" in together.err
    assert "'out/film-{stream_id}.mkv'" in together.err
    assert (played.code, played.out) == (0, ""), played.err
    assert [frames_in(tmp_path / f"{name}.mkv") for name in ("a b", "c")] == [7, 7]
    refused = cli("run", configured({}, streams=[{"stream_id": "a/b", "location": "test"}]), "--save", "{stream_id}.mkv")
    assert "the stream_id a/b has a / in it" in refused.err
    alone = cli("run", configured({}, streams=streams[:1]), "--save", "alone.mkv", "--frames", 3)
    assert (alone.code, frames_in(tmp_path / "alone.mkv")) == (0, 3), alone.err


def test_a_file_that_is_said_to_be_live_keeps_its_own_speed(cli, configured, video):
    began = time.monotonic()
    ended = cli("run", configured({"input": {"live-source": True}}), "--source", video, "--save", "a.mkv")

    assert ended.code == 0, ended.err
    assert time.monotonic() - began > 1.9  # 40 frames at 20 a second


def test_aimeta_says_how_often(cli, configured):
    name = configured({"aimeta": {"signal-interval": 3}})
    ended = cli("run", name, "--source", "test", "--frames", 8)

    assert [document["frame"][0]["frame_num"] for document in ended.documents] == [0, 3, 6]
    assert ended.err.startswith("8 frames in ")
    assert "3 documents" in ended.err


OPTIONS = [
    {"key": {"element": "aimeta", "property": "signal-interval"}, "option_type": "gstreamer", "value_type": "number"},
    {"key": "speed", "option_type": "callback", "value_type": "number", "max-value": 30},
]


def test_events_are_printed_and_options_are_set_when_it_runs(cli, configured):
    name = configured({}, callback=COUNTS, options=OPTIONS)
    ended = cli("run", name, "--source", "test", "--frames", 4, "--set", "speed=25", "--set", "aimeta.signal-interval=2", "-v")

    options = [{"key": "speed", "value": 25}]
    assert [json.loads(line) for line in ended.out.splitlines()] == [{"number": n, "options": options} for n in (0, 2)]
    assert "saw 0\nsaw 2\n" in ended.err
    assert "2 documents, 2 events" in ended.err
    refused = cli("run", name, "--source", "test", "--set", "speed=31")
    assert (refused.code, refused.out) == (1, "")
    assert "--set speed: 31 for the option speed must be at most 30 (declared at $.options[1])" in refused.err


def test_events_and_documents_go_into_files(cli, configured, tmp_path):
    name = configured({"empycustom": LIB}, callback=COUNTS, event_item_keys=[{"key": "number", "type": "number"}])
    ended = cli("run", name, "--source", "test", "--frames", 3, "--events", "out/events.jsonl", "--out", "out/meta.jsonl", "-q")

    assert (ended.code, ended.out) == (0, "")
    assert ended.err == "empycustom: warning: events have options, which event_item_keys does not declare\n"
    events = [json.loads(line) for line in (tmp_path / "out/events.jsonl").read_text().splitlines()]
    documents = [json.loads(line) for line in (tmp_path / "out/meta.jsonl").read_text().splitlines()]
    assert [event["number"] for event in events] == [0, 1, 2]
    assert words(documents) == [{"said": "hello"}] * 3


def test_options_change_while_it_plays(begin, configured, library, tmp_path):
    library("def process_ip(b, m, o):\n    return [o]\n", "tells.py")
    options = [
        *OPTIONS,
        {"key": {"element": "empycustom", "property": "options"}, "option_type": "gstreamer", "value_type": "object"},
        {"key": {"element": "empycustom", "property": "in-place"}, "option_type": "gstreamer"},
    ]
    callback = (
        "def update(signal):\n    frame = signal['frame'][0]\n    options = [o['value'] for o in signal['options']]\n"
        "    return [{'number': frame['frame_num'], 'frame': frame.get('emcustom'), 'options': options}]\n"
    )
    streams = [{"stream_id": name, "location": "test"} for name in "ab"]
    pipeline = {"input": {"live-source": True}, "empycustom": {"custom-lib": "tells.py", "in-place": True}}
    name = configured(pipeline, callback=callback, options=options, streams=streams)
    child = begin("run", name, "--events", "events.jsonl", "--set", "speed=20", "--set", "-", "--set", "b:speed=3")

    def last(stream):
        path = tmp_path / "events.jsonl"
        events = [json.loads(line) for line in path.read_text().splitlines(True) if line.endswith("\n")] if path.exists() else []
        return next((event for event in reversed(events) if event["stream_id"] == stream), {})

    def both(key, a, b):
        wait_for(lambda: (last("a").get(key), last("b").get(key)) == (a, b), f"{key} of {a} and {b}")

    both("options", [20], [3])
    child.type("speed=25")
    both("options", [25], [25])
    child.type('a:speed=7\nb:empycustom.options={"x": 1}')
    both("options", [7], [25])
    both("frame", None, {"x": 1})
    child.type("speed=31\nsped=1\nc:speed=1\nspeed\nempycustom.in-place=false\n\na:speed=8")
    both("options", [8], [25])
    child.type("aimeta.signal-interval=1000")
    time.sleep(0.5)
    before = last("a")["number"]
    child.interrupt()
    ended = child.end()

    assert ended.code == 130
    assert before - last("a")["number"] == 0
    warnings = [line for line in ended.err.splitlines() if "warning" in line and "event_item_keys" not in line]
    assert [line.removeprefix("empycustom: warning: ") for line in warnings] == [
        "--set speed: 31 for the option speed must be at most 30 (declared at $.options[1]); nothing is changed",
        "--set sped: sped is no option of this application; speed may be meant; known here: aimeta.signal-interval, speed, "
        "empycustom.options, empycustom.in-place; nothing is changed",
        "--set c:speed: there is no stream c; known here: a, b; nothing is changed",
        "--set speed: write it as KEY=VALUE, or as STREAM:KEY=VALUE; nothing is changed",
        "in-place of empycustom cannot change while it plays; give it when you start: --set KEY=VALUE; nothing is changed",
    ]


def test_a_change_stays_when_the_source_comes_back(begin, configured, camera, tmp_path):
    port = free_port()
    server = camera(port)
    name = configured({}, callback=COUNTS, options=OPTIONS)
    child = begin("run", name, "--source", f"rtsp://127.0.0.1:{port}/ball", "--events", "events.jsonl", "--set", "-")

    def lines():
        path = tmp_path / "events.jsonl"
        return path.read_text().splitlines() if path.exists() else []

    wait_for(lines, "an event")
    child.type("aimeta.signal-interval=7\nspeed=9")
    wait_for(lambda: '"value":9' in lines()[-1], "the change")
    server.kill()
    server.wait()
    time.sleep(1.5)
    before = len(lines())
    camera(port)
    wait_for(lambda: len(lines()) > before + 1, "the camera coming back")
    child.interrupt()

    assert child.end().code == 130
    events = [json.loads(line) for line in lines()[before:]]
    assert [event["number"] for event in events[:2]] == [0, 7]
    assert events[0]["options"] == [{"key": "speed", "value": 9}]


@pytest.mark.parametrize(
    ("callback", "said"),
    [
        ("def update(signal):\n    return signal['missing']\n", "{file}:2: update raised KeyError: 'missing'; mend the callback"),
        (
            "def update(signal):\n    return [{'number': 'x'}], ''\n",
            '{file}:1: update: event 0: number is "x", and must be a number',
        ),
        ("def update(signal):\n    return [{ValueError: 'too low'}]\n", "{file}:1: update: reports ValueError: too low"),
        ("def update(signal):\n    return None\n", "{file}:1: update: returned null; return a list of events"),
        ("def other(signal):\n    return []\n", "{file} has no function update, which signal_callback_function_name asks for"),
        ("def update(signal, more):\n    return []\n", "{file}:1: update is called as update(signal); change its definition"),
        ("import nothing_of_this_name\n", "{file}:1 cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_a_callback_that_is_wrong_ends_the_stream(cli, configured, tmp_path, callback, said):
    name = configured({}, callback=callback, event_item_keys=[{"key": "number", "type": "number"}])
    ended = cli("run", name, "--source", "test")

    assert ended.code == 1
    assert f"empycustom: error: {said.format(file=tmp_path / 'emi_signal_callback.py')}" in ended.err
    assert ended.err.count("empycustom: error:") == 1
    assert ended.err.count("Traceback (most recent call last)") == ("raised" in said or "loaded" in said)


def test_one_stream_that_fails_does_not_take_the_others_down(cli, configured, library, video):
    library("def process_ip(b, m, o):\n    if o.get('bad'):\n        raise RuntimeError('sorry')\n", "bad.py")
    key = {"element": "empycustom", "property": "options"}
    streams = [
        {"stream_id": "absent", "location": "not-there.mp4"},
        {"stream_id": "bad", "location": "test", "options": [{"key": key, "value": {"bad": True}}]},
        {"stream_id": "good", "location": video.name},
    ]
    name = configured(
        {"empycustom": {"custom-lib": "bad.py", "in-place": True}},
        streams=streams,
        options=[{"key": key, "option_type": "gstreamer", "value_type": "object"}],
    )
    ended = cli("run", name)

    assert ended.code == 1
    assert [document["stream_id"] for document in ended.documents] == ["good"] * 40
    assert "empycustom: error: absent: " in ended.err
    assert "not-there.mp4 does not exist" in ended.err
    assert "empycustom: error: bad: " in ended.err
    assert "bad.py:3: process_ip raised RuntimeError: sorry" in ended.err
    assert "good: 40 frames in " in ended.err


def test_several_sources_are_streams_of_one_application(cli, configured, video):
    name = configured({}, application_name="cars", callback="def update(signal):\n    return [{}], ''\n")
    ended = cli("run", name, "--source", video, "--source", "test", "--frames", 5)

    assert ended.code == 0, ended.err
    assert sorted(ended.out.splitlines()) == ['{"stream_id":"cars-1"}'] * 5 + ['{"stream_id":"cars-2"}'] * 5


def test_the_printed_line_does_the_same_in_gst_launch(cli, configured, gst_launch, video):
    pipeline = {
        "input": {"width": 64, "height": 48},
        "empycustom": [{**LIB, "options": {"word": "a \"b\" \\ ! $c 'd' é"}}, {**LIB, "format": "I420", "process-interval": 2}],
    }
    name = configured(pipeline)
    played = cli("run", name, "--source", video)
    printed = cli("run", name, "--source", video, "--dry-run")
    assert "--frames is not in the line" in cli("run", name, "--source", video, "--dry-run", "--frames", 4).err
    launched = gst_launch(printed.out.removeprefix("gst-launch-1.0"))

    def timeless(documents):
        return [{**document["frame"][0], "timestamp": ""} for document in documents]

    assert printed.err == ""
    assert len(printed.out.splitlines()) == 1
    assert len(played.documents) == 40
    assert timeless(launched.documents) == timeless(played.documents), launched.err
    assert launched.complaints() == []


def test_several_lines_are_printed_with_their_streams(cli, configured, tmp_path):
    streams = [{"stream_id": "a", "location": "test"}, {"stream_id": "b", "location": "rtsp://b/1"}]
    ended = cli("run", configured({"input": {"batch-size": 2}}, streams=streams), "--dry-run", "--frames", 3)

    first, line, second, other = ended.out.splitlines()
    assert (first, second) == ("# a", "# b")
    assert " num-buffers=3 " in line
    assert shlex.split(other)[1:4] == ["uridecodebin", "name=source", "uri=rtsp://b/1"]
    assert "empycustom: warning: $.pipeline_configuration.input: batch-size not used" in ended.err


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.text("\\\"' \n=!a", max_size=6)


@settings(deadline=None)
@given(TEXTS, TEXTS)
@example('"a"', "ends \\")
@example("a=b ! c", '"\\"')
@example("NULL", "(string)a")
@example('" ü', "tab\tline\n\\")
@example({"a b": 'x"\\y'}, True)
@example(3, -0.5)
def test_values_reach_properties_as_they_are(one, other):
    """In the text for the parser, and in the line for a shell, whose words gst-launch-1.0 puts together again."""
    import empycustom

    empycustom.register()
    given = [one, other]
    words = [word for value in given for word in ("empycustom", *assignments({"options": value}))]
    for made in (Gst.parse_launch(" ".join(words)), Gst.parse_launchv(shlex.split(Description(words).line())[1:])):
        read = [element.get_property("options") for element in in_order(made)]
        assert read == [value if isinstance(value, str) else json.dumps(value) for value in given]


def in_order(pipeline):
    return sorted(pipeline.children, key=lambda element: int(element.get_name().removeprefix("empycustom")))


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        ({"primary": {"config-file-path": "a.txt"}}, "$.pipeline_configuration.primary: there is no element nvinfer here; it belongs to "),
        ({"primary": {"config-file-path": "a.txt"}}, 'DeepStream, which is installed as a whole. Or name another element, or a library'),
        ({"tracker": {"no_such": {}}}, "$.pipeline_configuration.tracker.no_such: there is no element no_such here; install the plugin"),
        ({"secondary": [{"identity": {"slient": True}}]}, ".secondary[0].identity.slient: identity has no such property; silent may be"),
        ({"primary": {"identity": {"stats": 3}}}, "$.pipeline_configuration.primary.identity.stats: this property of identity can only"),
        ({"primary": {"videobalance": {"brightness": 5}}}, '.primary.videobalance.brightness: 5 must be a number from -1.0 to 1.0\n'),
        ({"primary": {"videobalance": {"brightness": "nan"}}}, '.brightness: "nan" must be a number from -1.0 to 1.0\n'),
        ({"primary": {"identity": {"sleep-time": -1}}}, '.primary.identity.sleep-time: -1 must be a whole number from 0 to 4294967295\n'),
        ({"primary": {"identity": {"sleep-time": "-0x1"}}}, '.sleep-time: "-0x1" must be a whole number from 0 to 4294967295\n'),
        ({"primary": {"identity": {"sleep-time": 1.5}}}, '.primary.identity.sleep-time: 1.5 must be a whole number from 0 to'),
        ({"tracker": {"filesink": {}}}, "$.pipeline_configuration.tracker.filesink: filesink does not hand on raw video; an element here"),
        ({"overlay": {"videotestsrc": {}}}, "$.pipeline_configuration.overlay.videotestsrc: videotestsrc does not take raw video; an el"),
        ({"primary": [{"jpegenc": {}}]}, "$.pipeline_configuration.primary[0].jpegenc: jpegenc does not hand on raw video; an element"),
        ({"primary": {"audioconvert": {}}}, ".primary.audioconvert: audioconvert does not take or hand on raw video; an element here"),
        ({"primary": {"identity": {"name": "aimeta"}}}, '.primary.identity.name: "aimeta" is a name that another element may have'),
        ({"primary": {"identity": {"name": "empycustom1"}}}, '.primary.identity.name: "empycustom1" is a name that another element'),
        ({"primary": {"identity": {"name": "queue0"}}}, '.primary.identity.name: "queue0" is a name that another element may have'),
        ({"primary": {"identity": {"name": "a"}}, "tracker": {"identity": {"name": "a"}}}, '.tracker.identity.name: "a" is a name that'),
        ({"primary": {"identity": {"sleep-time": "long"}}}, '.primary.identity.sleep-time: identity cannot take "long" here; `gst-inspect'),
        ({"emcustom": {"custom-lib": "seed.so"}}, "seed.so is a compiled library, for emcustom alone; name a Python file"),
        ({"empycustom": {**LIB, "memory": "NVMM"}}, '$.pipeline_configuration.empycustom.memory: NVMM is memory of DeepStream'),
        ({"empycustom": {**LIB, "in-place": "yes"}}, '$.pipeline_configuration.empycustom.in-place: "yes" must be true or false; write true'),
        ({"empycustom": {"custom-lib": "lib.so"}}, "$.pipeline_configuration.empycustom.custom-lib: lib.so does not exist in"),
    ],
)  # fmt: skip
def test_what_this_machine_or_file_lacks_is_said_with_its_path(cli, configured, tmp_path, pipeline, said):
    (tmp_path / "seed.so").touch()
    ended = cli("run", configured(pipeline), "--source", "test")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("empycustom: error: emi_stream_config.json: $.")
    assert said in ended.err
    assert "Warning" not in ended.err


def test_everything_that_the_elements_lack_is_said_at_once(cli, configured):
    options = [
        {"key": {"element": element, "property": name}, "option_type": "gstreamer", **more}
        for element, name, more in [
            ("identity", "slient", {}),
            ("primary", "stats", {"value": 3}),
            ("videobalance", "brightness", {"value": 3}),
            ("identity", "silent", {}),
        ]
    ]
    pipeline = {"primary": {"identity": {"sleep-time": -1}}, "tracker": {"videobalance": {}}, "secondary": {"filesink": {}}}
    streams = [{"stream_id": name, "location": "test"} for name in "ab"]
    ended = cli("run", configured(pipeline, options=options, streams=streams))

    first, *lines = ended.err.splitlines()
    assert first == "empycustom: error: emi_stream_config.json: 5 problems"
    assert [line.partition(": ")[0] for line in lines] == [
        "$.pipeline_configuration.primary.identity.sleep-time",
        "$.pipeline_configuration.secondary.filesink",
        "$.options[0].key.property",
        "$.options[1].key.property",
        "$.options[2].value",
    ]


def test_an_option_may_be_for_an_element_by_its_name(cli, configured):
    key = {"element": "identity", "property": "drop-probability"}
    name = configured(
        {"primary": [{"identity": {"name": "end\\"}}], "empycustom": LIB}, options=[{"key": key, "option_type": "gstreamer"}]
    )
    ended = cli("run", name, "--source", "test", "--frames", 2, "--set", "identity.drop-probability=0")
    refused = cli("run", name, "--source", "test", "--set", "identity.drop-probability=2")

    assert ended.code == 0, ended.err
    assert len(ended.documents) == 2
    assert refused.err == "empycustom: error: --set identity.drop-probability: 2 must be a number from 0.0 to 1.0\n"


def test_the_package_of_an_element_is_known_from_apt_which_is_asked_once(monkeypatch):
    listed = (
        "Package: gstreamer1.0-x\nGstreamer-Elements: textoverlay, clockoverlay\n\n"
        "Package: other\nGstreamer-Elements: clock, clockoverlay\n"
    )
    asked = []
    monkeypatch.setattr(packages, "run", lambda *command: asked.append(command) or Output(0, listed, ""))
    packages._packages_in_apt.cache_clear()
    try:
        assert packages.how_to_get_any("clockoverlay") == "install it with: apt install gstreamer1.0-x"
        assert packages.how_to_get_any("clock") == "install it with: apt install other"
        assert packages.how_to_get_any("overlay") == "install the plugin that has it"
    finally:
        packages._packages_in_apt.cache_clear()
    assert len(asked) == 1


def test_a_missing_element_is_looked_up_once_for_all_streams(configured, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(stages, "how_to_get_any", lambda element: asked.append(element) or "get it")
    streams = [{"stream_id": str(number), "location": "test"} for number in range(8)]
    read = config.read(tmp_path / configured({"primary": [{"none_a": {}}, {"none_b": {}}]}, streams=streams))
    with pytest.raises(ConfigurationError, match="there is no element none_a here; get it"):
        stages.check_stages(read)
    assert asked == ["none_a", "none_b"]


def test_json_that_is_none(cli, tmp_path):
    (tmp_path / "bad.json").write_text('{"pipeline_configuration": {\n  "empycustom": [}\n}')
    ended = cli("run", "bad.json")

    assert ended.code == 1
    assert 'bad.json, line 2, column 18: Expecting value: "empycustom": [}' in ended.err
    assert "nothing.json: No such file or directory." in cli("run", "nothing.json").err


def test_a_source_without_video(cli, configured, gst_launch):
    made = gst_launch("audiotestsrc num-buffers=10 ! wavenc ! filesink location=sound.wav")
    ended = cli("run", configured({}), "--source", "sound.wav")

    assert made.code == 0
    assert ended.code == 1
    assert "sound.wav: " in ended.err
    assert "no video" in ended.err


def test_outputs_do_not_overwrite_inputs(cli, configured):
    name = configured({"empycustom": LIB}, callback=COUNTS)
    for inside in ("emi_stream_config.json", "lib.py", "emi_signal_callback.py"):
        ended = cli("run", name, "--source", "test", "--events", inside)
        assert ended.code == 1
        assert f"{inside} would be overwritten while it is read" in ended.err
    assert "there are no events" in cli("run", configured({}), "--source", "test", "--events", "x").err


def cli_shell(command, env, folder):
    done = subprocess.run(["bash", "-c", command], env=env, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def test_one_file_is_one_output(cli, configured, tmp_path):
    name = configured({"empycustom": LIB}, callback=COUNTS)
    for more in (
        ["--events", "./x", "--out", "x"],
        ["--save", "x.png", "--out", "x.png"],
        ["--save", "a.mkv", "--save", "a.mkv"],
    ):
        ended = cli("run", name, "--source", "test", "--frames", 1, *more)
        assert ended.code == 1
        assert re.search(f"{more[-1]} is (named|there) twice", ended.err)
    assert not (tmp_path / "x").exists()
    ended = cli("run", name, "--source", "test", "--out", "{stream_id}.jsonl")
    assert "--out {stream_id}.jsonl: the lines of all streams go into one file" in ended.err


def test_aimetas_own_file_is_an_output_too(cli, configured, tmp_path):
    pipeline = {"empycustom": LIB, "aimeta": {"location": "lib.py"}}
    refused = cli("run", configured(pipeline), "--source", "test")
    assert "lib.py would be overwritten while it is read" in refused.err
    assert (tmp_path / "lib.py").read_text() == SAYS
    played = cli("run", configured({"aimeta": {"location": "a.jsonl"}}), "--source", "test", "--frames", 3, "--out", "b.jsonl")
    assert played.code == 0, played.err
    assert (tmp_path / "a.jsonl").read_text() == (tmp_path / "b.jsonl").read_text()


def test_the_source_is_not_overwritten_whatever_it_is_called(cli, configured, video):
    before = video.read_bytes()
    for option in ("--save", "--out"):
        ended = cli("run", configured({}), "--source", video.as_uri(), option, video.name)
        assert (ended.code, "video.avi would be overwritten while it is read" in ended.err) == (1, True)
    assert video.read_bytes() == before


def test_files_of_before_stay_where_the_run_cannot_be(cli, configured, tmp_path):
    (tmp_path / "events.jsonl").write_text("precious")
    name = configured({}, callback="def other(signal):\n    return []\n")

    assert cli("run", name, "--source", "test", "--events", "events.jsonl").code == 1
    assert (tmp_path / "events.jsonl").read_text() == "precious"


def test_a_recording_is_finished_although_a_library_or_the_callback_raises(cli, configured, library, tmp_path, frames_in):
    library("def process_ip(b, m, o):\n    assert m['frame'][0]['frame_num'] < 20\n", "late.py")
    in_library = cli("run", configured({"empycustom": {**LIB, "custom-lib": "late.py"}}), "--source", "test", "--save", "a.mp4")
    callback = "def update(signal):\n    assert signal['frame'][0]['frame_num'] < 20\n    return []\n"
    in_callback = cli("run", configured({}, callback=callback), "--source", "test", "--save", "b.mp4")

    for ended, says in ((in_library, "process_ip"), (in_callback, "update")):
        assert ended.code == 1
        assert f"{says} raised AssertionError" in ended.err
        assert ended.err.count("empycustom: ") == 1
    assert frames_in(tmp_path / "a.mp4") == 20
    assert frames_in(tmp_path / "b.mp4") >= 20


def test_what_cannot_be_written_is_said_once(cli, configured):
    name = configured({}, callback=COUNTS)
    ended = cli("run", name, "--source", "test", "--events", "/dev/full")

    assert ended.code == 1
    assert ended.err.count("empycustom: error:") == 1
    assert "empycustom: error: /dev/full cannot be written (No space left on device); it is incomplete." in ended.err
    assert "Traceback" not in ended.err


def test_what_libraries_print_is_beside_the_lines(cli, configured, library):
    library("def process_ip(b, m, o):\n    print('hello', m['frame'][0]['frame_num'])\n", "prints.py")
    streams = [{"stream_id": name, "location": "test"} for name in "abcd"]
    ended = cli("run", configured({"empycustom": {**LIB, "custom-lib": "prints.py"}}, streams=streams), "--frames", 50)

    assert len(ended.documents) == 200
    assert ended.err.count("hello ") >= 200


def test_a_callback_may_do_with_its_signal_what_it_likes(cli, configured):
    callback = "def update(signal):\n    value = signal['options'][0]['value']\n    value.append(1)\n    return [{'length': len(value)}]\n"
    options = [{"key": "list", "option_type": "callback", "value_type": "list", "value": []}]
    ended = cli("run", configured({}, callback=callback, options=options), "--source", "test", "--source", "test", "--frames", 2)

    assert [json.loads(line)["length"] for line in ended.out.splitlines()] == [1] * 4


def test_passwords_are_not_told(cli, configured):
    ended = cli("run", configured({}), "--source", "foo://me:secret@x")

    assert "foo://me:***@x" in ended.err
    assert "secret" not in ended.err
    assert "me:secret@" in cli("run", configured({}), "--source", "rtsp://me:secret@x", "--dry-run").out


def test_what_cannot_change_while_it_plays(env, configured, tmp_path):
    key = {"element": "empycustom", "property": "format"}
    name = configured({"empycustom": LIB}, options=[{"key": key, "option_type": "gstreamer"}])
    command = f"echo empycustom.format=GRAY8 | {sys.executable} -m empycustom run {name} --source test --frames 30 --set - -q"
    code, err = cli_shell(command, env, tmp_path)
    closed, why = cli_shell(f"{sys.executable} -m empycustom run {name} --source test --set - <&-", env, tmp_path)

    assert (code, err.count("\n")) == (0, 1), err
    assert "format and memory cannot change while it plays; give them when you start; nothing is changed" in err
    assert closed == 1
    assert why.startswith("empycustom: error: --set -: stdin is closed")


def test_ctrl_c_ends_all_streams(begin, configured, library, tmp_path):
    library(SLOW, "slow.py")
    streams = [{"stream_id": name, "location": "test"} for name in "ab"] + [
        {"stream_id": "c", "location": "rtsp://127.0.0.1:9/x"}
    ]
    name = configured({"empycustom": {"custom-lib": "slow.py", "in-place": True}}, streams=streams)
    child = begin("run", name, "--out", "meta.jsonl")
    path = tmp_path / "meta.jsonl"
    wait_for(lambda: path.exists() and all(f'"stream_id":"{name}"' in path.read_text() for name in "ab"), "documents")
    child.interrupt()
    began = time.monotonic()
    ended = child.end()

    assert ended.code == 130, ended.err
    assert time.monotonic() - began < 5
    documents = [json.loads(line)["stream_id"] for line in path.read_text().splitlines()]
    assert f"a: {documents.count('a')} frames in " in ended.err
    assert f"b: {documents.count('b')} frames in " in ended.err


def test_a_stream_that_does_not_stop_is_left_behind(begin, configured, library, tmp_path):
    library(STUCK, "hangs.py")
    child = begin(
        "run", configured({"empycustom": {"custom-lib": "hangs.py", "in-place": True}}), "--source", "test", "--grace", 1
    )
    wait_for((tmp_path / "stuck").exists, "the call that hangs")
    child.interrupt()
    ended = child.end(20)

    assert ended.code == 1
    assert "The pipeline does not stop: a callback of a library, or an element, does not return." in ended.err


def test_a_reader_that_goes_away_ends_the_streams(begin, configured):
    child = begin("run", configured({"empycustom": LIB}), "--source", "test", "--source", "test")
    assert child.process.stdout.readline()
    child.process.stdout.close()

    assert child.process.wait(timeout=20) == 0
    assert "Traceback" not in child.process.stderr.read()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def camera():
    """Start RTSP servers, each on a port; they are killed at the end."""
    servers = []

    def start(port):
        servers.append(subprocess.Popen([sys.executable, SERVER, str(port)], stdout=subprocess.PIPE, text=True))
        if servers[-1].stdout.readline() != "serving\n":
            pytest.skip("GStreamer's RTSP server is not here: apt install gir1.2-gst-rtsp-server-1.0")
        return servers[-1]

    yield start
    for server in servers:
        server.kill()
        server.wait()
        server.stdout.close()


def test_an_rtsp_source_that_went_away_comes_back_and_its_videos_are_finished(begin, configured, camera, tmp_path, frames_in):
    port = free_port()
    server = camera(port)
    streams = [
        {"stream_id": "camera", "location": f"rtsp://127.0.0.1:{port}/ball"},
        {"stream_id": "camera-2", "location": "test"},
    ]
    path = tmp_path / "meta.jsonl"
    name = configured({"input": {"live-source": True}}, streams=streams)
    child = begin("run", name, "--out", path, "--save", "{stream_id}.mp4")

    def frames(name):
        return path.read_text().count(f'"stream_id":"{name}"') if path.exists() else 0

    wait_for(lambda: frames("camera") > 5, "a frame of the camera")
    server.kill()
    server.wait()
    time.sleep(1.5)
    before, others = frames("camera"), frames("camera-2")
    camera(port)
    wait_for(lambda: frames("camera") > before + 5, "the camera coming back")
    assert frames("camera-2") > others
    child.interrupt()
    ended = child.end()

    assert ended.code == 130, ended.err
    assert "empycustom: warning: camera: the source is gone (" in ended.err
    assert "trying again in 1 s" in ended.err
    assert "empycustom: error:" not in ended.err
    saved = [frames_in(tmp_path / name) for name in ("camera.mp4", "camera-3.mp4", "camera-2.mp4")]
    assert saved == [before, frames("camera") - before, frames("camera-2")], ended.err


@pytest.fixture
def watch(configured, monkeypatch, tmp_path, capsys):
    """Play an RTSP source in this process, to be less patient than usual, while a test looks on."""
    import empycustom

    empycustom.register()
    monkeypatch.setattr(connection, "_SILENCE_S", 1.0)
    playing = []

    def start(pipeline, location):
        (stream,) = config.read(tmp_path / configured(pipeline), sources=[location]).streams
        asked = Namespace(frames=None, grace=1.0, verbose=False, save=[], show=False)
        output = Namespace(document=lambda *_: None, another=None)
        running = live.LiveStream(stream, asked, output, None, interrupts=Interrupts(), prefix="", warned=set())
        playing.append((running, threading.Thread(target=running.run)))
        playing[-1][1].start()
        said = []

        def is_said(text):
            said.append(capsys.readouterr().err)
            return text in "".join(said)

        return running, is_said

    yield start
    for running, thread in playing:
        running.end()
        thread.join(20)
        assert not thread.is_alive()
        assert running.code == 0


def test_a_library_may_think_longer_than_a_source_may_be_silent(watch, library, camera):
    port = free_port()
    camera(port)
    library("import time\ndef process_ip(b, m, o):\n    m['frame'][0]['frame_num'] or time.sleep(3)\n", "thinks.py")
    running, is_said = watch({"empycustom": {**LIB, "custom-lib": "thinks.py"}}, f"rtsp://127.0.0.1:{port}/ball")

    wait_for(lambda: running.frames > 5, "a frame of the camera")
    assert not is_said("the source is gone")


def test_a_server_that_answers_and_sends_nothing_is_connected_again(watch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer_rtsp, args=[server], daemon=True).start()
        _, is_said = watch({}, f"rtspt://127.0.0.1:{server.getsockname()[1]}/x")
        wait_for(lambda: is_said("the source is gone (no frame for 1 s); trying again in 1 s"), "the silence")


DESCRIBED = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nm=video 0 RTP/AVP 26\r\na=control:a\r\n"


def answer_rtsp(server):
    """Answer all that is asked of an RTSP server over TCP, and send no video."""
    while True:
        try:
            peer, _ = server.accept()
        except OSError:
            return
        with peer, peer.makefile("rb") as asked:
            while words := asked.readline().split():
                headers = dict(line.decode().strip().split(": ", 1) for line in iter(asked.readline, b"\r\n"))
                answer = {"CSeq": headers["CSeq"], "Session": "1", "Public": "DESCRIBE, SETUP, PLAY, TEARDOWN"}
                body = DESCRIBED if words[0] == b"DESCRIBE" else ""
                if words[0] == b"SETUP":
                    answer["Transport"] = headers["Transport"]
                if body:
                    answer |= {"Content-Type": "application/sdp", "Content-Length": str(len(body))}
                peer.sendall(
                    ("RTSP/1.0 200 OK\r\n" + "".join(f"{k}: {v}\r\n" for k, v in answer.items()) + "\r\n" + body).encode()
                )


def test_connections_in_vain_leave_nothing_behind(watch, monkeypatch):
    monkeypatch.setattr(live, "_FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(live, "_LONGEST_WAIT_S", 0.01)
    made = []
    begin = connection.Connection.__init__
    monkeypatch.setattr(connection.Connection, "__init__", lambda *a, **k: made.append(weakref.ref(a[0])) or begin(*a, **k))
    watch({}, f"rtsp://127.0.0.1:{free_port()}/x")

    wait_for(lambda: len(made) > 20, "twenty attempts")
    gc.collect()
    assert sum(found() is not None for found in made) < 5


def test_an_rtsp_source_that_sends_nothing_is_connected_again(watch, camera):
    port = free_port()
    server = camera(port)
    running, is_said = watch({}, f"rtsp://127.0.0.1:{port}/ball")
    try:
        wait_for(lambda: running.frames > 5, "a frame of the camera")
        server.send_signal(signal.SIGSTOP)
        wait_for(
            lambda: is_said("empycustom: warning: the source is gone (no frame for 1 s); trying again in 1 s"), "the silence"
        )
        server.send_signal(signal.SIGCONT)
        before = running.frames
        wait_for(lambda: running.frames > before + 5, "the camera coming back")
    finally:
        server.send_signal(signal.SIGCONT)


def test_schema_is_printed(cli):
    ended = cli("schema")

    assert ended.code == 0
    assert json.loads(ended.out) == schema.json_schema()
