"""Fields read and written by their address, compared with cffi's own attributes."""

import struct
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empycustom.native.loading import ffi, offset_of, packer, pattern_of, reader, unpacker, writer


def at(pointer):
    return int(ffi.cast("uintptr_t", pointer))


def attribute(pointer, name):
    """Read a field, whose name may have dots, as cffi does; pointers as integers."""
    value = pointer
    for part in name.split("."):
        value = getattr(value, part)
    return int(ffi.cast("uintptr_t", value)) if isinstance(value, ffi.CData) else value


def filled(structure, seed=0):
    """Return a structure, each of whose bytes differs from its neighbours."""
    made = ffi.new(f"{structure} *")
    size = ffi.sizeof(structure)
    ffi.buffer(made)[:] = bytes((seed + 37 * index + 128) % 256 for index in range(size))
    return made


READ = {
    "one": ("GstBuffer", ["pts"]),
    "the first": ("GstBuffer", ["mini_object.type"]),
    "with a gap": ("GstBuffer", ["mini_object.flags", "pts"]),
    "in a row": ("GstBuffer", ["pts", "dts", "duration", "offset", "offset_end"]),
    "all": (
        "GstBuffer",
        [f"mini_object.{name}" for name in ("type", "refcount", "lockstate", "flags", "copy", "dispose", "free", "priv_uint")],
    ),
    "pointers": ("GstMeta", ["flags", "info"]),
    "functions": ("GstMetaInfo", ["api", "type", "size", "init", "transform"]),
    "nested": ("GstVideoMeta", ["meta.flags", "meta.info", "buffer", "width", "n_planes"]),
    "signed in the middle": ("GstVideoRegionOfInterestMeta", ["roi_type", "id", "parent_id", "x", "y", "w", "h", "params"]),
    "reference": ("GstReferenceTimestampMeta", ["parent.info", "reference", "timestamp", "duration"]),
    "small ones": ("GTypeInfo", ["class_size", "instance_size", "n_preallocs"]),
    "twice as deep": ("GParamSpecInt", ["parent.instance.g_class", "parent.flags", "minimum", "maximum", "default_value"]),
}


@pytest.mark.parametrize(("structure", "names"), READ.values(), ids=READ)
@pytest.mark.parametrize("seed", [0, 128])
def test_fields_are_read_as_cffi_reads_them(structure, names, seed):
    made = filled(structure, seed)
    assert reader(structure, *names)(at(made)) == tuple(attribute(made, name) for name in names)


@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))
def test_signed_and_unsigned_numbers_of_every_size(signed, unsigned, wide):
    region = ffi.new("GstVideoRegionOfInterestMeta *", {"id": signed, "x": unsigned})
    buffer = ffi.new("GstBuffer *", {"mini_object": {"refcount": signed, "flags": unsigned}, "pts": wide, "offset_end": wide})
    assert reader("GstVideoRegionOfInterestMeta", "id", "x")(at(region)) == (signed, unsigned)
    read = reader("GstBuffer", "mini_object.refcount", "mini_object.flags", "pts", "offset_end")
    assert read(at(buffer)) == (signed, unsigned, wide, wide)


def test_what_is_read_is_what_lies_there_now():
    made, read = ffi.new("GstBuffer *"), reader("GstBuffer", "pts")
    address = at(made)
    seen = []
    for made.pts in (1, 2**63, 0):
        seen.append(read(address))
    assert seen == [(1,), (2**63,), (0,)]


def test_one_reader_reads_any_number_of_structures():
    array, read = ffi.new("GstMeta[]", 5), reader("GstMeta", "flags")
    for index in range(5):
        array[index].flags = index * 11
    assert [read(at(ffi.addressof(array, index)))[0] for index in range(5)] == [0, 11, 22, 33, 44]


@pytest.mark.parametrize("names", [["nothing"], ["mini_object.nothing"], ["pts.nothing"]])
def test_a_field_that_is_not_there_is_refused_when_the_reader_is_made(names):
    with pytest.raises((KeyError, AttributeError, TypeError)):
        reader("GstBuffer", *names)


@pytest.mark.parametrize("pattern", ["=Qi", "=QQ", "=Qd", "=b3xh", "=f"])
def test_values_are_read_by_a_pattern(pattern):
    memory = bytes(range(64, 64 + struct.calcsize(pattern)))
    held = ffi.new("char[]", memory)
    assert unpacker(pattern)(at(held)) == struct.unpack(pattern, memory)


def test_a_value_of_glib_is_read_by_its_pattern():
    made = ffi.new("GValue *", {"g_type": 24, "data": 0xFFFFFFFFFFFFFFFE})
    assert unpacker("=Qi")(at(made)) == (24, -2)
    assert unpacker("=QQ")(at(made)) == (24, 2**64 - 2)


def test_structures_and_arrays_in_a_structure_are_all_their_values():
    made = ffi.new("NvDsObjectMeta9 *")
    made.tail.obj_label = b"car"
    made.tail.text_params.font_params.font_color = {"red": 0.5, "green": 0.25, "alpha": 1.0}
    made.mask_params = {"data": 2**64 - 1, "size": 1, "threshold": 0.5, "width": 2, "height": 3}
    names = ("mask_params", "tail.text_params.font_params.font_color", "tail.obj_label")
    assert reader("NvDsObjectMeta9", *names)(at(made)) == (2**64 - 1, 1, 0.5, 2, 3, 0.5, 0.25, 0.0, 1.0, b"car" + bytes(125))
    layer = ffi.new("NvDsInferLayerInfo *")
    layer.d, layer.numElements = [1, 2, 3, 2**32 - 1, 5, 6, 7, 8], 9
    assert reader("NvDsInferLayerInfo", "d", "numElements")(at(layer)) == (1, 2, 3, 2**32 - 1, 5, 6, 7, 8, 9)


WRITTEN = {
    "one": ("GstBuffer", ["pts"], [2**64 - 1]),
    "in a row": ("GstBuffer", ["dts", "duration", "offset"], [1, 2, 3]),
    "with padding": ("NvDsUserMeta", ["base_meta.meta_type", "base_meta.uContext", "user_meta_data"][:2], [-9, 2**63]),
    "numbers of all kinds": ("NvDsLabelInfo", ["pResult_label", "result_class_id", "label_id", "result_prob"], [1, -2, -3, 0.5]),
    "an array of char": ("NvDsLabelInfo", ["num_classes", "result_label"], [-1, b"x" * 128]),
    "a structure": ("NvDsObjectHead", ["object_id", "detector_bbox_info"], [2**64 - 1, 0.5, 1.0, 1.5, 2.0]),
}


@pytest.mark.parametrize(("structure", "names", "given_values"), WRITTEN.values(), ids=WRITTEN)
def test_what_is_written_is_read_again_and_nothing_else_changes(structure, names, given_values):
    made = filled(structure)
    before = bytes(ffi.buffer(made))
    writer(structure, *names)(at(made), *given_values)
    assert reader(structure, *names)(at(made)) == tuple(given_values)
    begin = offset_of(structure, names[0])
    end = begin + struct.calcsize(pattern_of(structure, *names))
    after = bytes(ffi.buffer(made))
    assert (after[:begin], after[end:]) == (before[:begin], before[end:])
    assert after != before


def test_the_pattern_of_a_whole_structure_has_its_size():
    for name in ("DLManagedTensor", "DLManagedTensorVersioned", "GstMapInfo", "NvBufSurface"):
        assert struct.calcsize(pattern_of(name)) == ffi.sizeof(name)


def test_values_are_written_by_a_pattern():
    made = ffi.new("char[]", b"........")
    packer("=HI")(at(made), 0x4141, 0x42424242)
    assert ffi.string(made) == b"AABBBB.."


RACE = """
import sys, threading
from empycustom.gstreamer import load_allocators
from empycustom.native.shared import allocator_type
load_allocators()
sys.setswitchinterval(1e-6)
barrier, found = threading.Barrier(8), []
def ask():
    barrier.wait()
    found.append(allocator_type())
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(*found)
"""


def test_the_class_of_shared_memory_is_registered_once_where_several_streams_begin():
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, check=True)
        assert (done.stdout.split(), done.stderr) == (["EmPyCustomAllocator"] * 8, "")
