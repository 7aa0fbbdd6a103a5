"""The text of a DeepStream pipeline, read by GStreamer's parser; elements of the tests' own stand for NVIDIA's."""

from __future__ import annotations

import pytest

from empycustom.gstreamer import GObject, Gst, GstBase
from empycustom.native.objects import keep_floating
from empycustom.stream.config import read
from empycustom.stream.launch import describe

CONFIGURATION = """{"pipeline_configuration": {
  "input": {"width": 64, "height": 48, "live-source": "true", "batch-size": 1},
  "primary": {"config-file-path": "primary.txt"},
  "tracker": {"ll-lib-file": "libtracker.so", "tracker-width": 640},
  "secondary": [{"nvinfer": {"config-file-path": "two words.txt"}}, {"empycustom": {"custom-lib": "lib.py"}}],
  "empycustom": {"custom-lib": "lib.py", "memory": "NVMM", "format": "NV12"},
  "overlay": {"display-clock": true},
  "aimeta": {"signal-interval": 2}
}}"""
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
    """What does nothing and remembers its properties."""

    def do_set_property(self, spec, value):
        self.__dict__.setdefault("given", {})[spec.name] = value

    def do_get_property(self, spec):
        return self.given[spec.name]


def begin_filter(self):
    GstBase.BaseTransform.__init__(self)
    keep_floating(hash(self))


def turn_into_anything(self, direction, caps, wanted):
    return wanted or Gst.Caps.new_any()


def begin_muxer(self):
    Gst.Element.__init__(self)
    keep_floating(hash(self))
    self.add_pad(Gst.Pad.new_from_template(self.get_pad_template("src"), "src"))


def request_pad(self, template, name, caps):
    self.add_pad(made := Gst.Pad.new_from_template(template, name))
    return made


MUXER = (Gst.Element, {"__init__": begin_muxer, "do_request_new_pad": request_pad})
FILTER = (GstBase.BaseTransform, {"__init__": begin_filter, "do_transform_caps": turn_into_anything})


@pytest.fixture(scope="module")
def stubs():
    """Register stubs of NVIDIA's elements for as long as this module is tested; they have no rank."""
    import empycustom

    empycustom.register()
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
