"""native/emcustom.py: functions of each version of the interface, pixels without a copy, and results that are freed."""

from __future__ import annotations

import json
import resource

import pytest

from empycustom.errors import NativeError
from empycustom.gstreamer import Gst
from empycustom.native import emcustom
from empycustom.native.emcustom import NULL, ChangedLibraryError, Function, Picture

RGBA = Picture(emcustom.FORMATS["RGBA"], 4, 2, ((0, 20),), 36)  # 4 bytes of padding behind the first row
I420 = Picture(emcustom.FORMATS["I420"], 4, 2, ((0, 8), (16, 4), (24, 4)), 26)


def buffer_of(content: bytes):
    return Gst.Buffer.new_wrapped(content)


def called(path, picture, buffer, interface=3, options=NULL, events=NULL):
    function = Function(emcustom.load(str(path)), "process_ip", interface)
    function.expect(picture)
    return function.process_ip(hash(buffer), b'{"frame": []}', options, events)


@pytest.mark.parametrize("interface", emcustom.INTERFACES)
def test_planes_are_where_the_picture_says(compiled, interface):
    average = compiled("average", f"-DINTERFACE={interface}")
    found = json.loads(called(average, RGBA, buffer_of(bytes([2] * 16 + [99] * 4 + [4] * 16)), interface))
    assert found["frame"][0]["meta"] == {"width": 4, "height": 2, "format": 1, "planes": [3, 0, 0]}
    rows = bytes([*[10] * 4, *[0] * 4, *[20] * 4, *[0] * 4, *[5, 5, 0, 0], *[0] * 4, *[7, 9]])
    found = json.loads(called(average, I420, buffer_of(rows), interface))
    assert found["frame"][0]["meta"] == {"width": 4, "height": 2, "format": 0, "planes": [15, 5, 8]}


def test_what_is_written_is_in_the_buffer(compiled):
    buffer = buffer_of(bytes(36))
    assert called(compiled("paint"), RGBA, buffer) is None
    assert buffer.extract_dup(0, 36) == b"\xff" * 8 + bytes(12) + b"\xff" * 8 + bytes(8)


def test_a_new_picture_is_made_in_another_buffer(compiled):
    function = Function(emcustom.load(str(compiled("invert"))), "process", 3)
    given, made = buffer_of(bytes(range(36))), Gst.Buffer.new_allocate(None, 32, None)
    new = RGBA._replace(planes=((0, 16),), size=32)
    function.expect(RGBA, new)
    text = function.process(hash(given), b"{}", hash(made), NULL, NULL)
    assert json.loads(text)["frame"][0]["meta"] == {"inverted": True, "size": [1, 4, 2]}
    assert made.extract_dup(0, 32) == bytes(255 - value for value in [*range(16), *range(20, 36)])
    assert given.extract_dup(0, 36) == bytes(range(36))


def test_the_last_argument_is_that_of_the_interface(compiled):
    buffer = buffer_of(bytes(36))
    second, third = (
        json.loads(called(compiled("echo", f"-DINTERFACE={number}"), RGBA, buffer, number, b'{"a": 1}', b"[2]"))["frame"][0][
            "meta"
        ]
        for number in (2, 3)
    )
    assert second == {"in_meta": {"frame": []}, "options": {"a": 1}, "events": [2], "started": None, "last": 0}
    assert third == {**second, "last": hash(buffer)}
    first = json.loads(called(compiled("echo", "-DINTERFACE=1"), RGBA, buffer, 1))
    assert first == {"frame": [{"meta": {"in_meta": {"frame": []}}}]}


def test_results_are_freed(compiled):
    path = compiled("fixed", f'-DRESULT="{"x" * 100_000}"')
    buffer = buffer_of(bytes(36))
    assert called(path, RGBA, buffer) == b"x" * 100_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3000):  # 300 MB
        called(path, RGBA, buffer)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_a_buffer_of_others_is_refused(compiled):
    buffer = buffer_of(bytes(36))
    holder = Gst.Sample.new(buffer, None, None, None)
    with pytest.raises(NativeError, match="others refer to its buffer, too, so that it cannot be written"):
        called(compiled("average"), RGBA, buffer)
    assert holder


def test_a_buffer_that_is_too_small_is_refused(compiled):
    with pytest.raises(NativeError, match="the buffer has 35 bytes, but its frame needs 36"):
        called(compiled("average"), RGBA, buffer_of(bytes(35)))


def test_a_file_that_has_changed_is_refused(compiled):
    path = compiled("average", name="lib.so")
    assert emcustom.load(str(path)) == emcustom.load(str(path))
    path.unlink()
    compiled("paint", name="lib.so")
    with pytest.raises(ChangedLibraryError, match=r"lib\.so has changed since this process loaded it"):
        emcustom.load(str(path))
