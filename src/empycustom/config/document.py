"""Everything that is wrong with a file, told at once."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from empycustom.config.schema import (
    Anything,
    Flag,
    Key,
    Kind,
    Listing,
    Number,
    Problem,
    Record,
    Scalar,
    Shapes,
    Text,
    below,
    is_list,
    is_named,
    is_object,
    is_text,
)
from empycustom.errors import ConfigurationError, PathError
from empycustom.text import as_native, as_path, as_text, for_people, read_json_text

_ODD = re.compile("[\0\ud800-\udfff]")


def refuse(file: Path, document: Any, problems: Iterable[Problem]) -> None:
    """Raise ConfigurationError if there are ``problems``: a line each, in the order of the file, then those of what was typed."""
    places = {path: index for index, (path, _) in enumerate(_walk(document, "$"))}
    found = sorted(dict.fromkeys(problems), key=lambda problem: places.get(problem.path, len(places)))
    if not found:
        return
    lines = [for_people(str(problem)) for problem in found]
    if found[0].path.startswith("$"):
        name = for_people(str(file))
        lines = [f"{name}: {lines[0]}"] if len(lines) == 1 else [f"{name}: {len(lines)} problems", *lines]
    raise ConfigurationError("\n".join(lines), path=found[0].path)


_DEEPEST = 100  # levels of lists and objects
TOO_DEEP = "lists and objects are nested too deeply"


def is_deep(value: Any) -> bool:
    """Whether lists and objects are nested so deeply that Python's own functions may fail with them."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [entry for item in level for entry in _entries(item)]
        if not level:
            return False
    return True


def _entries(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def odd_texts(value: Any, path: str) -> Iterator[Problem]:
    """Yield the texts, keys included, that C cannot hold (NUL) or that are no Unicode (half of a surrogate pair)."""
    for place, item in _walk(value, path):
        for text in item if isinstance(item, dict) else [item]:
            if isinstance(text, str) and (found := _ODD.search(text)):
                what = f"the key {json.dumps(text)}" if isinstance(item, dict) else "this text"
                yield Problem(place, f"{what} holds {json.dumps(found[0])[1:-1]}, which no text can hold here; leave it out")


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every place of a document in its order: the JSON path, and what stands there."""
    yield path, value
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from _walk(entry, below(path, key))


# The JSON text of a configuration as Python values, strictly: what JSON leaves open is an error with its line or place.


def load(path: Path) -> Any:
    """Return what the file holds. Raises ConfigurationError with file and place, OSError where it cannot be read."""
    name = for_people(str(path))  # the messages of configurations may have several lines, so each is made fit for people here
    try:
        text = read_json_text(path)
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{name} is no UTF-8 text: {error.reason} at byte {error.start}.") from error
    except ValueError as error:
        raise ConfigurationError(f"{name} cannot be read: {error}.") from error
    try:
        document = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
        if is_deep(document):
            raise RecursionError
        odd = list(odd_texts(document, "$"))
    except json.JSONDecodeError as error:
        line = text.split("\n")[error.lineno - 1].strip()  # JSON counts no other ends of lines
        raise ConfigurationError(
            f"{name}, line {error.lineno}, column {error.colno}: {error.msg}{f': {line}' if line else ''}"
        ) from error
    except RecursionError as error:
        raise ConfigurationError(f"{name}: {TOO_DEEP}") from error
    except ValueError as error:
        raise ConfigurationError(f"{name}: {for_people(str(error))}") from error
    refuse(path, document, odd)
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are all different; JSON would silently take the last of two."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f'the key "{twice}" is there twice in one object; several elements go into a list: "{twice}": [{{…}}, {{…}}]'
        )
    return found


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


# The one declaration of ``emi_stream_config.json``: every key, what it may hold, what it means.
#
# From it come the checks, their messages, the plain form and the JSON Schema.


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


# The files that a configuration names: where they are looked for, and which of them are not there.


CALLBACK_FILE = "emi_signal_callback.py"
_OWN = ("config-file-path", "ll-config-file", "ll-lib-file")  # of DeepStream's elements
_MADE = ("model-engine-file",)  # the same, of a file that the element makes where it is missing
_NAME = "signal_callback_function_name"


def found(folder: Path, name: str) -> Path | None:
    """Find the file ``name``: beside the configuration, or in ``resource`` there, where applications keep theirs."""
    places = (folder / expanded(name), folder / "resource" / expanded(name))
    return next((place for place in places if os.path.isfile(place)), None)  # which takes a name that is too long, too


def expanded(name: str) -> Path:
    """Return the path that ``name`` means, with the home folder for ``~`` where that is known."""
    try:
        return as_path(name)
    except PathError:
        return Path(as_native(name))


def resolved(folder: Path, key: str, value: Any) -> Any:
    """Return the value of a property, where it is the name of a file that is there: as an absolute path."""
    place = found(folder, value) if key in (*_OWN, *_MADE) and isinstance(value, str) and value else None
    return value if place is None else as_text(place)


def missing_of_library(folder: Path, given: Mapping[str, Any], path: str, said: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the files of a library that are not there.

    It stands at ``path``; ``said`` is where options said some of its properties. What is ``given`` need not be right otherwise.
    """
    listed, others = said.get("libraries") or below(path, "libraries"), given.get("libraries")
    files = {said.get("custom-lib") or below(path, "custom-lib"): given.get("custom-lib")}
    files |= {below(listed, index): library for index, library in enumerate(others if isinstance(others, list) else [])}
    for index, (place, file) in enumerate(files.items()):
        if not isinstance(file, str) or not file or (not index and _is_module(file)):
            continue
        if found(folder, file) is None:
            yield Problem(place, _why_not(folder, file, f" in {folder}, nor in the folder resource there"))


def _is_module(name: str) -> bool:
    return os.sep not in name and not name.endswith((".py", ".so")) and not name.startswith("~")


def missing_of_element(folder: Path, given: Mapping[str, Any], path: str, said: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the files of one of DeepStream's elements that are not there; it looks in the working directory, too."""
    for key in _OWN:
        file = given.get(key)
        # A name without a folder may be that of a library that the system finds.
        if not isinstance(file, str) or not file or (key == "ll-lib-file" and os.sep not in file):
            continue
        if found(folder, file) is None and not os.path.isfile(expanded(file)):
            where = f" in {folder}, nor in the folder resource there, nor in the working directory"
            yield Problem(said.get(key) or below(path, key), _why_not(folder, file, where))


def missing_callback(folder: Path, document: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the file of the signal callback, if one is asked for and it is not there."""
    name = document.get(_NAME)
    if name and isinstance(name, str) and not (folder / CALLBACK_FILE).is_file():
        yield Problem(below("$", _NAME), f"{name} is looked for in {CALLBACK_FILE}, which is not in {folder}")


def _why_not(folder: Path, file: str, where: str) -> str:
    if any(os.path.isdir(folder / inside / expanded(file)) for inside in ("", "resource")):
        return f"{file} is a folder; name a file in it"
    return f"{file} does not exist{'' if expanded(file).is_absolute() else where}"
