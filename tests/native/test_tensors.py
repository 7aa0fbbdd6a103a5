"""Bytes of buffers that live as long as somebody looks at them, as tensors and masks of GstAnalytics have them."""

import gc
import os

import gi
import numpy as np
import pytest

from empycustom.errors import NativeError
from empycustom.gstreamer import Gst, GstVideo
from empycustom.native import analytics, masks, metas, tensors
from empycustom.native.loading import reader
from empycustom.native.memory import held_bytes

count = reader("GstBuffer", "mini_object.refcount")


def test_bytes_keep_their_buffer_and_let_go_of_it():
    buffer = Gst.Buffer.new_wrapped(bytes(range(100)))
    before = count(hash(buffer))[0]
    array = np.frombuffer(held_bytes(hash(buffer)), "uint8").reshape(10, 10)[::2, 1:]
    assert count(hash(buffer))[0] == before + 1
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1
    assert array[1].tolist() == [*range(21, 30)]
    del array
    gc.collect()
    assert count(hash(buffer))[0] == before


def test_several_memories_stay_as_they_are():
    buffer = Gst.Buffer.new()
    for part in (b"abc", b"de"):
        buffer.append_memory(Gst.Memory.new_wrapped(0, part, len(part), 0, None, None))
    assert bytes(held_bytes(hash(buffer))) == b"abcde"
    assert buffer.n_memory() == 2


def test_an_empty_buffer_is_not_held():
    buffer = Gst.Buffer.new()
    before = count(hash(buffer))
    data = held_bytes(hash(buffer))
    assert (bytes(data), count(hash(buffer))) == (b"", before)


def test_a_buffer_that_cannot_be_mapped_is_let_go_of():
    gi.require_version("GstAllocators", "1.0")
    from gi.repository import GstAllocators

    read_end, write_end = os.pipe()  # nobody can map one
    buffer = Gst.Buffer.new()
    flags = GstAllocators.FdMemoryFlags.DONT_CLOSE
    buffer.append_memory(GstAllocators.FdAllocator.alloc(GstAllocators.FdAllocator.new(), read_end, 64, flags))
    before = count(hash(buffer))
    with pytest.raises(NativeError, match="could not map"):
        held_bytes(hash(buffer))
    assert count(hash(buffer)) == before
    del buffer
    os.close(read_end)
    os.close(write_end)


needed = pytest.mark.skipif(not tensors.available, reason="this GStreamer has no tensors and masks (they came with 1.26)")


@needed
def test_nothing_of_a_mask_and_a_tensor_is_held_that_nobody_looks_at():
    gi.require_version("GstAnalytics", "1.0")
    from gi.repository import GLib, GstAnalytics

    picture, numbers = Gst.Buffer.new_wrapped(bytes(16)), Gst.Buffer.new_wrapped(bytes(16))
    GstVideo.buffer_add_video_meta(picture, GstVideo.VideoFrameFlags.NONE, GstVideo.VideoFormat.GRAY8, 4, 4)
    buffer = Gst.Buffer.new()
    meta = GstAnalytics.buffer_add_analytics_relation_meta(buffer)
    meta.add_segmentation_mtd(picture, GstAnalytics.SegmentationType.SEMANTIC, [1], 0, 0, 4, 4)
    kind, order = GstAnalytics.TensorDataType.UINT8, GstAnalytics.TensorDimOrder.ROW_MAJOR
    tensor = GstAnalytics.Tensor.new_simple(GLib.quark_from_string("t"), kind, numbers, order, [16])
    GstAnalytics.buffer_add_tensor_meta(buffer).set([tensor])
    held = [hash(picture), hash(numbers)]
    before = [count(each) for each in held]
    there = dict(metas.scan(hash(buffer)))
    (mask,), (found,) = masks.masks_of_frame(there[analytics.API]), tensors.tensors_at(there[tensors.API])
    assert [count(each) for each in held] == before
    data = [mask.data, found.data]
    assert [count(each)[0] for each in held] == [each[0] + 1 for each in before]
    del data
    gc.collect()
    assert [count(each) for each in held] == before
