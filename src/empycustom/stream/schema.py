"""The one declaration of ``emi_stream_config.json``: every key, what it may hold, what it means.

From it come the checks, their messages, the plain form and the JSON Schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from empycustom.stream.choices import Shapes, is_list, is_named, is_object, is_text
from empycustom.stream.kinds import Anything, Flag, Key, Kind, Listing, Number, Record, Scalar, Text

_INT = 2**31 - 1
_UINT = 2**32 - 1
FORMATS = (
    *("RGBA", "I420", "NV12", "RGBx", "BGRA", "BGRx", "ARGB", "xRGB", "ABGR", "xBGR", "RGB", "BGR"),
    *("GRAY8", "GRAY16_LE", "YV12", "NV21", "I420_10LE", "P010_10LE"),
)
GROUPS = ("primary", "tracker", "secondary", "emcustom", "empycustom", "overlay")

INPUT = {
    "width": Key(Number(1, _UINT), "width of the frames, in pixels"),
    "height": Key(Number(1, _UINT), "height of the frames, in pixels"),
    "enable-padding": Key(Flag(), "keep the picture's shape when it is scaled, with black bands"),
    "live-source": Key(Flag(), "the source is live; of a file: play it at its own speed"),
    "batch-size": Key(Number(0, 1024), "nvstreammux: frames in a batch"),
    "batched-push-timeout": Key(Number(-1, _INT), "nvstreammux: microseconds to wait for a whole batch"),
    "gpu-id": Key(Number(0, _UINT), "nvstreammux: which GPU"),
    "num-surfaces-per-frame": Key(Number(1, 4), "nvstreammux: surfaces of a frame"),
    "nvbuf-memory-type": Key(Scalar(), "nvstreammux: kind of memory"),
    "buffer-pool-size": Key(Number(0, 1024), "nvstreammux: buffers in its pool"),
}
CUSTOM = Record(
    {
        "custom-lib": Key(Text(filled=True), "the Python file, or a dotted module name", needed=True),
        "in-place": Key(Flag(), "true: process_ip, false: process"),
        "format": Key(Text(FORMATS), "pixel format of the frames that the library gets; RGBA unless it is said"),
        "memory": Key(Text(("CPU", "NVMM")), "where these frames lie; CPU unless it is said"),
        "process-interval": Key(Number(1, _INT), "call the library for every n-th frame"),
        "options": Key(Anything(dict), "what every callback gets as its options"),
        "events": Key(Anything(), "what callbacks with a fourth argument get"),
        "libraries": Key(Listing(Text(filled=True)), "files that the library needs"),
        "on-error": Key(Text(("fail", "pass", "drop")), "what to do when a callback raises"),
        "msg-blob": Key(Flag(), "in DeepStream: let nvmsgconv publish what is said about frames"),
        "silent": Key(Flag(), "no signals"),
        "qos": Key(Flag(), "GStreamer's own"),
    },
    name="empycustom",
)
NVINFER = Record(
    {
        "config-file-path": Key(Text(), "nvinfer's own configuration file"),
        "process-mode": Key(Scalar(), "1: whole frames, 2: objects"),
        "unique-id": Key(Number(0, _UINT), "the number under which its findings are known"),
        "infer-on-gie-id": Key(Number(-1, _INT), "look at what the element of this unique-id found"),
        "infer-on-class-ids": Key(Text(), "look at objects of these classes, as 0:2:3"),
        "model-engine-file": Key(Text(), "the engine, absolute"),
        "batch-size": Key(Number(1, 1024), "most frames or objects at once"),
        "interval": Key(Number(0, _INT), "batches to skip"),
        "gpu-id": Key(Number(0, _UINT), "which GPU"),
        "raw-output-file-write": Key(Flag(), "write raw output to a file"),
        "output-tensor-meta": Key(Flag(), "attach the tensors to the buffers"),
    },
    others=Scalar(),
    name="nvinfer",
)
NVTRACKER = Record(
    {
        "ll-lib-file": Key(Text(), "the tracker's library"),
        "ll-config-file": Key(Text(), "its configuration file"),
        "tracker-width": Key(Number(0, _UINT), "width of its frames, in pixels"),
        "tracker-height": Key(Number(0, _UINT), "height of its frames, in pixels"),
        "gpu-id": Key(Number(0, _UINT), "which GPU"),
        "enable-batch-process": Key(Flag(), "several streams at once"),
    },
    others=Scalar(),
    name="nvtracker",
)
OVERLAY = Record(
    {
        "display-clock": Key(Flag(), "show the time; without nvdsosd clockoverlay does"),
        "clock-font": Key(Text(), "nvdsosd: font of the clock"),
        "clock-font-size": Key(Number(0, 60), "nvdsosd: its size"),
        "x-clock-offset": Key(Number(0, _UINT), "nvdsosd: where the clock is, in pixels"),
        "y-clock-offset": Key(Number(0, _UINT), "nvdsosd: where the clock is, in pixels"),
        "clock-color": Key(Number(0, _UINT), "nvdsosd: its colour"),
        "process-mode": Key(Scalar(), "nvdsosd: what draws"),
        "gpu-id": Key(Number(0, _UINT), "nvdsosd: which GPU"),
        "silent": Key(Flag(), "taken and not used"),
    },
    others=Scalar(),
    name="nvdsosd",
)
AIMETA = Record(
    {
        "signal-interval": Key(Number(1, _INT), "a document, and a call of the signal callback, for every n-th frame"),
        "signal-aimetas": Key(Flag(), "false: neither"),
        "silent": Key(Flag(), "false: the element itself prints each document"),
        "location": Key(Text(), "file that gets every document, one a line"),
    }
)
_ANY = Record(others=Scalar(), name="element")
_NAMED: Mapping[str, Key] = {
    "empycustom": Key(CUSTOM, "a library"),
    "emcustom": Key(CUSTOM, "a library; empycustom where emcustom is not installed"),
    "nvinfer": Key(NVINFER, "a model"),
    "nvtracker": Key(NVTRACKER, "a tracker"),
    "nvdsosd": Key(OVERLAY, "what draws"),
}


_ONE = Record(_NAMED, others=_ANY, least=1, most=1, name="named")
_SOME = Record(_NAMED, others=_ANY, least=1, name="several")


def _stage(own: Record) -> Kind:
    """A stage: the properties of its usual element, elements by name, or a list of these."""
    shapes = ((is_list, Listing(_ONE)), (is_named, _SOME), (is_object, own))
    return Shapes(shapes, 'an object, or a list of objects as {"nvinfer": {…}}')


_CUSTOMS = Shapes(((is_list, Listing(CUSTOM)), (is_object, CUSTOM)), "an object, or a list of objects")
PIPELINE = Record(
    {
        "input": Key(Record(INPUT), "size and pace of the frames: what nvstreammux is told"),
        "primary": Key(_stage(NVINFER), "the detector: properties of nvinfer, or elements by name"),
        "tracker": Key(_stage(NVTRACKER), "the tracker: properties of nvtracker, or elements by name"),
        "secondary": Key(_stage(NVINFER), "what looks at the objects: as primary"),
        "emcustom": Key(_CUSTOMS, "libraries of the element emcustom; empycustom where it is not installed"),
        "empycustom": Key(_CUSTOMS, "your libraries, one or a list, in this order"),
        "overlay": Key(_stage(OVERLAY), "what is drawn: properties of nvdsosd, or elements by name"),
        "aimeta": Key(AIMETA, "the documents"),
    }
)
EVENT_ITEM = Record(
    {
        "key": Key(Text(), "the name of the item", needed=True),
        "type": Key(Text(("string", "number")), "what it holds", needed=True),
        "options": Key(Listing(Text()), "of a string: what it may be"),
        "min_value": Key(Number(whole=False), "of a number: the least"),
        "max_value": Key(Number(whole=False), "of a number: the most"),
    }
)
_PROPERTY = Record(
    {
        "element": Key(Text(filled=True), "the stage, or the name of an element that stands in one", needed=True),
        "property": Key(Text(filled=True), "a property of its elements", needed=True),
    }
)
_OPTION_KEY = Shapes(((is_text, Text()), (is_object, _PROPERTY)), 'text, or {"element": …, "property": …}')
OPTION = Record(
    {
        "key": Key(_OPTION_KEY, "a name, or element and property", needed=True),
        "option_type": Key(Text(("gstreamer", "callback")), "a property of an element, or for the callback", needed=True),
        "value_type": Key(Text(("string", "number", "list", "object")), "what it holds; anything unless it is said"),
        "value_list": Key(Listing(Text()), "of a string: what it may be"),
        "min-value": Key(Number(whole=False), "of a number: the least"),
        "max-value": Key(Number(whole=False), "of a number: the most"),
        "value": Key(Anything(), "what it holds if nobody sets it"),
    }
)
STREAM = Record(
    {
        "stream_id": Key(Text(filled=True, line=True), "its name, in messages and in what is printed", needed=True),
        "location": Key(Text(), "the source: a URI, a file, camera, test, or - for stdin"),
        "options": Key(
            Listing(
                Record(
                    {
                        "key": Key(_OPTION_KEY, "an option of the application", needed=True),
                        "value": Key(Anything(), "what it holds in this stream", needed=True),
                    }
                )
            ),
            "what options hold in this stream",
        ),
    }
)
CONFIGURATION = Record(
    {
        "developer_name": Key(Text(), "who made it"),
        "application_name": Key(Text(line=True), "its name"),
        "application_version": Key(Text(), "its version"),
        "application_description": Key(Text(), "what it is for"),
        "pipeline_configuration": Key(PIPELINE, "the pipeline, in the order of its keys below", needed=True),
        "signal_callback_function_name": Key(Text(), "the function in emi_signal_callback.py"),
        "event_item_keys": Key(Listing(EVENT_ITEM), "what every event has to hold"),
        "options": Key(Listing(OPTION), "what whoever runs the application may change"),
        "streams": Key(Listing(STREAM), "the streams that run side by side"),
    }
)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a configuration, for editors and other programs."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "emi_stream_config.json"}
    shared = (CUSTOM, NVINFER, NVTRACKER, OVERLAY, _ANY, _ONE, _SOME)
    return head | CONFIGURATION.json_schema() | {"$defs": {record.name: record.definition() for record in shared}}
