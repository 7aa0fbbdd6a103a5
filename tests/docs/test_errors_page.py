"""docs/errors.md: each of its messages is provoked, and each that is provoked stands there. Here are those of the elements."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from about_time import is_about_time

sys.path.insert(0, str(Path(__file__).parent))

from error_rows import SECTIONS, compare, rows

from empycustom.elements.latest import carried_over
from empycustom.errors import OutputError
from empycustom.gstreamer import Gst
from empycustom.model.results import read_result

SOURCE = "videotestsrc num-buffers=2 ! video/x-raw,format={},width=64,height=48"
GOOD = "def process_ip(b, m, o):\n    return []\n"
BOX = "{'left': 0, 'top': 0, 'width': 8, 'height': 8}"


@pytest.fixture
def said(play, library, tmp_path, monkeypatch):
    """Play a library, or what the properties name, in its own folder; return the first message on the bus."""
    monkeypatch.chdir(tmp_path)

    def run(source="", properties="in-place=true", video="RGBA", behind=""):
        lib = f"custom-lib={library(source)}" if source else ""
        played = play(f"{SOURCE.format(video)} ! empycustom {lib} {properties} ! {behind} fakesink")
        texts = [text for text, _ in [*played.errors, *played.warnings, *played.about_time]]
        assert texts, source or properties
        return texts[0]

    return run


def returned(value, head="process_ip(b, m, o)"):
    return f"import numpy as np\nfrom gi.repository import Gst\ndef {head}:\n    return {value}\n"


def test_the_element_is_not_found(gst_env, monkeypatch, tmp_path):
    from empycustom import loading

    env = {name: value for name, value in gst_env.items() if name != "GST_PLUGIN_PATH"}
    env["GST_REGISTRY"] = str(tmp_path / "registry")
    ours = []
    for line, env_of in (("empycustom", env), ('empycustom\noptions={"place": "gate b"}\n!\nfakesink', gst_env)):
        command = ["gst-launch-1.0", *line.split("\n")]
        done = subprocess.run(command, env=env_of, capture_output=True, text=True, timeout=60, check=False)
        ours += re.findall(r'no element ".*"', done.stdout + done.stderr)
    monkeypatch.setattr(loading, "find_spec", lambda _name: None)
    monkeypatch.setattr(loading, "use_environment", lambda: None)
    with pytest.raises(ImportError) as caught:
        loading.element_class("empycustom")
    compare("The element is not found", [*ours, f"ImportError: {caught.value}"])


def test_the_library_cannot_be_loaded(said, tmp_path, monkeypatch):
    (tmp_path / "lib.txt").touch()
    os.mkfifo(tmp_path / "pipe.py")
    properties = [
        "",
        *(
            f"custom-lib={name}"
            for name in (
                "none.py",
                "/no/such.py",
                "~nosuchuser/lib.py",
                "no/such.py",
                "/usr",
                "./lib.txt",
                "./pipe.py",
                "no.such",
                "empycustom.libs.darw",
            )
        ),
    ]
    sources = ["def process_ip(b, m, o)\n", "import no_such_package\n", "import pyds\n", "1 / 0\n"]
    messages = [*(said(properties=f"in-place=true {text}") for text in properties), *(said(source) for source in sources)]
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    messages.append(said(properties="in-place=true custom-lib=none.py"))
    monkeypatch.undo()
    compare("The library cannot be loaded", messages)


def test_a_callback_is_missing_or_cannot_be_called(said):
    wrong = ["x = 1\n", "def process_ip(b):\n    pass\n", "async def process_ip(b, m, o):\n    pass\n", "process_ip = 1\n"]
    wrong += [GOOD.replace("process_ip", "proces_ip"), f"{GOOD}def on_stop(o):\n    pass\n"]
    messages = [said(GOOD, "in-place=false"), said(GOOD.replace("process_ip", "process")), *map(said, wrong)]
    compare("A callback is missing, or cannot be called", messages)


def test_the_library_is_not_reloaded(said, library, monkeypatch):
    from empycustom.gstreamer import Gst
    from empycustom.runners import versions

    path = library(GOOD)
    pipeline = Gst.parse_launch(
        f"videotestsrc is-live=true ! video/x-raw,format=RGBA,width=64,height=48 ! "
        f"empycustom name=e in-place=true reload=true custom-lib={path} ! fakesink"
    )

    def warning():
        """Return the next one, but for those about slow calls."""
        while is_about_time(text := message(Gst.MessageType.WARNING).parse_warning()[0].message):
            pass
        return text

    def message(kind):
        return pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, kind)

    pipeline.set_state(Gst.State.PLAYING)
    path.write_text("1 / 0\n")
    messages = [warning()]
    monkeypatch.setattr(versions, "_HANG_S", 0.3)
    path.write_text(f"import time\ntime.sleep(4)\n{GOOD}")
    messages.append(warning())
    path.write_text(GOOD)
    messages.append(warning())
    pipeline.set_state(Gst.State.NULL)
    pipeline.get_by_name("e").library = print
    pipeline.set_state(Gst.State.PLAYING)
    messages.append(message(Gst.MessageType.ERROR).parse_error()[0].message)
    pipeline.set_state(Gst.State.NULL)
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "watchfiles", None)
        messages.append(said(GOOD, "in-place=true reload=true"))
    compare("The library is not reloaded", messages)


def test_a_callback_raised_or_is_too_slow(said):
    slow = "import time\ndef process_ip(b, m, o):\n    time.sleep(0.05)\n"
    kept = "kept = []\ndef process_ip(b, m, o):\n    kept.append(b.copy())\n    return [{'a': 1}]\n"
    end = f"import empycustom\ndef start(options):\n    raise empycustom.EndOfStream\n{GOOD}"
    drawn = "import cv2, empycustom\ndef process_ip(b, m, o):\n    with empycustom.map_frame(b, m, writable=True) as frame:\n"
    drawn += "        cv2.line(frame.bgr, (0, 0), (5, 5), (255, 0, 0))\n"
    trace = f"import sys\ndef trace(*_):\n    raise ValueError\ndef start(options):\n    sys.settrace(trace)\n{GOOD}"
    try:
        messages = [
            said(text)
            for text in (returned("1 / 0"), f"{GOOD}def start(o):\n    raise KeyboardInterrupt\n", drawn, slow, kept, end, trace)
        ]
    finally:
        sys.settrace(None)
    compare("A callback raised, or is too slow", messages)


BAD_IN_PLACE = [
    "True",
    "'person'",
    "[{'a': object()}]",
    "[type('', (), {'dtype': property(lambda self: 1 / 0)})()]",
    "(lambda a: a.append(a) or a)([])",
    "{'count': 1}",
    "{'frame': {'meta': 1}}",
    "{'frame': 1}",
    "{'frame': [{'new_object': [{'class_id': 1}]}]}",
    "{'frame': [{'changed_object': [{}]}]}",
    "{'frame': [{'removed_object': [0]}]}",
]
BAD_NEW_FRAMES = [
    "None",
    "1, None",
    "Gst.Buffer.new_allocate(None, 7, None), None",
    "np.zeros((1, 1), np.uint8), None",
    "(np.zeros((1, 1), np.uint8),) * 2, None",
]
BAD_CAPS = [
    "1",
    "'nonsense'",
    "'video/x-raw,width=[1,8]'",
    "'video/x-raw,width=-3'",
    "'video/x-raw,format=Y41B'",
    "'video/x-raw,width=8'",
]


def test_what_came_back_cannot_be_used(said, play, library):
    messages = [said(returned(value)) for value in BAD_IN_PLACE]
    messages += [said(returned(value, "process(b, m, o)"), "in-place=false") for value in BAD_NEW_FRAMES]
    for value in BAD_CAPS:
        source = f"def output_caps(caps, o):\n    return {value}\ndef process(b, m, o):\n    return b, None\n"
        messages.append(said(source, "in-place=false", behind="video/x-raw,width=64 !" if "width=8'" in value else ""))
    for value in (
        {"frame": {"a": 1}},
        {"frame": [{"removed_object": [1, 1]}]},
        {"frame": [{"removed_object": [1], "changed_object": [{}, {"class_id": 1}]}]},
    ):
        with pytest.raises(OutputError) as caught:
            read_result(value, [2, 2])
        messages.append(f"lib.py:1: {caught.value}")
    adds = library(returned(f"{{'frame': [{{'new_object': [{{'rect_params': {BOX}}}] * 2}}]}}"), "adds.py")
    short = library(returned("[{'a': 1}]"), "short.py")
    played = play(
        " ! ".join([SOURCE.format("RGBA"), *(f"empycustom in-place=true custom-lib={lib}" for lib in (adds, short)), "fakesink"])
    )
    messages += [text for text, _ in played.warnings]
    compare("What came back cannot be used", messages)


def too_slow(play, fifo):
    """Return the warning of a live stream whose documents are not read for a while."""
    os.mkfifo(fifo)
    pipe = os.open(fifo, os.O_RDWR)
    with subprocess.Popen(["sh", "-c", "sleep 2; cat"], stdin=pipe, stdout=subprocess.DEVNULL) as reader:
        os.close(pipe)
        source = "videotestsrc is-live=true num-buffers=1800 ! video/x-raw,format=RGBA,width=16,height=16,framerate=1000/1"
        warnings = play(f"{source} ! aimeta location={fifo} ! fakesink sync=false").warnings
        reader.terminate()
    ((text, _),) = warnings
    return text


def test_a_property_is_refused(said, play, monkeypatch, library, tmp_path):
    from empycustom.gstreamer import Gst

    messages = [
        said(GOOD, f"in-place=true {text}")
        for text in ("options=nonsense", "options=[1]", "options=@none.json", "process-interval=0")
    ]
    messages += [
        play(f"{SOURCE.format('RGBA')} ! aimeta location={file} ! fakesink").error
        for file in ("/no/such", "/dev/full", "x.csv", "mqtt://x/y")
    ]
    pipeline = Gst.parse_launch(
        f"{SOURCE.format('RGBA')} ! empycustom name=e in-place=true custom-lib={library(GOOD)} ! fakesink"
    )
    pipeline.get_by_name("e").connect("new-meta", lambda *_: None)
    pipeline.set_state(Gst.State.PAUSED)
    pipeline.get_state(60 * Gst.SECOND)
    pipeline.get_by_name("e").set_property("in-place", False)
    messages.append(play(pipeline).error)

    class Full:
        def write(self, _text):
            raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Full())
        messages.append(play(f"{SOURCE.format('RGBA')} ! aimeta silent=false ! fakesink").error)
    messages.append(said(f"MANDATORY = True\n{GOOD}", "in-place=true on-error=pass"))
    messages.append(said(f"STATEFUL = True\n{GOOD}", "in-place=true workers=2"))
    messages.append(too_slow(play, tmp_path / "fifo"))
    compare("A property is refused", messages)


def test_pixels_are_not_available(said):
    bodies = [
        ("RGBA", "m['buffer']['format'] = 'Y41B'; empycustom.map_frame(b, m)"),
        ("RGBA", "m['buffer']['memory'] = 'VAMemory'; empycustom.map_frame(b, m)"),
        ("RGBA", "m['buffer']['width'] = 0\n    with empycustom.map_frame(b, m): pass"),
        ("RGBA", "m['buffer']['height'] *= 2\n    with empycustom.map_frame(b, m): pass"),
        ("RGBA", "kept = b.copy()\n    with empycustom.map_frame(b, m, writable=True): pass"),
        ("RGBA", "with empycustom.map_frame(b, m) as f: p = f.pixels\n    p.mean()"),
        ("RGBA", "with empycustom.map_frame(b, m) as f: pass\n    f.pixels"),
        ("RGBA", "empycustom.map_frame(b, m).pixels"),
        ("RGBA", "with empycustom.map_frame(b, m) as f: f.numpy()"),
        ("RGBA", "f = empycustom.map_frame(b, m)\n    for _ in range(2):\n        with f: pass"),
        ("RGBA", "with empycustom.map_frame(b, m) as f:\n        with f: pass"),
        ("RGBA", "empycustom.map_frame(m, m)"),
        ("RGBA", "empycustom.map_frame(b, m['frame'][0])"),
        ("RGBA", "empycustom.map_frame(b, m, batch_id=1)"),
        ("NV12", "with empycustom.map_frame(b, m) as f: f.pixels"),
        ("NV12", "with empycustom.map_frame(b, m) as f: f.rgb"),
        ("RGBA", "with empycustom.map_frame(b, m) as f: f.gray"),
        ("RGBA", f"with empycustom.map_frame(b, m) as f: f.crop({{'rect_params': {BOX}}}, 1)"),
        ("RGBA", "with empycustom.map_frame(b, m) as f: f.crop({})"),
        ("RGBA", f"with empycustom.map_frame(b, m) as f: f.crop({{'rect_params': {BOX.replace('8', '-8')}}})"),
    ]
    messages = [said(f"import empycustom\ndef process_ip(b, m, o):\n    {body}\n", video=video) for video, body in bodies]
    heads = [
        re.match(r".*: process_ip raised Frame\w*Error: (.*) at frame .*; fix the library \(.*\)$", message)
        for message in messages
    ]
    compare("Pixels are not available", [f"{head.group(1)}." for head in heads])


def test_metadata_of_others(said, play, monkeypatch):
    from empycustom.carriers.protocol import NOT_TURNED
    from empycustom.elements.frames import FrameReader
    from empycustom.elements.upstream import reason_for
    from empycustom.errors import MetadataError
    from empycustom.native import deepstream as layouts

    spoiler = (
        "from empycustom.native.own_metas import JsonMeta\n"
        "def process_ip(b, m, o):\n    JsonMeta('EmPyCustomMeta').add(hash(b), 0, '[1]')\n"
    )
    detector = f"def process_ip(b, m, o):\n    return {{'frame': [{{'new_object': [{{'rect_params': {BOX}}}]}}]}}\n"
    wide = "videoscale ! video/x-raw,width=128,height=48,pixel-aspect-ratio=1/1 ! aimeta !"
    messages = [said(spoiler, behind="aimeta !"), said(detector, behind=wide)]
    messages.append(play("fakesrc num-buffers=2 ! aimeta ! fakesink async=false").error)
    flip = Gst.parse_launch("videotestsrc ! videoflip video-direction=horiz ! fakesink name=end")
    messages.append(reason_for(NOT_TURNED, flip.get_by_name("end").sinkpads[0]))  # only some versions leave boxes where they were
    monkeypatch.setattr(layouts, "_pools", lambda batch: [1, 2, 3])
    monkeypatch.setattr(layouts, "_pool", lambda pool: (2, 100 * pool))
    with pytest.raises(MetadataError) as caught:
        layouts.layout_of(0)
    monkeypatch.setattr(FrameReader, "decode", lambda *_: 1 // 0)
    compare("Metadata of others", [*messages, str(caught.value), said(GOOD)])


def test_the_log(gst_launch, library):
    lists = library("def process_ip(b, m, o):\n    return [{'a': 1}, {'b': 2}]\n", "lists.py")
    frames = library("def process_ip(b, m, o):\n    return {'frame': [{}, {}]}\ndef output_caps(c, o):\n    pass\n", "frames.py")
    adds = library(
        f"def process_ip(b, m, o):\n    return {{'frame': [{{'new_object': [{{'rect_params': {BOX}, 'obj_label': 'x' * 300}}]}}]}}\n",
        "adds.py",
    )
    removal = (
        "from gi.repository import GObject\ndef process_ip(b, m, o):\n"
        "    for name in ('GstVideoRegionOfInterestMetaAPI', 'GstAnalyticsRelationMetaAPI'):\n"
        "        try:\n            meta = b.get_meta(GObject.type_from_name(name))\n"
        "        except RuntimeError:\n            continue\n"
        "        if meta:\n            b.remove_meta(meta)\n"
    )
    removes = library(f"{removal}    return [{{'a': 1}}]\n", "removes.py")
    changes = library(f"{removal}    return {{'frame': [{{'changed_object': [{{'class_id': 1}}]}}]}}\n", "changes.py")
    wild = library(
        "from gi.repository import Gst, GstVideo\n"
        "def process_ip(b, m, o):\n    meta = GstVideo.buffer_add_video_region_of_interest_meta(b, 'x', 0, 0, 8, 8)\n"
        "    meta.add_param(Gst.Structure.from_string('detection, confidence=(double)nan')[0])\n",
        "wild.py",
    )
    half = library(
        "def output_caps(c, o):\n    return 'video/x-raw,width=32,height=24'\ndef process(b, m, o):\n    return None, None\n",
        "half.py",
    )
    line = (
        f"{SOURCE.format('RGBA')} ! empycustom in-place=true custom-lib={lists} ! empycustom in-place=true custom-lib={frames} ! "
        f"empycustom in-place=true custom-lib={adds} ! empycustom in-place=true custom-lib={removes} ! "
        f"empycustom in-place=true custom-lib={adds} ! empycustom in-place=true custom-lib={changes} ! "
        f"empycustom in-place=true custom-lib={wild} ! empycustom process-interval=2 custom-lib={half} ! fakesink"
    )
    launched = gst_launch(line, GST_DEBUG="*empycustom*:2")
    assert launched.code == 0, launched.text
    lines = re.findall(r" WARN .*?<empycustom\d+> (.*)", launched.err)
    assert sum(" (first at frame 0 (0:00:00.000))" in text for text in lines) > 3
    changed = read_result({"frame": [{"changed_object": [{"class_id": 1}]}]}, [1])
    frame = SimpleNamespace(frames=[{"object": [{"object_id": -1}]}], handles=[[()]], frame_num=0)
    lines += carried_over(changed, frame, frame).ignored
    compare("In the log", [text.partition(" (first at ")[0] for text in lines if "a frame lasts" not in text])


def test_every_table_of_messages_is_compared():
    """No section is forgotten here."""
    texts = [file.read_text(encoding="utf-8") for file in Path(__file__).parents[1].rglob("test_errors*.py")]
    tested = {name for text in texts for name in re.findall(r'compare\(\s*"([^"]*)"', text)}
    assert {name for name in SECTIONS if rows(name)} == tested
