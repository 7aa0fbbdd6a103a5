"""Every JSON key of ``in_meta``, documents and results, declared once.

From the declaration are made the checks of new objects, messages, defaults, ``empycustom schema --document``, and, by
``make format``, the typed dicts in :mod:`empycustom.types` and the tables of docs/metadata.md. So a new key is one entry here.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from empycustom.errors import OutputError
from empycustom.model import arrays
from empycustom.model.arrays import BOX as BOX
from empycustom.model.arrays import ObjectWithArrays
from empycustom.model.fields import (
    BOX_DICT as BOX_DICT,
)
from empycustom.model.fields import (
    INT,
    LARGEST,
    NUMBER,
    PIXELS,
    SEGMENTATION_DICT,
    TENSOR_DICT,
    found,
)
from empycustom.model.fields import (
    Key as Key,
)
from empycustom.model.numbers import Angle, Confidence, Names, OptionalNumber, is_empty, means_no_number
from empycustom.model.schema import (
    ABSENT,
    ANYTHING,
    JSON_OBJECT,
    Array,
    Integer,
    Object,
    OneOf,
    Reader,
    Schema,
    Text,
    Unusual,
    json_schema,
)
from empycustom.model.turns import FULL_TURN
from empycustom.model.values import UNKNOWN_CLASS, UNTRACKED, is_nothing

if TYPE_CHECKING:
    from empycustom.types import ObjectMeta

SCHEMA_VERSION = 1  # of documents and of the JSON on buffers; it stays the same as long as keys are only added
LARGEST_FRAME_NUM = 2**63 - 1  # the next ones still fit into the 64 bits that a buffer has for it
_UINT64 = Integer(-1, 2**64 - 1)  # -1: none
_OWN_NUMBER = OptionalNumber(-1, LARGEST_FRAME_NUM)


# Keys that are looked up elsewhere; all others are known here alone.
FRAMES: Final = "frame"
BUFFER: Final = "buffer"
OBJECTS: Final = "object"
NEW_OBJECTS: Final = "new_object"
CHANGED_OBJECTS: Final = "changed_object"
REMOVED_OBJECTS: Final = "removed_object"
ATTRIBUTES: Final = "emcustom"  # in what comes
FROM_FRAME: Final = "from_frame"
RESULT_ATTRIBUTES: Final = "meta"  # in what a library returns, and of the batch in the JSON on buffers
VERSION: Final = "schema_version"
FRAME_NUM: Final = "frame_num"
TIMESTAMP: Final = "timestamp"
STREAM_TIME: Final = "stream_time"
BUF_PTS: Final = "buf_pts"
SOURCE_ID: Final = "source_id"
SOURCE: Final = "source"
WIDTH: Final = "source_frame_width"
HEIGHT: Final = "source_frame_height"
CLASS_ID: Final = "class_id"
TRACK_ID: Final = "object_id"
CONFIDENCE: Final = "confidence"
LABEL: Final = "obj_label"
TEXT: Final = "text_params"
CLASSIFIERS: Final = "classifier"
LABELS: Final = "label_info"
LABEL_NAME: Final = "result_label"
FINDER: Final = "unique_component_id"  # of an object; of a classifier it is the number of the classifier
TRACKER_CONFIDENCE: Final = "tracker_confidence"
RECORD_KEY: Final = "key"
BOX_IN_REGION: Final = "box_in_region"
TENSORS: Final = "tensors"
SEGMENTATION: Final = "segmentation"
PACKED: Final = "packed"


class Attributes(Schema):
    """Any JSON. A value without content, such as ``{}``, is like a key that is not there."""

    expected_text = "any JSON"

    def reader(self) -> Reader:
        """Leave values without content to the slower way."""

        def read(value: Any) -> Any:
            if is_nothing(value):
                raise Unusual
            return value

        return read

    def json_schema(self, definitions: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - it has none
        """Return what accepts anything."""
        return {}


def _name(description: str) -> Key:
    return found(Text(), description, default="", blank=is_nothing)


def _of_deepstream(schema: Schema, description: str, unit: str = "") -> Key:
    return Key(schema, description, unit=unit, by="DeepStream", always=False)


def _of_library(schema: Schema, description: str, **more: Any) -> Key:
    return Key(schema, description, by="library", always=False, **more)


_special = partial(found, always=False)


TEXT_DICT = Object(
    {"display_text": _name("text that an overlay writes beside the object; empty: none")},
    name="TextParams",
    description="The text that an overlay writes beside an object.",
    expected_text="a dict",
)
LABEL_DICT = Object(
    {
        "num_classes": found(INT, "number of classes that the classifier has; 0: unknown", default=0),
        LABEL_NAME: _name("name of the class"),
        "result_class_id": found(INT, "number of the class", default=0),
        "label_id": found(INT, "number of the label", default=0),
        "result_prob": found(NUMBER, "probability, from 0 to 1", default=1.0),
    },
    name="LabelInfo",
    description="A label that a classifier gave to an object.",
    expected_text="a dict",
)
CLASSIFIER_DICT = Object(
    {
        "num_labels": found(INT, "number of labels", default=0, computed=lambda made: len(made[LABELS])),
        "unique_component_id": found(INT, "number of the element that classified the object; 0: unknown", default=0),
        LABELS: found(Array(LABEL_DICT), "the labels", default=[], blank=is_nothing),
        "classifier_type": _special(Text(), "what it classifies, such as `color`: of elements of Hailo's, and for them"),
    },
    name="Classifier",
    description="The labels that one classifier gave to an object.",
    expected_text="a dict",
)
OBJECT_DICT = ObjectWithArrays(
    {
        CLASS_ID: found(INT, "number of the class; -1: unknown", default=UNKNOWN_CLASS),
        TRACK_ID: found(_UINT64, "number that a tracker gave to the object; -1: not tracked", default=UNTRACKED),
        CONFIDENCE: found(Confidence(-LARGEST, LARGEST), "confidence of the detection, from 0 to 1", default=1.0),
        LABEL: _name("name of the class"),
        BOX: found(BOX_DICT, "the box, in pixels of the frame", required=True),
        TEXT: found(TEXT_DICT, "text that an overlay writes beside the object", default={}, blank=is_nothing),
        CLASSIFIERS: found(Array(CLASSIFIER_DICT), "an entry for each classifier", default=[], blank=is_nothing),
        FINDER: _of_deepstream(INT, "number of the element that found the object"),
        TRACKER_CONFIDENCE: _of_deepstream(NUMBER, "confidence of the tracker, from 0 to 1"),
        ATTRIBUTES: _of_library(Attributes(), "attributes of the object from libraries upstream", blank=is_nothing),
        arrays.ROTATION: _special(
            Angle(-FULL_TURN, FULL_TURN),
            "how far the box is turned about its centre, clockwise on the screen; `rect_params` is the box before it is turned",
            unit="radians",
        ),
        arrays.KEYPOINTS: _special(
            arrays.KEYPOINTS_SCHEMA,
            "x, y and confidence (from 0 to 1) of each key point: an array (n, 3) of float32; in JSON one list of 3n numbers",
            unit="pixels",
            blank=is_empty,
        ),
        arrays.KEYPOINT_NAMES: _special(Names(Text()), "the names of the key points", blank=is_empty),
        arrays.SKELETON: _special(
            arrays.SKELETON_SCHEMA, "the lines between key points, as pairs of their indices", blank=is_empty
        ),
        arrays.MASK: _special(
            arrays.MASK_SCHEMA,
            "which part of the box is the object: an array (height, width) that is stretched over `rect_params`, of uint8 (0 "
            "and 1) or of float32 (confidences); in JSON COCO's RLE",
            blank=is_empty,
        ),
        arrays.EMBEDDING: _special(
            arrays.EMBEDDING_SCHEMA, "what the object looks like to a model: an array (n,) of float32 or float16", blank=is_empty
        ),
        arrays.UNIQUE_ID: _special(_OWN_NUMBER, "number of the object on its frame", blank=means_no_number),
        arrays.PARENT_ID: _special(_OWN_NUMBER, "`unique_id` of the object that it is a part of", blank=means_no_number),
    },
    name="ObjectMeta",
    description="An object that was found in a frame.",
    expected_text="a dict",
)
FRAME_DICT = Object(
    {
        FRAME_NUM: Key(Integer(), "number of the frame, from 0, or as an element upstream counted it"),
        BUF_PTS: Key(_UINT64, "timestamp of the buffer, as the container counts it; -1: none", unit="ns"),
        STREAM_TIME: Key(
            Integer(),
            "time of the frame in the video: 0 at its beginning in every container, as players show it; -1: unknown, as where "
            "`buf_pts` is -1, or in a batch of DeepStream",
            unit="ns",
        ),
        TIMESTAMP: Key(Text(), "local time when the first element of this project received the frame"),
        SOURCE_ID: Key(Integer(), "number of the source in a batch, else 0"),
        SOURCE: Key(
            Text(),
            "where the frame comes from, if `empycustom run` plays it: a file as you named it (from a folder: `frames/001.jpg`), "
            "a URI without passwords, a device, `test`, `-` for stdin; the `stream_id` of a stream configuration",
            always=False,
        ),
        WIDTH: Key(PIXELS, "width of the frame", unit="pixels"),
        HEIGHT: Key(PIXELS, "height of the frame", unit="pixels"),
        "stream_width": _of_deepstream(Integer(), "width at the input of nvstreammux", unit="pixels"),
        "stream_height": _of_deepstream(Integer(), "height at the input of nvstreammux", unit="pixels"),
        "batch_id": _of_deepstream(Integer(), "place of the frame in the batch"),
        "pad_index": _of_deepstream(Integer(), "pad of nvstreammux that the frame came by"),
        "ntp_timestamp": _of_deepstream(Integer(), "time since 1970, from which `timestamp` is made; 0: unknown", unit="ns"),
        OBJECTS: Key(
            Array(OBJECT_DICT), "the objects that detectors, trackers or libraries upstream have found", by="detector, library"
        ),
        ATTRIBUTES: _of_library(ANYTHING, "attributes of the frame from libraries upstream"),
        FROM_FRAME: Key(
            Integer(),
            "number of the frame that they are about, and the objects found with them, where that is an earlier one: behind an "
            "`empycustom` with `pace=latest`. Behind several libraries that of the earliest frame: no attribute is older",
            always=False,
        ),
        TENSORS: Key(Array(TENSOR_DICT), "raw output of networks upstream", by="network", always=False, documented=False),
        SEGMENTATION: Key(
            Array(SEGMENTATION_DICT), "maps of classes, of networks upstream", by="network", always=False, documented=False
        ),
    },
    name="FrameMeta",
    description="A frame of a buffer.",
)
PLANE_DICT = Object(
    {
        "offset": Key(Integer(0), "where the plane begins in the mapped buffer", unit="bytes"),
        "stride": Key(INT, "from one row to the next", unit="bytes"),
        "width": Key(PIXELS, "width of the plane", unit="samples"),
        "height": Key(PIXELS, "height of the plane", unit="samples"),
    },
    name="Plane",
    description="Where a plane of pixels lies in the mapped buffer.",
)
BUFFER_DICT = Object(
    {
        "format": Key(Text(), "format of the pixels, as caps spell it"),
        "width": Key(PIXELS, "width of the frame", unit="pixels"),
        "height": Key(PIXELS, "height of the frame", unit="pixels"),
        "memory": Key(Text(("CPU", "NVMM")), "where the pixels are"),
        "interlace_mode": Key(Text(), "order of the rows, as caps spell it"),
        "framerate": Key(Text(), "frames in a second, as caps spell it: `30/1`; `0/1`: it varies, or is not known"),
        "planes": Key(Array(PLANE_DICT), "the planes of pixels"),
    },
    name="BufferInfo",
    description="How the pixels of a buffer are stored; `map_frame` reads it for you.",
)
_FRAMES = {FRAMES: Key(Array(FRAME_DICT), "the frames; without DeepStream there is one")}
_OF_BATCH = {ATTRIBUTES: _of_library(ANYTHING, "attributes of the batch from libraries upstream")}
_VERSION = {VERSION: Key(Integer(1), "version of these keys; it stays the same when keys are added")}
IN_META_DICT = Object(
    {**_FRAMES, BUFFER: Key(BUFFER_DICT, "how the pixels are stored"), **_OF_BATCH},
    name="InMeta",
    description="What a callback gets as `in_meta`.",
)
DOCUMENT_DICT = Object(
    {**_VERSION, **_FRAMES, **_OF_BATCH},
    name="Document",
    description="What `aimeta` and `empycustom.document` contain about a buffer.",
)
NEW_OBJECT_DICT = ObjectWithArrays(
    {name: replace(its, always=False) for name, its in OBJECT_DICT.fields.items() if isinstance(its, Key)},
    name="NewObject",
    description="An object that a library has found. Only its box is required.",
    expected_text="a dict",
)
CHANGED_OBJECT_DICT = ObjectWithArrays(
    {
        name: replace(
            its, default=ABSENT, blank=is_nothing if name == ATTRIBUTES else lambda value: value is None, required=False
        )
        for name, its in NEW_OBJECT_DICT.fields.items()
    },
    name="ChangedObject",
    description="What becomes different of an object of ``in_meta``; all else stays as it is.",
    expected_text="a dict of what is to be different, or {}",
)
OUT_FRAME_DICT = Object(
    {
        RESULT_ATTRIBUTES: _of_library(ANYTHING, "attributes of the frame"),
        OBJECTS: _of_library(Array(ANYTHING), "attributes of its objects, an entry for each in their order; {}: none"),
        NEW_OBJECTS: _of_library(Array(NEW_OBJECT_DICT), "objects that the library has found"),
        CHANGED_OBJECTS: _of_library(
            Array(CHANGED_OBJECT_DICT), "what becomes different of its objects, an entry for each in their order; {}: nothing"
        ),
        REMOVED_OBJECTS: _of_library(Array(Integer(0)), "indices of its objects that are removed"),
    },
    name="OutFrame",
    description="The result about one frame.",
    expected_text="a dict",
)
OUT_BATCH_DICT = Object(
    {
        RESULT_ATTRIBUTES: _of_library(ANYTHING, "attributes of the batch, or of the buffer"),
        FRAMES: _of_library(
            OneOf(
                ((list, Array(OUT_FRAME_DICT)), (dict, JSON_OBJECT)),
                "a dict (the attributes of the frame) or a list (an entry for each frame)",
            ),
            "an entry for each frame, or the attributes of the only one",
        ),
    },
    name="OutBatch",
    description="The result about a buffer, in its long form.",
    expected_text="a dict",
)


_PARTS_OF_IN_META = (
    *(BOX_DICT, TEXT_DICT, LABEL_DICT, CLASSIFIER_DICT, OBJECT_DICT, TENSOR_DICT, SEGMENTATION_DICT, FRAME_DICT),
    *(PLANE_DICT, BUFFER_DICT),
)
DICTS = (
    *_PARTS_OF_IN_META,
    *(IN_META_DICT, DOCUMENT_DICT, NEW_OBJECT_DICT, CHANGED_OBJECT_DICT, OUT_FRAME_DICT, OUT_BATCH_DICT),
)
IN_META_KEYS = tuple(dict.fromkeys(key for each in (IN_META_DICT, *_PARTS_OF_IN_META) for key in each.fields))


_readers = {id(schema): schema.reader() for schema in (OBJECT_DICT, CHANGED_OBJECT_DICT)}


def new_object(value: Any, path: str) -> ObjectMeta:
    """Return an object that a library has found, complete, with the defaults of what it left out.

    Only its box is required; an object of ``in_meta`` is accepted as it is. Raises OutputError with the place of what is wrong.
    """
    return cast("ObjectMeta", _read(OBJECT_DICT, value, path))


def changed_object(value: Any, path: str) -> dict[str, Any]:
    """Return what a library has changed of an object; what it left out, or is None, stays. Raises as :func:`new_object` does."""
    return _read(CHANGED_OBJECT_DICT, value, path) if value is not None else {}


def _read(schema: Object, value: Any, path: str) -> dict[str, Any]:
    try:
        return _readers[id(schema)](value)  # type: ignore[no-any-return]
    except Unusual:
        for problem in schema.problems(value, path):
            advice = f". Attributes of your own belong under {path}.{ATTRIBUTES}" if problem.unknown else ""
            raise OutputError(f"{problem.text}{advice}", path=problem.path) from None
        return schema.read(value)


def document_schema() -> dict[str, Any]:
    """Return the JSON Schema of documents: their lines in files and on the console, and the payload of ``new-meta``."""
    return json_schema(documented(DOCUMENT_DICT), "document of aimeta")


def documented(schema: Schema) -> Schema:
    """Return the schema of what comes, rather than of what may be returned: keys that are always there, and others in time."""
    if isinstance(schema, Array):
        return Array(documented(schema.items))
    if isinstance(schema, OneOf):
        return replace(schema, shapes=tuple((test, documented(each)) for test, each in schema.shapes))
    if not isinstance(schema, Object):
        return schema
    fields = {
        name: replace(its, schema=documented(its.schema), required=its.always)
        for name, its in schema.fields.items()
        if isinstance(its, Key) and its.documented
    }
    return replace(schema, fields=fields, others=ANYTHING)
