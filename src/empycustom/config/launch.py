"""A stream as the text of a pipeline, in the language of gst-launch-1.0: the same text for the same stream and machine."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from empycustom.config.streams import Stage, Stream
from empycustom.errors import ConfigurationError
from empycustom.text import shell_word

# Names of elements; FIRST is the queue behind the source, UPRIGHT turns frames that are stored turned.
AIMETA, FIRST, STREAMMUX, UPRIGHT, PUBLISH = "aimeta", "first", "mux", "upright", "publish"
# Of streams that share a pipeline: the demuxer, and the elements before and behind the shared stages.
STREAMDEMUX, ENTERING, LEAVING = "demux", "entering", "leaving"
TURN = ("videoflip", f"name={UPRIGHT}", "video-direction=auto")
# The properties of the queue FIRST that keeps only the newest frame, for live sources.
NEWEST = {"leaky": "downstream", "max-size-buffers": 1, "max-size-bytes": 0, "max-size-time": 0}
_SIMPLE = re.compile(r"[\w./:,+@%()-]+")
_PLAIN, _NVMM = "video/x-raw", "video/x-raw(memory:NVMM)"
_SCALED = ("width", "height", "enable-padding")
_INPUT = "$.pipeline_configuration.input"
_PUSH_TIMEOUT_US = 40_000  # how long a batch of several streams waits for those that are late, or gone


@dataclass
class Description:
    """A pipeline as tokens, each an element with its properties, a ``!`` or caps; ``warnings`` are what it leaves out.

    ``tokens`` are those up to aimeta, ``sinks`` those behind it, ``head`` those before stages that are shared with other streams.
    """

    tokens: list[str] = field(default_factory=list)
    sinks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    head: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text for GStreamer's parser."""
        return " ".join([*self.tokens, *self.sinks])

    def line(self, *, finishing: bool = False, variables: Sequence[str] = ()) -> str:
        """Return the pipeline as a line for a shell, with all that is secret in it; ``finishing``: Ctrl-C lets files be finished.

        ``variables`` are settings of its environment, NAME=VALUE.
        """
        tokens = [*variables, "gst-launch-1.0", *(["-e"] if finishing else []), *self.tokens, *self.sinks]
        return " ".join(token if token == "!" else shell_word(token) for token in tokens)


def describe(
    stream: Stream,
    source: Sequence[str],
    exists: Callable[[str], bool],
    *,
    aimeta: Mapping[str, Any] | None = None,
    sinks: Callable[[str], Sequence[str]] = lambda _converter: ("!", "fakesink"),
    named: bool = False,
    newest: bool = False,
    shared: int = 0,
) -> Description:
    """Describe a stream. ``source`` are the tokens of its source, ``sinks`` returns those of the elements behind aimeta.

    ``sinks`` gets the name of the element that converts frames to plain memory. ``named``: stages get the names of
    :func:`name_of`. ``newest``: see :func:`first_queue`. ``exists`` returns whether an element is installed; ``aimeta`` are
    properties in addition to the configuration's. ``shared``: the count of the first stages that :func:`describe_shared`
    describes, between the elements ENTERING and LEAVING. Raises ConfigurationError for what the machine cannot do. An element
    that is missing is not an error here: see :func:`elements`.
    """
    muxed = is_muxed(stream, exists)
    builder = _Builder(exists, muxed=muxed, named=named)
    builder.add(*source, "!", *first_queue(newest=newest))
    if shared:
        builder.add("!", "nvvideoconvert", "!", "capsfilter", f"name={ENTERING}", f"caps={_NVMM},format=NV12")
        builder.description.head, builder.description.tokens = builder.description.tokens, ["queue", f"name={LEAVING}"]
    elif muxed:
        builder.mux(stream)
    else:
        builder.scale(stream)
    for index, stage in enumerate(stream.stages):
        if index >= shared:
            builder.stage(stage, index)
    if builder.memory == _PLAIN and builder.last != "empycustom":  # which makes nothing that aimeta does not take
        builder.add("!", builder.converter)
    for index, properties in enumerate(stream.publish):
        builder.add("!", "metapublish", *assignments({"name": f"{PUBLISH}{index}", **properties}))
    builder.add("!", "aimeta", f"name={AIMETA}", *assignments({**stream.aimeta, **(aimeta or {})}))
    if stream.aimeta.get("signal-aimetas") is False:
        builder.warn("$.pipeline_configuration.aimeta.signal-aimetas: false, so that there are neither documents nor events")
    builder.description.sinks += sinks("nvvideoconvert" if builder.memory == _NVMM else builder.converter)
    return builder.description


def describe_shared(stream: Stream, streams: int, exists: Callable[[str], bool], *, shared: int) -> list[str]:
    """Return the tokens of the first ``shared`` stages, from STREAMMUX to STREAMDEMUX, which several streams have in common."""
    builder = _Builder(exists, muxed=True, named=True)
    builder.check_size(stream)
    usual = {"batch-size": streams, "batched-push-timeout": _PUSH_TIMEOUT_US}
    builder.add("nvstreammux", f"name={STREAMMUX}", *assignments({**usual, **stream.input}))
    for index, stage in enumerate(stream.stages[:shared]):
        builder.stage(stage, index)
    builder.add("!", "nvstreamdemux", f"name={STREAMDEMUX}")
    return builder.description.tokens


def shared_stages(stream: Stream, exists: Callable[[str], bool]) -> int:
    """Return how many of the first stages can process frames of several streams at once, in GPU memory."""
    if not is_muxed(stream, exists) or not exists("nvstreamdemux"):
        return 0
    found = 0
    for index, stage in enumerate(stream.stages):
        element = element_of(stage, exists)
        if element and _memory_of(stage, element) != _NVMM:
            break
        found = index + 1 if element else found
    return found


def is_muxed(stream: Stream, exists: Callable[[str], bool]) -> bool:
    """Return whether the frames of a stream go through nvstreammux on this machine."""
    return exists("nvstreammux") and (bool(stream.input) or any(stage.element.startswith("nv") for stage in stream.stages))


def elements(stream: Stream, exists: Callable[[str], bool]) -> list[tuple[Stage, str]]:
    """Return the stages that become elements on this machine, each with the element's name."""
    named = ((stage, element_of(stage, exists)) for stage in stream.stages)
    return [(stage, name) for stage, name in named if name]


def element_of(stage: Stage, exists: Callable[[str], bool]) -> str:
    """Return the element of a stage on this machine; ``""`` for an overlay that nothing can draw, or that has no content."""
    if stage.element == "emcustom" and not exists("emcustom"):
        return "empycustom"
    if stage.element == "nvdsosd" and not stage.named and not exists("nvdsosd"):
        return "clockoverlay" if stage.properties.get("display-clock") else ""
    return stage.element


def properties_of(stage: Stage, element: str) -> dict[str, Any]:
    """Return the properties of a stage that ``element`` gets."""
    if stage.element == "nvdsosd":
        return {} if element != "nvdsosd" else {key: value for key, value in stage.properties.items() if key != "silent"}
    return dict(stage.properties)


def name_of(stage: Stage, index: int) -> str:
    """Return the name, while it plays, of the element of the stage with that ``index`` in its stream."""
    return _text(stage.properties.get("name", f"{stage.group}{index}"))


@dataclass(frozen=True)
class Change:
    """A property that gets another value while it plays. ``name`` is that of the element, ``element`` its factory."""

    name: str
    element: str
    key: str
    text: str


def changes(before: Stream, after: Stream, exists: Callable[[str], bool]) -> list[Change]:
    """Return the changes that make a playing pipeline of ``before`` into one of ``after``, which has the same stages."""
    found = _changes(AIMETA, "aimeta", before.aimeta, after.aimeta)
    for index, (old, new) in enumerate(zip(before.stages, after.stages, strict=True)):
        if element := element_of(new, exists):
            found += _changes(name_of(new, index), element, properties_of(old, element), properties_of(new, element))
    return found


def _changes(name: str, element: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    return [Change(name, element, key, _text(value)) for key, value in new.items() if key not in old or old[key] != value]


class _Builder:
    """Builds a description; ``memory`` is the name in caps of the memory of frames at its end.

    ``converter`` is DeepStream's own where frames are in GPU memory, because it keeps DeepStream's metadata.
    """

    def __init__(self, exists: Callable[[str], bool], *, muxed: bool, named: bool) -> None:
        self.exists, self.named = exists, named
        self.last = ""  # the element of the last stage
        self.memory, self.converter = (_NVMM, "nvvideoconvert") if muxed else (_PLAIN, "videoconvert")
        self.description = Description()

    def add(self, *tokens: str) -> None:
        self.description.tokens += tokens

    def check_size(self, stream: Stream) -> None:
        """Raise ConfigurationError if the size of the frames, which nvstreammux needs, is not set."""
        missing = [key for key in ("width", "height") if key not in stream.input]
        if missing:
            raise ConfigurationError(f"{_INPUT}: nvstreammux needs {' and '.join(missing)}, in pixels", path=_INPUT)

    def mux(self, stream: Stream) -> None:
        """Add DeepStream's conversion to GPU memory, and nvstreammux, which makes a batch of one frame."""
        self.check_size(stream)
        self.add("!", "nvvideoconvert", "!", f"{_NVMM},format=NV12", "!", f"{STREAMMUX}.sink_0")
        self.add("nvstreammux", f"name={STREAMMUX}", *assignments({"batch-size": 1, **stream.input}))

    def scale(self, stream: Stream) -> None:
        """Add elements that turn and scale frames, in place of nvstreammux."""
        given = stream.input
        size = ",".join(f"{key}={given[key]}" for key in ("width", "height") if key in given)
        first = next(iter(elements(stream, self.exists)), None)
        if size or first is None or _memory_of(*first) == _PLAIN:
            self.add("!", "videoconvert", "!", *TURN)
        if size:
            borders = "true" if given.get("enable-padding") else "false"
            self.add(
                "!", "videoconvert", "!", "videoscale", f"add-borders={borders}", "!", f"{_PLAIN},{size},pixel-aspect-ratio=1/1"
            )
        if stream.format:
            self.add("!", "videoconvert", "!", f"{_PLAIN},format={quoted(stream.format)}")
        idle = [key for key in given if key not in (*_SCALED, "live-source")]
        if idle:
            self.warn(f"{_INPUT}: {', '.join(idle)} not used: that is for nvstreammux, which this pipeline does without")

    def stage(self, stage: Stage, index: int) -> None:
        """Add the conversion of the frames for a stage, and its element."""
        element = element_of(stage, self.exists)
        if stage.element == "nvdsosd" and element != "nvdsosd":
            idle = [key for key in stage.properties if key not in ("display-clock", "silent")]
            if idle:
                self.warn(f"{stage.path}: {', '.join(idle)} not used: that is for nvdsosd, which is not installed")
        if element:
            self._convert(stage, element)
            self.last = element
            name = {"name": name_of(stage, index)} if self.named else {}
            self.add("!", element, *assignments({**name, **properties_of(stage, element)}))

    def _convert(self, stage: Stage, element: str) -> None:
        if stage.memory is None and stage.element == "empycustom":
            return  # it accepts the frames without conversion
        wanted = _memory_of(stage, element)
        pixels = stage.format or ("RGBA" if element == "nvdsosd" else None)
        caps = f"{wanted},format={pixels}" if pixels else wanted
        if _NVMM not in (wanted, self.memory):
            self.add("!", self.converter, *(["!", caps] if pixels else []))
        elif pixels or wanted != self.memory:
            if not self.exists("nvvideoconvert") and stage.memory == "NVMM":
                path = stage.path_of("memory")
                raise ConfigurationError(f'{path}: NVMM is memory of DeepStream, which is not installed; write "CPU"', path=path)
            self.add("!", "nvvideoconvert", "!", caps)
        self.memory = wanted

    def warn(self, text: str) -> None:
        self.description.warnings.append(text)


def _memory_of(stage: Stage, element: str) -> str:
    return _NVMM if stage.memory == "NVMM" or element.startswith("nv") else _PLAIN


def first_queue(*, newest: bool) -> list[str]:
    """Return the tokens of the queue behind a source. ``newest``: while libraries are busy it keeps only the newest frame."""
    return ["queue", f"name={FIRST}", *(assignments(NEWEST) if newest else [])]


def assignments(properties: Mapping[str, Any]) -> list[str]:
    """Return properties as tokens: ``name=value``, quoted for GStreamer's parser where that is needed."""
    return [f"{name}={quoted(_text(value))}" for name, value in properties.items()]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def quoted(text: str) -> str:
    """Return text such that GStreamer's parser gives it to the property as it is."""
    # For the parser, a backslash before the closing mark escapes it. From a value that begins with a mark, a second layer of
    # quotes is removed, and NULL becomes no text: a second layer avoids all three.
    if text.endswith("\\") or text.startswith('"') or text == "NULL":
        return _wrapped(_ascii(text))
    return text if _SIMPLE.fullmatch(text) else _wrapped(text)


def _ascii(text: str) -> str:
    """Return text as GStreamer writes it inside of caps and structures: all but letters and digits as octal numbers."""
    escaped = re.sub(rb"[^0-9A-Za-z]", lambda found: b"\\%03o" % ord(found[0]), text.encode())
    return f'"{escaped.decode()}"'


def _wrapped(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
