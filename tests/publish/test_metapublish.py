"""The element metapublish in real pipelines, and as gst-launch-1.0 plays it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sent import NUMBER
from servers import wait_for

import empycustom
from empycustom.gstreamer import Gst
from ports import free_port

PLUGIN_PATH = Path(empycustom.__file__).parent / "gstreamer-1.0"

SOURCE = "videotestsrc num-buffers={} ! video/x-raw,format=RGBA,width=64,height=48,framerate=30/1"


@pytest.fixture
def gst_env(env_with, state):
    return {**env_with(PLUGIN_PATH), "XDG_STATE_HOME": os.environ["XDG_STATE_HOME"]}


@pytest.fixture
def numbered(library: Callable[..., Path]) -> str:
    """An element that says the number of each frame and finds a person, another one every five frames."""
    return f"empycustom in-place=true custom-lib={library(NUMBER, 'number.py')}"


@pytest.fixture
def lines(tmp_path: Path) -> Any:
    """Return what is in the file of results, and its URI as ``lines.uri``."""

    class Lines:
        uri = f"file://{tmp_path}/results.jsonl"

        def __call__(self) -> list[dict[str, Any]]:
            path = tmp_path / "results.jsonl"
            return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    return Lines()


def numbers(messages: list[dict[str, Any]]) -> list[int]:
    return [message["frame"][0]["frame_num"] for message in messages]


def next_on(bus: Any, kinds: Any) -> Any:
    message = bus.timed_pop_filtered(60 * Gst.SECOND, kinds)
    assert message, "nothing is on the bus"
    return message


def fields(message: Any) -> dict[str, str]:
    structure = message.get_structure()
    structure = structure.__enter__() if hasattr(structure, "__enter__") else structure
    assert structure.get_name() == "metapublish-state"
    return {name: structure.get_value(name) for name in ("state", "uri", "error")}


# What is sent.


@pytest.mark.parametrize("behind", ["", "aimeta !"])
def test_each_frame_is_a_line(gst_launch, numbered, lines, behind):
    done = gst_launch(f"-q {SOURCE.format(20)} ! {numbered} ! {behind} metapublish uri={lines.uri} ! fakesink")
    assert (done.code, done.text) == (0, "")
    assert numbers(lines()) == list(range(20))
    assert [message["frame"][0]["emcustom"] for message in lines()] == [{"n": n} for n in range(20)]
    assert len({message["id"] for message in lines()}) == 20


def test_without_any_library(gst_launch, lines):
    done = gst_launch(f"-q {SOURCE.format(5)} ! metapublish uri={lines.uri} ! fakesink")
    assert (done.code, done.text) == (0, "")
    assert numbers(lines()) == list(range(5))


def test_nothing_in_the_stream_is_different(play, numbered, lines):
    line = f"{SOURCE.format(3)} ! {numbered} ! {{}} appsink name=out"
    plain = play(line.format("")).samples
    played = play(line.format(f"metapublish uri={lines.uri} !"))
    for one, other in zip(plain, played.samples, strict=True):
        assert one.get_buffer().extract_dup(0, 64 * 48 * 4) == other.get_buffer().extract_dup(0, 64 * 48 * 4)
        assert empycustom.document(one)["frame"][0]["object"] == empycustom.document(other)["frame"][0]["object"]


CLEAN = re.compile(r"[+#/\x00-\x1f]")
SENT = {
    "select=objects": ([f"{n}: {n // 5}" for n in range(20)], lambda m: f"{m['frame_num']}: {m['object']['object_id']}"),
    "select=changes": ([0, 5, 10, 15], lambda m: m["frame"][0]["frame_num"]),
    "select=changes watch=emcustom.n": (
        [(None, 0), *((n, n + 1) for n in range(19))],
        lambda m: (m["change"]["from"], m["change"]["to"]),
    ),
    "interval=7": ([0, 7, 14], lambda m: m["frame"][0]["frame_num"]),
    "fields=frame_num,object.obj_label": (
        [[{"frame_num": n, "object": [{"obj_label": "person"}]}] for n in range(20)],
        lambda m: m["frame"],
    ),
    "select=objects fields=frame_num,object.object_id": ([{"object_id": n // 5} for n in range(20)], lambda m: m["object"]),
    "select=changes fields=frame_num": (
        [({"frame_num": 5 * n}, ["appeared", "gone"]) for n in range(4)],
        lambda m: (m["frame"][0], list(m["change"])),
    ),
    "select=changes watch=object.0.object_id": (
        [(None, 0), (0, 1), (1, 2), (2, 3)],
        lambda m: (m["change"]["from"], m["change"]["to"]),
    ),
    "fields=emcustom.n,object.rect_params.top": (
        [[{"object": [{"rect_params": {"top": 2.0}}], "emcustom": {"n": n}}] for n in range(20)],
        lambda m: m["frame"],
    ),
    "without=object,emcustom": ([(False, False)] * 20, lambda m: ("object" in m["frame"][0], "emcustom" in m["frame"][0])),
    "envelope=cloudevents": (
        [("1.0", "empycustom.frame", "/empycustom/0", n) for n in range(20)],
        lambda m: (m["specversion"], m["type"], m["source"], m["data"]["frame"][0]["frame_num"]),
    ),
    "select=objects envelope=cloudevents": (["empycustom.object"] * 20, lambda m: m["type"]),
}


@pytest.mark.parametrize("given", SENT)
@pytest.mark.parametrize("where", ["property", "query"])
def test_what_is_sent(play, numbered, lines, given, where):
    wanted, of = SENT[given]
    uri, properties = (f"{lines.uri}?{given.replace(' ', '&')}", "") if where == "query" else (lines.uri, given)
    play(f"{SOURCE.format(20)} ! {numbered} ! metapublish uri={uri} {properties} ! fakesink")
    assert [of(message) for message in lines()] == wanted


def test_a_rate_is_about_the_time_of_the_video(play, lines):
    """Ten seconds, which are played much faster."""
    play(f"{SOURCE.format(300)} ! metapublish uri={lines.uri} rate=2 ! fakesink")
    assert numbers(lines()) == list(range(0, 300, 15))


def test_a_rate_of_frames_without_a_time(play, lines):
    """Here the clock is what there is."""
    bare = "fakesrc num-buffers=100 sizetype=fixed sizemax=12288 datarate=245760 format=bytes ! video/x-raw,format=RGBA,width=64,height=48"
    began = time.monotonic()
    play(f"{bare},framerate=0/1 ! identity sleep-time=20000 ! metapublish uri={lines.uri} rate=2 ! fakesink")
    assert 3 <= len(lines()) <= 2 * (time.monotonic() - began) + 1  # of 100


def test_the_query_goes_before_properties(play, lines):
    play(f"{SOURCE.format(20)} ! metapublish uri={lines.uri}?interval=10 interval=2 ! fakesink")
    assert numbers(lines()) == [0, 10]


def test_rate(play, lines):
    """Of a second of live frames about two are sent, however long it takes."""
    began = time.monotonic()
    play(
        f"videotestsrc is-live=true num-buffers=40 ! video/x-raw,width=64,height=48,framerate=20/1 ! metapublish rate=2 uri={lines.uri} ! fakesink"
    )
    assert 3 <= len(lines()) <= 2 * (time.monotonic() - began) + 1
    assert numbers(lines())[0] == 0


def test_templates_and_hostile_labels(play, library, serve):
    server = serve("mqtt")
    labels = ["person", "a/b", "+", "#", "größe", "x" * 300, 'q"\\', "a b", "\n\t\x1b[31m"]
    lib = library(f"""
LABELS = {labels!r}
def process_ip(b, m, o):
    n = m["frame"][0]["frame_num"]
    return {{"frame": [{{"new_object": [{{"obj_label": LABELS[n], "object_id": n, "rect_params": {{"left": 1, "top": 2, "width": 3, "height": 4}}}}]}}]}}
""")
    uri = f"mqtt://127.0.0.1:{server.port}/cameras/{{source_id}}/{{obj_label}}"
    played = play(
        f'{SOURCE.format(len(labels))} ! empycustom in-place=true custom-lib={lib} ! metapublish select=objects uri="{uri}" ! fakesink'
    )
    assert played.warnings == played.errors == []
    wait_for(lambda: len(server.received()) == len(labels), "all")
    assert [message["object"]["obj_label"] for message in server.received()] == labels
    assert server.topics() == [f"cameras/0/{CLEAN.sub('_', label)}" for label in labels]


def test_huge_documents(play, library, serve):
    server = serve("redis")
    lib = library('def process_ip(b, m, o):\n    return {"frame": {"text": "ä" * 3_000_000}}\n')
    played = play(f"{SOURCE.format(8)} ! empycustom in-place=true custom-lib={lib} ! metapublish uri={server.uri} ! fakesink")
    assert played.warnings == played.errors == []
    assert [len(message["frame"][0]["emcustom"]["text"]) for message in server.received()] == [3_000_000] * 8


def test_several_in_one_pipeline(play, numbered, tmp_path):
    names = {"a.jsonl": "", "b.jsonl": "interval=5", "c.jsonl": "select=objects"}
    line = " ! ".join(f"metapublish uri=file://{tmp_path}/{name} {more}" for name, more in names.items())
    play(f"{SOURCE.format(20)} ! {numbered} ! {line} ! fakesink")
    assert [len((tmp_path / name).read_text().splitlines()) for name in names] == [20, 4, 20]


def test_two_that_write_one_file(play, lines):
    played = play(f"{SOURCE.format(5)} ! metapublish uri={lines.uri} ! metapublish uri={lines.uri} ! fakesink")
    assert "something else publishes to this file already; name another one" in played.error


# How it goes on.


def test_numbers_in_stats(lines):
    empycustom.register()
    pipeline = Gst.parse_launch(f"{SOURCE.format(10)} ! metapublish name=m uri={lines.uri} ! fakesink")
    element = pipeline.get_by_name("m")

    def stats() -> dict[str, Any]:
        structure = element.get_property("stats")
        return {
            structure.nth_field_name(k): structure.get_value(structure.nth_field_name(k)) for k in range(structure.n_fields())
        }

    assert stats() == {**dict.fromkeys(("queued", "spooled", "sent", "repeated", "dropped", "delay-ms"), 0), "last-error": ""}
    assert (element.get_property("state") or "", element.get_property("last-error") or "") == ("", "")
    pipeline.set_state(Gst.State.PLAYING)
    assert pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS)
    assert element.get_property("state") == "connected"
    found = stats()
    pipeline.set_state(Gst.State.NULL)
    del found["delay-ms"]
    assert found == {"queued": 0, "spooled": 0, "sent": 10, "repeated": 0, "dropped": 0, "last-error": ""}
    assert stats()["sent"] == 10
    with pytest.raises(TypeError):
        element.set_property("state", "away")


def test_away_and_back_on_the_bus(serve):
    server = serve("redis")
    server.kill()
    empycustom.register()
    pipeline = Gst.parse_launch(
        f"videotestsrc is-live=true ! video/x-raw,width=64,height=48 ! metapublish name=m uri={server.uri} ! fakesink"
    )
    element, bus = pipeline.get_by_name("m"), pipeline.get_bus()
    pipeline.set_state(Gst.State.PLAYING)
    try:
        state, text = next_on(bus, Gst.MessageType.ELEMENT), next_on(bus, Gst.MessageType.WARNING).parse_warning()[0].message
        away = fields(state)
        assert (away["state"], away["uri"]) == ("away", server.uri)
        assert away["error"].startswith(f"{server.uri} cannot be reached (")
        assert text == f"{away['error']}; messages are kept until it is back"
        assert element.get_property("state") == "away"
        assert element.get_property("last-error") == away["error"] == element.get_property("stats").get_value("last-error")
        server.start()
        state, text = next_on(bus, Gst.MessageType.ELEMENT), next_on(bus, Gst.MessageType.INFO).parse_info()[0].message
        assert fields(state) == {"state": "connected", "uri": server.uri, "error": ""}
        assert text == f"{server.uri} is back; what was kept is being sent"
        assert element.get_property("state") == "connected"
        refused = element.get_property("uri")
        element.set_property("uri", "file:///elsewhere")
        assert element.get_property("uri") == refused
    finally:
        pipeline.set_state(Gst.State.NULL)


def test_what_is_left_at_the_end(gst_launch, lines, state):
    uri = f"redis://127.0.0.1:{free_port()}/results"
    done = gst_launch(f"{SOURCE.format(10)} ! metapublish drain-timeout=0 uri={uri} ! fakesink")
    assert done.code == 0
    assert f"10 messages have not arrived at {uri}; they are kept, and sent when something is published there next" in done.text
    assert len(list(state.glob("*.sqlite"))) == 1


def test_stopped_without_eos(serve, state):
    server = serve("redis")
    server.kill()
    empycustom.register()
    pipeline = Gst.parse_launch(
        f"videotestsrc is-live=true ! video/x-raw,width=64,height=48 ! metapublish name=m uri={server.uri} ! fakesink"
    )
    element = pipeline.get_by_name("m")
    for _ in range(2):
        pipeline.set_state(Gst.State.PLAYING)
        wait_for(lambda: element.get_property("stats").get_value("spooled") > 10, "frames")
        pipeline.set_state(Gst.State.NULL)
    left = element.get_property("stats").get_value("spooled")
    assert "cannot be reached (" in element.get_property("stats").get_value("last-error")  # also after the stop
    server.start()
    pipeline.set_state(Gst.State.PLAYING)
    wait_for(lambda: len(server.received()) > left, "what was left, and more")
    pipeline.set_state(Gst.State.NULL)
    found = numbers(server.received())
    starts = [k for k, n in enumerate(found) if n == 0]
    assert starts[0] == 0
    assert len(starts) >= 2
    assert all(after == before + 1 or after == 0 for before, after in pairwise(found))


def test_a_seek(lines, numbered, tmp_path):
    """Frames before and after a flush are all sent."""
    video = tmp_path / "video.avi"
    subprocess.run(
        f"gst-launch-1.0 -q videotestsrc num-buffers=30 ! video/x-raw,width=64,height=48 ! jpegenc ! avimux ! filesink location={video}".split(),
        check=True,
    )
    empycustom.register()
    pipeline = Gst.parse_launch(
        f"filesrc location={video} ! avidemux ! jpegdec ! metapublish name=m uri={lines.uri} ! fakesink name=sink sync=false"
    )
    seen, sink = [], pipeline.get_by_name("sink")
    sink.set_property("signal-handoffs", True)
    sink.connect("handoff", lambda *_: seen.append(1))
    pipeline.set_state(Gst.State.PAUSED)
    assert pipeline.get_state(60 * Gst.SECOND)[0] == Gst.StateChangeReturn.SUCCESS
    for _ in range(3):
        assert pipeline.seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH | Gst.SeekFlags.KEY_UNIT, 0)
        assert pipeline.get_state(60 * Gst.SECOND)[0] == Gst.StateChangeReturn.SUCCESS
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    assert message.type == Gst.MessageType.EOS
    pipeline.set_state(Gst.State.NULL)
    assert len(lines()) >= 30
    assert [message["frame"][0]["stream_time"] for message in lines()][-30:] == sorted(
        {m["frame"][0]["stream_time"] for m in lines()}
    )


def test_a_slow_destination_does_not_slow_the_pipeline(serve):
    """One that takes a message a second: the clock lets 300 frames pass in one and a half seconds."""
    empycustom.register()
    server = serve("http")
    server.delay_s = 1.0
    source = SOURCE.format(300).replace("30/1", "200/1")
    pipeline = Gst.parse_launch(f"{source} ! metapublish drain-timeout=0 uri={server.uri} ! fakesink sync=true")
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(400 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    at_the_end = len(server.received())
    wait_for(server.received, "a message")
    pipeline.set_state(Gst.State.NULL)
    assert message, "it has no end"
    assert message.type == Gst.MessageType.EOS
    assert at_the_end < 20, "so many seconds have gone by"


def test_ctrl_c_while_a_destination_is_slow(serve, gst_env):
    server = serve("http")
    server.delay_s = 3.0
    line = f"gst-launch-1.0 -e videotestsrc is-live=true ! video/x-raw,width=64,height=48 ! metapublish drain-timeout=600 uri={server.uri} ! fakesink"
    with subprocess.Popen(line.split(), env=gst_env, stdout=subprocess.DEVNULL) as child:
        wait_for(lambda: server.received(), "a message")
        child.send_signal(signal.SIGINT)  # waits for the end of the stream
        time.sleep(1)
        assert child.poll() is None
        child.send_signal(signal.SIGINT)
        assert child.wait(60) is not None


# What is refused at the start.

AT_START = {
    "": "uri is not set; say where messages go: uri=mqtt://localhost/results",
    "uri=results": '"results" is not a URI; write one such as mqtt://localhost/results or file:///tmp/results.jsonl',
    "uri=mqt://localhost/x": "nothing publishes to mqt://; mqtt may be meant; there are ",
    "uri=file:///tmp/x.jsonl?selct=objects": "file:///tmp/x.jsonl: there is no setting selct; select may be meant",
    "uri=file:///tmp/x.jsonl?select=all": 'file:///tmp/x.jsonl: select must be "frames" or "objects" or "changes" or "gva", not "all"',
    "uri=file:///tmp/x.jsonl?select=object": 'file:///tmp/x.jsonl: select must be "frames" or "objects" or "changes" or "gva", not "object"; objects may be',
    "uri=sqlite:///tmp/x.db?select=gva": "select=gva: messages of DL Streamer have no columns for a table; choose another select",
    "uri=file:///tmp/x.jsonl?interval=0": "file:///tmp/x.jsonl: interval must be ",
    "uri=file:///tmp/x.jsonl?rotate=big": 'file:///tmp/x.jsonl: rotate must be a size, such as 500kB, 100MB or 2GiB, not "big"',
    "uri=file:///proc/nothing/x.jsonl": "file:///proc/nothing/x.jsonl: the folder /proc/nothing does not exist; make it first",
    "uri=file:///proc/x.jsonl": "file:///proc/x.jsonl: /proc/x.jsonl cannot be written (",
    "uri=sqlite:///proc/x.db": "sqlite:///proc/x.db: /proc/x.db cannot be written (",
    f"uri=file:///tmp/{'x' * 300}": f"file:///tmp/{'x' * 300}: /tmp/{'x' * 300} cannot be written (File name too long); name another",
    "uri=sqlite:///x.db": f"sqlite:///x.db: is /x.db, in the root folder; write sqlite://{os.getcwd()}/x.db for a file in this",
    "uri=file:///tmp": "file:///tmp: is a folder; name a file in it",
    "uri=file:///dev/null": "file:///dev/null: is a device or a pipe, which does not keep what was written; name a file",
    "uri=file://host/tmp/x.jsonl": "file://host/tmp/x.jsonl: a file has no host: write file:///absolute/path",
    "uri=file:///tmp/x.jsonl fields=frame_nun": "file:///tmp/x.jsonl: fields: no message has frame_nun; frame_num may be meant",
    "uri=file:///tmp/x.jsonl fields=object.obj_lable": "file:///tmp/x.jsonl: fields: object has no obj_lable; obj_label may be meant",
    "uri=file:///tmp/x.jsonl without=object.rect_params.lft": "file:///tmp/x.jsonl: without: object.rect_params has no lft; left may be",
    "uri=file:///tmp/x.jsonl fields=frame_num.x": "file:///tmp/x.jsonl: fields: frame_num has no x; it is one value",
    "uri=file:///tmp/x.jsonl fields=change": "file:///tmp/x.jsonl: fields: no message has change; ",
    "uri=file:///tmp/x.jsonl select=objects fields=object.rect_prams": "file:///tmp/x.jsonl: fields: object has no rect_prams; rect_params",
    "uri=file:///tmp/x.jsonl select=changes without=change.gon": "file:///tmp/x.jsonl: without: change has no gon; gone may be meant",
    "uri=file:///tmp/x.jsonl select=changes watch=object.0.obj_lable": "file:///tmp/x.jsonl: watch: object.0 has no obj_lable; obj_label",
    "uri=file:///tmp/x.jsonl select=changes watch=object.obj_label": "file:///tmp/x.jsonl: watch: object is a list; name one entry by its number, such as object.0.obj_label",
    "uri=file:///tmp/x.jsonl select=changes watch=emcuston.n": "file:///tmp/x.jsonl: watch: no message has emcuston; emcustom may be meant",
    "uri=file:///tmp/x.jsonl watch=emcustom.n": "file:///tmp/x.jsonl: watch is for select=changes",
    "uri=mqtt://localhost": "mqtt://localhost: no topic is named: write mqtt://host/topic",
    "uri=mqtt://localhost/a/+/b": "mqtt://localhost/a/+/b: + and # are for those who subscribe; name one topic",
    "uri=mqtt://localhost/x?will=a/%23": "mqtt://localhost/x: will is the name of one topic, without + and #",
    "uri=mqtt://one,two/x": "mqtt://one,two/x: there are several hosts; name one",
    "uri=mqtt://localhost:99999/x": 'mqtt://localhost:99999/x: "localhost:99999" is not a host; write host or host:port',
    'uri="mqtt://localhost/{obj_label}"': "mqtt://localhost/{obj_label}: {obj_label} is a fact of an object, and messages are about frames; add select=objects",
    'uri="file:///tmp/{source}/x.jsonl"': "file:///tmp/{source}/x.jsonl: {source} can stand in a topic only, not here; in a stream configuration {stream_id} is",
    'uri="sqlite:///tmp/{stream_id}.db"': "sqlite:///tmp/{stream_id}.db: {stream_id} can stand in a topic only, not here; in a stream",
    'uri="http://localhost/{source}"': "http://localhost/{source}: {source} can stand in a topic only, not here; in a stream configuration",
    'uri="mqtt://localhost/{sorce_id}"': "mqtt://localhost/{sorce_id}: there is no {sorce_id}; source_id may be meant",
    "uri=kafka://localhost/a%20b": "kafka://localhost/a%20b: a topic of Kafka has letters, digits, ., _ and -",
    "uri=kafka://localhost/x?ca=/nowhere.pem": "kafka://localhost/x: Kafka cannot be set up so (",
    "uri=kafka://localhost/x?user=a&password=b&mechanism=WRONG": "kafka://localhost/x: Kafka cannot be set up so (",
    "uri=postgresql://localhost/x?table=a;b": 'postgresql://localhost/x: table must be a name of letters, digits and _, not "a;b"',
    "uri=https://localhost/x?ca=/nowhere.pem": "https://localhost/x: the certificate /nowhere.pem cannot be used (",
    "uri=http://localhost/x?secret=whsec_!": "http://localhost/x: the secret begins with whsec_, and no Base64 follows",
    "uri=http:///x": "http:///x: no host is named: write http://host/path",
    'uri="redis://${NOWHERE}/x"': "redis://${NOWHERE}/x: the environment has no variable NOWHERE; set it, or write the value in its place",
    "uri=redis://localhost/x?password=@/proc/nothing": "redis://localhost/x: the file of password, /proc/nothing, cannot be read (No such file or directory)",
    "uri=file:///tmp/x.jsonl spool=/proc/sys/x": "messages cannot be kept in /proc/sys/x (",
}


@pytest.mark.parametrize("given", AT_START)
def test_refused_at_the_start(play, given):
    played = play(f"{SOURCE.format(5)} ! metapublish {given} ! fakesink")
    assert played.error.startswith(AT_START[given])
    assert not Path("/tmp/x.jsonl").exists()


PACKAGES = {"mqtt": "paho", "kafka": "confluent_kafka", "redis": "redis", "http": "httpx", "postgresql": "psycopg"}


@pytest.mark.parametrize("scheme", PACKAGES)
def test_a_missing_package(gst_launch, scheme, tmp_path):
    package = PACKAGES[scheme]
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / f"{package}.py").write_text(f"raise ModuleNotFoundError(\"No module named '{package}'\")\n")
    done = gst_launch(
        f"{SOURCE.format(5)} ! metapublish uri={scheme}://localhost/x ! fakesink", PYTHONPATH=str(tmp_path / "without")
    )
    assert done.code
    assert (
        f"{scheme}:// needs the Python package {package} (No module named '{package}'): pip install \"empycustom[{scheme}]\""
        in done.text
    )


def test_a_live_stream_with_a_slow_disk(play, lines, monkeypatch):
    from empycustom.outputs.queued import QueuedOutput
    from empycustom.publish.spool import Spool

    add = Spool.add
    monkeypatch.setattr(Spool, "add", lambda self, drafts: (time.sleep(2), add(self, drafts)))
    monkeypatch.setitem(QueuedOutput.__init__.__kwdefaults__, "most", 5)
    live = "videotestsrc is-live=true num-buffers=60 ! video/x-raw,width=64,height=48,framerate=60/1"
    played = play(f"{live} ! metapublish name=m uri={lines.uri} ! fakesink")
    assert played.ended
    [text] = [text for text, _ in played.warnings]
    assert text.startswith(f"documents for {lines.uri} were dropped: the disk that keeps them is slower than the live stream")
    found = numbers(lines())
    assert found == sorted(set(found))
    assert 0 < len(found) < 60
