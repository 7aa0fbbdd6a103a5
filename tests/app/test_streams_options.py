"""Options of a stream configuration: set at the start and while it plays; the signal callback."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from command_helpers import COUNTS, LIB, wait_for

from empycustom.config import streams
from ports import free_port

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
    assert "--set speed: 31 for the option speed must be a number of at most 30 (declared at $.options[1])" in refused.err


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
    child.type("aimeta.signal-interval=1000000\nb:sped=1")
    child.hear("--set b:sped: ")  # so what was typed before it is set
    time.sleep(0.5)
    before = last("a")["number"]
    child.interrupt()
    ended = child.end()

    assert ended.code == 130
    assert before - last("a")["number"] == 0
    warnings = [line for line in ended.err.splitlines() if "warning" in line and "event_item_keys" not in line]
    assert [line.removeprefix("empycustom: warning: ") for line in warnings] == [
        "--set speed: 31 for the option speed must be a number of at most 30 (declared at $.options[1]); nothing is changed",
        "--set sped: sped is not an option of this application; speed may be meant; known here: aimeta.signal-interval, speed, "
        "empycustom.options, empycustom.in-place; nothing is changed",
        "--set c:speed: there is no stream c; known here: a, b; nothing is changed",
        "--set speed: write it as KEY=VALUE, or as STREAM:KEY=VALUE; nothing is changed",
        "in-place of empycustom cannot change while it plays; give it when you start: --set KEY=VALUE; nothing is changed",
        "--set b:sped: sped is not an option of this application; speed may be meant; known here: aimeta.signal-interval, speed, "
        "empycustom.options, empycustom.in-place; nothing is changed",
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
    child.hear("the source is gone (")
    camera(port)
    before = len(lines())
    wait_for(lambda: len(lines()) > before + 1, "the camera coming back")
    child.interrupt()

    assert child.end().code == 130
    events = [json.loads(line) for line in lines()[before:]]
    first, second = (event["number"] for event in events[:2])
    assert (second - first, first > 0) == (7, True), "numbers go on"
    assert events[0]["options"] == [{"key": "speed", "value": 9}]


@pytest.mark.parametrize(
    ("callback", "said"),
    [
        (
            "def update(signal):\n    return signal['missing']\n",
            "{file}:2: update raised KeyError: 'missing' at frame 0 (0:00:00.000); fix the callback",
        ),
        (
            "def update(signal):\n    return [{'number': 'x'}], ''\n",
            '{file}:1: update at frame 0 (0:00:00.000): event 0: number is "x", and must be a number',
        ),
        (
            "def update(signal):\n    return [{ValueError: 'too low'}]\n",
            "{file}:1: update at frame 0 (0:00:00.000): reports ValueError: too low",
        ),
        (
            "def update(signal):\n    return None\n",
            "{file}:1: update at frame 0 (0:00:00.000): returned None; return a list of events",
        ),
        ("def other(signal):\n    return []\n", "{file} has no function update, which signal_callback_function_name asks for"),
        (
            "def update(signal, more):\n    return []\n",
            "{file}:1: update takes (signal, more), but is called as update(signal); change its definition",
        ),
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


def test_a_callback_may_do_with_its_signal_what_it_likes(cli, configured):
    callback = "def update(signal):\n    value = signal['options'][0]['value']\n    value.append(1)\n    return [{'length': len(value)}]\n"
    options = [{"key": "list", "option_type": "callback", "value_type": "list", "value": []}]
    ended = cli("run", configured({}, callback=callback, options=options), "--source", "test", "--source", "test", "--frames", 2)

    assert [json.loads(line)["length"] for line in ended.out.splitlines()] == [1] * 4


def cli_shell(command, env, folder):
    done = subprocess.run(["bash", "-c", command], env=env, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def test_what_cannot_change_while_it_plays(begin, env, configured, tmp_path):
    key = {"element": "empycustom", "property": "format"}
    name = configured({"empycustom": LIB}, options=[{"key": key, "option_type": "gstreamer"}])
    child = begin("run", name, "--source", "test", "--set", "-", "-q", "--out", "meta.jsonl")
    child.type("empycustom.format=GRAY8")
    child.hear("nothing is changed")
    wait_for((tmp_path / "meta.jsonl").exists, "a document")
    child.interrupt()
    ended = child.end()
    closed, why = cli_shell(f"{sys.executable} -m empycustom run {name} --source test --set - <&-", env, tmp_path)

    assert (ended.code, ended.err.count("\n")) == (130, 1), ended.err
    assert "format and memory cannot change while it plays; give them when you start; nothing is changed" in ended.err
    assert closed == 1
    assert why.startswith("empycustom: error: --set -: stdin is closed")


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


def test_a_key_is_set_once(cli, configured):
    options = [{"key": "speed", "option_type": "callback", "value": 1}]
    name = configured({"empycustom": LIB}, options=options)
    ended = cli("run", name, "--source", "test", "--set", "speed=2", "--set", "speed=3")
    assert (ended.code, ended.out) == (1, "")
    assert "--set speed: is there twice, with different values; give it once" in ended.err
    assert cli("run", name, "--source", "test", "--frames", 1, "--set", "speed=2", "--set", "speed=2").code == 0


def test_names_of_streams_may_have_an_equals_sign(tmp_path):
    key = {"element": "empycustom", "property": "process-interval"}
    content = {
        "pipeline_configuration": {"empycustom": {"custom-lib": "lib.py"}},
        "streams": [{"stream_id": name, "location": "test"} for name in ("a=1", "a=2", "a")],
        "options": [{"key": key, "option_type": "gstreamer", "value_type": "number"}],
    }
    (tmp_path / "lib.py").write_text("def process_ip(b, m, o): pass\n")
    (tmp_path / "c.json").write_text(json.dumps(content))

    def intervals(configuration):
        return [stream.stages[0].properties.get("process-interval") for stream in configuration.streams]

    option = "empycustom.process-interval"
    configuration = streams.read(tmp_path / "c.json", settings=[f"a=1:{option}=3", f"a=2:{option}=4"])
    assert intervals(configuration) == [3, 4, None]
    assert intervals(configuration.changed(f"a=1:{option}=5").changed(f"a:{option}=6")) == [5, 4, 6]
