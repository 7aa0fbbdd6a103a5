"""The declaration of ``emi_stream_config.json``: every key with its values and its description.

The checks, their messages, the plain form and the JSON Schema are made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from empycustom.frames.formats import FORMATS
from empycustom.library.declared import Option
from empycustom.library.dialects import AUTO, DIALECTS
from empycustom.model.arrays import EMBEDDINGS
from empycustom.model.schema import (
    ANYTHING,
    JSON_OBJECT,
    SCALAR,
    Array,
    Field,
    Integer,
    Number,
    Object,
    OneOf,
    Schema,
    Text,
)
from empycustom.model.schema import json_schema as json_schema_of
from empycustom.publish.address import SETTINGS


@dataclass(eq=False, repr=False)
class Boolean(Schema):
    """True or false, also as text."""

    expected_text: str = field(default="true or false", init=False)

    def problem(self, value: Any) -> str:
        """Return what is wrong with a value."""
        return "" if isinstance(value, bool) or value in ("true", "false") else self.wrong(value, 'write true or "true"')

    def read(self, value: Any) -> bool:
        """Return true or false."""
        return value is True or value == "true"

    def json_schema(self, definitions: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - it has none
        """Return the values that are accepted."""
        return {"enum": [True, False, "true", "false"]}


_INT = 2**31 - 1


def _setting(option: Option) -> Schema:
    """Return the schema of a setting of a destination."""
    if option.choices:
        return Text(tuple(map(str, option.choices)))
    lowest, highest = option.limits or (0, 0)
    return Integer(int(lowest or 0), int(highest or 0)) if type(option.default) is int else Text()


_UINT = 2**32 - 1
GROUPS = ("primary", "tracker", "secondary", "emcustom", "empycustom", "overlay")

INPUT = {
    "width": Field(Integer(1, _UINT), "width of the frames, in pixels"),
    "height": Field(Integer(1, _UINT), "height of the frames, in pixels"),
    "enable-padding": Field(Boolean(), "keep the picture's shape when it is scaled, with black bands"),
    "live-source": Field(Boolean(), "the source is live; of a file: play it at its own speed"),
    "batch-size": Field(Integer(0, 1024), "nvstreammux: frames in a batch"),
    "batched-push-timeout": Field(Integer(-1, _INT), "nvstreammux: microseconds to wait for a whole batch"),
    "gpu-id": Field(Integer(0, _UINT), "nvstreammux: which GPU"),
    "num-surfaces-per-frame": Field(Integer(1, 4), "nvstreammux: surfaces of a frame"),
    "nvbuf-memory-type": Field(SCALAR, "nvstreammux: kind of memory"),
    "buffer-pool-size": Field(Integer(0, 1024), "nvstreammux: buffers in its pool"),
}
FORMAT = Text(tuple(FORMATS))
CUSTOM = Object(
    {
        "custom-lib": Field(Text(filled=True), "the Python file, a dotted module name, or a compiled library", required=True),
        "in-place": Field(Boolean(), "true: process_ip, false: process; default: true for compiled libraries"),
        "format": Field(
            FORMAT,
            "pixel format of the frames that the library gets; default: RGBA "
            "(in CPU memory BGR for gvapython, RGB for hailopython)",
        ),
        "memory": Field(Text(("CPU", "NVMM")), "memory of these frames; default: CPU"),
        "dialect": Field(Text((AUTO, *DIALECTS)), "how the library is called; default: as it looks"),
        "class": Field(Text(filled=True), "gvapython: the class whose object is called"),
        "function": Field(Text(filled=True), "other dialects: the function or method that is called for each frame"),
        "arg": Field(Array(ANYTHING), "gvapython: arguments of the class"),
        "kwarg": Field(JSON_OBJECT, "gvapython: arguments of the class by name"),
        "finalize-function": Field(Text(filled=True), "hailopython: the function that is called at the stop"),
        "interface": Field(Integer(1, 3), "emcustom: the version of the interface of a compiled library"),
        "process-interval": Field(Integer(1, _INT), "call the library for every n-th frame"),
        "options": Field(JSON_OBJECT, "the options of all callbacks"),
        "events": Field(ANYTHING, "the value of `events` of callbacks"),
        "libraries": Field(Array(Text(filled=True)), "files that the library needs"),
        "on-error": Field(Text(("fail", "pass", "drop")), "the handling of an exception of a callback"),
        "reload": Field(Boolean(), "load the library anew when its file, or a module beside it, has changed"),
        "workers": Field(Integer(0, 64), "so many processes run the library; 0: that of the pipeline"),
        "pace": Field(Text(("every", "skip", "latest")), "the handling of frames while all workers are busy"),
        "call-timeout": Field(Integer(0, _INT), "milliseconds that a call may take before its worker is ended; 0: no limit"),
        "msg-blob": Field(Boolean(), "in DeepStream: let nvmsgconv publish the attributes of frames"),
        "silent": Field(Boolean(), "no signals"),
        "qos": Field(Boolean(), "GStreamer's own"),
    },
    name="empycustom",
)
NVINFER = Object(
    {
        "config-file-path": Field(Text(), "nvinfer's own configuration file"),
        "process-mode": Field(SCALAR, "1: whole frames, 2: objects"),
        "unique-id": Field(Integer(0, _UINT), "the number of the element in the metadata"),
        "infer-on-gie-id": Field(Integer(-1, _INT), "process objects of the element with this unique-id"),
        "infer-on-class-ids": Field(Text(), "process objects of these classes, as 0:2:3"),
        "model-engine-file": Field(Text(), "the engine, absolute"),
        "batch-size": Field(Integer(1, 1024), "maximum of frames or objects at once"),
        "interval": Field(Integer(0, _INT), "batches to skip"),
        "gpu-id": Field(Integer(0, _UINT), "which GPU"),
        "raw-output-file-write": Field(Boolean(), "write raw output to a file"),
        "output-tensor-meta": Field(Boolean(), "attach the tensors to the buffers"),
    },
    others=SCALAR,
    name="nvinfer",
)
NVTRACKER = Object(
    {
        "ll-lib-file": Field(Text(), "the tracker's library"),
        "ll-config-file": Field(Text(), "its configuration file"),
        "tracker-width": Field(Integer(0, _UINT), "width of its frames, in pixels"),
        "tracker-height": Field(Integer(0, _UINT), "height of its frames, in pixels"),
        "gpu-id": Field(Integer(0, _UINT), "which GPU"),
        "enable-batch-process": Field(Boolean(), "several streams at once"),
    },
    others=SCALAR,
    name="nvtracker",
)
OVERLAY = Object(
    {
        "display-clock": Field(Boolean(), "show the time; without nvdsosd clockoverlay does"),
        "clock-font": Field(Text(), "nvdsosd: font of the clock"),
        "clock-font-size": Field(Integer(0, 60), "nvdsosd: its size"),
        "x-clock-offset": Field(Integer(0, _UINT), "nvdsosd: where the clock is, in pixels"),
        "y-clock-offset": Field(Integer(0, _UINT), "nvdsosd: where the clock is, in pixels"),
        "clock-color": Field(Integer(0, _UINT), "nvdsosd: its colour"),
        "process-mode": Field(SCALAR, "nvdsosd: the processor that draws"),
        "gpu-id": Field(Integer(0, _UINT), "nvdsosd: which GPU"),
        "silent": Field(Boolean(), "accepted and not used"),
    },
    others=SCALAR,
    name="nvdsosd",
)
AIMETA = Object(
    {
        "signal-interval": Field(Integer(1, _INT), "a document, and a call of the signal callback, for every n-th frame"),
        "signal-aimetas": Field(Boolean(), "false: neither"),
        "silent": Field(Boolean(), "false: the element itself prints each document"),
        "location": Field(Text(), "file that gets every document, one a line"),
        "embeddings": Field(Text(tuple(EMBEDDINGS)), "how documents have the embeddings of objects"),
    }
)
PUBLISH = Object(
    {
        "uri": Field(Text(filled=True), "where messages go, with the settings of the destination in its query", required=True),
        **{name: Field(_setting(option), option.description) for name, option in SETTINGS.items()},
    },
    others=SCALAR,  # settings of the destination, as its URI may have them
    name="metapublish",
)
_PUBLISH = OneOf(((str, Text(filled=True)), (dict, PUBLISH)), 'a URI, or {"uri": …}')
_ANY = Object(others=SCALAR, name="element")
_NAMED: Mapping[str, Field] = {
    "empycustom": Field(CUSTOM, "a library"),
    "emcustom": Field(CUSTOM, "a library; empycustom where emcustom is not installed"),
    "nvinfer": Field(NVINFER, "a model"),
    "nvtracker": Field(NVTRACKER, "a tracker"),
    "nvdsosd": Field(OVERLAY, "the element that draws"),
}


_ONE_KEY = 'an object with one key, as {"nvinfer": {…}}'
_ONE = Object(_NAMED, others=_ANY, minimum=1, maximum=1, name="named", expected_text=_ONE_KEY)
_SOME = Object(_NAMED, others=_ANY, minimum=1, name="several")


def is_named(value: Any) -> bool:
    """Return True if a stage names its elements, as in ``{"nvinfer": {…}}``: an object with only objects as values."""
    return isinstance(value, dict) and bool(value) and all(isinstance(item, dict) for item in value.values())


def _stage(own: Object) -> Schema:
    """Return the schema of a stage: the properties of its usual element, elements by name, or a list of these."""
    shapes = ((list, Array(_ONE)), (is_named, _SOME), (dict, own))
    return OneOf(shapes, 'an object, or a list of objects as {"nvinfer": {…}}')


_CUSTOMS = OneOf(((list, Array(CUSTOM)), (dict, CUSTOM)), "an object, or a list of objects")
PIPELINE = Object(
    {
        "input": Field(Object(INPUT), "size and pace of the frames: properties of nvstreammux"),
        "primary": Field(_stage(NVINFER), "the detector: properties of nvinfer, or elements by name"),
        "tracker": Field(_stage(NVTRACKER), "the tracker: properties of nvtracker, or elements by name"),
        "secondary": Field(_stage(NVINFER), "the classifiers of objects: as primary"),
        "emcustom": Field(_CUSTOMS, "libraries of the element emcustom; empycustom where it is not installed"),
        "empycustom": Field(_CUSTOMS, "your libraries, one or a list, in this order"),
        "overlay": Field(_stage(OVERLAY), "the drawing: properties of nvdsosd, or elements by name"),
        "publish": Field(
            OneOf(((list, Array(_PUBLISH)), (str, Text(filled=True)), (dict, PUBLISH)), "a URI, an object, or a list of them"),
            "where documents are sent: the element metapublish",
        ),
        "aimeta": Field(AIMETA, "the documents"),
    }
)
EVENT_ITEM = Object(
    {
        "key": Field(Text(), "the name of the item", required=True),
        "type": Field(Text(("string", "number")), "the type of its values", required=True),
        "options": Field(Array(Text()), "of a string: its possible values"),
        "min_value": Field(Number(), "of a number: the minimum"),
        "max_value": Field(Number(), "of a number: the maximum"),
    }
)
_PROPERTY = Object(
    {
        "element": Field(Text(filled=True), "the stage, or the name of an element that stands in one", required=True),
        "property": Field(Text(filled=True), "a property of its elements", required=True),
    }
)
_OPTION_KEY = OneOf(((str, Text()), (dict, _PROPERTY)), 'text, or {"element": …, "property": …}')
OPTION = Object(
    {
        "key": Field(_OPTION_KEY, "a name, or element and property", required=True),
        "option_type": Field(Text(("gstreamer", "callback")), "a property of an element, or for the callback", required=True),
        "value_type": Field(Text(("string", "number", "list", "object")), "the type of its values; default: any"),
        "value_list": Field(Array(Text()), "of a string: its possible values"),
        "min-value": Field(Number(), "of a number: the minimum"),
        "max-value": Field(Number(), "of a number: the maximum"),
        "value": Field(ANYTHING, "the default value"),
    }
)
STREAM = Object(
    {
        "stream_id": Field(Text(filled=True, one_line=True), "its name, in messages and in what is printed", required=True),
        "location": Field(Text(), "the source: a URI, a file, camera, test, or - for stdin"),
        "options": Field(
            Array(
                Object(
                    {
                        "key": Field(_OPTION_KEY, "an option of the application", required=True),
                        "value": Field(ANYTHING, "its value in this stream", required=True),
                    }
                )
            ),
            "values of options in this stream",
        ),
    }
)
CONFIGURATION = Object(
    {
        "$schema": Field(Text(), "where the JSON Schema is, for editors; not read"),
        "developer_name": Field(Text(), "its author"),
        "application_name": Field(Text(one_line=True), "its name"),
        "application_version": Field(Text(), "its version"),
        "application_description": Field(Text(), "its purpose"),
        "pipeline_configuration": Field(PIPELINE, "it describes the pipeline", required=True),
        "signal_callback_function_name": Field(Text(), "the function in emi_signal_callback.py"),
        "event_item_keys": Field(Array(EVENT_ITEM), "the items that every event must have"),
        "options": Field(Array(OPTION), "settings that users of the application may change"),
        "streams": Field(Array(STREAM), "the streams, which run in parallel"),
    }
)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a configuration, for editors and other programs."""
    return json_schema_of(CONFIGURATION, "emi_stream_config.json")
