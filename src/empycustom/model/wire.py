"""Checks of plain values that a callback returned: of a value, or of what a dict has under a key, with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from empycustom.errors import OutputError
from empycustom.model import keys
from empycustom.model import values as model
from empycustom.model.keys import BOX, CLASS_ID, CLASSIFIERS, CONFIDENCE, LABEL, TEXT, TRACK_ID
from empycustom.model.keys import new_object as new_object
from empycustom.model.serialize import decode, is_exact, loads, shown
from empycustom.model.values import NOTHING, Box, Classification, Detection, Label
from empycustom.text import below, suggestion
from empycustom.text import shown as shown_as_json

Check = Callable[[Any, str], Any] | None

LARGEST = 2**31 - 1


def described(value: Any) -> str:
    """Return the type of a value and the value itself, as a message shows them."""
    return f"{type(value).__name__} {shown(value)}"


def check_dict(value: Any, path: str) -> None:
    """Raise OutputError where a value is something else."""
    if not isinstance(value, dict):
        raise OutputError(f"{shown_as_json(value)} must be a dict", path=path)


def check_keys(value: Any, path: str, known: Iterable[str], own: str) -> None:
    """Raise OutputError where a value is not a dict of these keys alone; ``own``: where attributes of one's own belong."""
    check_dict(value, path)
    for key in value:
        if key not in known:
            raise OutputError(f"{unknown(key, known)}. Attributes of your own belong under {own}", path=below(path, key))


def unknown(key: str, known: Iterable[str]) -> str:
    """Return what is said of an unknown key: which one may be meant, and which there are."""
    return f"is an unknown key; {suggestion(key, list(known))}"


def check_values(value: Mapping[str, Any], path: str, checks: Mapping[str, Check]) -> None:
    """Check the values of a dict, each by the check of its key; null is like a key that is not there."""
    for key, item in value.items():
        check = checks[key]
        if check is not None and item is not None:
            check(item, f"{path}.{key}" if path else key)


def check_each(value: Any, path: str, check: Check) -> None:
    """Check the entries of a list. Raises OutputError."""
    if not isinstance(value, list):
        raise OutputError(f"{shown_as_json(value)} must be a list", path=path)
    for index, item in enumerate(value):
        if check is not None:
            check(item, f"{path}[{index}]")


# Objects as in_meta has them, and as values.


_LEFT, _TOP, _WIDTH, _HEIGHT = keys.BOX_DICT.fields
(_DISPLAY_TEXT,) = keys.TEXT_DICT.fields
_NUM_CLASSES, _NAME, _CLASS, _LABEL_ID, _PROBABILITY = keys.LABEL_DICT.fields
_NUM_LABELS, _COMPONENT, _LABELS = keys.CLASSIFIER_DICT.fields
*_, _FINDER, _TRACKER_CONFIDENCE, _ATTRIBUTES = keys.OBJECT_DICT.fields


def object_dict(found: Detection, attributes: Any = NOTHING) -> model.Object:
    """Return an object as ``in_meta`` has it, in a new dict."""
    made: dict[str, Any] = {
        CLASS_ID: found.class_id,
        TRACK_ID: found.track_id,
        CONFIDENCE: found.confidence,
        LABEL: found.label,
        BOX: box_dict(*found.box),
        TEXT: {_DISPLAY_TEXT: found.text},
        CLASSIFIERS: [classifier_dict(each) for each in found.classifications],
    }
    if found.component_id is not None:
        made[_FINDER] = found.component_id
    if found.tracker_confidence is not None:
        made[_TRACKER_CONFIDENCE] = found.tracker_confidence
    if attributes is not NOTHING:
        made[_ATTRIBUTES] = attributes
    return cast("model.Object", made)


def box_dict(left: float, top: float, width: float, height: float) -> model.RectParams:
    """Return a box as ``in_meta`` has it."""
    return cast("model.RectParams", {_LEFT: left, _TOP: top, _WIDTH: width, _HEIGHT: height})


def classifier_dict(each: Classification) -> model.Classifier:
    """Return a classification as ``in_meta`` has it."""
    labels = [
        {
            _NUM_CLASSES: label.num_classes,
            _NAME: label.name,
            _CLASS: label.class_id,
            _LABEL_ID: label.label_id,
            _PROBABILITY: label.probability,
        }
        for label in each.labels
    ]
    return cast("model.Classifier", {_NUM_LABELS: len(labels), _COMPONENT: each.component_id, _LABELS: labels})


def detection_of(found: Mapping[str, Any]) -> Detection:
    """Return the value of an object as ``in_meta`` has it, or as :func:`new_object` returns it."""
    return Detection(
        found[LABEL],
        box_of_object(found),
        found[CLASS_ID],
        found[TRACK_ID],
        found[CONFIDENCE],
        found[TEXT][_DISPLAY_TEXT],
        tuple(map(_classification, found[CLASSIFIERS])),
        found.get(_FINDER),
        found.get(_TRACKER_CONFIDENCE),
    )


def box_of_object(found: Mapping[str, Any]) -> Box:
    """Return the box of an object as ``in_meta`` has it."""
    box = found[BOX]
    return Box(box[_LEFT], box[_TOP], box[_WIDTH], box[_HEIGHT])


def _classification(each: Mapping[str, Any]) -> Classification:
    labels = (Label(info[_NAME], info[_PROBABILITY], info[_CLASS], info[_LABEL_ID], info[_NUM_CLASSES]) for info in each[_LABELS])
    return Classification(tuple(labels), each[_COMPONENT])


# What comes from a buffer, checked where it is read: anybody may have written it.
#
# Numbers that no object has are read as 0, with a sentence for the log. JSON that is not as empycustom writes it is refused
# with a
# ValueError that says why; whoever catches it knows which metadata it is.


LARGEST_FRAME_NUM = 2**63 - 1  # the next ones still fit into the 64 bits that a buffer has for it


def usable(number: float, what: str, complaints: list[str]) -> float:
    """Return a number, or 0 and a complaint where it is not finite or no frame is so large."""
    if -LARGEST <= number <= LARGEST:
        return number
    complaints.append(_complaint(what))
    return 0.0


def box_of(left: float, top: float, width: float, height: float, complaints: list[str]) -> model.RectParams:
    """Return a box; the same holds for its numbers, and its size is not negative."""
    if not (-LARGEST <= left <= LARGEST and -LARGEST <= top <= LARGEST and 0 <= width <= LARGEST and 0 <= height <= LARGEST):
        complaints.append(_complaint("a place or a size of a box"))
        left, top = (number if -LARGEST <= number <= LARGEST else 0.0 for number in (left, top))
        width, height = (number if 0 <= number <= LARGEST else 0.0 for number in (width, height))
    return {"left": left, "top": top, "width": width, "height": height}


def _complaint(what: str) -> str:
    return f"{what} that cannot be was read as 0: NaN, infinite or out of range; an element upstream wrote it"


class Known:
    """The texts that this process wrote last, by their hashes: to check them again would cost more than reading them.

    Each with the number of its frame, and the frame's size where the text is about objects.
    """

    _MANY = 4096  # in queues between two elements

    def __init__(self) -> None:
        # Numbers alone: what the garbage collector looks at would make it run, for every buffer that is kept in mind.
        self._last: dict[int, int] = {}
        self._earlier: dict[int, int] = {}
        self._sizes: dict[int, tuple[int, int]] = {}

    def add(self, text: bytes, frame_num: int, size: tuple[int, int] | None) -> None:
        """Know a text from now on, until twice as many as there may be were added; if reading it needs no care."""
        if not is_exact(text):
            return
        last = self._last
        if len(last) >= self._MANY:
            self._earlier, self._last = last, {}
            last, kept = self._last, self._sizes.copy()
            self._sizes = {key: kept[key] for key in self._earlier.keys() & kept.keys()}
        key = hash(text)
        last[key] = frame_num
        if size is not None:
            self._sizes[key] = size

    def get(self, text: bytes) -> int | None:
        """Return the number of the frame that a text is about; None: the text is not known."""
        key = hash(text)
        number = self._last.get(key)
        return self._earlier.get(key) if number is None else number

    def size(self, text: bytes) -> tuple[int, int] | None:
        """Return the size of the frame whose objects a text is about; None: it is about none, or not known."""
        return self._sizes.get(hash(text))

    def __contains__(self, text: bytes) -> bool:
        return self.get(text) is not None


known = Known()


def read_note(text: bytes) -> dict[str, Any]:
    """Read the JSON of the custom meta, whose ``object`` are records of objects with their keys. Raises ValueError."""
    if text in known:
        return decode(text)  # type: ignore[no-any-return]
    said = _object(text.decode("utf-8", "replace"))
    number, timestamp = said.get("frame_num"), said.get("timestamp")
    if type(number) is not int or not 0 <= number <= LARGEST_FRAME_NUM:
        raise ValueError(f"frame_num is {shown(number)}, but must be a whole number from 0 to {LARGEST_FRAME_NUM}")
    if type(timestamp) is not str:
        raise ValueError(f"timestamp is {shown(timestamp)}, but must be a text")
    for side in ("source_frame_width", "source_frame_height"):
        if side in said and (type(said[side]) is not int or not 0 < said[side] <= LARGEST):
            raise ValueError(f"{side} is {shown(said[side])}, but must be a number of pixels")
    if "object" in said:
        said["object"] = [_record(entry, f"object[{index}]") for index, entry in enumerate(_entries(said))]
    return said


_NO_BOX = {"left": 0, "top": 0, "width": 0, "height": 0}


def _record(entry: dict[str, Any], path: str) -> dict[str, Any]:
    """Return what a record says of its object, checked."""
    key, box = entry.get("key"), entry.get("box_in_region")
    if type(key) is not str:
        raise ValueError(f"{path}.key is {shown(key)}, but must be a text")
    facts = {name: value for name, value in entry.items() if name not in ("key", "box_in_region")}
    try:
        checked: Any = new_object({"rect_params": _NO_BOX, **facts}, path)
    except OutputError as error:
        raise ValueError(str(error)) from None
    record = {"key": key, "obj_label": "", **{name: value for name, value in checked.items() if name in facts}}
    if box is not None:
        is_box = type(box) is list and len(box) == len(_NO_BOX) and all(type(part) in (int, float) for part in box)
        if not is_box or not all(-LARGEST <= part <= LARGEST for part in box) or min(box[2:]) < 0:
            raise ValueError(
                f"{path}.box_in_region is {shown(box)}, but must be left, top, width and height in parts of a region"
            )
        record["box_in_region"] = box
    return record


def size_in(said: dict[str, Any]) -> tuple[Any, Any]:
    """Return the size of the frames that the boxes of records are of; two times None: it is not there."""
    return said.get("source_frame_width"), said.get("source_frame_height")


def read_event(text: str) -> tuple[Any, dict[int, dict[str, Any]], tuple[Any, Any]]:
    """Read the JSON of an event on a DeepStream batch: what was said, records by their keys, their size. Raises ValueError."""
    said, records = _object(text), {}
    for index, record in enumerate(_entries(said)):
        key = record.get("key")
        if type(key) is not int or not 0 < key <= LARGEST:
            raise ValueError(f"object[{index}].key is {shown(key)}, but must be a whole number from 1 to {LARGEST}")
        if "emcustom" in record:
            records[key] = record
    return said.get("emcustom", NOTHING), records, size_in(said)


def _object(text: str) -> dict[str, Any]:
    value = loads(text)
    if type(value) is not dict:
        raise ValueError(f"it is {shown(value)}, but must be a JSON object")
    return value


def _entries(said: dict[str, Any]) -> list[dict[str, Any]]:
    entries = said.get("object", [])
    if type(entries) is not list or any(type(entry) is not dict for entry in entries):
        raise ValueError(f"object is {shown(entries)}, but must be a list of JSON objects")
    return entries
