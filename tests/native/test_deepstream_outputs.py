"""Output of networks in the layouts of every known DeepStream, in memory; and where the structures lie that nvinfer attaches."""

from __future__ import annotations

import ctypes
import struct

import pytest
from test_deepstream_layouts import COLUMNS, Maker

from empycustom.native import deepstream, deepstream_outputs
from empycustom.native.deepstream import USERS, has_segmentation_id
from empycustom.native.deepstream_outputs import SEGMENTATION, TENSORS, Tensor, Wanted, read_outputs
from empycustom.native.loading import ffi, offset_of

# From nvdsinfer.h and gstnvdsinfer.h, and not from the package: they are the same in 5.0 to 9.1, and later versions append fields.
PLACES = {
    "NvDsInferTensorMeta": {
        "unique_id": 0,
        "num_output_layers": 4,
        "output_layers_info": 8,
        "out_buf_ptrs_host": 16,
        "out_buf_ptrs_dev": 24,
        "gpu_id": 32,
        "priv_data": 40,
    },
    "NvDsInferLayerInfo": {
        "dataType": 0,
        "numDims": 4,
        "d": 8,
        "numElements": 40,
        "bindingIndex": 44,
        "layerName": 48,
        "buffer": 56,
        "isInput": 64,
    },
    "NvDsInferSegmentationMeta": {
        "classes": 0,
        "width": 4,
        "height": 8,
        "class_map": 16,
        "class_probabilities_map": 24,
        "priv_data": 32,
    },
}


@pytest.mark.parametrize(("name", "places"), PLACES.items(), ids=PLACES)
def test_fields_lie_where_the_headers_have_them(name, places):
    assert {field: offset_of(name, field) for field, _ in ffi.typeof(name).fields} == places


def test_sizes_are_those_of_the_headers():
    assert [ffi.sizeof(name) for name in PLACES] == [48, 72, 40]


class OutputMaker(Maker):
    def tensors(self, *layers, unique_id=7, hosts=True):
        """A meta of layers: name, type, dims, bytes."""
        infos = [
            struct.pack("=i10IiQQi4x", kind, len(dims), *dims, *[99] * (8 - len(dims)), elements, 5, self.text(name), 0xBAD, 0)
            for name, kind, dims, elements, _ in layers
        ]
        described = self.block(72 * len(layers), *((72 * at, "72s", info) for at, info in enumerate(infos)))
        numbers = [self.block(len(data), (0, f"{len(data)}s", data)) for *_, data in layers]
        pointers = self.block(8 * len(layers), (0, f"{len(layers)}Q", *numbers)) if hosts else 0
        return self.user(TENSORS, self.block(48, (0, "2I", unique_id, len(layers)), (8, "3Q", described, pointers, 0xBAD)))

    def segmentation(self, class_map, probabilities=None, unique_id=6):
        numbers = self.block(24, (0, "6i", *class_map))
        floats = self.block(48, (0, "12f", *probabilities)) if probabilities else 0
        size = 48 if has_segmentation_id(self.layout) else 40  # at the end of a page nothing would be behind it
        more = [(40, "I", unique_id)] if size == 48 else []
        return self.user(SEGMENTATION, self.block(size, (0, "3I", 2, 3, 2), (16, "3Q", numbers, floats, 0xBAD), *more))

    def outputs(self, *users):
        frame = self.frame(users=users)
        batch, kinds = self.batch([frame]), (ctypes.c_int32.from_address(user + 8).value for user in users)
        wanted = [Wanted(frame, frame + USERS["frame"], user, kind) for user, kind in zip(users, kinds, strict=True)]
        warnings = []
        return read_outputs(batch, wanted, self.layout, warnings), warnings


@pytest.fixture(params=COLUMNS)
def make(request):
    return OutputMaker(request.param)


def test_tensors_are_read_in_every_version(make):
    one, two = struct.pack("=6f", *range(6)), struct.pack("=2e", 0.5, 1.5)
    found, warnings = make.outputs(
        make.tensors((b"one", 0, (2, 3), 6, one), (b"two", 1, (2,), 2, two), (None, 2, (), 1, b"\x07"))
    )
    assert warnings == []
    assert found == [
        [Tensor("one", 7, (one, "f4", (2, 3))), Tensor("two", 7, (two, "f2", (2,))), Tensor("", 7, (b"\x07", "i1", ()))]
    ]


def test_maps_of_classes_are_read_in_every_version(make):
    ((found,),), warnings = make.outputs(make.segmentation(range(6), range(12)))
    assert warnings == []
    assert (found.classes, found.class_map.shape, found.class_map.code) == (2, (2, 3), "i4")
    assert struct.unpack("=6i", found.class_map.data) == tuple(range(6))
    assert (found.probabilities.shape, found.probabilities.code) == ((2, 2, 3), "f4")
    assert struct.unpack("=12f", found.probabilities.data) == tuple(range(12))
    assert found.unique_id == (6 if make.name in ("8.0", "9.0 and 9.1") else 0)
    ((alone,),), warnings = make.outputs(make.segmentation(range(6)))
    assert (warnings, alone.probabilities) == ([], None)


@pytest.mark.parametrize(("version", "unique_id"), [((6, 0), 0), ((6, 1), 0), ((6, 2), 6), ((7, 1), 6)])
def test_the_number_of_a_map_s_element_came_with_6_2(monkeypatch, version, unique_id):
    monkeypatch.setattr(deepstream, "_version", lambda: version)
    has_segmentation_id.cache_clear()
    make = OutputMaker("6.0 to 7.1")
    ((found,),), _ = make.outputs(make.segmentation(range(6)))
    has_segmentation_id.cache_clear()
    assert found.unique_id == unique_id


def test_what_is_behind_a_null_is_not_read(make):
    unfilled = make.tensors((b"one", 0, (1,), 1, b"1234"), hosts=False)
    found, warnings = make.outputs(unfilled, make.user(TENSORS, 0), make.user(SEGMENTATION, 0), make.tensors())
    assert found == [[], [], [], []]
    assert [text[:42] for text in warnings] == ["tensors of nvinfer 7 were left out: they a"]


def test_numbers_that_cannot_be_are_not_believed(make):
    many = make.user(TENSORS, make.block(48, (0, "2I", 7, 2**32 - 1), (8, "3Q", make.block(72 * 1024), make.block(8 * 1024), 0)))
    large = make.tensors((b"large", 0, (2**20, 2**10), 2**30, b"1234"))
    wrong = make.user(SEGMENTATION, make.block(48, (0, "3I", 2**32 - 1, 3, 2), (16, "3Q", make.block(24), make.block(24), 0)))
    found, warnings = make.outputs(many, large, wrong)
    assert found == [[], [], []]
    assert [text.partition(" left out")[0] for text in warnings] == [
        "4294967295 tensors of nvinfer 7 were",
        "the tensor large was",
        "a map of 3x2 places and 4294967295 classes was",
    ]


def test_nvinfer_is_told_by_the_file_that_has_its_functions():
    assert deepstream_outputs.path_at(0) is None
    address = ctypes.cast(ctypes.CDLL("libglib-2.0.so.0").g_free, ctypes.c_void_p).value
    assert deepstream_outputs.path_at(address).rpartition("/")[2].startswith("libglib-2.0.so")
    assert not deepstream_outputs._is_nvinfer(address)
