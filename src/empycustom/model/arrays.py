"""What an object has beside its box: key points, a mask, an embedding; the forms that are accepted, and the one that is kept.

That one is what ``in_meta`` has: arrays of the object's own. NumPy is imported when there are some.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from empycustom.model.masks import MOST_PIXELS, decode_rle, polygon_mask
from empycustom.model.numbers import Numbers, as_array, is_empty, means_no_number
from empycustom.model.schema import Object, Problem, Unusual
from empycustom.model.values import Box, Important
from empycustom.text import below

if TYPE_CHECKING:
    import numpy as np

    NumPyArray = np.ndarray[Any, np.dtype[Any]]

BOX: Final = "rect_params"
ROTATION: Final = "rotation"
KEYPOINTS: Final = "keypoints"
KEYPOINT_NAMES: Final = "keypoint_names"
SKELETON: Final = "skeleton"
MASK: Final = "mask"
EMBEDDING: Final = "embedding"
EMBEDDINGS: Final = {  # how documents have them, as users choose it
    "list": "Lists of numbers",
    "base64": "Texts: float32 in base64, the lowest byte first",
}
ARRAYS: Final = frozenset((KEYPOINTS, MASK, EMBEDDING))  # whose values are arrays in in_meta
IN_BOX: Final = frozenset((*ARRAYS, ROTATION))  # what is carried in another form than that of in_meta
ABOUT_KEYPOINTS: Final = (KEYPOINT_NAMES, SKELETON)
UNIQUE_ID: Final = "unique_id"
PARENT_ID: Final = "parent_id"
SPECIAL: Final = frozenset((*IN_BOX, *ABOUT_KEYPOINTS, UNIQUE_ID, PARENT_ID))  # what an object need not have

_FAR = float(2**31 - 1)  # pixels, as boxes have them at most
_NEAR = 0.01  # by which a mask that was stretched may leave the range of confidences
_FEW = 5  # numbers of a mask that a message shows
_LONGEST = 1 << 20  # numbers of an embedding; one that somebody mistyped must not take the memory of the machine


# Key points.


_POINTS = "an array (n, 3) of x, y in pixels and a confidence from 0 to 1, one (n, 2), or a list of these or of dicts"
_POINT_KEYS = frozenset(("x", "y", "confidence", "name"))


def keypoints_of(value: Any) -> NumPyArray:
    """Return key points, in every form that is accepted, as a new array of float32 (n, 3). Raises ValueError."""
    import numpy as np

    if isinstance(value, (list, tuple)) and value and isinstance(value[0], Mapping):
        value = [_point(point, index) for index, point in enumerate(value)]
    given = as_array(value, _POINTS)
    if given.ndim == 1 and given.size % 3 == 0:
        given = given.reshape(-1, 3)
    if given.ndim != 2 or given.shape[1] not in (2, 3) or given.dtype.kind == "b":
        raise ValueError(f"has the shape {given.shape}, and must be {_POINTS}")
    points = np.ones((len(given), 3), np.float32)
    points[:, : given.shape[1]] = given
    if len(points):
        x, y, low = points.min(axis=0).tolist()
        right, bottom, high = points.max(axis=0).tolist()
        if not (x >= -_FAR and y >= -_FAR and low >= 0 and right <= _FAR and bottom <= _FAR and high <= 1):  # NaN is neither
            raise ValueError(_wrong_point(points))
    return points


def _point(point: Any, index: int) -> list[Any]:
    if not isinstance(point, Mapping) or not {"x", "y"} <= point.keys() <= _POINT_KEYS:
        raise ValueError(f"point {index} must be a dict of x, y, and perhaps confidence and name")
    if not isinstance(point.get("name", ""), str):
        raise ValueError(f"the name of point {index} must be text")
    return [point["x"], point["y"], point.get("confidence", 1.0)]


def _wrong_point(points: NumPyArray) -> str:
    import numpy as np

    x, y, sure = points.T
    right = np.isfinite(points).all(axis=1) & (np.abs(x) <= _FAR) & (np.abs(y) <= _FAR) & (sure >= 0) & (sure <= 1)
    index = int(np.flatnonzero(~right)[0])
    advice = "finite numbers of pixels and a confidence from 0 to 1; a point that was not found has the confidence 0"
    return f"point {index} is {points[index].tolist()}, and must have {advice}"


def names_in(value: Any) -> list[str] | None:
    """Return the names of key points that are given as dicts; None: there are none."""
    points = value if isinstance(value, (list, tuple)) and value and isinstance(value[0], Mapping) else ()
    named = [point.get("name") for point in points]
    return ["" if name is None else name for name in named] if any(named) else None


def pairs_of(value: Any) -> list[list[int]]:
    """Return the lines of a skeleton as a list of pairs of indices. Raises ValueError."""
    what = "a list of pairs [i, j] of indices of key points"
    given = as_array(value, what)
    if given.size == 0:
        return []
    if given.ndim != 2 or given.shape[1] != 2 or given.dtype.kind not in "iu" or int(given.min()) < 0:
        raise ValueError(f"must be {what}, which count from 0")
    return given.tolist()  # type: ignore[no-any-return]


KEYPOINTS_SCHEMA = Numbers(keypoints_of, _POINTS, {"type": "array", "items": {"type": "number"}})
SKELETON_SCHEMA = Numbers(
    pairs_of,
    "a list of pairs [i, j]",
    {"type": "array", "items": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 2, "maxItems": 2}},
    "list",
)


# Masks.


_MASK = (
    "an array (height, width) of 0 and 1 or of confidences, a polygon of three or more [x, y], COCO's polygons "
    "[[x1, y1, x2, y2, ...], ...], or COCO's RLE"
)
_CORNERS = "must have three or more [x, y] of finite numbers of pixels"
Polygons = list[list[list[float]]]
"""The mask of an object whose box is not known yet: its parts, each a list of corners [x, y] in pixels of the frame."""


def mask_of(value: Any) -> Any:
    """Return a mask as a new array (h, w): uint8 of 0 and 1, or float32 of confidences. Polygons are :data:`Polygons`, still.

    Raises ValueError.
    """
    if isinstance(value, Mapping):
        return decode_rle(value)
    if parts := _parts_of(value):
        return [_corners(part) for part in parts]
    import numpy as np

    given = as_array(value, _MASK)
    if given.ndim != 2 or not given.size:
        raise ValueError(f"has the shape {given.shape}, and must be {_MASK}")
    if given.shape[1] == 2 and _is_polygon(value, given):
        return [_corners(given)]
    if given.size > MOST_PIXELS:
        raise ValueError(f"has {given.size} pixels, and may have {MOST_PIXELS}")
    if given.dtype.kind != "f":
        return _covered(given)
    low, high = float(given.min()), float(given.max())
    if not (low >= -_NEAR and high <= 1 + _NEAR):
        numbers = "NaN" if low != low else f"from {low:g} to {high:g}"
        raise ValueError(f"has numbers that are {numbers}, and must have confidences from 0 to 1; of logits make those first")
    return np.clip(given, 0, 1).astype(np.float32)


def _parts_of(value: Any) -> list[Any]:
    """Return the polygons of a list of them, as COCO writes them (each a list of x and y in turn) or of pairs; [] for all else.

    A list of rows of one length whose numbers are not above 1 is a mask.
    """
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(part, (list, tuple)) for part in value):
        return []
    if not all(part and isinstance(part[0], (int, float, list, tuple)) for part in value) or type(value[0][0]) is bool:
        return []
    if isinstance(value[0][0], (list, tuple)):  # pairs
        return list(value)
    is_flat = all(len(part) % 2 == 0 and len(part) >= 6 for part in value)
    is_ragged = len(set(map(len, value))) > 1
    return (
        list(value) if is_flat and (is_ragged or any(number > 1 for part in value for number in part if _is_real(number))) else []
    )


def _is_real(number: Any) -> bool:
    return isinstance(number, (int, float))


def _corners(part: Any) -> list[list[float]]:
    """Return the corners of a polygon. Raises ValueError."""
    import numpy as np

    given = as_array(part, _MASK)
    if given.ndim == 1 and given.size % 2 == 0:
        given = given.reshape(-1, 2)
    if given.ndim != 2 or given.shape[1] != 2:
        raise ValueError(f"has a part of the shape {given.shape}, and must be {_MASK}")
    if len(given) < 3 or given.dtype.kind == "b" or not np.isfinite(given).all() or np.abs(given).max() > _FAR:
        raise ValueError(f"is a polygon, and {_CORNERS}")
    return given.astype(float).tolist()  # type: ignore[no-any-return]


def _covered(given: NumPyArray) -> NumPyArray:
    """Return a mask of whole numbers as one of 0 and 1. Raises ValueError where they are others, which may be anything."""
    import numpy as np

    most = int(given.max())
    is_right = int(given.min()) >= 0 and most <= 1
    if not is_right and given.dtype == np.uint8 and most == 255:  # as pictures of masks are stored
        is_right = bool(((given == 0) | (given == 255)).all())
    if not is_right:
        some = ", ".join(map(str, np.unique(given)[:_FEW].tolist()))
        raise ValueError(
            f"has the whole numbers {some}, and a mask of those has 0 and 1 (of uint8 also 0 and 255): of a map of classes make "
            f"map == number; polygons are lists, {_MASK.partition('confidences, ')[2]}"
        )
    covered: NumPyArray = (given != 0).astype(np.uint8)
    return covered


def _is_polygon(value: Any, given: NumPyArray) -> bool:
    """Return whether what has two columns is a polygon rather than a mask two pixels wide."""
    if isinstance(value, (list, tuple)):
        return True
    return given.dtype.itemsize > 1 and bool((given > 1).any())


MASK_SCHEMA = Numbers(
    mask_of,
    _MASK,
    {
        "type": "object",
        "properties": {
            "size": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
            "counts": {"type": "string"},
        },
        "required": ["size", "counts"],
    },
)


# Embeddings.


_VECTOR = "an array (n,), a list of numbers, or float32 in base64"


def embedding_of(value: Any) -> NumPyArray:
    """Return an embedding as a new array (n,) of float32, or of float16 where it is given as that. Raises ValueError."""
    import numpy as np

    given = _decoded(value) if isinstance(value, (str, bytes)) else as_array(value, _VECTOR)
    if given.size != max(given.shape, default=0) or not given.size or given.dtype.kind == "b":
        raise ValueError(f"has the shape {given.shape}, and must be {_VECTOR}")
    if given.size > _LONGEST:
        raise ValueError(f"has {given.size} numbers, and may have {_LONGEST}")
    with np.errstate(over="ignore"):
        made = given.reshape(-1).astype(given.dtype if given.dtype == np.float16 else np.float32)
    if not np.isfinite(made).all():
        raise ValueError(f"must have finite numbers of {made.dtype}")
    return made


def _decoded(text: str | bytes) -> NumPyArray:
    """Return the numbers in base64: float32, the lowest byte first. Raises ValueError."""
    import numpy as np

    try:
        numbers = b64decode(text, validate=True)
    except ValueError as error:  # also letters beyond ASCII
        raise ValueError(f"must be {_VECTOR}; this text is not base64: {error}") from None
    if len(numbers) % 4:
        raise ValueError(f"must be {_VECTOR}; this text holds {len(numbers)} bytes, and each number has 4")
    return np.frombuffer(numbers, "<f4")


EMBEDDING_SCHEMA = Numbers(
    embedding_of,
    _VECTOR,
    {"anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "string", "contentEncoding": "base64"}]},
)


# Objects that have them.


@dataclass(eq=False, repr=False)
class ObjectWithArrays(Object):
    """An object whose parts have to fit each other: names and lines to key points, a polygon to the box, a part to its whole."""

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        """Yield everything that is wrong."""
        wrong = list(super().problems(value, path))
        yield from wrong
        if not wrong:
            parts = (key for key in (KEYPOINTS, *ABOUT_KEYPOINTS) if not is_empty(value.get(key)))
            read = {key: self.fields[key].schema.read(value[key]) for key in parts}
            yield from misfits(read, path)
            yield from self._astray({**read, **{key: value[key] for key in (UNIQUE_ID, PARENT_ID) if key in value}}, path)

    def _astray(self, made: Mapping[str, Any], path: str) -> Iterator[Problem]:
        """Yield what belongs to nothing; a change may be about the key points that the object has already."""
        if self.fields[BOX].required and made.get(KEYPOINTS) is None:
            for key in ABOUT_KEYPOINTS:
                if made.get(key):
                    yield Problem(below(path, key), f"is there, and {KEYPOINTS} are not; return both, or neither")
        number = made.get(PARENT_ID)
        if not means_no_number(number) and number == made.get(UNIQUE_ID):
            yield Problem(
                below(path, PARENT_ID), f"{number} is the {UNIQUE_ID} of the object itself; name the one it is a part of"
            )

    def completed(self, made: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
        """Return an object that was read of a value, with what follows from its parts. Raises Unusual where they do not fit."""
        if made.get(KEYPOINTS) is not None:
            if KEYPOINT_NAMES not in made and (names := names_in(value[KEYPOINTS])):
                made[KEYPOINT_NAMES] = names
            if any(misfits(made, "")):
                raise Unusual
        if not SPECIAL.isdisjoint(made) and any(self._astray(made, "")):
            raise Unusual
        if type(made.get(MASK)) is list and BOX in made:
            fill_polygon(made)
        return made


def misfits(found: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """Yield what does not fit the key points of an object."""
    if found.get(KEYPOINTS) is None:
        return
    count = len(found[KEYPOINTS])
    there = "there is 1 key point" if count == 1 else f"there are {count} key points"
    names, lines = (found.get(key) or () for key in ABOUT_KEYPOINTS)
    if names and len(names) != count:
        yield Problem(
            below(path, KEYPOINT_NAMES), f"has {len(names)} name{'s' * (len(names) > 1)}, and {there}; name each of them"
        )
    if lines and max(map(max, lines)) >= count:
        yield Problem(below(path, SKELETON), f"has the index {max(map(max, lines))}, and {there}, from 0 on")


COVERS_NOTHING: Final = Important(
    "the mask of an object covers nothing: it is a polygon, of which no part is in the object's rect_params; give its points in "
    "pixels of the frame"
)


def covers_nothing(given: Any, mask: Any) -> bool:
    """Return whether a mask is empty because the polygon that a library has given lies outside of the box."""
    return mask is not None and type(mask) is not list and not mask.any() and type(mask_of(given)) is list


def fill_polygon(found: dict[str, Any]) -> None:
    """Let the mask of an object that is polygons still be the part of them that is in its box."""
    box = Box(*found[BOX].values())
    mask = polygon_mask(found[MASK][0], box)
    for part in found[MASK][1:]:
        mask |= polygon_mask(part, box)
    found[MASK] = mask


def with_changes(found: Mapping[str, Any], change: Mapping[str, Any], warnings: list[str]) -> dict[str, Any]:
    """Return an object of in_meta with what a library changes of it; None takes away what is there.

    Names and lines of key points that do not fit the new points are left out, with a sentence in ``warnings``.
    """
    made = {**found, **change}
    if SPECIAL.isdisjoint(change):
        return made
    if type(made.get(MASK)) is list:
        fill_polygon(made)
        if not made[MASK].any():
            warnings.append(COVERS_NOTHING)
    if made.get(KEYPOINTS) is None:
        made |= dict.fromkeys(ABOUT_KEYPOINTS)
    for problem in list(misfits(made, "")):
        warnings.append(f"{problem.path} of an object was dropped: it {problem.text}")
        made[problem.path] = None
    return {key: value for key, value in made.items() if value is not None}


def without_parent(found: dict[str, Any], gone: Set[int]) -> dict[str, Any]:
    """Return an object without its ``parent_id`` where that is a number of objects that are gone."""
    return {key: value for key, value in found.items() if key != PARENT_ID} if found.get(PARENT_ID) in gone else found
