"""DeepStream's metadata: NVIDIA's library of it, how its structures lie in each version, and the lock of a batch.

Whoever made a batch owns it and all that is in it. Addresses here are of NVIDIA's structures, and good only as long as the buffer
lives and what lies there was not removed; so a batch is read and changed under its lock, in one step (see :class:`Steps`).
"""

from __future__ import annotations

import ctypes
import gc
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import accumulate, chain, compress, repeat, starmap, takewhile
from operator import attrgetter
from typing import Any

from empycustom.errors import DeepStreamError, MetadataError
from empycustom.native.loading import FLAGS, TEXT, Reader, ffi, glib, gst, offset_of, reader, text, unpacker
from empycustom.native.unwind import path_of

_LIBRARY = "libnvds_meta.so"
_TAG: int = glib.g_quark_from_string(b"nvdsmeta")  # by which NVIDIA's own elements find their metadata
_KEY_TYPE: int = glib.g_intern_string(b"EMPYCUSTOM.OBJECT.KEY")  # the library keeps the pointer


@lru_cache(maxsize=64)
def is_deepstream(api: int) -> bool:
    """Return whether a meta of an API type, as :func:`empycustom.native.metas.scan` returns it, is DeepStream's."""
    return bool(gst.gst_meta_api_type_has_tag(api, _TAG))


@lru_cache(maxsize=1)
def nvds() -> Any:
    """Return the library. It is in the process where there is DeepStream metadata: whoever made that has loaded it."""
    return ffi.dlopen(nvds_path(), FLAGS)


@lru_cache(maxsize=16)
def keeping_the_gil(function: str, arguments: int = 2) -> Callable[..., None]:
    """Return a function of the library, of so many addresses, which does not let go of the GIL: for what has the lock already."""
    kind = ctypes.PYFUNCTYPE(None, *[ctypes.c_size_t] * arguments)
    return kind((function, ctypes.PyDLL(nvds_path(), ffi.RTLD_NOW | ffi.RTLD_NODELETE)))


@lru_cache(maxsize=1)
def nvds_path() -> str:
    """Return where the library lies. Raises DeepStreamError where the process has none."""
    path = path_of(_LIBRARY)
    if path is None:
        raise DeepStreamError(f"DeepStream metadata is on a buffer, but {_LIBRARY} is not in the process")
    return path


def acquired(function: str, batch: int) -> int:
    """Return the address of metadata from a pool of the batch, which belongs to nothing yet; ``function`` is NVIDIA's for it."""
    address = getattr(nvds(), function)(batch)
    if not address:
        raise DeepStreamError(f"DeepStream has no more metadata for this batch: {function} returned NULL")
    return int(address)


@lru_cache(maxsize=1)
def key_type() -> int:
    """Return the NvDsMetaType of the user metadata by which an object has a number of ours."""
    return int(nvds().nvds_get_user_meta_type(ffi.cast(TEXT, _KEY_TYPE)))


# How DeepStream's structures lie, in the versions from 5.0 to 9.1. Their beginnings, as far as declared.h has them, are the same
# in all; what differs is in the table. The sizes of three structures show which version runs.


# NvDsMetaType of a NvDsUserMeta that has a NvDsEventMsgMeta, a NvDsInferTensorMeta, a NvDsInferSegmentationMeta.
EVENT_MSG_META, TENSORS, SEGMENTATION = 9, 12, 13
UNTRACKED = NO_TIME = 2**64 - 1
LABEL_SIZE: int = ffi.sizeof(dict(ffi.typeof("NvDsLabelInfo").fields)["result_label"].type)  # chars of a label, NUL included

_BATCH_GST_META, _FRAME_META = 4097, 2  # NvDsMetaType
_META_MUTEX = offset_of("NvDsBatchMeta", "meta_mutex")  # which nvds_acquire_meta_lock locks
# Where the beginnings of lists are stored: in a NvDsBatchMeta its frames, in a NvDsFrameMeta its objects; and user metadata.
BATCH_FRAMES, FRAME_OBJECTS = offset_of("NvDsBatchMeta", "frame_meta_list"), offset_of("NvDsFrameMeta", "obj_meta_list")
USERS = {
    "batch": offset_of("NvDsBatchMeta", "batch_user_meta_list"),
    "frame": offset_of("NvDsFrameMeta", "frame_user_meta_list"),
}

_gst_meta = reader("NvDsMeta", "meta_data", "meta_type")
_pools = reader("NvDsBatchMeta", "frame_meta_pool", "obj_meta_pool", "classifier_meta_pool")
_pool = reader("NvDsMetaPool", "meta_type", "element_size")
batch_fields = reader("NvDsBatchMeta", "frame_meta_list", "batch_user_meta_list")
frame_fields = reader(
    "NvDsFrameMeta",
    *("pad_index", "batch_id", "frame_num", "buf_pts", "ntp_timestamp", "source_id", "source_frame_width", "source_frame_height"),
    *("obj_meta_list", "frame_user_meta_list"),
)
user_fields = reader("NvDsUserMeta", "base_meta.meta_type", "base_meta.uContext", "user_meta_data")
classifier_fields = reader("NvDsClassifierMeta", "unique_component_id", "label_info_list")
label_fields = reader(
    "NvDsLabelInfo", "num_classes", "result_label", "pResult_label", "result_class_id", "label_id", "result_prob"
)


@dataclass(frozen=True)
class Layout:
    """The layout of the structures of some versions.

    ``since`` is the first of the ``versions``. ``sizes``, in bytes, are of NvDsFrameMeta, NvDsObjectMeta and NvDsClassifierMeta.
    ``object_meta`` names the structure of declared.h for an object. ``event_size`` is that of NvDsEventMsgMeta, the largest of
    these versions, ``other_attrs`` the place of the field in it.
    """

    versions: str
    since: tuple[int, int]
    sizes: tuple[int, int, int]
    object_meta: str
    event_size: int
    other_attrs: int

    @cached_property
    def object_tail(self) -> int:
        """The place of the NvDsObjectTail in an object."""
        return offset_of(self.object_meta, "tail")

    @cached_property
    def mask(self) -> int:
        """The place of the mask in an object."""
        return offset_of(self.object_meta, "mask_params")

    @cached_property
    def angle(self) -> int:
        """The place of the angle in an object, in degrees; 0: it has none."""
        return offset_of(self.object_meta, "rotation_angle") if self.since >= (9, 0) else 0

    @cached_property
    def users_of_object(self) -> int:
        """The place of an object's list of user metadata."""
        return self.object_tail + offset_of("NvDsObjectTail", "obj_user_meta_list")

    @cached_property
    def event_fields(self) -> Reader:
        """A function that reads ``objectId`` and ``otherAttrs`` of a NvDsEventMsgMeta."""
        place = offset_of("NvDsEventMsgMeta", "objectId")
        return unpacker(f"={place}xQ{self.other_attrs - place - 8}xQ")

    @cached_property
    def object_fields(self) -> Reader:
        """A function that reads an object; the box is left, top, width and height, and the angle where there is one."""
        head = ("parent", "unique_component_id", "class_id", "object_id", "confidence", "tracker_confidence")
        box = ("left", "top", "width", "height")
        tail = ("text_params.display_text", "obj_label", "classifier_meta_list", "obj_user_meta_list")
        return reader(
            self.object_meta,
            *(f"head.{name}" for name in head),
            *(f"head.rect_params.{name}" for name in box),
            *(("rotation_angle",) if self.angle else ()),
            "mask_params.data",
            *(f"tail.{name}" for name in tail),
        )


LAYOUTS = (
    Layout("5.0 and 5.1", (5, 0), (192, 544, 56), "NvDsObjectMeta", 184, 152),
    Layout("6.0 to 7.1", (6, 0), (200, 544, 64), "NvDsObjectMeta", 264, 152),
    Layout("8.0", (8, 0), (232, 544, 64), "NvDsObjectMeta", 14032, 13832),
    Layout("9.0 and 9.1", (9, 0), (232, 552, 64), "NvDsObjectMeta9", 14040, 13832),
)


def layout_of(batch: int) -> Layout:
    """Return the layout of the DeepStream that made the NvDsBatchMeta at an address. Raises MetadataError where it is unknown."""
    pools = [_pool(pool) for pool in _pools(batch)]
    kind = pools[0][0]
    if kind != _FRAME_META:
        raise MetadataError(f"DeepStream's metadata on the buffer is of no batch of video frames (meta type {kind}; video has 2)")
    sizes = tuple(size for _, size in pools)
    for layout in LAYOUTS:
        if layout.sizes == sizes:
            return layout
    known = ", ".join(f"{'/'.join(map(str, layout.sizes))} ({layout.versions})" for layout in LAYOUTS)
    raise MetadataError(
        f"this version of DeepStream is not known: its frames/objects/classifiers have {'/'.join(map(str, sizes))} bytes; "
        f"known are {known}"
    )


def batch_in(meta_address: int) -> int:
    """Return the address of the NvDsBatchMeta in the NvDsMeta at an address; 0: it has something else."""
    data, kind = _gst_meta(meta_address)
    return data if kind == _BATCH_GST_META else 0


# The version of DeepStream, where the sizes of its structures are not enough: numbers in its enums move between minor versions.


# NVDS_CUSTOM_MSG_BLOB from a version on. 6.4 to 7.1 are inferred: no header of theirs was at hand.
_BLOBS = (((8, 0), 29), ((6, 4), 28), ((6, 3), 22), ((6, 0), 20))
_CONVERTER = b"nvdsgst_msgconv"  # the plugin of nvmsgconv, which alone reads blobs


@lru_cache(maxsize=4)
def msg_blob_type(layout: Layout) -> int:
    """Return the NvDsMetaType of a message for nvmsgconv. Raises DeepStreamError where this version has none, or is not known."""
    version = layout.since if layout.since >= (8, 0) or layout.since < (6, 0) else _version()
    for since, number in _BLOBS:
        if version >= since:
            return number
    raise DeepStreamError(f"DeepStream {layout.versions} has no NVDS_CUSTOM_MSG_BLOB, which came with 6.0; set msg-blob=false")


@lru_cache(maxsize=4)
def has_segmentation_id(layout: Layout) -> bool:
    """Return whether a NvDsInferSegmentationMeta has its unique_id, as from 6.2 on; False where this version is not known."""
    if layout.since >= (8, 0) or layout.since < (6, 0):
        return layout.since >= (8, 0)
    try:
        return _version() >= (6, 2)
    except DeepStreamError:
        return False


def _version() -> tuple[int, int]:
    plugin = gst.gst_registry_find_plugin(gst.gst_registry_get(), _CONVERTER)
    version = text(gst.gst_plugin_get_version(plugin)) if plugin else ""
    found = re.search(r"^(\d+)\.(\d+)", version) or re.search(r"deepstream-(\d+)\.(\d+)", nvds_path())
    if found:
        return int(found[1]), int(found[2])
    raise DeepStreamError(
        "msg-blob=true has to know which DeepStream from 6.0 to 7.1 this is, but nvmsgconv is not installed and "
        f"{nvds_path()} is in no folder like deepstream-6.3; set msg-blob=false"
    )


# NVIDIA's lock of a batch, and Python's own, the GIL.
#
# Whoever looks at the lists of a batch, or changes them, holds the lock of the batch, as NVIDIA's elements do. With Python in the
# process two threads can wait for each other without end: one has the lock and wants the GIL, the other one keeps the GIL
# while it
# waits for the lock. pyds does both: it waits without letting go of the GIL, and is Python while it has the lock. So here
#
# - nobody waits for the lock: it is tried, and between two tries the GIL is free for whoever has the lock and wants it;
# - nobody lets go of the GIL while having the lock: whoever waits for it with the GIL finds it free.
#
# The interpreter may give the GIL to another thread between any two instructions of Python's. So there are none while the lock is
# held: what is to be done is prepared as :class:`Steps`, iterators over functions of C, and one call of C does all of it.


_PAUSE_S = 50e-6  # between two tries
# Up to 3.11 an allocation of memory may start Python's collector of garbage, which runs Python and lets go of the GIL.
_COLLECTS_ANYWHERE = sys.version_info < (3, 12)

_Address = ctypes.c_size_t
GLIB = ctypes.PyDLL("libglib-2.0.so.0")  # PyDLL keeps the GIL during a call
_try_lock = ctypes.PYFUNCTYPE(ctypes.c_int, _Address)(("g_rec_mutex_trylock", GLIB))
_unlock = ctypes.PYFUNCTYPE(None, _Address)(("g_rec_mutex_unlock", GLIB))
_find = ctypes.PYFUNCTYPE(_Address, _Address, _Address)(("g_list_find", GLIB))
_pointer = unpacker("=Q")
_list_at, chars_at = (partial(ffi.cast, ffi.typeof(name)) for name in ("Addresses *", "const char *"))


class Steps:
    """Lists to be filled under the lock of a batch, one after the other, each from an iterator.

    An iterator may go over the lists of earlier steps. It must be of C, as those of itertools and map() are, with functions of C
    that keep the GIL: no generator, no function of Python's, none of cffi's.
    """

    def __init__(self) -> None:
        self._lists: list[list[Any]] = []
        self._sources: list[Iterator[Any]] = []

    def fill(self, source: Iterator[Any]) -> list[Any]:
        """Add a step, and return the list that it will fill."""
        filled: list[Any] = []
        self._lists.append(filled)
        self._sources.append(source)
        return filled

    def find(self, place: int, member: int) -> list[Any]:
        """Add a step that looks for a member in the GList whose beginning is stored at ``place``; 0: it is there."""
        return self.fill(filter(None, map(_find, pointers_at((place,)), (member,))) if place else iter((member,)))

    def run(self, batch: int) -> None:
        """Do the steps, once, with the lock of the batch at an address."""
        while not self._try_run(batch + _META_MUTEX):
            time.sleep(_PAUSE_S)  # without the GIL

    def _try_run(self, mutex: int) -> bool:
        """Do the steps if nobody has the lock; return whether that is so."""
        locked, unlocked = list[int](), list[None]()
        # What comes behind the first of them is reached only if `locked` is not empty by then.
        if_locked = compress([*self._sources, map(_unlock, (mutex,))], chain.from_iterable(map(repeat, locked)))
        sources = chain([filter(None, map(_try_lock, (mutex,)))], if_locked)
        work: Iterable[Any] = map(list.extend, [locked, *self._lists, unlocked], sources)
        collects = _COLLECTS_ANYWHERE and gc.isenabled()
        if collects:
            work = chain(starmap(gc.disable, ((),)), work, starmap(gc.enable, ((),)))
        try:
            deque(work, 0)  # from here to its end no instruction of Python's is run
        except BaseException:
            if collects:
                gc.enable()
            if locked and not unlocked:
                _unlock(mutex)
            raise
        return bool(unlocked)


# Iterators for steps.


flat = chain.from_iterable  # all that is in several lists
_NEXT, _BOOL, _GETATTR, _DATA = repeat(repeat("next")), repeat(bool), repeat(getattr), repeat(attrgetter("data"))


def lists_at(heads: Iterable[int]) -> Iterator[list[int]]:
    """Return the pointers in each of the GLists that begin at addresses; those that are 0 are left out."""
    following = map(chain, zip(map(_list_at, filter(None, heads))), _NEXT)  # head, "next", "next", …
    nodes = map(takewhile, _BOOL, map(accumulate, following, _GETATTR))  # head, head.next, head.next.next, …
    return map(list, map(map, _DATA, nodes))


def pointers_at(places: Iterable[int]) -> Iterator[int]:
    """Return the pointer stored at each place."""
    return flat(map(_pointer, places))


def texts_at(addresses: Iterable[int]) -> Iterator[bytes]:
    """Return the text at each address; those that are 0 are left out."""
    return map(ffi.string, map(chars_at, filter(None, addresses)))


def change(batch: int, place: int, member: int, *calls: tuple[Callable[..., Any], tuple[Any, ...]]) -> bool:
    """Call functions of C, each with its arguments, under the lock of a batch, and return whether that was done.

    It is where ``member`` is still in the GList whose beginning is stored at ``place``; ``place`` 0: in any case.
    """
    steps = Steps()
    found = steps.find(place, member)
    for function, arguments in calls:
        steps.fill(starmap(function, compress((arguments,), found)))
    steps.run(batch)
    return bool(found)
