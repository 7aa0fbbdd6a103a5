"""Bytes of buffers that live as long as somebody looks at them, as tensors of GstAnalytics have them."""

import gc
import os

import gi
import numpy as np
import pytest

from empycustom.errors import NativeError
from empycustom.gstreamer import Gst
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
