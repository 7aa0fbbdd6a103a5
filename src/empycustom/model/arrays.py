"""What an object has beside its box: key points, a mask, an embedding; the forms that are accepted, and the one that is kept.

That one is what ``in_meta`` has: arrays of the object's own. NumPy is imported when there are some.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from empycustom.model.masks import MOST_PIXELS, decode_rle, polygon_mask
from empycustom.model.schema import Array, Integer, Object, Problem, Reader, Schema, Unusual
from empycustom.model.values import Box
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
ARRAYS: Final = frozenset((KEYPOINTS, MASK, EMBEDDING))  # whose values are arrays in in_meta
IN_BOX: Final = frozenset((*ARRAYS, ROTATION))  # what is carried in another form than that of in_meta
ABOUT_KEYPOINTS: Final = (KEYPOINT_NAMES, SKELETON)
UNIQUE_ID: Final = "unique_id"
PARENT_ID: Final = "parent_id"
SPECIAL: Final = frozenset((*IN_BOX, *ABOUT_KEYPOINTS, UNIQUE_ID, PARENT_ID))  # what an object need not have

_FAR = float(2**31 - 1)  # pixels, as boxes have them at most
_NEAR = 0.01  # by which a mask that was stretched may leave the range of confidences
_LONGEST = 1 << 20  # numbers of an embedding; one that somebody mistyped must not take the memory of the machine


def is_empty(value: Any) -> bool:
    """Return whether a value says that there is none: None, or an empty list or array."""
    has_length = isinstance(value, (list, tuple, dict, str)) or bool(getattr(value, "ndim", 0))
    return value is None or (has_length and not len(value))


class OptionalNumber(Integer):
    """A number of an object; -1: it has none, and none any more."""

    def read(self, value: Any) -> int | None:
        """Return the number; None, which takes away what is there, of -1."""
        return None if value == -1 else int(value)

    def reader(self) -> Reader:
        """Leave what takes away to the slower way."""
        read = super().reader()

        def read_number(value: Any) -> Any:
            if value == -1:
                raise Unusual
            return read(value)

        return read_number


class Names(Array):
    """A list of texts; an empty one takes away those that are there."""

    def read(self, value: Any) -> Any:
        """Return the texts; None, which takes away what is there, of none."""
        return super().read(value) or None

    def reader(self) -> Reader:
        """Leave what takes away to the slower way."""
        read = super().reader()

        def read_names(value: Any) -> Any:
            if not value:
                raise Unusual
            return read(value)

        return read_names


def means_no_number(value: Any) -> bool:
    """Return whether a value says that an object has no number: None or -1."""
    return value is None or (type(value) is int and value == -1)


@dataclass(eq=False, repr=False)
class Numbers(Schema):
    """Numbers that are kept as an array, which ``make`` makes of what is accepted; it raises ValueError for what is not."""

    make: Callable[[Any], Any]
    expected_text: str
    form: dict[str, Any]
    """The JSON Schema of documents."""
    kept: str = "NumPy array"
    """What the value in in_meta is."""

    def problem(self, value: Any) -> str:
        """Return what is wrong with a value."""
        try:
            self.read(value)
        except ValueError as error:
            return str(error)
        return ""

    def read(self, value: Any) -> Any:
        """Return the array; None, which takes away what is there, of an empty one."""
        return None if is_empty(value) else self.make(value)

    def reader(self) -> Reader:
        """Return a function that makes the array; it leaves empty ones to the slower way."""

        def read(value: Any) -> Any:
            if is_empty(value):
                raise Unusual
            try:
                return self.make(value)
            except ValueError:
                raise Unusual from None

        return read

    def json_schema(self, definitions: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - it has none
        """Return the form in documents."""
        return self.form


def _array(value: Any, what: str) -> NumPyArray:
    """Return numbers as an array, the same where it is one. Raises ValueError."""
    import numpy as np

    try:
        made = np.asarray(value)
    except Exception as error:  # noqa: BLE001 - rows of other lengths, a tensor on a GPU, whatever an object of a library does
        raise ValueError(f"must be {what}; it cannot be made an array: {type(error).__name__}: {error}") from None
    if made.dtype.kind not in "biuf":
        raise ValueError(f"must be {what}, not of {made.dtype if made.dtype.kind != 'O' else 'other values'}")
    return made


# Key points.


_POINTS = "an array (n, 3) of x, y in pixels and a confidence from 0 to 1, one (n, 2), or a list of these or of dicts"
_POINT_KEYS = frozenset(("x", "y", "confidence", "name"))


def keypoints_of(value: Any) -> NumPyArray:
    """Return key points, in every form that is accepted, as a new array of float32 (n, 3). Raises ValueError."""
    import numpy as np

    if isinstance(value, (list, tuple)) and value and isinstance(value[0], Mapping):
        value = [_point(point, index) for index, point in enumerate(value)]
    given = _array(value, _POINTS)
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
    given = _array(value, what)
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


_MASK = "an array (height, width) of 0 and 1 or of confidences, a polygon of three or more [x, y], or COCO's RLE"


def mask_of(value: Any) -> Any:
    """Return a mask as a new array (h, w): uint8 of 0 and 1, or float32 of confidences. A polygon is a list of pairs, still.

    Raises ValueError.
    """
    if isinstance(value, Mapping):
        return decode_rle(value)
    import numpy as np

    given = _array(value, _MASK)
    if given.ndim != 2 or not given.size:
        raise ValueError(f"has the shape {given.shape}, and must be {_MASK}")
    if given.shape[1] == 2 and _is_polygon(value, given):
        if len(given) < 3 or not np.isfinite(given).all() or np.abs(given).max() > _FAR:
            raise ValueError("is a polygon, and must have three or more [x, y] of finite numbers of pixels")
        return given.astype(float).tolist()
    if given.size > MOST_PIXELS:
        raise ValueError(f"has {given.size} pixels, and may have {MOST_PIXELS}")
    if given.dtype.kind != "f":
        return (given != 0).astype(np.uint8)
    low, high = float(given.min()), float(given.max())
    if not (low >= -_NEAR and high <= 1 + _NEAR):
        numbers = "NaN" if low != low else f"from {low:g} to {high:g}"
        raise ValueError(f"has numbers that are {numbers}, and must have confidences from 0 to 1; of logits make those first")
    return np.clip(given, 0, 1).astype(np.float32)


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


_VECTOR = "an array (n,) or a list of numbers"


def embedding_of(value: Any) -> NumPyArray:
    """Return an embedding as a new array (n,) of float32, or of float16 where it is given as that. Raises ValueError."""
    import numpy as np

    given = _array(value, _VECTOR)
    if given.size != max(given.shape, default=0) or not given.size or given.dtype.kind == "b":
        raise ValueError(f"has the shape {given.shape}, and must be {_VECTOR}")
    if given.size > _LONGEST:
        raise ValueError(f"has {given.size} numbers, and may have {_LONGEST}")
    with np.errstate(over="ignore"):
        made = given.reshape(-1).astype(given.dtype if given.dtype == np.float16 else np.float32)
    if not np.isfinite(made).all():
        raise ValueError(f"must have finite numbers of {made.dtype}")
    return made


EMBEDDING_SCHEMA = Numbers(embedding_of, _VECTOR, {"type": "array", "items": {"type": "number"}})


# Objects that have them.


@dataclass(eq=False, repr=False)
class ObjectWithArrays(Object):
    """An object whose parts have to fit each other: names and lines to key points, a polygon to the box."""

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        """Yield everything that is wrong."""
        wrong = list(super().problems(value, path))
        yield from wrong
        if not wrong and KEYPOINTS in value:
            parts = (key for key in (KEYPOINTS, *ABOUT_KEYPOINTS) if value.get(key) is not None)
            yield from misfits({key: self.fields[key].schema.read(value[key]) for key in parts}, path)

    def completed(self, made: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
        """Return an object that was read of a value, with what follows from its parts. Raises Unusual where they do not fit."""
        if made.get(KEYPOINTS) is not None:
            if KEYPOINT_NAMES not in made and (names := names_in(value[KEYPOINTS])):
                made[KEYPOINT_NAMES] = names
            if any(misfits(made, "")):
                raise Unusual
        if type(made.get(MASK)) is list and BOX in made:
            fill_polygon(made)
        return made


def misfits(found: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """Yield what does not fit the key points of an object."""
    if found.get(KEYPOINTS) is None:
        return
    count = len(found[KEYPOINTS])
    names, lines = (found.get(key) or () for key in ABOUT_KEYPOINTS)
    if names and len(names) != count:
        yield Problem(below(path, KEYPOINT_NAMES), f"has {len(names)} names, and there are {count} key points; name each of them")
    if lines and max(map(max, lines)) >= count:
        yield Problem(below(path, SKELETON), f"has the index {max(map(max, lines))}, and there are {count} key points, from 0 on")


def fill_polygon(found: dict[str, Any]) -> None:
    """Let the mask of an object that is a polygon still be the part of it that is in its box."""
    found[MASK] = polygon_mask(found[MASK], Box(*found[BOX].values()))


def with_changes(found: Mapping[str, Any], change: Mapping[str, Any], warnings: list[str]) -> dict[str, Any]:
    """Return an object of in_meta with what a library changes of it; None takes away what is there.

    Names and lines of key points that do not fit the new points are left out, with a sentence in ``warnings``.
    """
    made = {**found, **change}
    if SPECIAL.isdisjoint(change):
        return made
    if type(made.get(MASK)) is list:
        fill_polygon(made)
    if made.get(KEYPOINTS) is None:
        made |= dict.fromkeys(ABOUT_KEYPOINTS)
    for problem in list(misfits(made, "")):
        warnings.append(f"{problem.path} of an object was dropped: it {problem.text}")
        made[problem.path] = None
    return {key: value for key, value in made.items() if value is not None}


def without_parent(found: dict[str, Any], gone: Set[int]) -> dict[str, Any]:
    """Return an object without its ``parent_id`` where that is a number of objects that are gone."""
    return {key: value for key, value in found.items() if key != PARENT_ID} if found.get(PARENT_ID) in gone else found
