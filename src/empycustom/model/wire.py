"""The values of the model as JSON: objects of in_meta, documents, and the metadata on buffers.

What comes from a buffer is checked where it is read, for anybody may have written it. Numbers that no object has are read as 0,
with a sentence for the log. JSON that is not as empycustom writes it is refused with a ValueError that has the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from empycustom.model import keys
from empycustom.model import values as model
from empycustom.model.arrays import ARRAYS
from empycustom.model.carried import EVENT_DICT, NOTE_DICT, as_json
from empycustom.model.keys import (
    ATTRIBUTES,
    BOX,
    BUF_PTS,
    BUFFER,
    CLASS_ID,
    CLASSIFIERS,
    CONFIDENCE,
    FRAME_NUM,
    FRAMES,
    HEIGHT,
    LABEL,
    OBJECTS,
    RECORD_KEY,
    RESULT_ATTRIBUTES,
    SCHEMA_VERSION,
    SOURCE,
    SOURCE_ID,
    STREAM_TIME,
    TEXT,
    TIMESTAMP,
    TRACK_ID,
    VERSION,
    WIDTH,
)
from empycustom.model.schema import Object
from empycustom.model.serialize import assemble, decode, is_exact, loads, marked, split
from empycustom.model.values import NOTHING, UNKNOWN_CLASS, UNTRACKED, Box, Classification, Detection, Label

LARGEST = 2**31 - 1


# Objects as in_meta has them, and as values.


_LEFT, _TOP, _WIDTH, _HEIGHT = keys.BOX_DICT.fields
(_DISPLAY_TEXT,) = keys.TEXT_DICT.fields
_NUM_CLASSES, _NAME, _CLASS, _LABEL_ID, _PROBABILITY = keys.LABEL_DICT.fields
_NUM_LABELS, _COMPONENT, _LABELS, _KIND = keys.CLASSIFIER_DICT.fields
_OF_BATCH = [name for name, its in keys.FRAME_DICT.fields.items() if isinstance(its, keys.Key) and its.by == "DeepStream"]


def plain_object(label: str, left: float, top: float, width: float, height: float) -> dict[str, Any]:
    """Return an object of which only its label and its box are known, as ``in_meta`` has it, in a new dict."""
    return {
        CLASS_ID: UNKNOWN_CLASS,
        TRACK_ID: UNTRACKED,
        CONFIDENCE: 1.0,
        LABEL: label,
        BOX: {_LEFT: left, _TOP: top, _WIDTH: width, _HEIGHT: height},
        TEXT: {_DISPLAY_TEXT: ""},
        CLASSIFIERS: [],
    }


def object_dict(found: Detection, attributes: Any = NOTHING) -> model.Object:
    """Return an object as ``in_meta`` has it, in a new dict."""
    made = plain_object(found.label, *found.box)
    made[CLASS_ID], made[TRACK_ID], made[CONFIDENCE] = found.class_id, found.track_id, found.confidence
    made[TEXT][_DISPLAY_TEXT] = found.text
    if found.classifications:
        made[CLASSIFIERS] = [classifier_dict(each) for each in found.classifications]
    if found.component_id is not None:
        made[keys.FINDER] = found.component_id
    if found.tracker_confidence is not None:
        made[keys.TRACKER_CONFIDENCE] = found.tracker_confidence
    if attributes is not NOTHING:
        made[ATTRIBUTES] = attributes
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
    made = {_NUM_LABELS: len(labels), _COMPONENT: each.component_id, _LABELS: labels}
    return cast("model.Classifier", {**made, _KIND: each.kind} if each.kind else made)


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
        found.get(keys.FINDER),
        found.get(keys.TRACKER_CONFIDENCE),
    )


def box_of_object(found: Mapping[str, Any]) -> Box:
    """Return the box of an object as ``in_meta`` has it."""
    box = found[BOX]
    return Box(box[_LEFT], box[_TOP], box[_WIDTH], box[_HEIGHT])


def label_names(found: Mapping[str, Any]) -> list[str]:
    """Return the names that classifiers gave to an object as ``in_meta`` has it."""
    return [info[_NAME] for classifier in found[CLASSIFIERS] for info in classifier[_LABELS]]


def _classification(each: Mapping[str, Any]) -> Classification:
    labels = (Label(info[_NAME], info[_PROBABILITY], info[_CLASS], info[_LABEL_ID], info[_NUM_CLASSES]) for info in each[_LABELS])
    return Classification(tuple(labels), each[_COMPONENT], each.get(_KIND) or "")


# Numbers of others, cleaned.


def usable(number: float, what: str, warnings: list[str]) -> float:
    """Return a number, or 0 and a warning where it is not finite or no frame is so large."""
    if -LARGEST <= number <= LARGEST:
        return number
    warnings.append(_cleaned(what))
    return 0.0


def clean_box(left: float, top: float, width: float, height: float, warnings: list[str]) -> Box:
    """Return a box, with 0 and a warning for numbers that no box has; its size is not negative."""
    if not (-LARGEST <= left <= LARGEST and -LARGEST <= top <= LARGEST and 0 <= width <= LARGEST and 0 <= height <= LARGEST):
        warnings.append(_cleaned("a place or a size of a box"))
        left, top = (number if -LARGEST <= number <= LARGEST else 0.0 for number in (left, top))
        width, height = (number if 0 <= number <= LARGEST else 0.0 for number in (width, height))
    return Box(left, top, width, height)


def _cleaned(what: str) -> str:
    return f"{what} that is not possible was read as 0: NaN, infinite or out of range; an element upstream wrote it"


class Known:
    """The texts that this process wrote last, by their hashes: to check them again would cost more than reading them.

    Each with the number of its frame, and the frame's size where the text is about objects.
    """

    _MANY = 2048  # in queues between two elements

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


known = Known()
_ATTRIBUTES = (ATTRIBUTES, RESULT_ATTRIBUTES)
_LONG = 4096  # bytes, from which on taking attributes out of a text is quicker than reading them


def note_text(content: Mapping[str, Any]) -> bytes:
    """Return the JSON for the custom meta; attributes (bytes) are marked in it."""
    return assemble(content, marked)


def read_note(text: bytes, *, as_json: bool = False) -> dict[str, Any]:
    """Read the JSON of the custom meta, whose ``object`` are records of objects with their keys. Raises ValueError.

    ``as_json``: attributes may stay JSON (bytes), and do so where that is quicker.
    """
    is_ours = known.get(text) is not None
    if is_ours and as_json and len(text) >= _LONG:
        return _quickly(text)  # type: ignore[no-any-return]
    content = decode(text) if is_ours else loads(text.decode("utf-8", "replace"))
    return content if is_ours else _checked(content, NOTE_DICT)


def _quickly(text: bytes) -> Any:
    """Read a text of our own; attributes stay JSON."""
    content, fragments = split(text)
    for place in (content, *content.get(OBJECTS, ())):
        for key in [key for key, value in place.items() if value is None]:
            place[key] = next(fragments) if key in _ATTRIBUTES else decode(next(fragments))
    return content


def read_event(text: str) -> tuple[Any, dict[int, dict[str, Any]], tuple[Any, Any]]:
    """Read the JSON of an event on a DeepStream batch: attributes, records by their keys, their size. Raises ValueError."""
    content = _checked(loads(text), EVENT_DICT)
    records = {record[RECORD_KEY]: record for record in content.get(OBJECTS, ())}
    return content.get(ATTRIBUTES, NOTHING), records, size_in(content)


def _checked(value: Any, schema: Object) -> dict[str, Any]:
    for problem in schema.problems(value, ""):
        raise ValueError(str(problem))
    return schema.read(value)


def size_in(content: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the size of the frames that the boxes of records are of; two times None: it is not there."""
    return content.get(WIDTH), content.get(HEIGHT)


# Dicts that become JSON.


def document(
    frames: list[model.Frame], attributes: Any = NOTHING, form: Callable[[Mapping[str, Any]], Any] = as_json
) -> dict[str, Any]:
    """Return the document of a buffer: its frames, and the attributes of the batch.

    ``form`` makes JSON of the arrays of an object: :func:`as_json`, or :func:`~empycustom.model.carried.as_plain`.
    """
    made: dict[str, Any] = {VERSION: SCHEMA_VERSION, FRAMES: [_without_arrays(frame, form) for frame in frames]}
    if attributes is not NOTHING:
        made[ATTRIBUTES] = attributes
    return made


def _without_arrays(frame: Any, form: Callable[[Mapping[str, Any]], Any]) -> Any:
    objects = frame[OBJECTS]
    return frame if all(map(ARRAYS.isdisjoint, objects)) else {**frame, OBJECTS: [*map(form, objects)]}


def in_meta(frames: list[model.Frame], buffer: model.BufferInfo, attributes: Any = NOTHING) -> dict[str, Any]:
    """Return what a callback gets of a buffer."""
    made: dict[str, Any] = {FRAMES: frames, BUFFER: buffer}
    if attributes is not NOTHING:
        made[ATTRIBUTES] = attributes
    return made


_OF_FRAMES = frozenset((keys.TENSORS, keys.SEGMENTATION))  # arrays, which callbacks in Python get alone


def callback_text(given: Mapping[str, Any]) -> bytes:
    """Return what a callback gets of a buffer as JSON: arrays of objects are as in documents, those of frames are left out."""
    for frame in given[FRAMES]:
        if not (_OF_FRAMES.isdisjoint(frame) and all(map(ARRAYS.isdisjoint, frame[OBJECTS]))):
            return assemble({**given, FRAMES: [*map(_plain_frame, given[FRAMES])]})
    return assemble(given)


def _plain_frame(frame: Any) -> dict[str, Any]:
    return {key: value for key, value in _without_arrays(frame, as_json).items() if key not in _OF_FRAMES}


def frame_dict(
    number: int,
    pts_ns: int,
    stream_time_ns: int,
    timestamp: str,
    source_id: int,
    size: tuple[int, int],
    source: str | None = None,
    batch: tuple[int, ...] = (),
) -> model.Frame:
    """Return a frame as ``in_meta`` has it, without objects yet.

    ``source`` is None where it is not known; ``batch``, in DeepStream: the width and the height at the muxer, the place in the
    batch, the pad of the muxer, and the time since 1970 in ns.
    """
    made: Any = {
        FRAME_NUM: number,
        BUF_PTS: pts_ns,
        STREAM_TIME: stream_time_ns,
        TIMESTAMP: timestamp,
        SOURCE_ID: source_id,
        WIDTH: size[0],
        HEIGHT: size[1],
    }
    if source is not None:
        made[SOURCE] = source
    if batch:
        made.update(zip(_OF_BATCH, batch, strict=True))
    made[OBJECTS] = []
    return made  # type: ignore[no-any-return]  # a cast would be a call, for every frame


def json_head(frame_num: int | None = None, timestamp: str = "") -> dict[str, Any]:
    """Return what stands first in the JSON on a buffer: of a frame, or of a batch."""
    return (
        {VERSION: SCHEMA_VERSION} if frame_num is None else {VERSION: SCHEMA_VERSION, FRAME_NUM: frame_num, TIMESTAMP: timestamp}
    )


def add_records(made: dict[str, Any], size: tuple[Any, Any], records: Iterable[Any]) -> None:
    """Add records of objects to the JSON for a buffer; their boxes are of frames of the ``size``."""
    made[WIDTH], made[HEIGHT] = size
    made[OBJECTS] = list(records)
