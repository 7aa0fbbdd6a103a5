"""The text of a DeepStream pipeline, read by GStreamer's parser; elements of the tests' own stand for NVIDIA's."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from empycustom.app.main import main
from empycustom.config.launch import describe
from empycustom.config.streams import read
from empycustom.gstreamer import GObject, Gst, GstBase
from empycustom.native.objects import keep_floating

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
    "nvstreammux": {"width": int, "height": int, "batch-size": int, "live-source": bool},
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
    keep_floating(hash(self))
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
    keep_floating(hash(self))
    # With NVIDIA's metadata where its package is, which are what nvinfer and nvtracker would add, too.
    self.inside = Gst.ElementFactory.make("identity" if nvds.WHY_NOT else "fakemux")
    self.add(self.inside)
    self.add_pad(Gst.GhostPad.new_from_template("src", self.inside.get_static_pad("src"), self.get_pad_template("src")))


def request_pad(self, template, name, caps):
    self.add_pad(made := Gst.GhostPad.new_from_template(name, self.inside.get_static_pad("sink"), template))
    return made


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
    typed = ["run", "c.json", "--source", "test", "--frames", "5", "--out", "meta.jsonl", "--quiet"]
    code = main(typed)
    out, err = capsys.readouterr()

    assert (code, err) == (0, "")
    both = [{"one": label, "two": label} for label in ("bike", "person", "car")]
    assert [json.loads(line) for line in out.splitlines()] == [{"number": number, "objects": both} for number in (0, 2, 4)]
    frames = [json.loads(line)["frame"][0] for line in (tmp_path / "meta.jsonl").read_text().splitlines()]
    assert [frame["source"] for frame in frames] == ["stream"] * 3  # behind the muxer, too
    assert [frame["emcustom"] for frame in frames] == [{"one": ["RGBA", "CPU", 10], "two": ["NV12", "NVMM", 10]}] * 3
