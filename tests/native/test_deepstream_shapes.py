"""Masks, angles, parents and vectors of objects in the layouts of every known DeepStream, in memory."""

from __future__ import annotations

import ctypes
import struct

import pytest
from test_deepstream_layouts import COLUMNS, NEW, Maker, filled
from test_deepstream_outputs import OutputMaker

from empycustom.native.deepstream_outputs import read_vectors
from empycustom.native.deepstream_read import BatchReader, MaskMeta

NUMBERS = (0.25, 0.5, 1.0, 0.0, 0.75, 0.125)


@pytest.fixture(params=COLUMNS)
def make(request):
    return Maker(request.param)


def bytes_of(numbers):
    return struct.pack(f"={len(numbers)}f", *numbers)


def test_masks_angles_and_parents_are_read(make):
    floats = make.block(24, (0, "6f", *NUMBERS))
    plain, masked = make.object(b"plain"), make.object(b"masked", mask=(floats, 24, 0.25, 3, 2), angle=30.5, parent=0xBAD)
    short = make.object(b"short", mask=(floats, 8, 0.5, 3, 2))
    frames = [make.frame([plain, masked]), make.frame(), make.frame([short])]
    for reader in (BatchReader(make.layout),) * 2:
        one, _, three = reader.read(make.batch(frames)).frames
        (first, second), (third,) = one.objects, three.objects
        assert (first.label, first.mask, first.angle, first.parent) == ("plain", None, 0.0, 0)
        assert second.mask == MaskMeta(3, 2, 0.25, bytes_of(NUMBERS))
        assert (second.label, second.angle, second.parent) == ("masked", 30.5 if make.column.angle else 0.0, 0xBAD)
        assert third.mask == MaskMeta(3, 2, 0.5, bytes_of(NUMBERS[:2]))  # no more than its size says
    huge = make.object(mask=(floats, 24, 0.5, 2**32 - 1, 2**32 - 1))
    assert make.read(huge).mask == MaskMeta(2**32 - 1, 2**32 - 1, 0.5, bytes_of(NUMBERS))


def test_what_is_written_to_a_new_object_is_read_back(make):
    mask = MaskMeta(3, 2, 0.5, bytes_of(NUMBERS))
    wanted = NEW._replace(mask=mask, angle=-12.25 if make.column.angle else 0.0)
    address, _ = filled(make.name, NEW._replace(mask=mask, angle=-12.25))
    assert make.read(address) == wanted._replace(address=address)
    data, *fields = struct.unpack("=QIf2I", ctypes.string_at(address + make.column.mask, 24))
    assert fields == [24, 0.5, 3, 2]
    assert ctypes.string_at(data, 24) == mask.numbers


def test_vectors_of_objects_are_read(make):
    make = OutputMaker(make.name)
    one, half = bytes_of(NUMBERS), struct.pack("=2e", 0.5, 1.5)
    layers = {
        "one": [(b"fc", 0, (6,), 6, one)],
        "half": [(b"fc", 1, (1, 2), 2, half)],
        "whole numbers": [(b"fc", 3, (6,), 6, one)],
        "wrong": [(b"fc", 0, (5,), 6, one)],
        "two": [(b"fc", 0, (6,), 6, one), (b"more", 0, (6,), 6, one)],
    }
    users = {name: make.tensors(*its) for name, its in layers.items()}
    offset = make.tensors(*layers["one"])
    (meta,) = struct.unpack("=Q", ctypes.string_at(offset + 40, 8))
    (hosts,) = struct.unpack("=Q", ctypes.string_at(meta + 16, 8))
    ctypes.c_uint64.from_address(hosts).value = 24 * 7  # the place in a batch, behind NULL
    users |= {
        "unfilled": make.tensors(*layers["one"], hosts=False),
        "offset": offset,
        "nothing": make.user(12, 0),
        "other": make.user(9, 0),
    }
    objects = [make.object(users=[user]) for user in users.values()]
    batch = make.batch([make.frame(objects[:3]), make.frame(), make.frame(objects[3:])])
    found = {name: read_vectors(batch, make.layout).get(user) for name, user in users.items()}
    assert {name: each and (each.data, each.code, each.shape) for name, each in found.items()} == dict.fromkeys(users) | {
        "one": (one, "f4", (6,)),
        "half": (half, "f2", (1, 2)),
    }
    read = [each.tensors for frame in BatchReader(make.layout).read(batch).frames for each in frame.objects]
    assert read == [users[name] if name != "other" else 0 for name in users]
