"""NVIDIA's own libraries of metadata, used as its elements use them: batches are made, copied and freed by libnvds_meta.so.

Nothing here is of the project. Places in structures are of DeepStream 9, which the package on PyPI is.
"""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path
from typing import Any


def _folder() -> Path | None:
    try:
        spec = importlib.util.find_spec("nvidia.deepstream_videodecode")
    except ModuleNotFoundError:
        return None
    return Path(spec.submodule_search_locations[0], "_libs") if spec else None


FOLDER = _folder()
WHY_NOT = "" if FOLDER else "nvidia-deepstream-videodecode-cu13 is not installed; it is for x86_64 (tools/setup.sh dev)"
LIBRARIES = [ctypes.CDLL(str(FOLDER / name)) for name in ("libnvds_meta.so", "libnvdsgst_meta.so")] if FOLDER else []

BATCH_GST_META = 4097
UNTRACKED = 2**64 - 1
EVENT_MSG_META = 9
TEXT, LABEL, CLASSIFIERS, USERS = 240, 344, 472, 480  # in NvDsObjectMeta
OTHER_ATTRS = 13832  # in NvDsEventMsgMeta


def function(name: str) -> Any:
    """Return one of NVIDIA's functions."""
    return next(getattr(library, name) for library in LIBRARIES if hasattr(library, name))


def call(name: str, *arguments: int | bytes) -> int:
    """Call one of NVIDIA's functions; pointers are integers."""
    called = function(name)
    called.restype = ctypes.c_void_p
    return called(*(item if isinstance(item, bytes) else ctypes.c_void_p(item) for item in arguments)) or 0


_glib = ctypes.CDLL("libglib-2.0.so.0")
_glib.g_strdup.restype = ctypes.c_void_p


def strdup(text: bytes) -> int:
    return _glib.g_strdup(text)


def put(kind: Any, address: int, *values: Any) -> None:
    """Write numbers of a ctypes kind one behind the other."""
    (kind * len(values)).from_address(address)[:] = values


def get(kind: Any, address: int) -> Any:
    return kind.from_address(address).value


INT, UINT, LONG, FLOAT = ctypes.c_int32, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_float


def put_chars(address: int, text: bytes) -> None:
    ctypes.memmove(address, text + b"\0", len(text) + 1)


def items(address: int) -> list[int]:
    """Return the pointers in a GList."""
    found = []
    while address:
        found.append(get(LONG, address))
        address = get(LONG, address + 8)
    return found


def attach(buffer: int, frames: list[dict[str, Any]]) -> int:
    """Attach a batch to the buffer at an address, as nvstreammux and nvinfer do; return the batch's address."""
    batch = call("nvds_create_batch_meta", len(frames))
    put(UINT, batch + 40, len(frames))  # max_frames_in_batch
    for index, about in enumerate(frames):
        frame = call("nvds_acquire_frame_meta_from_pool", batch)
        put(UINT, frame + 40, about.get("pad_index", index), index)
        put(INT, frame + 48, about.get("frame_num", 0))
        put(LONG, frame + 56, about.get("buf_pts", 0), about.get("ntp_timestamp", 0))
        put(UINT, frame + 72, about.get("source_id", index), 1, about.get("width", 1920), about.get("height", 1080))
        call("nvds_add_frame_meta_to_batch", batch, frame)
        for found in about.get("objects", ()):
            add_object(batch, frame, found)
    functions = [ctypes.cast(function(f"nvds_batch_meta_{name}_func"), ctypes.c_void_p).value for name in ("copy", "release")]
    meta = call("gst_buffer_add_nvds_meta", buffer, batch, 0, *functions)
    put(INT, meta + 32, BATCH_GST_META)
    return batch


def add_object(batch: int, frame: int, about: dict[str, Any]) -> int:
    """Add an object to a frame, as a detector, a tracker and classifiers make it."""
    found = call("nvds_acquire_obj_meta_from_pool", batch)
    put(INT, found + 48, about.get("unique_component_id", 1), about.get("class_id", 0))
    put(LONG, found + 56, about.get("object_id", UNTRACKED))
    put(FLOAT, found + 96, about.get("confidence", 1.0), about.get("tracker_confidence", 0.0))
    put(FLOAT, found + 104, *about.get("rect", (0, 0, 10, 10)))
    if "text" in about:
        put(LONG, found + TEXT, strdup(about["text"]))
    put_chars(found + LABEL, about.get("label", b""))
    for component, labels in about.get("classifiers", ()):
        classifier = call("nvds_acquire_classifier_meta_from_pool", batch)
        put(UINT, classifier + 40, len(labels), component)
        for number, (text, probability) in enumerate(labels):
            label = call("nvds_acquire_label_info_meta_from_pool", batch)
            put(UINT, label + 40, len(labels))
            if len(text) < 128:
                put_chars(label + 44, text)
            else:
                put(LONG, label + 176, strdup(text))
            put(UINT, label + 184, number, number + 10)
            put(FLOAT, label + 192, probability)
            call("nvds_add_label_info_meta_to_classifier", classifier, label)
        call("nvds_add_classifier_meta_to_object", found, classifier)
    call("nvds_add_obj_meta_to_frame", frame, found, 0)
    return found


def batch_of(buffer: Any) -> int:
    """Return the batch on a Gst.Buffer, 0: none."""
    return call("gst_buffer_get_nvds_batch_meta", hash(buffer))


def frames_of(batch: int) -> list[int]:
    return items(get(LONG, batch + 96))


def objects_of(frame: int) -> list[int]:
    return items(get(LONG, frame + 104))


def label_of(found: int) -> bytes:
    return ctypes.string_at(found + LABEL)


def events_of(frame: int) -> list[tuple[str, str]]:
    """Return objectId and otherAttrs of every NvDsEventMsgMeta on a frame."""
    users = [user for user in items(get(LONG, frame + 120)) if get(INT, user + 8) == EVENT_MSG_META]
    events = [get(LONG, user + 40) for user in users]
    return [tuple(ctypes.string_at(get(LONG, event + place)).decode() for place in (136, OTHER_ATTRS)) for event in events]


LABELS = (b"car", b"person", b"bike")


def traffic(number: int, *, batch_size: int, objects: int, ntp: bool = True) -> list[dict[str, Any]]:
    """Make up the frames of the batch of that number: the same for the same number."""
    return [
        {
            "source_id": 10 + source,
            "frame_num": number,
            "buf_pts": number * 33_000_000,
            "ntp_timestamp": 1_600_000_000_000_000_000 + number * 33_000_000 if ntp else 0,
            "objects": [_found(source, index) for index in range(objects)],
        }
        for source in range(batch_size)
    ]


def _found(source: int, index: int) -> dict[str, Any]:
    label = LABELS[index % 3]
    return {
        "label": label,
        "class_id": index % 3,
        "object_id": UNTRACKED if index % 2 else 1000 * source + index,
        "confidence": 0.5 + index / 100,
        "tracker_confidence": 0.25,
        "rect": (10 * index + 0.5, 5 * index + 0.25, 8, 6),
        "text": b"%s %d" % (label, index),
        "classifiers": [(2, [(b"red", 0.75)]), (3, [(b"x" * 200, 0.5), (b"small", 0.125)])] if index == 0 else [],
    }
