"""Where the frames of ``empycustom run`` go: video files, pictures, a window, or nowhere."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empycustom.app.packages import how_to_get
from empycustom.app.parts import caps_filter, chain, exists, make
from empycustom.errors import LaunchError
from empycustom.gstreamer import GLib, Gst, GstVideo

# Encoder, its properties, and what must stand between it and the muxer; the first that this GStreamer has is taken.
_Encoders = list[tuple[str, dict[str, Any], list[str]]]
_H264: _Encoders = [
    ("x264enc", {"speed_preset": 3, "pass": 5, "quantizer": 23}, ["h264parse"]),  # veryfast, constant quality
    ("openh264enc", {"bitrate": 4_000_000}, ["h264parse"]),
    ("avenc_mpeg4", {"bitrate": 4_000_000}, ["mpeg4videoparse"]),
]
_VP8: _Encoders = [("vp8enc", {"deadline": 1, "cpu_used": 8, "target_bitrate": 4_000_000}, [])]
_MUXERS = {".mp4": ("mp4mux", _H264), ".mkv": ("matroskamux", _H264), ".avi": ("avimux", _H264), ".webm": ("webmmux", _VP8)}
_PICTURES = {".png": ("image/png", "pngenc"), ".jpg": ("image/jpeg", "jpegenc"), ".jpeg": ("image/jpeg", "jpegenc")}
_PICTURE_TIMEOUT = 10 * Gst.SECOND


@dataclass(frozen=True)
class Picture:
    """The last frame that ``sink`` saw, to be written to ``path``."""

    path: Path
    sink: Any

    def write(self) -> bool:
        """Encode and write it; False if there was no frame. The sink must not have been stopped yet. Raises LaunchError."""
        sample = self.sink.get_property("last-sample")
        if sample is None:
            return False
        caps = Gst.Caps.from_string(_PICTURES[self.path.suffix.lower()][0])
        try:
            encoded = GstVideo.video_convert_sample(sample, caps, _PICTURE_TIMEOUT).get_buffer()
        except GLib.Error as error:
            raise LaunchError(f"{self.path} could not be written: {error.message}.") from error
        self.path.write_bytes(encoded.extract_dup(0, encoded.get_size()))
        return True


def check_endings(paths: list[Path]) -> None:
    """Raise LaunchError for a path whose ending is not known, or whose elements are missing."""
    for path in paths:
        ending = path.suffix.lower()
        if ending in _PICTURES:
            make(_PICTURES[ending][1])
        elif ending in _MUXERS:
            _encoder(path)
        else:
            known = " ".join([*_MUXERS, *_PICTURES])
            raise LaunchError(f"--save {path}: the ending {ending or '(none)'} is not known; it may be {known}.")


def _encoder(path: Path) -> list[Any]:
    """The elements from raw video to a file at ``path``, new. Raises LaunchError with the packages that have them."""
    muxer, encoders = _MUXERS[path.suffix.lower()]
    for name, properties, parsers in encoders:
        if exists(name) and all(exists(parser) for parser in parsers):
            names = [*parsers, muxer]
            # Not async: an encoder may want more frames before its first packet than the other branches' queues hold.
            sink = make("filesink", location=str(path), **{"async": False})
            return [make(name, **properties), *map(make, names), sink]
    names = [name for name, _, _ in encoders]
    raise LaunchError(f"--save {path} needs one of the elements {', '.join(names)}, and none is here; {how_to_get(names)}.")


def add_file(pipeline: Any, tee: Any, path: Path) -> Picture | None:
    """Let ``path`` have what flows through ``tee``; a picture is returned, for it is written at the end."""
    if path.suffix.lower() in _PICTURES:
        sink = make("fakesink", sync=False, enable_last_sample=True)
        chain(pipeline, tee, make("queue"), sink)
        return Picture(path, sink)
    # I420, for an encoder may prefer a format without loss of colour, which few players can show.
    chain(pipeline, tee, make("queue"), make("videoconvert"), caps_filter("video/x-raw,format=I420"), *_encoder(path))
    return None


def check_display() -> None:
    """Raise LaunchError where there is no display to show a window on: GStreamer may crash rather than say so."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise LaunchError(
            "--show needs a display, and neither DISPLAY nor WAYLAND_DISPLAY is set. Write a file with --save instead, or use "
            "`empycustom launch` with a sink that needs no desktop, as kmssink."
        )


def add_window(pipeline: Any, tee: Any) -> None:
    """Show what flows through ``tee``, at its own speed."""
    chain(pipeline, tee, make("queue"), make("videoconvert"), make("autovideosink"))


def add_nothing(pipeline: Any, tee: Any) -> None:
    """Take what flows through ``tee`` as fast as it comes."""
    chain(pipeline, tee, make("queue"), make("fakesink", sync=False, enable_last_sample=False))
