"""Checks of plain values that a callback returned: of a value, or of what a dict has under a key, with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple, cast

from empycustom.errors import OutputError
from empycustom.model import values as model
from empycustom.model.serialize import decode, loads, shown
from empycustom.model.values import NOTHING, is_nothing
from empycustom.text import meant

Check = Callable[[Any, str], Any] | None

INTS = range(-(2**31), 2**31)  # what an int of GStreamer's metadata holds
IDS = range(-1, 2**64)
LARGEST = 2**31 - 1


def described(value: Any) -> str:
    """Return the type of a value and the value itself, as a message shows them."""
    return f"{type(value).__name__} {shown(value)}"


def check_dict(value: Any, path: str) -> None:
    """Raise OutputError where a value is something else."""
    if not isinstance(value, dict):
        raise OutputError(f"is {described(value)}, but must be a dict", path=path)


def check_keys(value: Any, path: str, known: Iterable[str], own: str) -> None:
    """Raise OutputError where a value is not a dict of these keys alone; ``own``: where attributes of one's own belong."""
    check_dict(value, path)
    for key in value:
        if key not in known:
            raise OutputError(f"{unknown(key, known)}. Attributes of your own belong under {own}", path=path)


def unknown(key: str, known: Iterable[str]) -> str:
    """Return what is said of an unknown key: which one may be meant, and which there are."""
    return f"the key {shown(key)} is unknown{meant(key, known)}; known are {', '.join(known)}"


def check_values(value: Mapping[str, Any], path: str, checks: Mapping[str, Check]) -> None:
    """Check the values of a dict, each by the check of its key; null is like a key that is not there."""
    for key, item in value.items():
        check = checks[key]
        if check is not None and item is not None:
            check(item, f"{path}.{key}" if path else key)


def check_each(value: Any, path: str, check: Check) -> None:
    """Check the entries of a list. Raises OutputError."""
    if not isinstance(value, list):
        raise OutputError(f"is {described(value)}, but must be a list", path=path)
    for index, item in enumerate(value):
        if check is not None:
            check(item, f"{path}[{index}]")


def whole(value: dict[str, Any], key: str, path: str, default: int, allowed: range = INTS) -> int:
    """Return the whole number under a key. Raises OutputError where it is something else, or not ``allowed``."""
    number = value.get(key, default)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if type(number) is not int or number not in allowed:
        wanted = f"a whole number from {allowed.start} to {allowed.stop - 1}"
        raise OutputError(f"is {shown(number)}, but must be {wanted}", path=f"{path}.{key}")
    return number


def real(value: dict[str, Any], key: str, path: str, default: float | None) -> float:
    """Return the number under a key. Raises OutputError where it is something else, or too large for metadata."""
    number = value.get(key, default)
    if isinstance(number, bool) or not isinstance(number, (int, float)) or abs(number) > LARGEST:
        raise OutputError(f"is {shown(number)}, but must be a finite number from -{LARGEST} to {LARGEST}", path=f"{path}.{key}")
    return float(number)


def string(value: dict[str, Any], key: str, path: str) -> str:
    """Return the text under a key, ``""`` where there is none. Raises OutputError where it is something else."""
    text = value.get(key, "")
    if text is None:
        return ""
    if not isinstance(text, str):
        raise OutputError(f"is {described(text)}, but must be a text", path=f"{path}.{key}")
    return text


# Objects that a library found: complete, with the defaults of what it left out, or refused with the place of what is wrong.


_KEYS = tuple(model.Object.__annotations__)
_SIDES = tuple(model.RectParams.__annotations__)
_TEXT_KEYS = tuple(model.TextParams.__annotations__)
_CLASSIFIER_KEYS = tuple(model.Classifier.__annotations__)
_LABEL_KEYS = tuple(model.LabelInfo.__annotations__)


def new_object(value: Any, path: str) -> model.Object:
    """Return an object that a library found, complete, with the defaults of what it left out.

    ``rect_params`` is needed; an object of in_meta is accepted as it is. Raises OutputError with the place of what is wrong.
    """
    own = f"{path}.emcustom"
    check_keys(value, path, _KEYS, own)
    found: model.Object = {
        "class_id": whole(value, "class_id", path, model.UNKNOWN_CLASS),
        "object_id": whole(value, "object_id", path, model.UNTRACKED, IDS),
        "confidence": real(value, "confidence", path, 1.0),
        "obj_label": string(value, "obj_label", path),
        "rect_params": _rect(value.get("rect_params"), f"{path}.rect_params", own),
        "text_params": _text_params(value.get("text_params") or {}, f"{path}.text_params", own),
        "classifier": _classifiers(value.get("classifier") or [], f"{path}.classifier", own),
    }
    if "unique_component_id" in value:
        found["unique_component_id"] = whole(value, "unique_component_id", path, 0)
    if "tracker_confidence" in value:
        found["tracker_confidence"] = real(value, "tracker_confidence", path, 0.0)
    if not is_nothing(value.get("emcustom")):
        found["emcustom"] = value["emcustom"]
    return found


def _rect(value: Any, path: str, own: str) -> model.RectParams:
    if isinstance(value, dict):
        check_keys(value, path, _SIDES, own)
    if not isinstance(value, dict) or any(side not in value for side in _SIDES):
        raise OutputError("must be a dict of left, top, width and height, in pixels", path=path)
    left, top, width, height = (real(value, side, path, None) for side in _SIDES)
    if width < 0 or height < 0:
        raise OutputError(f"has the size {width:g} x {height:g}, which is negative", path=path)
    return {"left": left, "top": top, "width": width, "height": height}


def _text_params(value: Any, path: str, own: str) -> model.TextParams:
    check_keys(value, path, _TEXT_KEYS, own)
    return {"display_text": string(value, "display_text", path)}


def _classifiers(value: Any, path: str, own: str) -> list[model.Classifier]:
    check_each(value, path, partial(check_keys, known=_CLASSIFIER_KEYS, own=own))
    return [_classifier(item, f"{path}[{index}]", own) for index, item in enumerate(value)]


def _classifier(value: dict[str, Any], path: str, own: str) -> model.Classifier:
    infos = value.get("label_info") or []
    check_each(infos, f"{path}.label_info", partial(check_keys, known=_LABEL_KEYS, own=own))
    return {
        "num_labels": len(infos),
        "unique_component_id": whole(value, "unique_component_id", path, 0),
        "label_info": [_label_info(info, f"{path}.label_info[{index}]") for index, info in enumerate(infos)],
    }


def _label_info(value: dict[str, Any], path: str) -> model.LabelInfo:
    return {
        "num_classes": whole(value, "num_classes", path, 0),
        "result_label": string(value, "result_label", path),
        "result_class_id": whole(value, "result_class_id", path, 0),
        "label_id": whole(value, "label_id", path, 0),
        "result_prob": real(value, "result_prob", path, 1.0),
    }


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
    """The texts that this process wrote last, by their hashes: to check them again would cost a fifth of reading them."""

    _MANY = 4096  # in queues between two elements

    def __init__(self) -> None:
        self._last: set[int] = set()
        self._earlier: set[int] = set()

    def add(self, text: str) -> None:
        """Know a text from now on, until twice as many as there may be were added."""
        if len(self._last) >= self._MANY:
            self._earlier, self._last = self._last, set()
        self._last.add(hash(text))

    def __contains__(self, text: str) -> bool:
        return hash(text) in self._last or hash(text) in self._earlier


known = Known()


class Note(NamedTuple):
    """What was said about a frame: all of it as it stands there, and the records of objects by their keys."""

    said: dict[str, Any]
    frame_num: int
    timestamp: str
    records: dict[str, model.Object]


def read_note(text: str) -> Note:
    """Read the JSON of the custom meta. Raises ValueError."""
    if text in known:
        said = decode(text)
        return Note(said, said["frame_num"], said["timestamp"], {record["key"]: record for record in said.get("object", ())})
    said = _object(text)
    number, timestamp = said.get("frame_num"), said.get("timestamp")
    if type(number) is not int or not 0 <= number <= LARGEST_FRAME_NUM:
        raise ValueError(f"frame_num is {shown(number)}, but must be a whole number from 0 to {LARGEST_FRAME_NUM}")
    if type(timestamp) is not str:
        raise ValueError(f"timestamp is {shown(timestamp)}, but must be a text")
    for side in ("source_frame_width", "source_frame_height"):
        if side in said and (type(said[side]) is not int or not 0 < said[side] <= LARGEST):
            raise ValueError(f"{side} is {shown(said[side])}, but must be a number of pixels")
    records: dict[str, model.Object] = {}
    for index, record in enumerate(_entries(said)):
        key = record.get("key")
        if type(key) is not str:
            raise ValueError(f"object[{index}].key is {shown(key)}, but must be a text")
        records[key] = _object_of(record, f"object[{index}]")
    return Note(said, number, timestamp, records)


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


def _object_of(record: dict[str, Any], path: str) -> model.Object:
    try:
        facts = new_object({name: value for name, value in record.items() if name != "key"}, path)
    except OutputError as error:
        raise ValueError(str(error)) from None
    return cast("model.Object", {**facts, "key": record["key"]})
