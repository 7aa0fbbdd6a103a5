"""Output of networks on a batch of DeepStream: tensors (NvDsInferTensorMeta) and maps of classes (NvDsInferSegmentationMeta).

Their bytes lie in memory that nvinfer uses again when nobody holds the output of that batch any more. A GstMiniObject counts who
does: ``priv_data`` of both metas. A reference to it keeps the bytes as they are, without a copy. What other elements attach has
something else there, and NVIDIA's copies of a batch have nothing there: these bytes are copied, under the lock.

nvinfer has six outputs, and waits while all are held. A library that keeps arrays must not stop it: so the outputs of
:data:`HELD` buffers are held at a time, and the bytes of further ones copied.

It takes two steps under the lock: one looks at what there is, and the next one takes it, where it is still the same.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain, compress, repeat
from math import prod
from operator import add, and_, eq, ge, itemgetter, mul
from struct import Struct, calcsize
from typing import Any, ClassVar, NamedTuple
from weakref import WeakSet

from empycustom.native.deepstream import (
    BATCH_FRAMES,
    FRAME_OBJECTS,
    GLIB,
    SEGMENTATION,
    TENSORS,
    Layout,
    Steps,
    chars_at,
    flat,
    has_segmentation_id,
    lists_at,
    pointers_at,
    texts_at,
)
from empycustom.native.loading import POINTER, Reader, ffi, gst, pattern_of, reader, unpacker
from empycustom.native.unwind import path_at

HELD = 3  # buffers whose outputs are held at a time
_NVINFER = "libnvdsgst_infer.so"  # whose priv_data is a GstMiniObject, in all versions
_POSSIBLE, _MOST_BYTES = range(1025), 2**30  # layers of a network, and bytes of an array: others are a mistake
_CODES = {0: "f4", 1: "f2", 2: "i1", 3: "i4", 4: "i8"}  # NvDsInferDataType, and how NumPy spells it

_find = ctypes.PYFUNCTYPE(ctypes.c_size_t, ctypes.c_size_t, ctypes.c_size_t)(("g_list_find", GLIB))
_ref = ctypes.PYFUNCTYPE(ctypes.c_size_t, ctypes.c_size_t)(("gst_mini_object_ref", ctypes.PyDLL("libgstreamer-1.0.so.0")))
_user = reader("NvDsUserMeta", "base_meta.meta_type", "base_meta.release_func", "user_meta_data")
_KIND, _DATA = itemgetter(0), itemgetter(2)
_tensors = reader("NvDsInferTensorMeta", "unique_id", "num_output_layers", "output_layers_info", "out_buf_ptrs_host", "priv_data")
_COUNT, _LAYERS, _HOSTS, _IS_FILLED = itemgetter(1), itemgetter(2), itemgetter(3), itemgetter(1, 2, 3)
_LAYER_SIZE: int = ffi.sizeof("NvDsInferLayerInfo")
_LAYER = pattern_of("NvDsInferLayerInfo")
_layer = Struct(f"{_LAYER}{_LAYER_SIZE - calcsize(_LAYER)}x")
_layer_at = unpacker(_LAYER)
_TYPE, _ELEMENTS, _NAME = itemgetter(0), itemgetter(10), itemgetter(12)
_FLOATS, _MOST_VECTOR = {0: 4, 1: 2}, 1 << 22  # bytes of a float by its type, and of a vector
_MOST_FRAMES, _LOWEST = 1024, 1 << 20  # in a batch; and what is below is an address of nothing
_segmentation = reader(
    "NvDsInferSegmentationMeta", "classes", "width", "height", "class_map", "class_probabilities_map", "priv_data"
)
_segmentation_id = unpacker(f"={ffi.sizeof('NvDsInferSegmentationMeta')}xI")


class Wanted(NamedTuple):
    """User metadata of a kind, in the list that begins at ``place`` in its owner, a frame."""

    owner: int
    place: int
    user: int
    kind: int


class Array(NamedTuple):
    """Numbers: their bytes, which stay as they are for as long as somebody looks at them; their type, as NumPy spells it."""

    data: bytes | memoryview
    code: str
    shape: tuple[int, ...]


class Tensor(NamedTuple):
    """A tensor. ``unique_id`` is that of the element that made it."""

    name: str
    unique_id: int
    numbers: Array


class Segmentation(NamedTuple):
    """A map of classes, and perhaps how probable each one is at each place. ``unique_id`` 0: this version has none."""

    classes: int
    class_map: Array
    probabilities: Array | None
    unique_id: int


class _Place(NamedTuple):
    """Where an array lies."""

    address: int
    code: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return int(self.code[1]) * prod(self.shape)


class _Meta:
    """One meta as the first step sees it, if it is ``alive`` then. Afterwards ``look`` says what is in it.

    ``checks`` are what has to be the same in the second step: functions that read, addresses, and what was read. ``output`` is
    the priv_data of nvinfer, 0 where it is another one's. ``places`` are where the arrays lie.
    """

    kind: ClassVar[int]
    output = 0
    checks: Sequence[tuple[Reader, int, Any]] = ()
    places: Sequence[_Place] = ()

    def __init__(self, steps: Steps, wanted: Wanted, alive: list[int], layout: Layout) -> None:
        self._wanted, self._layout = wanted, layout
        users = steps.fill(map(_user, alive))
        self._users = steps.fill(compress(users, map(eq, map(_KIND, users), repeat(self.kind))))
        self._data = steps.fill(filter(None, map(_DATA, self._users)))
        self._read(steps)

    def _read(self, steps: Steps) -> None:
        """Add the steps that read what is in the structure."""
        raise NotImplementedError

    def look(self, warnings: list[str]) -> None:
        """Find the places of arrays; ``warnings`` grows by what cannot be read."""
        raise NotImplementedError

    def make(self, data: Sequence[bytes | memoryview]) -> Iterable[Tensor | Segmentation]:
        """Return what is in it, of the bytes at its places."""
        raise NotImplementedError

    def _same(self, private: int, *checks: tuple[Reader, int, Any]) -> None:
        (user,) = self._users
        self.checks = [(_user, self._wanted.user, user), *checks]
        self.output = private if private and _is_nvinfer(user[1]) else 0


class _Tensors(_Meta):
    kind = TENSORS

    def _read(self, steps: Steps) -> None:
        self._fields = steps.fill(map(_tensors, self._data))
        filled = steps.fill(compress(self._fields, map(all, map(_IS_FILLED, self._fields))))
        filled = steps.fill(compress(filled, map(_POSSIBLE.__contains__, map(_COUNT, filled))))
        self._layers, self._hosts = (
            steps.fill(map(ffi.unpack, map(chars_at, map(where, filled)), map(mul, map(_COUNT, filled), repeat(size))))
            for where, size in ((_LAYERS, _LAYER_SIZE), (_HOSTS, 8))
        )
        self._rows = steps.fill(flat(map(_layer.iter_unpack, self._layers)))
        self._names = steps.fill(texts_at(map(_NAME, self._rows)))

    def look(self, warnings: list[str]) -> None:
        self._found: list[tuple[str, _Place]] = []
        if not self._fields:
            return
        ((unique_id, count, layers, hosts, private),) = self._fields
        if count not in _POSSIBLE:
            warnings.append(f"{count} tensors of nvinfer {unique_id} were left out: no network has so many")
            return
        if count and not (layers and hosts):
            warnings.append(_unfilled(unique_id))
        if not self._layers:
            return
        self._same(
            private,
            (_tensors, self._data[0], self._fields[0]),
            (unpacker(f"={count * _LAYER_SIZE}s"), layers, (self._layers[0],)),
            (unpacker(f"={count * 8}s"), hosts, (self._hosts[0],)),
        )
        names = iter(self._names)
        for row, host in zip(self._rows, Struct(f"={count}Q").unpack(self._hosts[0]), strict=True):
            name = next(names).decode("utf-8", "replace") if _NAME(row) else ""
            place, problem = _tensor_at(row, host)
            if place:
                self._found.append((name, place))
            else:
                warnings.append(f"the tensor {name} was left out: {problem}" if problem else _unfilled(unique_id))
        self.places = [place for _, place in self._found]

    def make(self, data: Sequence[bytes | memoryview]) -> Iterable[Tensor]:
        unique_id = self._fields[0][0]
        for (name, place), numbers in zip(self._found, data, strict=True):
            yield Tensor(name, unique_id, Array(numbers, place.code, place.shape))


def _unfilled(unique_id: int) -> str:
    return (
        f"tensors of nvinfer {unique_id} were left out: they are in the memory of the GPU alone; "
        "set disable-output-host-copy=0 in its configuration"
    )


def _tensor_at(row: Sequence[int], host: int) -> tuple[_Place | None, str]:
    """Return where the tensor of a layer lies, or None and why it cannot be read; ``""``: it is not filled."""
    kind, count, *sizes, elements = row[:11]
    if not host:
        return None, ""
    if kind not in _CODES:
        return None, f"its type, {kind}, is not known"
    place = _Place(host, _CODES[kind], tuple(sizes[:count]))
    if count > len(sizes) or prod(place.shape) != elements or place.size > _MOST_BYTES:
        return None, f"it has {count} dimensions {tuple(sizes[:count])}, and {elements} elements"
    if host < place.size * _MOST_FRAMES and host % place.size == 0:
        return None, ""  # nvinfer adds the place in its batch, also to NULL
    return place, ""


class _Segmentations(_Meta):
    kind = SEGMENTATION

    def _read(self, steps: Steps) -> None:
        self._fields = steps.fill(map(_segmentation, self._data))
        self._ids = steps.fill(flat(map(_segmentation_id, self._data))) if has_segmentation_id(self._layout) else [0]

    def look(self, warnings: list[str]) -> None:
        if not self._fields:
            return
        ((classes, width, height, numbers, probabilities, private),) = self._fields
        self._same(private, (_segmentation, self._data[0], self._fields[0]))
        places = [_Place(numbers, "i4", (height, width)), _Place(probabilities, "f4", (classes, height, width))]
        if not numbers or not 0 < places[0].size <= _MOST_BYTES or places[1].size > _MOST_BYTES:
            warnings.append(f"a map of {width}x{height} places and {classes} classes was left out: that is not possible")
            return
        self.places = [place for place in places if place.address]

    def make(self, data: Sequence[bytes | memoryview]) -> Iterable[Segmentation]:
        arrays = [Array(numbers, place.code, place.shape) for numbers, place in zip(data, self.places, strict=True)]
        if arrays:
            yield Segmentation(self._fields[0][0], arrays[0], arrays[1] if len(arrays) > 1 else None, self._ids[0])


_KINDS = {kind.kind: kind for kind in (_Tensors, _Segmentations)}


def read_outputs(batch: int, wanted: Sequence[Wanted], layout: Layout, warnings: list[str]) -> list[list[Tensor | Segmentation]]:
    """Return what is in metas of a batch, for each of them; those that are gone meanwhile have nothing.

    ``warnings`` grows by a sentence for each thing that cannot be read.
    """
    steps = Steps()
    owners = _owners(steps, batch)
    metas = [_KINDS[each.kind](steps, each, _alive(steps, owners, each), layout) for each in wanted]
    steps.run(batch)
    for meta in metas:
        meta.look(warnings)
    return _take(batch, wanted, metas)


def _owners(steps: Steps, batch: int) -> list[int]:
    """Add the steps that list the frames of a batch."""
    return steps.fill(flat(lists_at(pointers_at((batch + BATCH_FRAMES,)))))


def _alive(steps: Steps, owners: list[int], wanted: Wanted) -> list[int]:
    """Add the steps that look whether user metadata is still there; they list its address, or nothing."""
    there = steps.fill(filter(owners.__contains__, (wanted.owner,)))
    return steps.fill(compress((wanted.user,), map(_find, pointers_at(compress((wanted.place,), there)), repeat(wanted.user))))


def read_vectors(batch: int, layout: Layout) -> dict[int, Array]:
    """Return copies of the tensors at objects that are alone in their user metadata, by its addresses; floats only."""
    steps = Steps()
    frames = _owners(steps, batch)
    objects = steps.fill(flat(lists_at(pointers_at(map(add, frames, repeat(FRAME_OBJECTS))))))
    users = steps.fill(flat(lists_at(pointers_at(map(add, objects, repeat(layout.users_of_object))))))
    rows = steps.fill(map(_user, users))
    there = steps.fill(map(and_, map(eq, map(_KIND, rows), repeat(TENSORS)), map(bool, map(_DATA, rows))))
    fields = steps.fill(map(_tensors, compress(map(_DATA, rows), there)))
    alone = steps.fill(map(and_, map(eq, map(_COUNT, fields), repeat(1)), map(all, map(_IS_FILLED, fields))))
    single = steps.fill(compress(fields, alone))
    hosts = steps.fill(pointers_at(map(_HOSTS, single)))
    filled = steps.fill(map(ge, hosts, repeat(_LOWEST)))
    layers = steps.fill(compress(map(_layer_at, map(_LAYERS, single)), filled))
    sizes = map(mul, map(_ELEMENTS, layers), map(_FLOATS.get, map(_TYPE, layers), repeat(0)))
    numbers = steps.fill(map(ffi.unpack, map(chars_at, compress(hosts, filled)), map(min, sizes, repeat(_MOST_VECTOR))))
    steps.run(batch)
    which = compress(compress(compress(users, there), alone), filled)
    found = {}
    for user, layer, data, host in zip(which, layers, numbers, compress(hosts, filled), strict=True):
        place, _ = _tensor_at(layer, host)
        if place and place.size == len(data):
            found[user] = Array(data, place.code, place.shape)
    return found


# Holding the outputs of nvinfer.


class _Reading:
    """One look at one buffer, which lives as long as anything that is held because of it."""

    __slots__ = ("__weakref__",)


_readings: WeakSet[_Reading] = WeakSet()
_counting = threading.Lock()


def _new_reading() -> _Reading | None:
    """Return what may hold outputs; None where so many do already."""
    with _counting:
        if len(_readings) >= HELD:
            return None
        reading = _Reading()
        _readings.add(reading)
        return reading


@lru_cache(maxsize=64)
def _is_nvinfer(release: int) -> bool:
    """Return whether a release_func is nvinfer's."""
    return (path_at(release) or "").rpartition("/")[2] == _NVINFER


def _take(batch: int, wanted: Sequence[Wanted], metas: Sequence[_Meta]) -> list[list[Tensor | Segmentation]]:
    """Hold or copy the arrays of metas which are still as they were seen, and return what these say."""
    reading = _new_reading() if any(meta.output for meta in metas) else None
    steps = Steps()
    owners = _owners(steps, batch)
    held, copied = [], []
    for each, meta in zip(wanted, metas, strict=True):
        alive = _alive(steps, owners, each) if meta.places else []
        for read, address, expected in meta.checks if meta.places else ():
            alive = steps.fill(compress(alive, map(eq, map(read, compress((address,), alive)), repeat(expected))))
        holds = reading is not None and meta.output != 0
        held.append(steps.fill(map(_ref, compress((meta.output,), alive))) if holds else [])
        sizes = [] if holds else [(unpacker(f"={place.size}s"), place.address) for place in meta.places]
        copied.append([steps.fill(map(read, compress((address,), alive))) for read, address in sizes])
    try:
        steps.run(batch)
    finally:  # also what was taken before it failed
        owned = [ffi.gc(ffi.cast(POINTER, output), gst.gst_mini_object_unref) for output in chain.from_iterable(held)]
    outputs = iter(owned)
    made = []
    for meta, refs, copies in zip(metas, held, copied, strict=True):
        if refs:
            kept = next(outputs), reading
            data = [_held(place, kept) for place in meta.places]
        else:
            data = [numbers for rows in copies for (numbers,) in rows]
        made.append([*meta.make(data)] if data else [])
    return made


def _held(place: _Place, kept: Any) -> memoryview:
    """Return the bytes of an array as they lie there; what is ``kept`` lives as long as somebody looks at them."""
    pointer = ffi.gc(ffi.cast("char *", place.address), lambda _, kept=kept: None)  # noqa: ARG005 - it keeps it
    return memoryview(ffi.buffer(pointer, place.size)).toreadonly()
