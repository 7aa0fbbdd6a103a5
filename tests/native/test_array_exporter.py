"""Memory of arrays that is wrapped into buffers: who owns it, and when it is released."""

from __future__ import annotations

import threading
import weakref

import numpy as np

from empycustom.gstreamer import Gst
from empycustom.native.memory import SOLE_OWNER, ArrayExporter, refcount


def exported(exporter):
    """Lend an array to a new buffer; return the buffer, and a weak reference to the array."""
    array, buffer = np.full(64, 7, np.uint8), Gst.Buffer.new()
    exporter.wrap(hash(buffer), array, array.__array_interface__["data"][0], 64)
    return buffer, weakref.ref(array)


def test_whoever_else_has_it_is_counted():
    thing = object()
    assert refcount([object()]) == SOLE_OWNER
    assert refcount([thing]) == SOLE_OWNER + 1


def test_an_array_is_kept_for_as_long_as_the_buffer_is_there():
    exporter = ArrayExporter()
    buffer, array = exported(exporter)
    assert buffer.extract_dup(0, 64) == bytes([7]) * 64
    other = exported(exporter)
    assert array() is not None
    del buffer
    assert array() is not None, "nobody looked yet"
    other = exported(exporter)
    assert array() is None
    del other


def test_what_a_closed_lender_left_is_taken_back_once_by_one_of_those_after_it():
    first = ArrayExporter()
    left = [exported(first) for _ in range(200)]
    first.close()
    buffers, arrays = [buffer for buffer, _ in left], [array for _, array in left]
    del left
    exporters = []
    threads = [threading.Thread(target=lambda: exporters.append(ArrayExporter())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(array() is not None for array in arrays)
    buffers.clear()
    for exporter in exporters:
        exporter.close()
    assert all(array() is None for array in arrays)
