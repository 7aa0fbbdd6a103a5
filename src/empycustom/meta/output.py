"""What a callback returned, and about what it speaks.

Two forms (see :func:`deal`): a list, whose n-th entry belongs to the n-th object of the first frame, and an object that speaks
about the batch, each frame and each object, and can add objects. Both as Python values or as text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from empycustom.errors import OutputError
from empycustom.meta import model
from empycustom.meta.compact import dumps
from empycustom.meta.merge import NOTHING, is_nothing, merge
from empycustom.meta.values import DEEPEST, LONGEST_DIGITS, parse, plain, shown

_FORMS = (
    'return a list ([{...}, ...], one entry an object of in_meta), a dict ({"frame": [{"meta": {...}, "object": [...], '
    '"new_object": [...]}]}), or None'
)


@dataclass(slots=True)
class FrameSaid:
    """What was said about one frame: ``objects`` holds one entry an object of in_meta, NOTHING where nothing was said."""

    objects: list[Any]
    words: Any = NOTHING
    new_objects: list[model.Object] = field(default_factory=list)

    @property
    def speaks_of_objects(self) -> bool:
        """Whether anything is said about an object, or a new one is named."""
        return bool(self.new_objects) or any(words is not NOTHING for words in self.objects)


@dataclass(slots=True)
class Said:
    """What a callback said, dealt out: about the batch (``words``), its frames, and what nobody could be found for."""

    frames: list[FrameSaid]
    ignored: list[str]
    words: Any = NOTHING


def read_output(value: Any) -> Any:
    """Return what a callback returned as plain JSON values (a list, or a dict of the object form); None: nothing to say.

    Raises OutputError where it is no meta.
    """
    if value is None:
        return None
    if type(value) is list:
        return plain(value) or None
    if isinstance(value, str):
        meta = parse(value)
    else:
        meta = plain(value) if isinstance(value, (list, dict)) or hasattr(value, "tolist") else value
    if isinstance(meta, dict):
        _check_batch(meta)
    elif meta is not None and not isinstance(meta, list):
        raise OutputError(f"got {_described(value)}, which is no meta: {_FORMS}")
    return meta or None


# Up to this length a text can neither nest too deeply nor hold a number that is too long.
_SHORT = min(2 * DEEPEST, LONGEST_DIGITS)
_NOTHING = ("{}", '""', "null")  # what says nothing, as JSON


def quick_words(value: Any) -> str | None:
    """Return as JSON what a callback said about a frame without objects, where that is quickly seen; None: it has to be read.

    It is where a list has one short entry, all of what JSON itself knows: the encoder is the only one who looks at it, and
    nothing is copied.
    """
    if type(value) is not list or len(value) != 1:
        return None
    try:
        text = dumps(value[0])
    except BaseException:  # noqa: BLE001 - whatever it is, read_output says what is wrong, or reads it all the same
        return None
    if text in _NOTHING or len(text) > _SHORT or not text.isascii() or "NaN" in text or "Infinity" in text:
        return None
    return text


def deal(value: Any, object_counts: list[int]) -> Said:
    """Deal out what :func:`read_output` returned over the frames of a buffer with ``object_counts`` objects each.

    A list speaks about the first frame: entries go to its objects in order, what is left over belongs to the frame; without
    objects the first entry is the frame's and the rest is ignored. ``{}`` says nothing.
    """
    said = Said([FrameSaid([NOTHING] * count) for count in object_counts], [])
    if isinstance(value, list):
        _deal_list(value, said)
    elif isinstance(value, dict):
        _deal_batch(value, said)
    return said


def _deal_list(entries: list[Any], said: Said) -> None:
    if not said.frames:
        said.ignored.append(f"{len(entries)} entries were ignored: the buffer has no frame")
        return
    frame = said.frames[0]
    if frame.objects:
        _deal_objects(entries, frame)
        return
    frame.words = _or_nothing(entries[0])
    if len(entries) > 1:
        said.ignored.append(
            f"{len(entries) - 1} of {len(entries)} entries were ignored: the frame has no objects, so only the first one counts"
        )


def _deal_objects(entries: list[Any], frame: FrameSaid) -> None:
    count = len(frame.objects)
    for index, entry in enumerate(entries[:count]):
        frame.objects[index] = _or_nothing(entry)
    for entry in entries[count:]:
        frame.words = merge(frame.words, _or_nothing(entry))


def _deal_batch(batch: dict[str, Any], said: Said) -> None:
    said.words = _or_nothing(batch.get("meta"))
    entries = batch.get("frame") or []
    for frame, entry in zip(said.frames, entries, strict=False):
        frame.words = _or_nothing(entry.get("meta"))
        _deal_objects(entry.get("object") or [], frame)
        frame.new_objects = [new_object(item, "new_object") for item in entry.get("new_object") or []]
    if len(entries) > len(said.frames):
        said.ignored.append(f"{len(entries)} frames were described, but the buffer has {len(said.frames)}; the rest was ignored")


def _or_nothing(said: Any) -> Any:
    return NOTHING if is_nothing(said) else said


def _described(value: Any) -> str:
    hint = ""
    if isinstance(value, tuple):
        hint = " (process_ip returns the meta alone; process returns the pair of buffer and meta)"
    return f"{type(value).__name__} {shown(value)}{hint}"


# Checks of the object form. Each takes a plain value and the place it stands in.


def _check_batch(batch: dict[str, Any]) -> None:
    _check_keys(batch, "", {"meta": None, "frame": _each(_check_frame)})


def _check_frame(frame: Any, path: str) -> None:
    _check_keys(frame, path, {"meta": None, "object": _each(None), "new_object": _each(new_object)})


def _check_keys(value: Any, path: str, allowed: dict[str, Callable[[Any, str], Any] | None]) -> None:
    if not isinstance(value, dict):
        raise OutputError(f"is {_described(value)}, but must be a dict", path=path)
    for key, item in value.items():
        if key not in allowed:
            raise OutputError(f"the key {key!r} is unknown; known are {', '.join(allowed)}. {_advice(key, path)}", path=path)
        check = allowed[key]
        if check is not None and item is not None:
            check(item, f"{path}.{key}" if path else key)


def _advice(key: str, path: str) -> str:
    if path:
        return f"Free words belong under {path}.meta"
    return f'To say {key!r} about the frame, return {{"frame": [{{"meta": {{{key!r}: ...}}}}]}} or, of objects, a list'


def _each(check: Callable[[Any, str], Any] | None) -> Callable[[Any, str], None]:
    return partial(_check_each, check=check)


def _check_each(value: Any, path: str, check: Callable[[Any, str], Any] | None) -> None:
    if not isinstance(value, list):
        raise OutputError(f"is {_described(value)}, but must be a list", path=path)
    for index, item in enumerate(value):
        if check is not None:
            check(item, f"{path}[{index}]")


def new_object(value: Any, path: str) -> model.Object:
    """Return an object that a library found, complete, with the defaults of what it left out.

    ``rect_params`` is needed; an object of in_meta is accepted as it is. Raises OutputError with the place of what is wrong.
    """
    _check_keys(value, path, dict.fromkeys(_OBJECT_KEYS))
    found: model.Object = {
        "class_id": _whole(value, "class_id", path, model.UNKNOWN_CLASS),
        "object_id": _whole(value, "object_id", path, model.UNTRACKED, IDS),
        "confidence": _real(value, "confidence", path, 1.0),
        "obj_label": _string(value, "obj_label", path),
        "rect_params": _rect(value.get("rect_params"), f"{path}.rect_params"),
        "text_params": _text_params(value.get("text_params") or {}, f"{path}.text_params"),
        "classifier": _classifiers(value.get("classifier") or [], f"{path}.classifier"),
    }
    if "unique_component_id" in value:
        found["unique_component_id"] = _whole(value, "unique_component_id", path, 0)
    if "tracker_confidence" in value:
        found["tracker_confidence"] = _real(value, "tracker_confidence", path, 0.0)
    if not is_nothing(value.get("emcustom")):
        found["emcustom"] = value["emcustom"]
    return found


_OBJECT_KEYS = [*model.Object.__annotations__]
_SIDES = ("left", "top", "width", "height")


def _rect(value: Any, path: str) -> model.RectParams:
    if not isinstance(value, dict) or any(side not in value for side in _SIDES):
        raise OutputError("must be a dict of left, top, width and height, in pixels", path=path)
    left, top, width, height = (_real(value, side, path, None) for side in _SIDES)
    if width < 0 or height < 0:
        raise OutputError(f"has the size {width:g} x {height:g}, which is negative", path=path)
    return {"left": left, "top": top, "width": width, "height": height}


def _text_params(value: Any, path: str) -> model.TextParams:
    _check_keys(value, path, dict.fromkeys(model.TextParams.__annotations__))
    return {"display_text": _string(value, "display_text", path)}


def _classifiers(value: Any, path: str) -> list[model.Classifier]:
    _check_each(value, path, partial(_check_keys, allowed=dict.fromkeys(model.Classifier.__annotations__)))
    return [_classifier(item, f"{path}[{index}]") for index, item in enumerate(value)]


def _classifier(value: dict[str, Any], path: str) -> model.Classifier:
    infos = value.get("label_info") or []
    _check_each(infos, f"{path}.label_info", partial(_check_keys, allowed=dict.fromkeys(model.LabelInfo.__annotations__)))
    return {
        "num_labels": len(infos),
        "unique_component_id": _whole(value, "unique_component_id", path, 0),
        "label_info": [_label_info(info, f"{path}.label_info[{index}]") for index, info in enumerate(infos)],
    }


def _label_info(value: dict[str, Any], path: str) -> model.LabelInfo:
    return {
        "num_classes": _whole(value, "num_classes", path, 0),
        "result_label": _string(value, "result_label", path),
        "result_class_id": _whole(value, "result_class_id", path, 0),
        "label_id": _whole(value, "label_id", path, 0),
        "result_prob": _real(value, "result_prob", path, 1.0),
    }


INTS = range(-(2**31), 2**31)  # what an int of GStreamer's metadata holds
IDS = range(-1, 2**64)
LARGEST = 2**31 - 1


def _whole(value: dict[str, Any], key: str, path: str, default: int, allowed: range = INTS) -> int:
    number = value.get(key, default)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if type(number) is not int or number not in allowed:
        wanted = f"a whole number from {allowed.start} to {allowed.stop - 1}"
        raise OutputError(f"is {shown(number)}, but must be {wanted}", path=f"{path}.{key}")
    return number


def _real(value: dict[str, Any], key: str, path: str, default: float | None) -> float:
    number = value.get(key, default)
    if isinstance(number, bool) or not isinstance(number, (int, float)) or abs(number) > LARGEST:
        raise OutputError(f"is {shown(number)}, but must be a finite number from -{LARGEST} to {LARGEST}", path=f"{path}.{key}")
    return float(number)


def _string(value: dict[str, Any], key: str, path: str) -> str:
    text = value.get(key, "")
    if text is None:
        return ""
    if not isinstance(text, str):
        raise OutputError(f"is {_described(text)}, but must be a text", path=f"{path}.{key}")
    return text
