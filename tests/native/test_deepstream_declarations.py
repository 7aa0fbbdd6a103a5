"""What the package takes for granted of NVIDIA's library: its functions, its types, its path and its version."""

from __future__ import annotations

import ctypes
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from empycustom.errors import DeepStreamError
from empycustom.gstreamer import Gst
from empycustom.native import deepstream as library
from empycustom.native import deepstream as versions
from empycustom.native import deepstream_write, loading
from empycustom.native.deepstream import LAYOUTS, layout_of
from empycustom.native.deepstream_read import BatchReader, ClassifierMeta, LabelMeta, ObjectMeta, UserMeta
from empycustom.native.deepstream_write import add_object, msg_blob_in
from empycustom.native.trampolines import rc_blob_functions

sys.path.insert(0, str(Path(__file__).parents[1] / "deepstream"))
import nvds

DECLARED = [name for name in dir(loading.video) if name.startswith("nvds_")]
OURS = loading.glib.g_intern_string(b"empycustom")
BY_VERSION = {layout.versions: layout for layout in LAYOUTS}
needs_library = pytest.mark.skipif(bool(nvds.WHY_NOT), reason=nvds.WHY_NOT)

# Functions and types.


@needs_library
@pytest.mark.parametrize("name", DECLARED)
def test_a_declared_function_is_in_the_real_library(name):
    assert ctypes.cast(getattr(nvds.LIBRARIES[0], name), ctypes.c_void_p).value
    assert getattr(library.nvds(), name)


@needs_library
def test_a_function_that_is_not_there_would_be_missed():
    assert not hasattr(nvds.LIBRARIES[0], "nvds_no_such_function")
    assert len(DECLARED) > 10


@needs_library
def test_the_library_is_the_one_that_the_process_has():
    assert Path(library.nvds_path()) == (nvds.FOLDER / "libnvds_meta.so").resolve()
    mine = loading.ffi.addressof(library.nvds(), "nvds_get_user_meta_type")
    theirs = ctypes.cast(nvds.function("nvds_get_user_meta_type"), ctypes.c_void_p).value
    assert loading.address_of(mine) == theirs


@needs_library
def test_the_type_of_its_metadata_is_known():
    api = nvds.call("nvds_meta_api_get_type")
    assert library.is_deepstream(api)
    assert not library.is_deepstream(hash(Gst.Buffer.__gtype__))
    assert not library.is_deepstream(0)


@needs_library
def test_the_type_of_our_keys_stays_the_same_whoever_else_asks_for_one():
    ask = nvds.function("nvds_get_user_meta_type")
    before = library.key_type()
    others = {ask(b"SOMEBODY.%d" % number) for number in range(50)}
    library.key_type.cache_clear()
    assert library.key_type() == ask(b"EMPYCUSTOM.OBJECT.KEY") == before
    assert len(others) == 50
    assert before not in others
    assert min(before, *others) > 4096, "NVIDIA's own types end there"


@needs_library
def test_lists_lie_where_the_real_library_puts_them():
    """It is the newest version; the others are known only from headers."""
    batch = nvds.call("nvds_create_batch_meta", 1)
    names = ("frame", "obj", "classifier", "label_info", "user", "user", "user")
    made = [nvds.call(f"nvds_acquire_{name}_meta_from_pool", batch) for name in names]
    frame, found, classifier, label, *said = made
    nvds.call("nvds_add_frame_meta_to_batch", batch, frame)
    nvds.call("nvds_add_obj_meta_to_frame", frame, found, 0)
    nvds.call("nvds_add_classifier_meta_to_object", found, classifier)
    nvds.call("nvds_add_label_info_meta_to_classifier", classifier, label)
    for owner, address, user in zip(("batch", "frame", "obj"), (batch, frame, found), said, strict=True):
        nvds.call(f"nvds_add_user_meta_to_{owner}", address, user)
    key = ctypes.c_int(7)
    nvds.put(nvds.INT, said[2] + 8, library.key_type())
    nvds.put(nvds.LONG, said[2] + 40, ctypes.addressof(key))
    layout = layout_of(batch)
    assert layout.versions == "9.0 and 9.1"
    whole = BatchReader(layout).read(batch)
    (read,) = whole.frames
    (about,) = read.objects
    users = [user.address for user in (*whole.users, *read.users)]
    assert (read.address, about.address, users) == (frame, found, said[:2])
    assert (about.key, [len(item.labels) for item in about.classifiers]) == (7, [1])
    nvds.call("nvds_destroy_batch_meta", batch)


@needs_library
def test_a_new_object_is_added_with_its_classifiers():
    batch = nvds.call("nvds_create_batch_meta", 1)
    frame = nvds.call("nvds_acquire_frame_meta_from_pool", batch)
    nvds.call("nvds_add_frame_meta_to_batch", batch, frame)
    labels = [LabelMeta(3, "é" * 64, -1, -2, 0.5), LabelMeta(0, "", 0, 0, 0.0)]
    wanted = ObjectMeta(1, 2, 3, 0.5, 0.25, 1.5, 2.5, 3.5, 4.5, 0.0, "car 1", "car", 0, [ClassifierMeta(-4, labels)])
    found = add_object(frame, batch, layout_of(batch), wanted)
    assert nvds.objects_of(frame) == [found]
    assert (nvds.get(nvds.UINT, frame + 96), nvds.get(nvds.LONG, found + 40)) == (1, 0), "one object, of no parent"
    (classifier,) = nvds.items(nvds.get(nvds.LONG, found + nvds.CLASSIFIERS))
    assert (nvds.get(nvds.UINT, classifier + 40), nvds.get(nvds.INT, classifier + 44)) == (2, -4)
    told = {nvds.get(nvds.UINT, label + 40): label for label in nvds.items(nvds.get(nvds.LONG, classifier + 48))}
    assert [ctypes.string_at(told[number] + 44).decode() for number in (3, 0)] == ["é" * 63, ""]
    assert ctypes.string_at(nvds.get(nvds.LONG, told[3] + 176)).decode() == "é" * 64, "the long one, whole"
    assert nvds.get(nvds.LONG, told[0] + 176) == 0
    assert [nvds.get(nvds.UINT, told[3] + place) for place in (184, 188)] == [2**32 - 1, 2**32 - 2]
    assert [nvds.get(nvds.FLOAT, told[number] + 192) for number in (3, 0)] == [0.5, 0.0]
    nvds.call("nvds_destroy_batch_meta", batch)


@needs_library
def test_user_metadata_of_ours_are_whole_and_gone_when_they_are_removed():
    batch = nvds.call("nvds_create_batch_meta", 1)
    frame, found = (nvds.call(f"nvds_acquire_{name}_meta_from_pool", batch) for name in ("frame", "obj"))
    nvds.call("nvds_add_frame_meta_to_batch", batch, frame)
    nvds.call("nvds_add_obj_meta_to_frame", frame, found, 0)
    layout = layout_of(batch)
    assert deepstream_write.add_event("batch", batch, batch, layout, "{}", "now")
    assert deepstream_write.add_event("frame", frame, batch, layout, "{}", "now")
    assert deepstream_write.add_key(frame, found, batch, -5)
    assert BatchReader(layout).read(batch).frames[0].objects[0].key == -5
    lists = {"batch": batch + 104, "frame": frame + 120, "object": found + nvds.USERS}
    for owner, kind in (("batch", 9), ("frame", 9), ("object", library.key_type())):
        (user,) = nvds.items(nvds.get(nvds.LONG, lists[owner]))
        fields = struct.unpack("=8xi4x4Q", ctypes.string_at(user, 48))
        assert fields[:4] == (kind, OURS, *rc_blob_functions())
        if owner != "object":
            deepstream_write.remove(owner, {"batch": batch, "frame": frame}[owner], batch, user)
            assert nvds.get(nvds.LONG, lists[owner]) == 0
            assert ctypes.string_at(user + 8, 40) == bytes(40)
    nvds.call("nvds_destroy_batch_meta", batch)


@needs_library
def test_nothing_is_added_to_what_was_removed_meanwhile():
    batch = nvds.call("nvds_create_batch_meta", 1)
    frame, found = (nvds.call(f"nvds_acquire_{name}_meta_from_pool", batch) for name in ("frame", "obj"))
    nvds.call("nvds_add_frame_meta_to_batch", batch, frame)
    nvds.call("nvds_add_obj_meta_to_frame", frame, found, 0)
    deepstream_write.add_event("frame", frame, batch, layout_of(batch), "{}", "now")
    (user,) = nvds.items(nvds.get(nvds.LONG, frame + 120))
    nvds.call("nvds_remove_user_meta_from_frame", frame, user)
    nvds.call("nvds_remove_obj_meta_from_frame", frame, found)
    nvds.call("nvds_remove_frame_meta_from_batch", batch, frame)
    lists = frame + 120, frame + 104, found + nvds.USERS
    before = [nvds.get(nvds.LONG, place) for place in lists]

    deepstream_write.remove("frame", frame, batch, user)  # it would be in the pool twice
    assert not deepstream_write.add_event("frame", frame, batch, layout_of(batch), "{}", "now")
    assert not deepstream_write.add_key(frame, found, batch, 1)
    new = ObjectMeta(1, 2, 3, 0.5, 0.25, 1.5, 2.5, 3.5, 4.5, 0.0, "car 1", "car", 0, [])
    assert add_object(frame, batch, layout_of(batch), new) == 0
    assert [nvds.get(nvds.LONG, place) for place in lists] == before
    nvds.call("nvds_destroy_batch_meta", batch)


@needs_library
def test_a_library_in_a_folder_with_spaces_is_found(tmp_path):
    path = tmp_path / "with  two spaces" / "libnvds_meta.so"
    path.parent.mkdir()
    shutil.copy(nvds.FOLDER / path.name, path)
    code = "import ctypes, sys; ctypes.CDLL(sys.argv[1]); from empycustom.native.deepstream import nvds_path; print(nvds_path())"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert done.stdout.rstrip("\n") == str(path), done.stderr


def test_without_the_library_it_is_an_error_that_names_it():
    code = "from empycustom.native.deepstream import nvds; nvds()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "DeepStreamError: DeepStream metadata is on a buffer, but libnvds_meta.so is not in the process" in done.stderr


# The version, if the sizes are ambiguous.


CONVERTER = "nvdsgst_msgconv"  # the plugin of nvmsgconv


@pytest.fixture
def msg_blob_type(monkeypatch):
    """Ask for the type of a message if the library is at a path, and nvmsgconv is of a version; "": not installed."""
    registry = Gst.Registry.get()
    real = registry.find_plugin(CONVERTER)

    def hide():
        plugin = registry.find_plugin(CONVERTER)
        if plugin:
            registry.remove_plugin(plugin)
        versions.msg_blob_type.cache_clear()

    def ask(name, path, converter=""):
        hide()
        monkeypatch.setattr(versions, "nvds_path", lambda: path)
        if converter:
            about = ("a plugin of the tests", lambda plugin: True, converter, "LGPL", "tests", "tests", "tests")
            assert Gst.Plugin.register_static(1, 20, CONVERTER, *about)
        return versions.msg_blob_type(BY_VERSION[name])

    yield ask
    hide()
    if real:
        registry.add_plugin(real)


BLOBS = {"6.0": 20, "6.1": 20, "6.2": 20, "6.3": 22, "6.4": 28, "7.0": 28, "7.1": 28}
NOWHERE = "/usr/lib/libnvds_meta.so"


@pytest.mark.parametrize(("version", "number"), BLOBS.items())
def test_the_path_has_the_version(msg_blob_type, version, number):
    assert msg_blob_type("6.0 to 7.1", f"/opt/nvidia/deepstream/deepstream-{version}/lib/libnvds_meta.so") == number


@pytest.mark.parametrize(("version", "number"), BLOBS.items())
def test_the_version_of_nvmsgconv_goes_before_that_of_the_path(msg_blob_type, version, number):
    assert msg_blob_type("6.0 to 7.1", NOWHERE, f"{version}.0") == number
    assert msg_blob_type("6.0 to 7.1", "/opt/nvidia/deepstream/deepstream-5.1/lib/libnvds_meta.so", f"{version}.1") == number


def test_a_converter_of_no_version_leaves_it_to_the_path(msg_blob_type):
    assert msg_blob_type("6.0 to 7.1", "/opt/nvidia/deepstream/deepstream-6.3/lib/libnvds_meta.so", "unknown") == 22


@pytest.mark.parametrize("path", [NOWHERE, "/opt/nvidia/deepstream/deepstream/lib/libnvds_meta.so"])
def test_an_unknown_version_is_an_error_with_the_fix(msg_blob_type, path):
    with pytest.raises(DeepStreamError, match=f"6.0 to 7.1.*{path} is in no folder like deepstream-6.3; set msg-blob=false"):
        msg_blob_type("6.0 to 7.1", path)


@pytest.mark.parametrize("name", ["8.0", "9.0 and 9.1"])
def test_from_8_0_on_the_sizes_tell_enough(msg_blob_type, name):
    assert (
        msg_blob_type(name, NOWHERE)
        == msg_blob_type(name, "/opt/nvidia/deepstream/deepstream-6.0/lib/libnvds_meta.so", "6.0.0")
        == 29
    )


def test_5_0_has_no_such_messages(msg_blob_type):
    with pytest.raises(DeepStreamError, match=r"DeepStream 5\.0 and 5\.1 has no NVDS_CUSTOM_MSG_BLOB.*set msg-blob=false"):
        msg_blob_type("5.0 and 5.1", NOWHERE, "6.3.0")


WHOSE = [(28, 0), (29, OURS), (28, OURS), (28, OURS), (9, OURS + 1)]


def test_a_message_is_found_by_its_type_and_whose_it_is(monkeypatch):
    added = []
    monkeypatch.setattr(deepstream_write, "_add", lambda *arguments: added.append(arguments))  # which takes NVIDIA's library
    deepstream_write.add_msg_blob(1, 2, 28, "größe")
    ((*where, box),) = added
    assert where == ["frame", 1, 2, 28]
    message, size = nvds.get(nvds.LONG, box), nvds.get(nvds.UINT, box + 8)
    assert (ctypes.string_at(message), size) == ("größe".encode(), 7)
    metas = [ctypes.create_string_buffer(struct.pack("=8xi4x4Q", kind, whose, 0, 0, box)) for kind, whose in WHOSE]
    addresses = [ctypes.addressof(meta) for meta in metas]
    read = [UserMeta(address, *said, None, 0) for address, said in zip(addresses, WHOSE, strict=True)]
    assert [msg_blob_in(read, kind) for kind in (28, 29, 9)] == [addresses[2], addresses[1], 0]
