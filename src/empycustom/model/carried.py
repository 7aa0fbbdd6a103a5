"""The JSON on buffers: what is declared of it, and the arrays of objects as they are in it.

Geometry is in parts of the object's box there, so that what scales or crops a frame need not touch it.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import atan2, cos, hypot, sin
from typing import Any, Final, TypeAlias

from empycustom.model.arrays import ARRAYS, EMBEDDING, IN_BOX, KEYPOINTS, MASK, ROTATION, SPECIAL
from empycustom.model.fields import BOX_DICT, LARGEST, NUMBER, PIXELS, Key
from empycustom.model.keys import (
    BOX,
    BOX_IN_REGION,
    CONFIDENCE,
    FRAME_NUM,
    FROM_FRAME,
    HEIGHT,
    LABEL,
    LARGEST_FRAME_NUM,
    OBJECT_DICT,
    OBJECTS,
    PACKED,
    RECORD_KEY,
    SCHEMA_VERSION,
    TIMESTAMP,
    VERSION,
    WIDTH,
)
from empycustom.model.masks import decode_rle, encode_rle
from empycustom.model.schema import ABSENT, ANYTHING, Array, Integer, Object, Schema, Text
from empycustom.model.serialize import decode, encode
from empycustom.model.turns import UNTURNED, Turn, turned_angle, turned_mask, turned_points, within_a_turn

REGION: Final = "region"
NUMBERS: Final = "numbers"
_TYPES: Final = {"float32": "<f4", "float16": "<f2"}


# Arrays of objects.


def pack(found: Mapping[str, Any], region: Sequence[float] | None = None) -> dict[str, Any]:
    """Return the arrays and the rotation of an object of in_meta as they are in the JSON on buffers; empty: it has none.

    ``region`` is the box in pixels that the object's own metadata has, where elements move that.
    """
    packed: dict[str, Any] = {}
    if IN_BOX.isdisjoint(found):
        return packed
    if region is not None:
        packed[REGION] = [*region]
    left, top, width, height = found[BOX].values()
    if ROTATION in found:
        packed[ROTATION] = [found[ROTATION], width, height]
    if KEYPOINTS in found:
        packed[KEYPOINTS] = _text((found[KEYPOINTS] - (left, top, 0)) / (width or 1, height or 1, 1), "float32")
    if MASK in found:
        packed[MASK] = encode_rle(found[MASK])
    if EMBEDDING in found:
        kind = found[EMBEDDING].dtype.name
        packed[EMBEDDING] = {"type": kind, "data": _text(found[EMBEDDING], kind)}
    return packed


def unpack(
    packed: Mapping[str, Any], found: dict[str, Any], factors: tuple[float, float] = (1, 1), turn: Turn = UNTURNED
) -> None:
    """Complete an object of in_meta, which has a box, by what :func:`pack` made of it.

    ``factors`` are by how much the frame has become wider and higher: for boxes without a size, which do not say it. ``turn`` is
    how it was mirrored and turned.
    """
    import numpy as np

    left, top, width, height = found[BOX].values()
    if KEYPOINTS in packed:
        size = (width or factors[0], height or factors[1], 1)
        points = _numbers(packed[KEYPOINTS], "float32").reshape(-1, 3)
        points = (turned_points(points, turn) if any(turn) else points) * np.array(size, np.float32)
        points += np.array((left, top, 0), np.float32)
        found[KEYPOINTS] = points
    if MASK in packed:
        mask = decode_rle(packed[MASK])
        found[MASK] = turned_mask(mask, turn) if any(turn) else mask
    if EMBEDDING in packed:
        found[EMBEDDING] = _numbers(packed[EMBEDDING]["data"], packed[EMBEDDING]["type"]).copy()
    if ROTATION in packed:
        angle, *size = packed[ROTATION]
        found[ROTATION] = angle = turned_angle(within_a_turn(angle), turn)
        size = size[::-1] if turn.swaps else size
        if size != [width, height] and not _is_uniform(size, (width, height)):
            _turn(found, angle, (width / (size[0] or 1), height / (size[1] or 1)))


def _text(numbers: Any, kind: str) -> str:
    return b64encode(numbers.astype(_TYPES[kind]).tobytes()).decode("ascii")


def _numbers(text: str, kind: str) -> Any:
    """Return the numbers of a text, which cannot be changed."""
    import numpy as np

    return np.frombuffer(b64decode(text), _TYPES[kind])


def _is_uniform(before: Any, now: tuple[float, float]) -> bool:
    """Return whether a box was scaled by one factor, as far as boxes of whole pixels say it."""
    if not (before[0] and before[1] and now[0] and now[1]):
        return True
    factor = (now[0] * now[1] / (before[0] * before[1])) ** 0.5
    return bool(abs(before[0] * factor - now[0]) <= 1 and abs(before[1] * factor - now[1]) <= 1)


def _turn(found: dict[str, Any], angle: float, factors: tuple[float, float]) -> None:
    """Turn the box of an object, which was scaled by two factors as if it were upright, as the picture was scaled.

    A turned box becomes a parallelogram then; the box has its area, and its side across.
    """
    across, down = factors
    x, y = cos(angle) * across, sin(angle) * down
    found[ROTATION] = within_a_turn(angle + _difference(atan2(y, x), angle))
    if BOX not in found:
        return
    left, top, width, height = found[BOX].values()
    new_width = width / across * hypot(x, y)
    new_height = width * height / new_width if new_width else height
    corner = (left + (width - new_width) / 2, top + (height - new_height) / 2)
    found[BOX] = dict(zip(found[BOX], (*corner, new_width, new_height), strict=True))


def _difference(angle: float, other: float) -> float:
    return atan2(sin(angle - other), cos(angle - other))


def scaled_object(found: Mapping[str, Any], factors: tuple[float, float]) -> dict[str, Any]:
    """Return an object, or a change of one, whose frame became wider and higher by two factors."""
    across, down = factors
    made = dict(found)
    if BOX in made:
        left, top, width, height = made[BOX].values()
        made[BOX] = dict(zip(BOX_DICT.fields, (left * across, top * down, width * across, height * down), strict=True))
    if made.get(KEYPOINTS) is not None:
        made[KEYPOINTS] = (made[KEYPOINTS] * (across, down, 1)).astype("float32")
    if type(made.get(MASK)) is list:  # polygons, still
        made[MASK] = [[[x * across, y * down] for x, y in part] for part in made[MASK]]
    if ROTATION in made and across != down:
        _turn(made, made[ROTATION], factors)
    return made


def moved_with_box(change: dict[str, Any], before: Any, now: Any) -> dict[str, Any]:
    """Return a change of an object, whose box has moved since, where the box is now; one that has a box itself as it is."""
    if BOX in change or before == now or not (change.get(KEYPOINTS) is not None or type(change.get(MASK)) is list):
        return change
    (left, top, width, height), (x, y, wide, high) = before.values(), now.values()
    across, down = wide / (width or 1) or 1, high / (height or 1) or 1
    made = dict(change)
    if change.get(KEYPOINTS) is not None:
        made[KEYPOINTS] = ((change[KEYPOINTS] - (left, top, 0)) * (across, down, 1) + (x, y, 0)).astype("float32")
    if type(change.get(MASK)) is list:
        made[MASK] = [[[(point[0] - left) * across + x, (point[1] - top) * down + y] for point in part] for part in change[MASK]]
    return made


# As JSON.


def as_json(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an object with its arrays as they are in documents: JSON (bytes), and RLE as a dict."""
    if ARRAYS.isdisjoint(found):
        return found
    made = dict(found)
    for key in ARRAYS & found.keys():
        value = found[key]
        if hasattr(value, "dtype"):
            made[key] = encode_rle(value) if key == MASK else encode(value.ravel())
    return made


def with_base64(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an object as :func:`as_json` does, its embedding as a text: float32 in base64, the lowest byte first."""
    if hasattr(found.get(EMBEDDING), "dtype"):
        found = {**found, EMBEDDING: _text(found[EMBEDDING], "float32")}
    return as_json(found)


Form: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]
# What makes an object as documents have it, by the choice of EMBEDDINGS.
FORMS: Final[Mapping[str, Form]] = {"list": as_json, "base64": with_base64}


def as_plain(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with its arrays as a document that was read has them: lists, and RLE."""
    return {key: decode(value) if type(value) is bytes else value for key, value in as_json(found).items()}


# Declarations.


class _Version(Integer):
    def problem(self, value: Any) -> str:
        if type(value) is int and value > SCHEMA_VERSION:
            return f"{value} is newer than {SCHEMA_VERSION}, the newest that is known here; update empycustom where this is read"
        return super().problem(value)


class _Parts(Schema):
    """Left, top, width and height of a box, in parts of another one."""

    expected_text = "a list of left, top, width and height, in parts of a region"

    def problem(self, value: Any) -> str:
        """Return what is wrong with a value."""
        numbers = isinstance(value, list) and len(value) == len(BOX_DICT.fields) and not any(map(NUMBER.problem, value))
        return "" if numbers and min(value[2:]) >= 0 else self.wrong(value)


@dataclass(eq=False, repr=False)
class _Readable(Schema):
    """What ``read_it`` reads without an exception."""

    read_it: Callable[[Any], Any]
    expected_text: str

    def problem(self, value: Any) -> str:
        """Return what is wrong with a value."""
        try:
            self.read_it(value)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return f"must be {self.expected_text}: {error}"
        return ""


def _finite_numbers(text: Any, kind: str, multiple: int) -> None:
    import numpy as np

    numbers = np.frombuffer(b64decode(text, validate=True), _TYPES[kind]).astype(float)
    if not numbers.size or numbers.size % multiple or not np.isfinite(numbers).all():
        raise ValueError(f"there have to be finite numbers, {multiple} for each, not {numbers.size}")


def _rotation(value: Any) -> None:
    angle, width, height = value
    if any(map(NUMBER.problem, value)) or min(width, height) < 0:
        raise ValueError(f"not {angle}, {width}, {height}")


def _region(value: Any) -> None:
    left, top, width, height = value
    if any(map(NUMBER.problem, value)) or min(width, height) < 0:
        raise ValueError(f"not {left}, {top}, {width}, {height}")


PACKED_DICT = Object(
    {
        ROTATION: Key(_Readable(_rotation, "radians, width and height"), "radians, and the size of the box that is turned"),
        REGION: Key(_Readable(_region, "four numbers"), "the box of the object's own metadata, in pixels"),
        KEYPOINTS: Key(
            _Readable(lambda text: _finite_numbers(text, "float32", 3), "float32 in base64"),
            "x and y in parts of the box, and confidence, of each point: float32 in base64",
        ),
        MASK: Key(_Readable(decode_rle, "COCO's RLE"), "COCO's RLE of what is stretched over the box"),
        EMBEDDING: Key(
            _Readable(lambda value: _finite_numbers(value["data"], value["type"], 1), "type and data in base64"),
            "type (float32 or float16), and data in base64",
        ),
    },
    others=ANYTHING,
    expected_text="a JSON object",
)
_PACKED = {PACKED: Key(PACKED_DICT, "rotation, key points, mask and embedding, in parts of the box")}
_OF_OBJECT = {
    name: replace(its, required=False, default=ABSENT)
    for name, its in OBJECT_DICT.fields.items()
    if name != LABEL and name not in IN_BOX
}
_OF_OBJECT[CONFIDENCE] = replace(_OF_OBJECT[CONFIDENCE], schema=NUMBER)  # elements upstream may deliver any
RECORD_DICT = Object(
    {
        RECORD_KEY: Key(Text(), "what ties the entry to its object", required=True),
        LABEL: OBJECT_DICT.fields[LABEL],
        **_OF_OBJECT,
        BOX_IN_REGION: Key(_Parts(), "the box, in parts of the object's region"),
        **_PACKED,
    },
    expected_text="a JSON object",
)
_SIZE_OF_BOXES = {side: Key(PIXELS, "size of the frames that boxes are of, in pixels") for side in (WIDTH, HEIGHT)}
NOTE_DICT = Object(  # in our own metadata on buffers of plain GStreamer
    {
        VERSION: Key(_Version(1), "version of these keys"),
        FRAME_NUM: Key(Integer(0, LARGEST_FRAME_NUM), "number of the frame", required=True),
        TIMESTAMP: Key(Text(), "time of the frame", required=True),
        FROM_FRAME: Key(Integer(0, LARGEST_FRAME_NUM), "number of the earliest frame that attributes are about"),
        **_SIZE_OF_BOXES,
        OBJECTS: Key(Array(RECORD_DICT), "what the metadata of the objects themselves cannot hold"),
        NUMBERS: Key(Array(Integer(0)), "numbers of all objects, in their order, where elements may number them anew"),
    },
    others=ANYTHING,
    expected_text="a JSON object",
)
_MARKED = Object(
    {
        RECORD_KEY: Key(Integer(1, LARGEST), "what ties the entry to its object", required=True),
        **{name: its for name, its in _OF_OBJECT.items() if name in SPECIAL},
        **_PACKED,
    },
    others=ANYTHING,
)
EVENT_DICT = Object(  # in our events on batches of DeepStream
    {VERSION: NOTE_DICT.fields[VERSION], OBJECTS: Key(Array(_MARKED), "attributes of objects")},
    others=ANYTHING,
    expected_text="a JSON object",
)
