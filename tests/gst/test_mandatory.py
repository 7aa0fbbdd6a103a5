"""Libraries that declare MANDATORY: settings by which frames pass them are refused, at the start and while it plays."""

from __future__ import annotations

import json
import os
import threading
import time

import pytest
from edited import PATIENCE_S, save, streaming

import empycustom
from empycustom.errors import PropertyError
from empycustom.gstreamer import Gst

NEEDS = "MANDATORY = True\n\n\ndef process_ip(b, m, o):\n    return {'frame': {'value': 0}}\n"
SOURCE = "videotestsrc num-buffers=3 ! video/x-raw,format=RGBA,width=16,height=16"
WHY = "={} lets frames go on that {} has not worked on, and it declares MANDATORY; set {}"
REFUSED = [
    ("process-interval", "2", "process-interval=1"),
    ("pace", "skip", "pace=every"),
    ("pace", "latest", "pace=every"),
    ("on-error", "pass", "on-error=fail, or on-error=drop"),
]
EVERYWHERE = pytest.mark.parametrize("workers", [0, 1])


def wanted(name, value, workers):
    return f"workers={workers or int(name == 'pace')} {name}={value}"


@EVERYWHERE
@pytest.mark.parametrize(("name", "value", "safe"), REFUSED)
def test_settings_that_let_frames_pass_are_refused_at_the_start(gst_launch, library, name, value, safe, workers):
    path = library(NEEDS)
    ended = gst_launch(
        f"{SOURCE} ! empycustom in-place=true custom-lib={path} {wanted(name, value, workers)} ! aimeta silent=false ! fakesink"
    )
    assert ended.code != 0
    assert name + WHY.format(value, path, safe) in ended.err
    assert ended.documents == []


@EVERYWHERE
def test_settings_that_let_none_pass_are_taken(gst_launch, library, workers):
    path = library(NEEDS)
    for more in ("", "on-error=drop", "process-interval=1 on-error=fail"):
        line = f"{SOURCE} ! empycustom in-place=true custom-lib={path} workers={workers} {more} ! aimeta silent=false ! fakesink"
        ended = gst_launch(line)
        assert (ended.code, [each["frame"][0]["emcustom"]["value"] for each in ended.documents]) == (0, [0, 0, 0])


@EVERYWHERE
@pytest.mark.parametrize(("name", "value", "safe"), REFUSED)
def test_they_are_refused_while_it_plays_and_the_old_ones_stay(library, name, value, safe, workers):
    path = library(NEEDS)
    with streaming(path, f"in-place=true workers={workers or int(name == 'pace')}") as stream:
        stream.wait_for(0)
        before = stream.element.get_property(name)
        Gst.util_set_object_arg(stream.element, name, value)
        error = stream.pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.ERROR).parse_error()[0]
        assert error.message == name + WHY.format(value, path, safe)
        assert stream.element.get_property(name) == before


@EVERYWHERE
def test_they_are_refused_where_they_come_while_the_library_starts(library, tmp_path, workers):
    source = (
        "import os, time\n\n\n"
        "def start(o):\n    open(o['begun'], 'w').close()\n    while not os.path.exists(o['go']):\n        time.sleep(0.01)\n\n\n"
        "def stop(o):\n    open(o['stopped'], 'w').close()\n\n\n"
    )
    path = library(source + NEEDS)
    files = {name: str(tmp_path / name) for name in ("begun", "go", "stopped")}
    empycustom.register()
    pipeline = Gst.parse_launch(f"{SOURCE} ! empycustom name=e in-place=true custom-lib={path} workers={workers} ! fakesink")
    element = pipeline.get_by_name("e")
    element.set_property("options", json.dumps(files))
    changing = threading.Thread(target=pipeline.set_state, args=(Gst.State.PLAYING,))
    changing.start()
    until = time.monotonic() + PATIENCE_S
    while not os.path.exists(files["begun"]) and time.monotonic() < until:
        time.sleep(0.01)
    element.set_property("process-interval", 3)
    open(files["go"], "w").close()
    changing.join(PATIENCE_S)
    message = pipeline.get_bus().timed_pop_filtered(PATIENCE_S * Gst.SECOND, Gst.MessageType.ERROR | Gst.MessageType.EOS)
    assert message.type == Gst.MessageType.ERROR
    assert message.parse_error()[0].message == "process-interval" + WHY.format(3, path, "process-interval=1")
    pipeline.set_state(Gst.State.NULL)
    assert os.path.exists(files["stopped"])


@EVERYWHERE
def test_a_new_version_that_is_mandatory_does_not_take_over_where_frames_pass(library, workers):
    path = library(NEEDS.replace("True", "False"))
    with streaming(path, f"in-place=true reload=true on-error=pass workers={workers}") as stream:
        stream.wait_for(0)
        save(path, NEEDS.replace("0", "1"))
        message, _ = stream.warning()
        assert message.startswith("the library is not reloaded, and its version before goes on: on-error=pass lets frames go on")
        stream.wait_for(0)
        stream.element.set_property("on-error", "drop")
        save(path, NEEDS.replace("0", "2"))
        stream.reloaded()
        stream.wait_for(2)


@pytest.mark.inline("it is a library of this program")
def test_objects_of_a_program_declare_it_too():
    class Library:
        MANDATORY = True

        def process_ip(self, _buffer, _in_meta, _options):
            return None

    with pytest.raises(PropertyError, match="on-error=pass lets frames go on that"):
        next(empycustom.process("test", Library(), on_error="pass"))


def test_what_is_neither_true_nor_false_is_an_error(library, play):
    path = library(NEEDS.replace("True", '"yes"'))
    error = play(f"{SOURCE} ! empycustom in-place=true custom-lib={path} ! fakesink").error
    assert error == f'{path}:1: MANDATORY is "yes"; write MANDATORY = True where no frame may go on without this library'
