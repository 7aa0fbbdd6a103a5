"""The text of a DeepStream pipeline, read by GStreamer's parser; elements of the tests' own stand for NVIDIA's."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from about_time import is_about_time
from empycustom.app.main import main
from empycustom.config.launch import describe
from empycustom.config.streams import read
from empycustom.gstreamer import GObject, Gst, GstBase
from empycustom.native.objects import make_floating

sys.path.insert(0, str(Path(__file__).parents[1] / "deepstream"))

import nvds
from fakes import register_fakes

CONFIGURATION = """{"pipeline_configuration": {
  "input": {"width": 64, "height": 48, "live-source": "true", "batch-size": 1},
  "primary": {"config-file-path": "primary.txt"},
  "tracker": {"ll-lib-file": "libtracker.so", "tracker-width": 640},
  "secondary": [{"nvinfer": {"config-file-path": "two words.txt"}}, {"empycustom": {"custom-lib": "lib.py"}}],
  "empycustom": {"custom-lib": "lib.py", "memory": "NVMM", "format": "NV12"},
  "overlay": {"display-clock": true},
  "aimeta": {"signal-interval": 2}
}}"""
DETECTORS = dict.fromkeys(("primary.txt", "two words.txt"), "[property]")
PROPERTIES = {
    "nvstreammux": {"width": int, "height": int, "batch-size": int, "live-source": bool, "batched-push-timeout": int},
    "nvvideoconvert": {},
    "nvinfer": {"config-file-path": str},
    "nvtracker": {"ll-lib-file": str, "tracker-width": int},
    "nvdsosd": {"display-clock": bool},
}


def declared(kind):
    limits = (0, 2**31 - 1, 0) if kind is int else (False,) if kind is bool else ("",)
    return (kind, "", "", *limits, GObject.ParamFlags.READWRITE)


def pad(name, direction, presence):
    return Gst.PadTemplate.new(name, direction, presence, Gst.Caps.new_any())


class Stub:
    """What hands on what it gets, and remembers its properties."""

    def do_set_property(self, spec, value):
        self.__dict__.setdefault("given", {})[spec.name] = value

    def do_get_property(self, spec):
        return self.given[spec.name]


def begin_filter(self):
    GstBase.BaseTransform.__init__(self)
    make_floating(hash(self))
    self.set_passthrough(True)


def turn_into_other_formats_and_memories(self, direction, caps, wanted):
    """Pixels stay as they are: they are not used."""
    if caps.is_any() or caps.is_empty():
        return wanted or caps
    kept = caps.to_string().replace("(memory:NVMM)", "")
    free = re.sub(r", format=(\(string\))?({[^}]*}|\w+)", "", kept)
    every = [text.replace("video/x-raw", f"video/x-raw{memory}") for text in (kept, free) for memory in ("", "(memory:NVMM)")]
    offered = Gst.Caps.from_string(";".join([caps.to_string(), *every]))
    return wanted.intersect_full(offered, Gst.CapsIntersectMode.FIRST) if wanted else offered


def begin_muxer(self):
    Gst.Bin.__init__(self)
    make_floating(hash(self))
    self.funnel = Gst.ElementFactory.make("funnel")
    self.add(self.funnel)
    self.add_pad(Gst.GhostPad.new_from_template("src", self.funnel.get_static_pad("src"), self.get_pad_template("src")))


def request_pad(self, template, name, caps):
    """Let the frames of one source in, each as a batch of its own."""
    # With NVIDIA's metadata where its package is, which are what nvinfer and nvtracker would add, too.
    inside = Gst.ElementFactory.make("identity" if nvds.WHY_NOT else "fakemux")
    number = int(name.removeprefix("sink_"))
    if not nvds.WHY_NOT:
        inside.set_property("source", 10 + number)
    self.add(inside)
    inside.link(self.funnel)

    def tell_end(pad, info):
        if info.get_event().type == Gst.EventType.EOS:
            ended = Gst.Structure.new_empty("stream-eos")
            ended.set_value("pad", f"src_{number}")
            pad.push_event(Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM, ended))
        return Gst.PadProbeReturn.OK

    inside.get_static_pad("src").add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, tell_end)
    self.add_pad(made := Gst.GhostPad.new_from_template(name, inside.get_static_pad("sink"), template))
    inside.sync_state_with_parent()
    return made


class Demuxer(Gst.Element):
    """Sends each batch to the pad of its source."""

    __module__ = __name__
    __gtype_name__ = "TestStreamDemuxer"
    __gstmetadata__ = ("nvstreamdemux", "Generic", "nvstreamdemux", "tests")
    __gsttemplates__ = (
        Gst.PadTemplate.new("sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, Gst.Caps.new_any()),
        Gst.PadTemplate.new("src_%u", Gst.PadDirection.SRC, Gst.PadPresence.REQUEST, Gst.Caps.new_any()),
    )

    def __init__(self):
        Gst.Element.__init__(self)
        make_floating(hash(self))
        self.sent = set()
        sink = Gst.Pad.new_from_template(self.get_pad_template("sink"), "sink")
        sink.set_chain_function_full(self.chain)
        sink.set_event_function_full(self.event)
        self.add_pad(sink)

    def do_request_new_pad(self, template, name, caps):
        made = Gst.Pad.new_from_template(template, name)
        self.add_pad(made)
        return made

    def chain(self, _pad, _parent, buffer):
        frame = nvds.frames_of(nvds.batch_of(buffer))[0]
        flow = self.get_static_pad(f"src_{nvds.get(nvds.UINT, frame + 72) - 10}").push(buffer)
        return Gst.FlowReturn.ERROR if flow == Gst.FlowReturn.ERROR else Gst.FlowReturn.OK

    def event(self, _pad, _parent, event):
        if event.has_name("stream-eos"):
            structure = event.get_structure()
            structure = structure.__enter__() if hasattr(structure, "__enter__") else structure
            return self.get_static_pad(structure.get_string("pad")).push_event(Gst.Event.new_eos())
        if event.type in (Gst.EventType.STREAM_START, Gst.EventType.SEGMENT):  # a funnel sends them anew with each other source
            if event.type in self.sent:
                return True
            self.sent.add(event.type)
        for each in self.srcpads:
            each.push_event(event)
        return True


MUXER = (Gst.Bin, {"__init__": begin_muxer, "do_request_new_pad": request_pad})
FILTER = (GstBase.BaseTransform, {"__init__": begin_filter, "do_transform_caps": turn_into_other_formats_and_memories})


@pytest.fixture(scope="module")
def stubs():
    """Register stubs of NVIDIA's elements for as long as this module is tested; they have no rank."""
    import empycustom

    empycustom.register()
    if not nvds.WHY_NOT:
        register_fakes()
    made = []
    for name, properties in PROPERTIES.items():
        sink = ("sink_%u", Gst.PadPresence.REQUEST) if name == "nvstreammux" else ("sink", Gst.PadPresence.ALWAYS)
        inside = {
            "__module__": __name__,  # PyGObject 3.58 would say gi.types, and for classes from there it hooks no method up
            "__gtype_name__": f"TestStream{name}",
            "__gstmetadata__": (name, "Generic", name, name),
            "__gsttemplates__": (
                pad(sink[0], Gst.PadDirection.SINK, sink[1]),
                pad("src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS),
            ),
            "__gproperties__": {key: declared(kind) for key, kind in properties.items()},
        }
        base, methods = MUXER if name == "nvstreammux" else FILTER
        Gst.Element.register(None, name, Gst.Rank.NONE, type(name, (Stub, base), {**inside, **methods}))
        made.append(Gst.ElementFactory.find(name))
    if not nvds.WHY_NOT:
        Gst.Element.register(None, "nvstreamdemux", Gst.Rank.NONE, Demuxer)
        made.append(Gst.ElementFactory.find("nvstreamdemux"))
    yield
    for factory in made:
        Gst.Registry.get().remove_feature(factory)


def test_it_is_one_chain_in_the_documented_order(stubs, tmp_path):
    for name in ("lib.py", "primary.txt", "two words.txt"):
        (tmp_path / name).touch()
    (tmp_path / "emi_stream_config.json").write_text(CONFIGURATION)
    (stream,) = read(tmp_path / "emi_stream_config.json", sources=["test"]).streams
    made = describe(stream, ["videotestsrc"], lambda name: Gst.ElementFactory.find(name) is not None)
    pipeline = Gst.parse_launch_full(made.text, None, Gst.ParseFlags.FATAL_ERRORS)

    chain, element = [], pipeline.get_by_name("first")
    while element is not None:
        chain.append(element)
        source = element.get_static_pad("src")
        peer = source and source.get_peer()
        element = peer and peer.get_parent_element()
    names = [element.get_factory().get_name() for element in chain]
    assert [name for name in names if name not in ("capsfilter", "nvvideoconvert")] == [
        *("queue", "nvstreammux", "nvinfer", "nvtracker", "nvinfer"),
        *("empycustom", "empycustom", "nvdsosd", "aimeta", "fakesink"),
    ]
    by_name = {name: element for name, element in zip(names, chain, strict=True) if isinstance(element, Stub)}
    assert by_name["nvstreammux"].given == {"width": 64, "height": 48, "batch-size": 1, "live-source": True}
    assert by_name["nvinfer"].given == {"config-file-path": str(tmp_path / "two words.txt")}
    assert by_name["nvtracker"].given == {"ll-lib-file": "libtracker.so", "tracker-width": 640}
    caps = [element.get_property("caps").to_string() for element in chain if element.get_factory().get_name() == "capsfilter"]
    assert [text.replace("(string)", "") for text in caps] == [
        "video/x-raw(memory:NVMM), format=NV12",
        "video/x-raw, format=RGBA",
        "video/x-raw(memory:NVMM), format=NV12",
        "video/x-raw(memory:NVMM), format=RGBA",
    ]


LIBRARY = """
def process_ip(b, m, o):
    frame, buffer = m["frame"][0], m["buffer"]
    words = [{o["as"]: found["obj_label"]} for found in frame["object"]]
    return [*words, {o["as"]: [buffer["format"], buffer["memory"], frame["source_id"]]}]
"""
CALLBACK = """
def update(signal):
    (frame,) = signal["frame"]
    return [{"number": frame["frame_num"], "objects": [found["emcustom"] for found in frame["object"]]}], ""
"""


@pytest.mark.skipif(bool(nvds.WHY_NOT), reason=nvds.WHY_NOT)
def test_it_plays(stubs, tmp_path, capsys, monkeypatch):
    """In this process, with NVIDIA's own metadata; the frames are in system memory, in spite of their caps."""
    monkeypatch.chdir(tmp_path)
    configuration = json.loads(CONFIGURATION)
    pipeline = configuration["pipeline_configuration"]
    pipeline["secondary"][1]["empycustom"] |= {"in-place": True, "options": {"as": "one"}}
    pipeline["empycustom"] |= {"in-place": True, "options": {"as": "two"}}
    configuration["signal_callback_function_name"] = "update"
    texts = {"lib.py": LIBRARY, "emi_signal_callback.py": CALLBACK, "c.json": json.dumps(configuration)} | DETECTORS
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    typed = ["run", "c.json", "--source", "test", "--frames", "5", "--out", "meta.jsonl", "--quiet", "--every-frame"]
    code = main(typed)
    out, err = capsys.readouterr()
    said = [line for line in err.splitlines() if not is_about_time(line)]

    assert (code, said) == (0, [])
    both = [{"one": label, "two": label} for label in ("bike", "person", "car")]
    assert [json.loads(line) for line in out.splitlines()] == [{"number": number, "objects": both} for number in (0, 2, 4)]
    frames = [json.loads(line)["frame"][0] for line in (tmp_path / "meta.jsonl").read_text().splitlines()]
    assert [frame["source"] for frame in frames] == ["stream"] * 3  # behind the muxer, too
    assert [frame["emcustom"] for frame in frames] == [{"one": ["RGBA", "CPU", 10], "two": ["NV12", "NVMM", 10]}] * 3


SHARED = """
def start(options):
    print("START")

def process_ip(b, m, o):
    return {"frame": [{"meta": {"shared": [frame["source_id"], m["buffer"]["memory"]]}} for frame in m["frame"]]}
"""
OWN = """
import empycustom
numbers = []

def process_ip(b, m, o):
    frame = m["frame"][0]
    numbers.append(frame["frame_num"])
    if frame["source"] == o.get("fails") and len(numbers) == 3:
        raise RuntimeError("sorry")
    if frame["source"] == o.get("ends") and len(numbers) == 3:
        raise empycustom.EndOfStream("enough")
    return {"frame": [{"meta": {"own": len(numbers)}}]}
"""


@pytest.fixture
def batched(stubs, tmp_path, capsys, monkeypatch):
    """Play streams that share a muxer, a detector and a library; return exit code, lines, stderr and the documents by stream."""
    if nvds.WHY_NOT:
        pytest.skip(nvds.WHY_NOT)
    monkeypatch.chdir(tmp_path)

    def play(locations, *typed, options=None, callback=None, shared=SHARED, declared=(), command="run"):
        pipeline = {
            "input": {"width": 64, "height": 48},
            "primary": {"config-file-path": "primary.txt"},
            "empycustom": [
                {"custom-lib": "shared.py", "in-place": True, "memory": "NVMM", "format": "NV12"},
                {"custom-lib": "own.py", "in-place": True, "options": options or {}},
            ],
        }
        streams = [{"stream_id": name, "location": location} for name, location in locations.items()]
        configuration = {"pipeline_configuration": pipeline, "streams": streams, "options": list(declared)}
        texts = {"shared.py": shared, "own.py": OWN, "primary.txt": "[property]"}
        if callback:
            configuration["signal_callback_function_name"] = "update"
            texts["emi_signal_callback.py"] = callback
        for name, text in {**texts, "c.json": json.dumps(configuration)}.items():
            (tmp_path / name).write_text(text)
        outputs = ["--out", "meta.jsonl", "--summary-json", "done.json"] if command == "run" else []
        code = main([command, "c.json", *outputs, *typed])
        out, err = capsys.readouterr()
        if not outputs:
            return code, out, err, {}
        found = {name: [] for name in locations}
        for line in (tmp_path / "meta.jsonl").read_text().splitlines():
            document = json.loads(line)
            found[document["stream_id"]].append(document["frame"][0])
        return code, out, err, found

    return play


def test_streams_are_sources_of_one_muxer(batched, tmp_path):
    callback = "def update(signal):\n    return [{'number': signal['frame'][0]['emcustom']['own']}], ''\n"
    code, out, err, found = batched(dict.fromkeys(("a", "b", "c"), "test"), "--frames", "4", "-q", callback=callback)

    assert (code, err) == (0, "START\n"), err
    for source_id, (name, frames) in enumerate(found.items(), 10):
        assert len(frames) == 4
        assert {(frame["source"], frame["source_id"]) for frame in frames} == {(name, source_id)}
        assert [frame["emcustom"] for frame in frames] == [{"shared": [source_id, "NVMM"], "own": n} for n in (1, 2, 3, 4)]
        assert sorted(found["obj_label"] for found in frames[0]["object"]) == ["bike", "car", "person"]
    events = [json.loads(line) for line in out.splitlines()]
    assert sorted((event["stream_id"], event["number"]) for event in events) == [(s, n) for s in "abc" for n in (1, 2, 3, 4)]
    done = json.loads((tmp_path / "done.json").read_text())
    assert [(each["stream_id"], each["frames"], each["documents"]) for each in done["streams"]] == [(s, 4, 4) for s in "abc"]
    assert [[(lib["library"], lib["calls"]) for lib in each["libraries"]] for each in done["streams"]] == [
        [("shared.py", 12), ("own.py", 4)]
    ] * 3


def test_a_stream_that_ends_leaves_the_others_playing(batched, tmp_path, video):
    (tmp_path / "short.avi").write_bytes(video.read_bytes())
    code, _, err, found = batched({"long": "video.avi", "short": "test"}, "-q", options={"ends": "short"})

    assert code == 0, err
    assert (len(found["long"]), len(found["short"])) == (40, 2)
    assert "empycustom: info: short: " in err


def test_a_stream_that_fails_leaves_the_others_playing(batched, video):
    code, _, err, found = batched({"good": "video.avi", "bad": "test"}, "-q", options={"fails": "bad"})

    assert code == 1
    assert "empycustom: error: bad: " in err
    assert "process_ip raised RuntimeError: sorry" in err
    assert err.count("empycustom: error:") == 1, err
    assert (len(found["good"]), len(found["bad"])) == (40, 2)


def test_a_source_that_is_not_there_leaves_the_others_playing(batched, video):
    code, _, err, found = batched({"absent": "camera:99", "good": "video.avi", "other": "video.avi"}, "-q")

    assert code == 1
    assert "empycustom: error: absent: There is no camera at /dev/video99" in err
    assert {name: len(frames) for name, frames in found.items()} == {"absent": 0, "good": 40, "other": 40}


def test_an_error_of_a_stage_that_is_shared_ends_all(batched):
    shared = SHARED.replace(
        "    return", "    if m['frame'][0]['frame_num'] == 3 and m['frame'][0]['source_id'] == 10: 1 / 0\n    return"
    )
    code, _, err, found = batched({"a": "test", "b": "test"}, "-q", shared=shared)

    assert code == 1
    assert "empycustom: error: a, b: " in err
    assert "process_ip raised ZeroDivisionError" in err
    assert err.count("empycustom: error:") == 1, err
    assert len(found["a"]) <= 3


def test_streams_whose_shared_elements_differ_play_alone(batched):
    key = {"element": "primary", "property": "config-file-path"}
    option = {"key": key, "option_type": "gstreamer", "value_type": "string", "value": "primary.txt"}
    names = ("a", "b", "c")
    code, _, err, found = batched(
        dict.fromkeys(names, "test"), "--frames", "3", "-q", "--set", "b:primary.config-file-path=own.py", declared=[option]
    )

    assert (code, err.count("START")) == (0, 2), err
    assert [frame["source_id"] for name in names for frame in found[name]] == [10] * 3 + [10] * 3 + [11] * 3


def test_streams_that_share_a_pipeline_have_a_page(batched, tmp_path, monkeypatch):
    """Each with its own frames, which come out of DeepStream's memory."""
    from websockets.sync.client import connect

    seen = {}

    def look():
        port = None
        while not port:
            time.sleep(0.05)
            port = re.search(r"127\.0\.0\.1:(\d+)", capsys_out.getvalue())
        for name in ("a", "b"):
            with connect(f"ws://127.0.0.1:{port[1]}/ws", compression=None, max_size=None, proxy=None) as page:
                page.send(json.dumps({"type": "watch", "stream": name}))
                page.send(json.dumps({"type": "ready"}))
                while isinstance(message := page.recv(30), str):
                    pass
                size = int.from_bytes(message[:4], "big")
                seen[name] = json.loads(message[4 : 4 + size]), message[4 + size :]
        os.kill(os.getpid(), signal.SIGINT)

    capsys_out = io.StringIO()
    monkeypatch.setattr("empycustom.studio.program.show", lambda text: capsys_out.write(text))
    thread = threading.Thread(target=look)
    thread.start()
    code, _, err, _ = batched({"a": "test", "b": "test"}, command="studio")
    thread.join(30)
    assert code == 130, err
    assert {name: about["document"]["frame"][0]["source"] for name, (about, _) in seen.items()} == {"a": "a", "b": "b"}
    assert {jpeg[:2] for _, jpeg in seen.values()} == {b"\xff\xd8"}
