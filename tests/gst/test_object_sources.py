"""Sources of objects as a table: each does what the protocol asks for, and another package adds one by an entry point."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from empycustom.carriers import tables
from empycustom.carriers.tables import GROUP, SOURCES
from empycustom.native.own_metas import NO_METAS

# A package that knows objects in a custom meta of its own, "TheirsMeta", with the fields label and x.
THEIRS = """
from empycustom.native.loading import ffi, gst, int_in, text_in

class Theirs:
    kind, kept, fixed, can_add = "theirs", frozenset(("obj_label", "rect_params")), 1, False
    made = 0

    def __init__(self):
        Theirs.made += 1
        self.api = gst.gst_meta_get_info(b"TheirsMeta").api

    def _state(self, meta):
        structure = gst.gst_custom_meta_get_structure(meta)
        return text_in(structure, b"label"), int_in(structure, b"x")

    def decode(self, metas, size, objects, handles, warnings):
        for label, x in map(self._state, metas):
            objects.append({"class_id": -1, "object_id": -1, "confidence": 1.0, "obj_label": label, "text_params": {"display_text": ""},
                            "rect_params": {"left": x, "top": 0, "width": 4, "height": 4}, "classifier": []})
            handles.append((self, x, (label, x), label, None))

    def locate(self, metas):
        return [((label, x), self, meta, x) for meta, (label, x) in zip(metas, map(self._state, metas))]

    def key(self, number):
        return f"theirs/{number}"

    def claim(self, meta, number, free):
        raise AssertionError("its keys are unique")

    def add(self, address, found, size, free, warnings):
        raise AssertionError("it takes no new objects")

    def change(self, address, meta, changes, size, warnings):
        ((number, change),) = changes.items()
        if change is None:
            gst.gst_buffer_remove_meta(address, meta)
            return {}
        structure = gst.gst_custom_meta_get_structure(meta)
        gst.gst_structure_set(structure, b"label", ffi.cast("GType", 16 << 2), ffi.new("char[]", change.found["obj_label"].encode()), ffi.NULL)
        return {number: (number, 0, 4, 4)}
"""
PROGRAM = """
import json, sys
from empycustom.gstreamer import Gst
import empycustom
empycustom.register()
from empycustom.native.loading import ffi, gst
gst.gst_meta_register_custom(b"TheirsMeta", ffi.new("char *[]", [ffi.NULL]), ffi.NULL, ffi.NULL, ffi.NULL)

def detect(pad, info):
    for label, x in (("cat", 8), ("dog", 16)):
        structure = gst.gst_custom_meta_get_structure(gst.gst_buffer_add_custom_meta(hash(info.get_buffer()), b"TheirsMeta"))
        gst.gst_structure_set(structure, b"label", ffi.cast("GType", 16 << 2), ffi.new("char[]", label.encode()), ffi.NULL)
        gst.gst_structure_set(structure, b"x", ffi.cast("GType", 6 << 2), ffi.cast("int", x), ffi.NULL)
    return Gst.PadProbeReturn.OK

pipeline = Gst.parse_launch(
    "videotestsrc num-buffers=3 name=source ! video/x-raw,format=RGBA,width=64,height=48 ! empycustom name=namer in-place=true "
    "custom-lib=namer.py ! videoconvert ! video/x-raw,format=I420 ! empycustom in-place=true custom-lib=namer.py ! aimeta name=meta ! fakesink")
pipeline.get_by_name("namer").sinkpads[0].add_probe(Gst.PadProbeType.BUFFER, detect)
pipeline.set_state(Gst.State.PLAYING)
message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
pipeline.set_state(Gst.State.NULL)
if message.type == Gst.MessageType.ERROR:
    print(message.parse_error()[0].message)
else:
    print(pipeline.get_by_name("meta").get_property("last-meta"), sys.modules["theirs"].Theirs.made)
"""
NAMER = (
    "def process_ip(b, m, o):\n    return [{found['obj_label']: found.get('emcustom')} for found in m['frame'][0]['object']]\n"
)


@pytest.fixture
def installed(tmp_path):
    """Install a tiny distribution, and return the variables of a process that sees it."""

    def install(source, library=NAMER):
        (tmp_path / "theirs.py").write_text(source)
        info = tmp_path / "theirs-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\ntheirs = theirs:Theirs\n")
        (tmp_path / "namer.py").write_text(library)
        (tmp_path / "program.py").write_text(PROGRAM)

    return install


def run(gst_env, tmp_path):
    path = f"{tmp_path}:{gst_env.get('PYTHONPATH', '')}".rstrip(":")
    command = [sys.executable, "program.py"]
    env = {**gst_env, "PYTHONPATH": path}
    return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False)


def test_a_source_of_another_package(installed, gst_env, tmp_path):
    """It is made once for the process, when a buffer has metadata that we do not know; attributes stay with its objects."""
    installed(THEIRS)
    done = run(gst_env, tmp_path)
    assert done.returncode == 0, done.stderr
    document, made = done.stdout.rsplit(maxsplit=1)
    found = json.loads(document)["frame"][0]["object"]
    assert [(each["obj_label"], each["rect_params"]["left"], each["emcustom"]) for each in found] == [
        ("cat", 8, {"cat": {"cat": None}}),
        ("dog", 16, {"dog": {"dog": None}}),
    ]
    assert made == "1"


CHANGER = """
def process_ip(b, m, o):
    objects = m["frame"][0]["object"]
    if len(objects) == 2:
        return {"frame": [{"changed_object": [{"obj_label": "lion", "object_id": 5}], "removed_object": [1]}]}
"""


def test_objects_of_another_package_are_changed_and_removed(installed, gst_env, tmp_path):
    installed(THEIRS, CHANGER)
    done = run(gst_env, tmp_path)
    assert done.returncode == 0, done.stderr
    document, _ = done.stdout.rsplit(maxsplit=1)
    (found,) = json.loads(document)["frame"][0]["object"]
    assert (found["obj_label"], found["object_id"], found["rect_params"]["left"]) == ("lion", 5, 8)


def test_a_source_that_cannot_change_objects_is_named(installed, gst_env, tmp_path):
    installed(THEIRS.replace("def change(", "def other("))
    done = run(gst_env, tmp_path)
    assert done.stdout.startswith(
        "the source of objects theirs (theirs:Theirs) has no change, which empycustom.carriers.protocol."
    )


def test_a_source_that_cannot_be_loaded_is_named_with_its_package(installed, gst_env, tmp_path):
    installed("import no_such_module\n")
    done = run(gst_env, tmp_path)
    assert done.stdout.startswith("the source of objects theirs of the package theirs 1.2 (theirs:Theirs) cannot be loaded: ")
    assert "No module named 'no_such_module'; fix that package, or uninstall it" in done.stdout


@pytest.mark.parametrize("source", SOURCES)
def test_each_row_of_the_table_is_a_source(source):
    made = source()
    for name in ("decode", "locate", "key", "claim", "add", "change"):
        assert callable(getattr(made, name))
    assert made.kept <= {"class_id", "object_id", "confidence", "obj_label", "rect_params", "text_params", "classifier"}
    assert isinstance(made.api, int)
    assert made.key(7) == f"{made.kind}/7"


def test_one_of_ours_takes_new_objects():
    assert any(source.can_add and source().api for source in SOURCES)
    assert [carrier.accepts(NO_METAS) for carrier in tables.carriers()] == [False, True], (
        "the last one accepts what no other does"
    )
