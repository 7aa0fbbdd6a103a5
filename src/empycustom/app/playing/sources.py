"""SOURCE of ``empycustom run``, and of a stream: a file, a URI, a camera or the test picture."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from empycustom.app.endings import complain
from empycustom.errors import LaunchError
from empycustom.gstreamer import GLib, Gst
from empycustom.paths import as_native, as_path
from empycustom.stream.launch import FIRST, quoted
from empycustom.text import without_password

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_CAMERA = re.compile(r"camera(?::(\d+))?")
_TEST_CAPS = "video/x-raw,width=640,height=480,framerate=30/1"
_ANY_VIDEO = "video/x-raw(ANY)"
SOURCE = "source"  # the element's name in a description


def locate(source: str) -> str:
    """What ``source`` means: ``test``, the device of a camera, or a URI. Raises LaunchError if it is not there."""
    if source == "test":
        return source
    if camera := _CAMERA.fullmatch(source):
        return _device(f"/dev/video{camera[1] or 0}")
    if source.startswith("/dev/"):
        return _device(source)
    if scheme := _URI.match(source):
        return _uri(source, scheme[1].lower())
    return _file(as_path(source))


def is_file(source: str) -> bool:
    """Whether a source is looked for among the files: no camera, not ``test``, and no URI but that of a file."""
    if scheme := _URI.match(source):
        return scheme[1].lower() == "file"
    return source != "test" and _CAMERA.fullmatch(source) is None and not source.startswith("/dev/")


def is_lasting(source: str) -> bool:
    """Whether a source is one that goes on for ever, so that its end is a failure: an RTSP server."""
    scheme = _URI.match(source)
    return scheme is not None and scheme[1].lower().startswith("rtsp")


def _device(path: str) -> str:
    if not Path(path).is_char_device():
        cameras = ", ".join(str(found) for found in sorted(Path("/dev").glob("video*"))) or "none"
        raise LaunchError(f"There is no camera at {path}; cameras here: {cameras}.")
    return path


def _uri(uri: str, scheme: str) -> str:
    if scheme == "file":
        return _file(_named(uri))
    if not Gst.uri_protocol_is_supported(Gst.URIType.SRC, scheme):
        raise LaunchError(f"GStreamer has no element here that reads {scheme}://; is {without_password(uri)} spelled right?")
    return uri


def _named(uri: str) -> Path:
    """The path in the URI of a file."""
    text = unquote(uri.partition("://")[2], errors="surrogateescape")
    if "\0" in text:
        raise LaunchError(f"{uri} is not the URI of a file: no name of a file holds %00.")
    return Path(as_native(text))


def _file(path: Path) -> str:
    if path.is_dir():
        raise LaunchError(f"{path} is a folder; name a file in it.")
    if not path.exists():
        name = without_password(str(path))
        raise LaunchError(f"{name} does not exist. SOURCE is a file, a URI, a camera (camera, camera:1, /dev/video0) or test.")
    return path.absolute().as_uri()


def describe_source(located: str, *, live: bool = False, frames: int | None = None) -> list[str]:
    """What :func:`locate` found, as words for GStreamer's parser, to be followed by a queue.

    The names of the two are ``SOURCE`` and ``FIRST``. ``live`` and ``frames`` are for ``test``. Only video is decoded; sound is
    not even exposed.
    """
    if located == "test":
        ends = [f"num-buffers={frames}"] if frames else []
        paced = ["is-live=true"] if live else []
        return ["videotestsrc", f"name={SOURCE}", "pattern=ball", *paced, *ends, "!", _TEST_CAPS]
    if located.startswith("/dev/"):
        return ["v4l2src", f"device={located}", "!", "decodebin", f"name={SOURCE}"]
    return ["uridecodebin", f"name={SOURCE}", f"uri={quoted(located)}", f"caps={_ANY_VIDEO}", "expose-all-streams=false"]


def warn_of_frames(asked: Namespace, locations: Sequence[str]) -> None:
    """Say that a printed line does not hold ``--frames``; only the source ``test`` can count."""
    if asked.frames and any(location != "test" for location in locations):
        complain("--frames is not in the line: gst-launch-1.0 plays a source to its end.", kind="warning")


def expect_video(pipeline: Any, located: str) -> None:
    """Say on the bus if the source finds no video, and let what there is come at once.

    ``pipeline`` is made of the words above; ``located`` is for the message.
    """
    source = pipeline.get_by_name(SOURCE)
    if not source.get_factory().get_name().endswith("decodebin"):
        return
    first = pipeline.get_by_name(FIRST).get_static_pad("sink")

    def on_all(decoder: Any) -> None:
        if not first.is_linked():
            text = f"{without_password(located)} has no video that GStreamer can decode."
            error = GLib.Error.new_literal(Gst.StreamError.quark(), text, Gst.StreamError.WRONG_TYPE)
            decoder.post_message(Gst.Message.new_error(decoder, error, ""))

    source.connect("no-more-pads", on_all)
    source.connect("deep-element-added", _show_at_once)


def _show_at_once(_source: Any, _bin: Any, element: Any) -> None:
    # MJPEG over HTTP: otherwise nothing comes before megabytes of it are there, in case there are other streams.
    if element.get_factory().get_name() == "multipartdemux":
        element.set_property("single-stream", True)


def is_same_file(source: str, path: Path) -> bool:
    """Whether ``path`` is the file that ``source``, a path or a URI, names."""
    named = _named(source) if source.startswith("file://") else as_path(source)
    return os.path.exists(path) and os.path.exists(named) and path.samefile(named)  # which take names that are too long, too


def is_of_source(element: str) -> bool:
    """Whether the element with this path is the source, or inside of it."""
    return f":{SOURCE}" in element
