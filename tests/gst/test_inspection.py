"""What gst-inspect shows, and how the elements are found."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from empycustom.frames.formats import FORMATS
from empycustom.gstreamer import GObject, Gst

MUTABLE = {
    "ready": "changeable only in NULL or READY state",
    "live": "changeable in NULL, READY, PAUSED or PLAYING state",
    "": "",
}
# name: type and default as gst-inspect prints them, when it may change (contract of the elements)
EMPYCUSTOM = {
    "custom-lib": ("String. Default: null", "ready"),
    "in-place": ("Boolean. Default: false", "ready"),
    "dialect": ('Enum "GstEmPyCustomDialect" Default: 0, "auto"', "ready"),
    "module": ("String. Default: null", "ready"),
    "class": ("String. Default: null", "ready"),
    "function": ("String. Default: null", "ready"),
    "arg": ("String. Default: null", "ready"),
    "kwarg": ("String. Default: null", "ready"),
    "finalize-function": ("String. Default: null", "ready"),
    "interface": ("Unsigned Integer. Range: 1 - 3 Default: 3", "ready"),
    "last-meta": ("String. Default: null", None),
    "options": ("String. Default: null", "live"),
    "events": ("String. Default: null", "live"),
    "process-interval": ("Integer. Range: 1 - 2147483647 Default: 1", "live"),
    "silent": ("Boolean. Default: false", "live"),
    "reload": ("Boolean. Default: false", "live"),
    "qos": ("Boolean. Default: false", ""),
    "msg-blob": ("Boolean. Default: false", "live"),
    "workers": ("Unsigned Integer. Range: 0 - 64 Default: 0", "ready"),
    "pace": ('Enum "GstEmPyCustomPace" Default: 0, "every"', "live"),
    "call-timeout": ("Unsigned Integer. Range: 0 - 2147483647 Default: 0", "live"),
    "on-error": ('Enum "GstEmPyCustomOnError" Default: 0, "fail"', "live"),
    "stats": ('Boxed pointer of type "GstStructure"', None),
}
AIMETA = {
    "silent": ("Boolean. Default: true", "live"),
    "last-meta": ("String. Default: null", None),
    "signal-aimetas": ("Boolean. Default: true", "live"),
    "signal-interval": ("Integer. Range: 1 - 2147483647 Default: 1", "live"),
    "location": ("String. Default: null", "ready"),
    "format": ('Enum "GstAIMetaFormat" Default: 0, "document"', "ready"),
    "embeddings": ('Enum "GstAIMetaEmbeddings" Default: 0, "list"', "ready"),
    "stats": ('Boxed pointer of type "GstStructure"', None),
}
PERF = {
    "print-cpu-load": ("Boolean. Default: false", "live"),
    "print-arm-load": ("Boolean. Default: false", "live"),
    "bitrate-window-size": ("Unsigned Integer. Range: 0 - 4294967295 Default: 0", "live"),
    "bitrate-interval": ("Unsigned Integer. Range: 0 - 4294967295 Default: 1000", "live"),
}
COMMON = {"name", "parent", "qos"}


def shown(text):
    """The properties in gst-inspect's text: name to (flags, type and default)."""
    table = text.split("Element Properties:")[1].split("Element Signals:")[0]
    found = re.findall(r"^  ([\w-]+) +: .*\n +flags: (.*)\n +(.*?) *$", table, re.MULTILINE)
    return {name: (flags, value) for name, flags, value in found}


@pytest.mark.parametrize(("element", "properties"), [("empycustom", EMPYCUSTOM), ("aimeta", AIMETA), ("perf", PERF)])
def test_properties_are_as_promised(gst_launch, element, properties):
    inspected = gst_launch(element, tool="gst-inspect-1.0")
    assert inspected.code == 0, inspected.text
    found = shown(inspected.out)
    assert set(found) - COMMON == set(properties) - COMMON
    for name, (value, mutable) in properties.items():
        flags, actual = found[name]
        assert actual == value, name
        expected = "readable" if mutable is None else ", ".join(filter(None, ["readable, writable", MUTABLE[mutable]]))
        assert flags == expected, name


@pytest.mark.parametrize(
    ("element", "klass", "gtype", "signals"),
    [
        ("empycustom", "Filter/Effect/Video", "GstEmPyCustom", {"emcustom": [], "new-meta": ["gchararray"]}),
        ("aimeta", "Filter/Analyzer/Video", "GstAIMeta", {"aimeta": [], "new-meta": ["gchararray"]}),
        ("perf", "Filter/Analyzer/Generic", "GstPerf", {"on-bitrate": ["gdouble"]}),
    ],
)
def test_class_rank_and_signals(play, element, klass, gtype, signals):
    factory = Gst.ElementFactory.find(element)
    assert factory.get_metadata("klass") == klass
    assert factory.get_rank() == 0
    made = factory.create(None)
    assert made.__gtype__.name == gtype
    for name, parameters in signals.items():
        query = GObject.signal_query(name, made)
        assert query.return_type == GObject.TYPE_NONE
        assert [kind.name for kind in query.param_types] == parameters


def test_caps_are_those_of_the_document_and_more(gst_launch):
    text = gst_launch("empycustom", tool="gst-inspect-1.0").out
    formats = re.findall(r"video/x-raw(\(memory:NVMM\))?\n +format: \{ (.*) \}", text)
    system, nvmm = (set(value.replace("(string)", "").split(", ")) for _, value in formats[:2])
    assert system == set(FORMATS)
    assert system >= {"RGBA", "I420"}
    assert nvmm == {"RGBA", "NV12"}


def test_there_are_no_warnings_when_an_element_is_made(gst_launch, library):
    lib = library("def process_ip(b, m, o):\n    return [{'n': 1}]\n")
    line = f"videotestsrc num-buffers=3 ! empycustom in-place=true custom-lib={lib} ! aimeta ! perf ! fakesink"
    launched = gst_launch(line, G_DEBUG="fatal-warnings", GST_DEBUG="2,*python*:2")
    assert launched.code == 0, launched.text
    assert launched.complaints() == []


def test_register_needs_neither_environment_nor_loader(library, tmp_path):
    lib = library("def process_ip(b, m, o):\n    return [{'n': 1}]\n")
    code = f"""
import empycustom
empycustom.register()
empycustom.register()
from gi.repository import Gst
pipeline = Gst.parse_launch(
    "videotestsrc num-buffers=2 ! empycustom name=e in-place=true custom-lib={lib} ! aimeta ! perf ! fakesink")
pipeline.set_state(Gst.State.PLAYING)
message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
print(message.type.first_value_nick, pipeline.get_by_name("e").get_property("last-meta"))
pipeline.set_state(Gst.State.NULL)
"""
    env = {
        "GST_REGISTRY": str(tmp_path / "registry"),
        "PATH": "/usr/bin",
        "GST_PLUGIN_FEATURE_RANK": "",
        "G_DEBUG": "fatal-warnings",
    }
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == 'eos [{"n":1}]\n', done.stderr
    assert done.stderr == ""
    assert done.returncode == 0


def test_the_debug_commands_of_the_document(gst_launch, library):
    """Three spellings of the category, as its debugging chapter and ours show them."""
    lib = library("def process_ip(b, m, o):\n    print('hello from the library')\n    return [{'n': 1}]\n")
    line = f"videotestsrc num-buffers=2 ! empycustom in-place=true silent=false custom-lib={lib} ! fakesink"
    for pattern in ("*python*:6", "*emcustom*:6", "*empycustom*:6"):
        launched = gst_launch(line, GST_DEBUG=pattern)
        assert launched.code == 0
        for text in ("do_transform_ip:", "transform_ip", "Processing buffer", 'New meta: [{"n":1}]'):
            assert text in launched.err, pattern
        assert launched.out.count("hello from the library") == 2
    assert "transform_ip" not in gst_launch(line).err


def test_an_environment_that_lacks_something_is_named(gst_env, tmp_path):
    """The system's Python without the environment of the checkout: one sentence, no traceback through our files."""
    has_all = ["/usr/bin/python3", "-c", "import _cffi_backend, numpy"]
    if subprocess.run(has_all, capture_output=True, check=False).returncode == 0:
        pytest.skip("the system's own Python has what the elements need, so nothing is missing")
    env = {**gst_env, "PATH": "/usr/bin:/bin", "GST_REGISTRY": str(tmp_path / "registry")}
    env.pop("VIRTUAL_ENV", None)
    done = subprocess.run(["gst-inspect-1.0", "empycustom"], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "ImportError: the element empycustom cannot be loaded by GStreamer's Python" in done.stderr
    assert "Activate the virtual environment" in done.stderr
    assert "carriers" not in done.stderr
