"""The messages of DL Streamer about a frame: the JSON that its gvametaconvert makes, and what modules of gvapython add.

A frame's own message has the keys of gvametaconvert: ``resolution``, ``timestamp``, ``source`` where it is known, and
``objects``. Attributes from libraries stand beside them: those of the frame on top, those of an object in its entry. What has
another key's name there, or is not a JSON object, stands under ``emcustom``, as in a document. What gvametaconvert adds with
``add-tensor-data`` is there for key points and embeddings alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from empycustom.model import arrays
from empycustom.model.carried import as_plain
from empycustom.model.keys import (
    ATTRIBUTES,
    BOX,
    BUF_PTS,
    CLASS_ID,
    CLASSIFIERS,
    CONFIDENCE,
    FRAMES,
    HEIGHT,
    LABEL,
    LABEL_NAME,
    LABELS,
    OBJECTS,
    SOURCE,
    STREAM_TIME,
    TRACK_ID,
    WIDTH,
)
from empycustom.model.results import merge
from empycustom.model.serialize import dumps, loads
from empycustom.model.values import NOTHING, UNTRACKED, is_nothing

KEYS: Final = ("objects", "resolution", "source", "timestamp")
"""The keys of a frame's own message, beside those of attributes."""
MESSAGES: Final = "messages"
"""The messages that modules of gvapython have added, in their order: a list in the attributes of the frame."""
OWN_MESSAGE: Final = "own_message"
"""False in the attributes of the frame: a module has removed the frame's own message."""


def message_value(text: str) -> Any:
    """Return a message as it stands in ``messages``: a JSON object or array as its value, any other text as it is."""
    try:
        value = loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (dict, list)) else text


def message_text(value: Any) -> str:
    """Return the text of an entry of ``messages``."""
    return value if isinstance(value, str) else dumps(value)


def values_in(document: Mapping[str, Any]) -> Iterator[Any]:
    """Return the messages of all frames of a document, as they stand in ``messages``.

    Each frame's attributes are on top of those of the batch.
    """
    of_batch = document.get(ATTRIBUTES, NOTHING)
    for frame in document[FRAMES]:
        yield from _values_of({**frame, ATTRIBUTES: merge(of_batch, frame.get(ATTRIBUTES, NOTHING))})


def _values_of(frame: Mapping[str, Any]) -> list[Any]:
    attributes, own = frame.get(ATTRIBUTES), own_message(frame)
    added = attributes.get(MESSAGES) if isinstance(attributes, dict) else None
    return [*([] if own is None else [own]), *(added if isinstance(added, list) else [])]


def own_message(frame: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the own message of a frame of ``in_meta`` or of a document.

    None: there are neither objects nor attributes other than messages, or a module has removed it.
    """
    attributes = frame.get(ATTRIBUTES)
    if isinstance(attributes, dict):
        if attributes.get(OWN_MESSAGE) is False:
            return None
        attributes = {name: value for name, value in attributes.items() if not _is_of_messages(name, value)}
    objects = frame[OBJECTS]
    if not objects and is_nothing(attributes):
        return None
    size = frame[WIDTH], frame[HEIGHT]
    made: dict[str, Any] = {}
    if objects:
        made["objects"] = [*map(_entry, objects, region_ids(objects), [size] * len(objects))]
    made["resolution"] = {"height": size[1], "width": size[0]}
    if SOURCE in frame:
        made["source"] = frame[SOURCE]
    time = frame[STREAM_TIME] if frame[STREAM_TIME] >= 0 else frame[BUF_PTS]  # a batch has no stream time
    if time >= 0:
        made["timestamp"] = time
    return _with_attributes(made, attributes)


def is_own(message: Any) -> bool:
    """Return whether an entry of ``messages`` is the own message of a frame, which gvametaconvert or aimeta have made."""
    return isinstance(message, dict) and "resolution" in message


def region_ids(objects: Iterable[Mapping[str, Any]]) -> list[int]:
    """Return the ``region_id`` of each object of a frame: its ``unique_id``, or else a number, from 1, that no other one has."""
    given = [found.get(arrays.UNIQUE_ID) for found in objects]
    used = {number for number in given if number is not None}
    free = (number for number in range(1, len(given) + len(used) + 1) if number not in used)
    return [next(free) if number is None else number for number in given]


def _is_of_messages(name: str, value: Any) -> bool:
    return (name == MESSAGES and isinstance(value, list)) or (name == OWN_MESSAGE and isinstance(value, bool))


def _with_attributes(made: dict[str, Any], attributes: Any) -> dict[str, Any]:
    """Return what was made, with attributes beside its keys; they never take the place of one."""
    if is_nothing(attributes):
        return made
    if not isinstance(attributes, dict):
        return {**made, ATTRIBUTES: attributes}
    without_place = {name: value for name, value in attributes.items() if name in made or name == ATTRIBUTES}
    made.update((name, value) for name, value in attributes.items() if name not in without_place)
    if without_place:
        made[ATTRIBUTES] = without_place
    return made


def _entry(found: Mapping[str, Any], number: int, size: tuple[int, int]) -> dict[str, Any]:
    left, top, width, height = found[BOX].values()
    made: dict[str, Any] = dict(_classifications(found[CLASSIFIERS]))
    made["detection"] = _detection(found, size)
    x, y = max(0, round(left)), max(0, round(top))  # they have no sign there
    made["h"] = max(0, round(top + height) - y)
    if found[TRACK_ID] != UNTRACKED:
        made["id"] = found[TRACK_ID]
    if arrays.PARENT_ID in found:
        made["parent_id"] = found[arrays.PARENT_ID]
    made["region_id"] = number
    if found[LABEL]:
        made["roi_type"] = found[LABEL]
    if not arrays.SPECIAL.isdisjoint(found):
        _add_arrays(made, as_plain(found))
    made["w"], made["x"], made["y"] = max(0, round(left + width) - x), x, y
    return _with_attributes(made, found.get(ATTRIBUTES))


def _detection(found: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    left, top, width, height = found[BOX].values()
    made = {
        "bounding_box": {
            "x_max": (left + width) / size[0],
            "x_min": left / size[0],
            "y_max": (top + height) / size[1],
            "y_min": top / size[1],
        },
        "confidence": found[CONFIDENCE],
    }
    if found[LABEL]:
        made["label"] = found[LABEL]
    if found[CLASS_ID] >= 0:
        made["label_id"] = found[CLASS_ID]
    return made


def _classifications(classifiers: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each label that classifiers gave, with a name that none before has: which model gave it is not known."""
    labels = [label for each in classifiers for label in each[LABELS]]
    for number, label in enumerate(labels, 1):
        made = {
            "confidence": label["result_prob"],
            "label": label[LABEL_NAME],
            "label_id": label["result_class_id"],
            "model": {"name": ""},
        }
        yield "classification" if number == 1 else f"classification_{number}", made


def _add_arrays(made: dict[str, Any], found: Mapping[str, Any]) -> None:
    """Add what an object has as arrays: key points and an embedding as tensors, the rest as documents have it."""
    tensors = []
    if arrays.KEYPOINTS in found:
        tensors.append(_points(found))
    if arrays.EMBEDDING in found:
        tensors.append(_tensor(arrays.EMBEDDING, [len(found[arrays.EMBEDDING])], found[arrays.EMBEDDING]))
    if tensors:
        made["tensors"] = tensors
    for key in (arrays.MASK, arrays.ROTATION):
        if key in found:
            made[key] = found[key]


def _points(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the key points of an object as a tensor: places in parts of its box, and their confidences."""
    left, top, width, height = found[BOX].values()
    numbers = found[arrays.KEYPOINTS]
    pairs = zip(numbers[::3], numbers[1::3], strict=True)
    places = [place for x, y in pairs for place in ((x - left) / (width or 1), (y - top) / (height or 1))]
    made = _tensor(arrays.KEYPOINTS, [len(numbers) // 3, 2], places)
    made["confidence"] = numbers[2::3]
    if names := found.get(arrays.KEYPOINT_NAMES):
        made["point_names"] = names
    if lines := found.get(arrays.SKELETON):
        made["point_connections"] = [end for line in lines for end in line]
    return made


def _tensor(name: str, dims: list[int], data: list[float]) -> dict[str, Any]:
    return {"data": data, "dims": dims, "layout": "ANY", "name": name, "precision": "FP32", "type": name}
