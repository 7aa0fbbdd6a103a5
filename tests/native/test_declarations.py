"""Every C function that is declared exists, and every layout is the one that GObject introspection knows."""

import re
from pathlib import Path

import gi
import pytest

from empycustom import native
from empycustom.gstreamer import GObject, Gst, GstVideo
from empycustom.native import analytics, loading, tensors

SOURCES = [
    Path(folder, name)
    for folder in native.__path__
    for name in ("declared.h", *(str(path.relative_to(folder)) for path in Path(folder).rglob("[a-z]*.py")))
]
NAMES = sorted({name for lib in (loading.video, loading.gst) for name in dir(lib)})
ANALYTICS = [name for name in NAMES if "_analytics_" in name or "_tensor_" in name]
DEEPSTREAM = [name for name in NAMES if name.startswith("nvds_")]
NVIDIA = [name for name in NAMES if name.startswith(("cu", "NvBufSurface"))]  # of the driver and of a Jetson: tests/nvmm
OTHERS = [name for name in NAMES if name not in (*ANALYTICS, *DEEPSTREAM, *NVIDIA)]


def test_the_declarations_are_found():
    assert len(OTHERS) > 40
    assert len(ANALYTICS) > 15
    assert len(DEEPSTREAM) > 10
    assert len(NVIDIA) > 10


@pytest.mark.parametrize("name", OTHERS)
def test_a_declared_function_exists(name):
    assert any(loading.has(lib, name) for lib in (loading.gst, loading.video, loading.allocators))


@pytest.mark.skipif(not analytics.available, reason="this GStreamer has no GstAnalytics, which came with 1.24")
@pytest.mark.parametrize("name", ANALYTICS)
def test_a_declared_function_of_analytics_exists(name):
    assert getattr(loading.analytics, name)


@pytest.mark.parametrize("name", [name for name in NAMES if name in dir(loading.video)])
def test_no_function_is_declared_in_vain(name):
    assert sum(len(re.findall(rf"\b{name}\b", source.read_text())) for source in SOURCES) >= 2


KNOWN = [
    (Gst.MiniObject, "GstMiniObject"),
    (Gst.Buffer, "GstBuffer"),
    (Gst.Memory, "GstMemory"),
    (Gst.AllocationParams, "GstAllocationParams"),
    (Gst.Object, "GstObject"),
    (Gst.Meta, "GstMeta"),
    (Gst.MetaInfo, "GstMetaInfo"),
    (Gst.Event, "GstEvent"),
    (Gst.Query, "GstQuery"),
    (Gst.PadProbeInfo, "GstPadProbeInfo"),
    (GstVideo.VideoMeta, "GstVideoMeta"),
    (GstVideo.VideoRegionOfInterestMeta, "GstVideoRegionOfInterestMeta"),
    (GObject.TypeQuery, "GTypeQuery"),
    (GObject.TypeInfo, "GTypeInfo"),
    (GObject.EnumValue, "GEnumValue"),
]
if tensors.available:
    gi.require_version("GstAnalytics", "1.0")
    from gi.repository import GstAnalytics

    KNOWN += [(GstAnalytics.Tensor, "GstTensor"), (GstAnalytics.TensorMeta, "GstTensorMeta")]


@pytest.mark.parametrize(("known", "name"), KNOWN)
def test_a_declared_layout_is_the_real_one_as_far_as_it_goes(known, name):
    ours = loading.ffi.typeof(name)
    real = known.__info__.get_fields()
    assert [field.offset for _, field in ours.fields] == [field.get_offset() for field in real[: len(ours.fields)]]
    same = [(mine, theirs.get_name()) for (mine, _), theirs in zip(ours.fields, real, strict=False)]
    assert all(theirs in (mine, f"{mine}_func") for mine, theirs in same)


def test_the_numbers_of_the_fundamental_types():
    numbers = (loading.G_TYPE_INT, loading.G_TYPE_UINT64, loading.G_TYPE_DOUBLE, loading.G_TYPE_STRING)
    assert [loading.text(loading.ffi.cast("char *", 0)), *numbers] == [
        "",
        *(hash(kind) for kind in (GObject.TYPE_INT, GObject.TYPE_UINT64, GObject.TYPE_DOUBLE, GObject.TYPE_STRING)),
    ]


def test_texts():
    pointer = loading.ffi.new("char[]", "größe\xff".encode() + b"\xff")
    assert loading.text(pointer) == "größeÿ\ufffd"
    assert loading.bytes_of("é\ud800\0") == b"\xc3\xa9\\ud800\\0"
