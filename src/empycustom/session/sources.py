"""Sources: a file, a URI, a camera, stdin or the test picture.

A *location* is the text that names one: SOURCE of ``empycustom run``, or that of a stream. A :class:`Source` is what was found
there. SOURCE, here, is the name of the element that decodes it.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from empycustom.config.launch import quoted
from empycustom.elements.failures import post_error
from empycustom.errors import LaunchError
from empycustom.gstreamer import GLib, Gst, GstVideo
from empycustom.native import probes
from empycustom.session.gpu_frames import bring_down
from empycustom.session.parts import Report, exists
from empycustom.session.upright import expect_pictures
from empycustom.text import as_native, as_path, as_text, shell_word, without_password

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_CAMERA = re.compile(r"camera(?::(\d+))?")
_STDIN = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
_VIDEO_DEVICES = 81  # the major number of all of Linux's video devices
_TEST_CAPS = "video/x-raw,width=640,height=480,framerate=30/1"
_DECODED = ["caps=video/x-raw(ANY)", "expose-all-streams=false"]  # sound is not even exposed
_NO_INDEX = "no 'moov' atom within"  # in the debug text of qtdemux
_LATE_INDEX = (
    "the index of this .mp4 or .mov, without which nothing can be decoded, lies at its end, too far to be read from a pipe; give "
    "the file itself, or write it with its index first (ffmpeg -movflags +faststart) or as .mkv or .ts."
)
SOURCE, INPUT = "source", "source-input"  # names of elements: what decodes, and what it reads from where that is another


@dataclass(frozen=True)
class Source:
    """A SOURCE that was found. ``kind`` is how it is read: test, camera, pipe or uri.

    ``name`` is a file as the user named it, a device, or a URI without passwords; ``target`` is a URI, or the path of a device
    or pipe, ``""``: stdin.
    """

    kind: str
    name: str
    target: str = ""

    @property
    def typed(self) -> str:
        """The source as messages of GStreamer name it, with its passwords."""
        return self.target if self.kind == "uri" and not self.target.startswith("file://") else self.name

    @property
    def path(self) -> Path | None:
        """The path of a file, None for other sources."""
        return path_in(self.target) if self.target.startswith("file://") else None


def locate(location: str) -> Source:
    """Return the source at a location. Raises LaunchError if it does not exist."""
    if not location:
        raise LaunchError("The name of the source is empty; give a file, a folder, a URI, camera or test.")
    if location == "test":
        return Source("test", location)
    if is_stdin(location):
        return Source("pipe", "-")
    if camera := _CAMERA.fullmatch(location):
        path = f"/dev/video{camera[1] or 0}"
        return _at(Path(path), path)
    scheme = _URI.match(location)
    if scheme and scheme[1].lower() != "file":
        return _uri(location, scheme[1].lower())
    return _at(path_in(location) if scheme else as_path(location), location)


def is_stdin(location: str) -> bool:
    """Return True if SOURCE is stdin."""
    return location in _STDIN


def shown(location: str) -> str:
    """Return ``location`` as messages name it."""
    return "stdin" if is_stdin(location) else without_password(location)


def is_file(location: str) -> bool:
    """Return True if a source is a file: not a camera, not ``test``, and not a URI except that of a file."""
    if scheme := _URI.match(location):
        return scheme[1].lower() == "file"
    camera = _CAMERA.fullmatch(location) or location.startswith(("/dev/video", "/dev/v4l/"))
    return not (camera or location == "test" or is_stdin(location))


def is_endless(location: str) -> bool:
    """Return True if a source is endless, as an RTSP server, so that its end is a failure."""
    scheme = _URI.match(location)
    return scheme is not None and scheme[1].lower().startswith("rtsp")


def _uri(uri: str, scheme: str) -> Source:
    name = without_password(uri)
    if not Gst.uri_protocol_is_supported(Gst.URIType.SRC, scheme):
        raise LaunchError(f"GStreamer has no element here that reads {scheme}://; is {name} spelled right?")
    return Source("uri", name, uri)


def path_in(uri: str) -> Path:
    """Return the path in the URI of a file."""
    text = unquote(uri.partition("://")[2], errors="surrogateescape")
    text = text.removeprefix("localhost") if text.startswith("localhost/") else text
    if "\0" in text:
        raise LaunchError(f"{uri} is not the URI of a file: the name of a file cannot contain %00.")
    return Path(as_native(text))


def _at(path: Path, name: str) -> Source:
    """Return the source at ``path``."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:  # ValueError: what cannot be a path at all
        raise LaunchError(_why_not(path, shown(name), error)) from error
    if stat.S_ISDIR(mode):
        raise LaunchError(f"{name} is a folder; name a file in it.")
    if stat.S_ISSOCK(mode):
        raise LaunchError(f"{name} is a socket, from which no video is read; give a file, a FIFO, or a URI.")
    if stat.S_ISCHR(mode):
        return _camera(str(path), name)
    return Source("pipe", name, str(path)) if stat.S_ISFIFO(mode) else Source("uri", name, path.absolute().as_uri())


def _why_not(path: Path, name: str, error: Exception) -> str:
    """Return the message for a ``path`` that cannot be accessed."""
    if isinstance(error, PermissionError):
        return f"{name} cannot be read ({error.strerror})."
    if str(path).startswith("/dev/video"):
        return f"There is no camera at {path}; {_cameras()}."
    known = "SOURCE is a file, a URI, a camera (camera, camera:1, /dev/video0), test, or - for stdin."
    return f"{name} does not exist. {known}"


def _camera(path: str, name: str) -> Source:
    if os.major(os.stat(path).st_rdev) != _VIDEO_DEVICES:
        raise LaunchError(f"{path} is not a video device; {_cameras()}.")
    return Source("camera", name, path)


def _cameras() -> str:
    return f"cameras here: {', '.join(str(found) for found in sorted(Path('/dev').glob('video*'))) or 'none'}"


def describe_source(
    source: Source, *, live: bool = False, frames: int | None = None, printed: bool = False, name: str = SOURCE
) -> list[str]:
    """Return the tokens of a source for GStreamer's parser; a queue has to follow.

    The element that decodes is called ``name``. ``live`` and ``frames`` are for ``test``. ``printed``: for people with
    gst-launch-1.0; otherwise pipes are opened. Only video is decoded. Raises LaunchError if stdin or a pipe cannot be read.
    """
    if source.kind == "test":
        ends = [f"num-buffers={frames}"] if frames else []
        paced = ["is-live=true"] if live else []
        return ["videotestsrc", f"name={SOURCE}", "pattern=ball", *paced, *ends, "!", _TEST_CAPS]
    if source.kind == "camera":
        return ["v4l2src", f"name={INPUT}", f"device={quoted(source.target)}", "!", "decodebin", f"name={SOURCE}"]
    if source.kind == "pipe":
        return [*_piped(source, printed=printed), f"name={INPUT}", "!", "decodebin", f"name={SOURCE}", *_DECODED]
    return ["uridecodebin", f"name={name}", f"uri={quoted(source.target)}", *_DECODED]


def _piped(source: Source, *, printed: bool) -> list[str]:
    """Return the tokens of the element that reads a pipe."""
    if source.target and printed:
        return ["filesrc", f"location={quoted(as_text(Path(source.target)))}"]
    return ["fdsrc", f"fd={0 if printed else _opened(source)}"]


def _opened(source: Source) -> int:
    """Open a pipe; return a descriptor that nothing else reads."""
    if not source.target:
        return _duplicate_stdin()
    try:
        # Without waiting for a writer: fdsrc does that, and can be stopped.
        return os.open(source.target, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise LaunchError(f"{source.name} cannot be read ({error.strerror}).") from error


def _duplicate_stdin() -> int:
    """Return a copy of stdin, and replace stdin by /dev/null for libraries and their child processes."""
    if sys.stdin is None:
        raise LaunchError("- reads the video from stdin, which is closed; pipe one in: cat video.mp4 | empycustom run - …")
    if os.isatty(0):
        raise LaunchError("- reads the video from stdin, which is a terminal; pipe one in: cat video.mp4 | empycustom run - …")
    taken = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3)
    with open(os.devnull) as nowhere:
        os.dup2(nowhere.fileno(), 0)
    return taken


def expect_video(element: Any, pad: Any, name: str) -> None:
    """Post an error if ``element``, which decodes a source, finds no video for ``pad``, and avoid delays of its first frame.

    Frames in GPU memory that ``pad`` does not take are brought down. ``name`` is the source in the message.
    """
    if not element.get_factory().get_name().endswith("decodebin"):
        return

    def on_all(decoder: Any) -> None:
        if not pad.is_linked():
            post_no_video(decoder, f"{name} has no video that GStreamer can decode.")

    bring_down(element, pad, name)
    element.connect("no-more-pads", on_all)
    element.connect("deep-element-added", _prepare)


def post_no_video(element: Any, text: str) -> None:
    """Post the error that ``element``, which decodes a source, gives no frame."""
    error = GLib.Error.new_literal(Gst.StreamError.quark(), text, Gst.StreamError.WRONG_TYPE)
    element.post_message(Gst.Message.new_error(element, error, ""))


def _prepare(_source: Any, _bin: Any, element: Any) -> None:
    if element.get_factory() is None:
        return  # a part of another element
    expect_pictures(element)
    # MJPEG over HTTP: otherwise no frame comes before megabytes have been read in search of other streams.
    if element.get_factory().get_name() == "multipartdemux":
        element.set_property("single-stream", True)


def has_length(element: Any) -> bool:
    """Return True if the element ``SOURCE`` reads data with a length, as files have, also over a network."""
    own = element.find_property("source")
    read = element.get_property("source") if own else element.get_parent().get_by_name(INPUT)
    known, length = read.query_duration(Gst.Format.BYTES) if read else (False, 0)
    return bool(known and length > 0)


def is_same_file(location: str, path: Path) -> bool:
    """Return True if ``path`` is the file that ``location``, a path or a URI, names."""
    if location == "test" or is_stdin(location):
        return False
    named = path_in(location) if location.startswith("file://") else as_path(location)
    return os.path.exists(path) and os.path.exists(named) and path.samefile(named)  # exists: also for names that are too long


def error_text(report: Report, source: Source, *, has_begun: bool = True) -> str:
    """Return the text of ``report``, with the name of ``source`` if it comes from the source.

    ``has_begun``: the source has given something. If it is in a network and has not, some elements say why only in details.
    """
    if f":{SOURCE}" not in report.element:
        return report.advised
    name = shown(source.name)
    if report.is_vague and not has_begun and source.kind == "uri" and source.path is None:
        return f"{name} cannot be reached; check its name, its port, and that its server is running."
    return f"{name}: {_LATE_INDEX if _NO_INDEX in report.debug else report.advised}"


# Files that GStreamer never ends: libav's demuxers of versions before 1.26 wait forever behind the last frame.


ENDS = Gst.version() >= (1, 26)
ENDINGS = frozenset({".gif", ".nut"})  # their suffixes
_NO_ENDS = f"GStreamer {Gst.version().major}.{Gst.version().minor} does not end"
ALL = f"{_NO_ENDS} GIFs and NUTs"
# The first bytes of such files, their names in messages, and the demuxers that would read them.
_KINDS = {b"GIF8": ("a GIF", "avdemux_gif"), b"nut/multimedia container\0": ("a NUT", "avdemux_nut")}
_LONGEST = max(map(len, _KINDS))


def playable(location: str) -> Source:
    """Return the source at a location. Raises LaunchError if it does not exist, or would never end."""
    found = locate(location)
    if not ENDS and found.path and (kind := _kind(found.path)):
        made = f"{os.path.splitext(found.name)[0]}.mp4"
        convert = f"ffmpeg -i {shell_word(found.name)} {shell_word(made)}"
        raise LaunchError(f"{found.name}: {_NO_ENDS} {kind}; convert it: {convert}")
    return found


def _kind(path: Path) -> str:
    """Return the name of the format of a file that would never end, else ``""``."""
    begins = b""
    with suppress(OSError), path.open("rb") as file:  # GStreamer reports why it cannot be read
        begins = file.read(_LONGEST)
    return next((kind for mark, (kind, demuxer) in _KINDS.items() if begins.startswith(mark) and exists(demuxer)), "")


# Frames without timestamps, of MJPEG over HTTP, raw MJPEG and pictures: encoders and muxers would lose them.


FRAME_RATE = 25  # of sources without a frame rate
_ENOUGH = 30  # after so many frames with timestamps the others are not checked


class Times:
    """Sets the timestamps of frames at ``pad`` that have none from ``element``; ``durations``: and durations.

    Frames of a file get its frame rate, or FRAME_RATE with a warning on the bus; frames of other sources get the time of their
    arrival. ``end`` has to be called after the pipeline has ended, while ``pad`` exists.
    """

    def __init__(self, element: Any, pad: Any, *, durations: bool = False) -> None:
        self._element, self._pad, self._durations = element, pad, durations
        self._step: int | None = None  # ns between frames; None: they get the time of their arrival
        self._last: int | None = None
        self._given = False
        self._timed = 0  # frames that had a timestamp
        self._began = 0
        self.end = probes.replace_times(hash(self._pad), self._guarded)

    def _guarded(self, pts: int | None, duration: int | None) -> probes.NewTimes:
        try:
            return self._times(pts, duration)
        except Exception as error:  # noqa: BLE001 - the caller is in C
            post_error(self._element, error)
            return None

    def _times(self, pts: int | None, duration: int | None) -> probes.NewTimes:
        if pts is not None:
            if self._last is None:
                self._began = time.monotonic_ns() - pts
            self._last = pts
            self._timed += 1
            if self._durations and duration is None:
                return pts, self._rated() or Gst.SECOND // FRAME_RATE
            return () if self._given or self._timed < _ENOUGH else None
        if not self._given:
            self._given = True
            self._choose()
        self._last = self._next()
        return self._last, self._step

    def _next(self) -> int:
        if self._last is None:
            return self._start()
        if self._step:
            return self._last + self._step
        return max(time.monotonic_ns() - self._began, self._last + 1)

    def _start(self) -> int:
        """Return the timestamp of a first frame that has none."""
        begin: int = self._pad.get_sticky_event(Gst.EventType.SEGMENT, 0).parse_segment().start
        clock, base = self._element.get_clock(), self._element.get_base_time()
        if clock and base:  # it plays: a live source
            begin += max(clock.get_time() - base, 0)
        self._began = time.monotonic_ns() - begin
        return begin

    def _rated(self) -> int | None:
        """Return the duration of a frame by the caps, in ns, None if they have no frame rate."""
        info = GstVideo.VideoInfo.new_from_caps(self._pad.get_current_caps())
        return Gst.SECOND * info.fps_d // info.fps_n if info.fps_n else None

    def _choose(self) -> None:
        self._step = self._rated()
        if self._step is None and has_length(self._element):
            self._step = Gst.SECOND // FRAME_RATE
            if self._durations:  # one of several, as is documented
                return
            text = f"The frames have no timestamps and no frame rate; {FRAME_RATE} frames a second are assumed."
            error = GLib.Error.new_literal(Gst.StreamError.quark(), text, Gst.StreamError.FORMAT)
            self._element.post_message(Gst.Message.new_warning(self._element, error, ""))
