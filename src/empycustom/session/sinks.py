"""Sinks: where the frames of ``empycustom run`` go, as tokens: video files, pictures, a window, or nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from empycustom.config.launch import quoted
from empycustom.config.streams import PLACE, Configuration, Stream
from empycustom.errors import LaunchError
from empycustom.gstreamer import GLib, Gst, GstVideo, elements_in
from empycustom.native import probes
from empycustom.outputs.table import path_of
from empycustom.packages import WINDOWS, how_to_get
from empycustom.session import PlayOptions
from empycustom.session.parts import exists
from empycustom.session.sources import FRAME_RATE
from empycustom.session.upright import fitting, keep_sizes
from empycustom.text import as_native, as_text, visible, working_folder

CHOOSER = "autovideosink"
_NOT_IN_WINDOWS = ("kmssink", "dfbvideosink")  # CHOOSER would try them, too; the second crashes without a screen
_INSTEAD = "Write a file with --save instead, or use `empycustom launch` with a sink that needs no desktop, as kmssink."


def check_window() -> None:
    """Raise LaunchError without a display, or an element that shows frames on it; make CHOOSER ignore other sinks."""
    displays = [name for name in WINDOWS if os.environ.get(name)]
    if not displays:
        raise LaunchError(f"--show needs a display, and neither {' nor '.join(WINDOWS)} is set. {_INSTEAD}")
    sinks = list(dict.fromkeys(sink for name in displays for sink in WINDOWS[name]))
    if not any(map(exists, sinks)):
        raise LaunchError(f"--show needs an element that shows frames, and none is here; {how_to_get(sinks[:1])}.")
    for name in filter(exists, _NOT_IN_WINDOWS):
        Gst.ElementFactory.find(name).set_rank(Gst.Rank.NONE)


def expect_windows(pipeline: Any, *, kind: str = "error") -> None:
    """Post a message if no window can be opened, where CHOOSER silently drops frames. ``kind``: error or warning."""
    for element in _choosers(pipeline):
        _expect_display(element, kind)


def show_at_once(pipeline: Any) -> None:
    """Let windows show frames as they arrive, because the source is live."""
    for element in _choosers(pipeline):
        element.set_property("sync", False)


def _choosers(container: Any) -> list[Any]:
    return [each for each in elements_in(container) if each.get_factory() and each.get_factory().get_name() == CHOOSER]


def _expect_display(chooser: Any, kind: str) -> None:
    def on_chosen(_chooser: Any, chosen: Any) -> None:
        chooser.disconnect(handler)  # at the end, CHOOSER replaces the sink that it has chosen
        if chosen.get_factory().get_name().startswith("fake"):
            displays = ", ".join(f"{name}={os.environ[name]}" for name in WINDOWS if os.environ.get(name))
            text = f"No window can be opened on the display ({displays or 'there is none'}), so no frame is shown. {_INSTEAD}"
            error = GLib.Error.new_literal(Gst.ResourceError.quark(), text, Gst.ResourceError.NOT_FOUND)
            chooser.post_message(getattr(Gst.Message, f"new_{kind}")(chooser, error, ""))

    handler = chooser.connect("element-added", on_chosen)


# Video files and pictures.


# Encoder, its properties, and the elements between it and the muxer; the first encoder that is installed is used.
_Encoders = list[tuple[str, list[str], list[str]]]
_H264: _Encoders = [
    # Without B-frames: with them, .mp4 loses the last frame where frames do not come at regular times.
    ("x264enc", ["speed-preset=veryfast", "pass=quant", "quantizer=23", "bframes=0"], ["h264parse"]),
    ("openh264enc", ["bitrate=4000000"], ["h264parse"]),
]
_VP8: _Encoders = [("vp8enc", ["deadline=1", "cpu-used=8", "target-bitrate=4000000"], [])]
_MPEG4: _Encoders = [("avenc_mpeg4", ["bitrate=4000000"], [])]  # the times that it gives are wrong, and .avi has none
_MUXERS = {
    ".mp4": ("mp4mux", _H264),
    ".mkv": ("matroskamux", [*_H264, *_VP8]),
    ".avi": ("avimux", [*_H264, *_MPEG4]),
    ".webm": ("webmmux", _VP8),
}
_PICTURES = {".png": ("image/png", "pngenc"), ".jpg": ("image/jpeg", "jpegenc"), ".jpeg": ("image/jpeg", "jpegenc")}
_PICTURE_TIMEOUT = 10 * Gst.SECOND
ENCODER, MUXER = "encoder", "muxer"  # names of elements, to be followed by the index of the file
GATE, PREVIEW = "gate", "preview"  # names of elements
# Neither waits for anything, so that there is no queue, whose thread would cost something for each frame.
_PREVIEW = ["tee.", "!", "valve", f"name={GATE}", "drop=true", "drop-mode=forward-sticky-events", "!"]
_PREVIEW += ["appsink", f"name={PREVIEW}", "max-buffers=1", "drop=true", "sync=false", "async=false", "qos=false"]


@dataclass(frozen=True)
class Sinks:
    """The outputs of frames: ``files`` (videos, and pictures of the last frame), a ``window``.

    Without a window, ``paced`` lets the frames go by at their own speed. ``preview``: there is an element PREVIEW as well, which
    keeps the newest frame while the element GATE lets frames through.
    """

    files: Sequence[Path] = ()
    window: bool = False
    paced: bool = False
    preview: bool = False
    folder: Path = field(default_factory=lambda: Path(working_folder()))  # a library may change the working directory

    def check(self) -> None:
        """Raise LaunchError for a file whose ending is not known, for missing elements, or where there is no display."""
        for index, path in enumerate(self.files):
            if path in self.files[:index]:
                raise LaunchError(f"--save {path} is there twice.")
            ending = path.suffix.lower()
            if ending in _PICTURES:
                _expect(path, [_PICTURES[ending][1]])
            elif ending in _MUXERS:
                encoder_tokens(path, 0)
            else:
                known = " ".join([*_MUXERS, *_PICTURES])
                raise LaunchError(f"--save {path}: the ending {ending or '(none)'} is not known; it may be {known}.")
        if self.window:
            check_window()

    def tokens(
        self, converter: str = "videoconvert", *, printed: bool = False, live: bool = False, single_segment: bool = False
    ) -> list[str]:
        """Return the tokens behind the last element, beginning with a ``!``.

        ``converter`` is the element that converts frames of any memory to plain ones.
        ``printed``: for people with gst-launch-1.0, which cannot write only the last frame: each one is written.
        ``live``: frames have their own speed; a window shows them as they arrive, since slow libraries make them late.
        ``single_segment``: frames come from several files, and encoders want times that go on.
        """
        branches = [_to_file(path, index, converter, printed=printed) for index, path in enumerate(self.files)]
        if self.window:
            branches.append([converter, "!", CHOOSER, *(["sync=false"] if live else [])])
        elif self.paced or not branches or (printed and all(path.suffix.lower() in _MUXERS for path in self.files)):
            # gst-launch-1.0 may miss the end of a pipeline in which all sinks are not async; videos have to be so.
            branches.append(["fakesink", f"sync={'true' if self.paced and not live else 'false'}"])
        before = ["!", "identity", "single-segment=true"] if single_segment and self.files else []
        if len(branches) == 1 and not self.preview:
            return [*before, "!", "queue", "!", *branches[0]]
        each = [token for branch in branches for token in ("tee.", "!", "queue", "!", *branch)]
        if self.preview:
            before += ["!", "clocksync"] if self.paced and not live else []  # so that frames are seen when their time has come
            each += _PREVIEW
        return [*before, "!", "tee", "name=tee", *each]

    def renamed(self, rename: Callable[[Path], Path]) -> Sinks:
        """Return a copy in which ``rename`` gives the videos other names, so that they overwrite no file."""
        return replace(self, files=[path if path.suffix.lower() in _PICTURES else rename(path) for path in self.files])

    def videos(self) -> list[tuple[int, Path]]:
        """Return the files that are videos, each with its index."""
        return [(index, path) for index, path in enumerate(self.files) if path.suffix.lower() in _MUXERS]

    def remove_empty(self, without_frames: Sequence[Path]) -> None:
        """Remove videos that are empty or without a frame, after the pipeline has stopped."""
        for _, path in self.videos():
            made = self.folder / path
            with suppress(OSError):
                if made.is_file() and not made.is_symlink() and (path in without_frames or not made.stat().st_size):
                    made.unlink()

    def write_pictures(self, pipeline: Any) -> list[Path]:
        """Write the last frames that ``pipeline`` has; return the files for which there was none. Raises LaunchError."""
        pictures = ((index, path) for index, path in enumerate(self.files) if path.suffix.lower() in _PICTURES)
        return [path for index, path in pictures if not _write(self.folder / path, pipeline.get_by_name(f"last{index}"))]


def _to_file(path: Path, index: int, converter: str, *, printed: bool) -> list[str]:
    picture = _PICTURES.get(path.suffix.lower())
    if picture is None:
        return [converter, "!", *fitting(index, printed=printed), "!", *encoder_tokens(path, index)]
    if printed:
        location = quoted(as_text(path).replace("%", "%%"))
        return [converter, "!", picture[1], "!", "multifilesink", f"location={location}"]
    return [converter, "!", "video/x-raw", "!", "fakesink", f"name=last{index}", "sync=false", "async=false"]


def _write(path: Path, sink: Any) -> bool:
    """Encode and write the last frame that ``sink`` saw; False if there was none."""
    sample = sink.get_property("last-sample")
    if sample is None:
        return False
    caps = Gst.Caps.from_string(_PICTURES[path.suffix.lower()][0])
    try:
        encoded = GstVideo.video_convert_sample(sample, caps, _PICTURE_TIMEOUT).get_buffer()
    except GLib.Error as error:
        raise LaunchError(f"{path} could not be written: {error.message}.") from error
    path.write_bytes(encoded.extract_dup(0, encoded.get_size()))
    return True


def encoder_tokens(path: Path, index: int) -> list[str]:
    """Return the tokens of encoder, muxer and sink of a video. Raises LaunchError with the packages that have the elements."""
    muxer, encoders = _MUXERS[path.suffix.lower()]
    for name, properties, parsers in encoders:
        if exists(name) and all(map(exists, parsers)):
            _expect(path, [muxer])
            between = [token for parser in parsers for token in (parser, "!")]
            # Not async: an encoder may want more frames before its first packet than the other branches' queues hold.
            sink = ["filesink", f"location={quoted(as_text(path))}", "async=false"]
            named = [name, f"name={ENCODER}{index}", *properties, "!", *between, muxer, f"name={MUXER}{index}"]
            return [*named, "!", *sink]
    names = [name for name, _, _ in encoders]
    raise LaunchError(f"--save {path} needs one of the elements {', '.join(names)}, and none is here; {how_to_get(names)}.")


def _expect(path: Path, factories: list[str]) -> None:
    missing = [factory for factory in factories if not exists(factory)]
    if missing:
        raise LaunchError(f"--save {path} needs the element {missing[0]}, which is not here; {how_to_get(missing)}.")


# The sinks of a stream: names of files.


_LONGEST = 200  # bytes of a stream's name in that of a file, which may have 255


def sinks_of(stream: Stream, options: PlayOptions) -> Sinks:
    """Return the sinks of a stream. Raises LaunchError, PathError."""
    paced = options.preview or bool(stream.input.get("live-source"))
    files = [saved_as(name, stream) for name in options.save]
    return Sinks(files, window=options.show, paced=paced, preview=options.preview)


def sinks_of_all(configuration: Configuration, options: PlayOptions) -> list[tuple[Stream, Sinks]]:
    """Return the sinks of each stream. Raises LaunchError if one is not possible."""
    for name in options.save:
        if len(configuration.streams) > 1 and PLACE not in name:
            better = for_each_stream(name)
            raise LaunchError(f"--save {name}: several streams cannot write one file; write {PLACE} into its name: '{better}'")
    found = [(stream, sinks_of(stream, options)) for stream in configuration.streams]
    for _, sinks in found:
        sinks.check()
    return found


def file_path(option: str, name: str) -> Path:
    """Return the path that an option names, a path or a file:// URI. Raises LaunchError if it is another URI, PathError."""
    path = path_of(name)
    if path is None:
        raise LaunchError(f"{option} {name} is not a file; give the path of a file.")
    return path


def saved_as(name: str, stream: Stream) -> Path:
    """Return the file that a name of ``--save`` means for a stream. Raises LaunchError, PathError."""
    path = file_path("--save", name)  # first, because ~ at the beginning of a stream's name is not a home folder
    if PLACE not in name or not stream.name:
        return path
    if why := _unfit(stream.name):
        raise LaunchError(f"--save {name}: the stream_id {stream.name} {why}, and cannot be in the name of a file")
    return Path(str(path).replace(PLACE, as_native(stream.name)))


def _unfit(name: str) -> str:
    """Return why the name of a stream cannot be in the name of a file, or ``""``."""
    reasons = (
        ("/" in name, "has a / in it"),
        (name in (".", ".."), "is the name of a folder"),
        (name.startswith("-"), "begins with -, as options of commands do"),
        (visible(name) != name, "has control characters in it"),
        (len(name.encode()) > _LONGEST, f"is longer than {_LONGEST} bytes"),
    )
    return next((why for is_so, why in reasons if is_so), "")


def for_each_stream(name: str) -> str:
    """Return a name like ``name`` with PLACE in it."""
    stem, ending = os.path.splitext(name)
    return f"{stem}-{PLACE}{ending}"


# Video files while they are written.


# Without a frame rate, the last frame of .mp4 has no duration, so that players skip it, and .avi takes no frame.
_NEEDS_A_RATE = (".mp4", ".avi")


_MIN_STEP_NS = 1_000_000  # between frames, the resolution of times in .mkv and .webm


class _IncreasingTimes:
    """Spreads times of frames that are equal or too close: encoders, files and decoders would lose such frames."""

    def __init__(self) -> None:
        self._last = 0
        self._given = -_MIN_STEP_NS

    def times(self, pts: int | None, _duration: int | None) -> probes.NewTimes:
        """Return the new pts of a buffer, without a duration; () if it keeps ``pts``."""
        if pts is None:
            return ()
        too_close = self._last <= pts < self._given + _MIN_STEP_NS
        self._last = pts
        self._given = self._given + _MIN_STEP_NS if too_close else pts
        return (self._given, None) if too_close else ()


class Videos:
    """The videos that the elements in the bin ``container`` write; ``frames`` counts the frames that should get into each.

    ``pad`` is the sink pad of the bin, ``sinks`` its description. Each video has one size and one frame rate, those of its first
    frame.
    """

    def __init__(self, container: Any, pad: Any, sinks: Sinks) -> None:
        self._last = pad
        self.frames = probes.BufferCounter(hash(pad))
        self._written = [(path, *_watched(container, index, path)) for index, path in sinks.videos()]
        keep_sizes(container, sinks.videos())

    def without_frames(self, *, complete: bool) -> list[Path]:
        """Return the files without a frame, because there was none; ``complete``: the stream has come to its end."""
        return [path for path, written, _ in self._written if complete and not (self.frames.all or written.all)]

    def findings(self, *, complete: bool) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with a video: error or warning, and a text. ``complete``: the stream has come to its end."""
        caps = self._last.get_current_caps()
        info = caps and GstVideo.VideoInfo.new_from_caps(caps)
        for path, written, rate in self._written:
            is_avi = path.suffix.lower() == ".avi"
            got = written.all if is_avi else written.order  # .avi keeps no times
            if complete and got < self.frames.all:
                counts = f"{path} has {got} of {self.frames.all} frames"
                yield "error", f"{counts}: its encoder lost the others, or their times go back."
            if is_avi and info and self.frames.all > 1 and not (info.fps_n and _is_steady(written, rate)):
                shown = f"{rate.per_second:g} frames a second"
                text = f"{path} shows {shown}, whenever they came; .mp4, .mkv and .webm keep their times."
                yield "warning", text


def _is_steady(frames: probes.BufferCounter, rate: probes.FixedFrameRate) -> bool:
    """Return True if frames came at ``rate``, except for one or two."""
    return abs(frames.span_ns * rate.per_second / 1e9 - (frames.order - 1)) < 2.5


def _watched(pipeline: Any, index: int, path: Path) -> tuple[probes.BufferCounter, probes.FixedFrameRate]:
    """Count the frames that get into the video with that index, and fix their rate."""
    (pad,) = pipeline.get_by_name(f"{MUXER}{index}").sinkpads
    before = pipeline.get_by_name(f"{ENCODER}{index}").get_static_pad("sink")
    probes.replace_times(hash(before), _IncreasingTimes().times)
    missing = FRAME_RATE if path.suffix.lower() in _NEEDS_A_RATE else None
    return probes.BufferCounter(hash(pad)), probes.FixedFrameRate(hash(before), missing)
