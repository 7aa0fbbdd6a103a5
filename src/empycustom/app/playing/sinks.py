"""Where the frames of ``empycustom run`` go: video files, pictures, a window, or nowhere; in words for GStreamer's parser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from empycustom.app.health.packages import how_to_get
from empycustom.app.playing.parts import exists
from empycustom.app.playing.sizes import fitting
from empycustom.app.playing.windows import CHOOSER, check_window
from empycustom.errors import LaunchError
from empycustom.gstreamer import GLib, Gst, GstVideo
from empycustom.paths import as_text
from empycustom.stream.launch import quoted

# Encoder, its properties, and what must stand between it and the muxer; the first that this GStreamer has is taken.
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


@dataclass(frozen=True)
class Sinks:
    """What is wanted: ``files`` (videos, and pictures of the last frame), a ``window``.

    Without a window, ``paced`` lets the frames go by at their own speed.
    """

    files: Sequence[Path] = ()
    window: bool = False
    paced: bool = False
    folder: Path = field(default_factory=Path.cwd)  # a library may change the working directory

    def check(self) -> None:
        """Raise LaunchError for a file whose ending is not known, for missing elements, or where there is no display."""
        for index, path in enumerate(self.files):
            if path in self.files[:index]:
                raise LaunchError(f"--save {path} is there twice.")
            ending = path.suffix.lower()
            if ending in _PICTURES:
                _expect(path, [_PICTURES[ending][1]])
            elif ending in _MUXERS:
                _encoder(path, 0)
            else:
                known = " ".join([*_MUXERS, *_PICTURES])
                raise LaunchError(f"--save {path}: the ending {ending or '(none)'} is not known; it may be {known}.")
        if self.window:
            check_window()

    def words(self, converter: str = "videoconvert", *, printed: bool = False, live: bool = False) -> list[str]:
        """What comes after the last element, beginning with a ``!``. ``converter`` makes frames of any memory into plain ones.

        ``printed``: for people with gst-launch-1.0, where nobody can write the last frame at the end: each one is written.
        ``live``: a window shows frames when they come, for those of a live source are late where libraries take their time.
        """
        branches = [_to_file(path, index, converter, printed=printed) for index, path in enumerate(self.files)]
        if self.window:
            branches.append([converter, "!", CHOOSER, *(["sync=false"] if live else [])])
        elif self.paced or not branches or (printed and all(path.suffix.lower() in _MUXERS for path in self.files)):
            # gst-launch-1.0 may miss the end of a pipeline in which all sinks are not async; videos have to be so.
            branches.append(["fakesink", f"sync={'true' if self.paced else 'false'}"])
        if len(branches) == 1:
            return ["!", "queue", "!", *branches[0]]
        return ["!", "tee", "name=tee", *(word for branch in branches for word in ("tee.", "!", "queue", "!", *branch))]

    def renamed(self, rename: Callable[[Path], Path]) -> Sinks:
        """The same, with videos of other names, for what plays again and overwrites none."""
        return replace(self, files=[path if path.suffix.lower() in _PICTURES else rename(path) for path in self.files])

    def videos(self) -> list[tuple[int, Path]]:
        """The files that are videos, each with its index."""
        return [(index, path) for index, path in enumerate(self.files) if path.suffix.lower() in _MUXERS]

    def remove_empty(self, without_frames: Sequence[Path]) -> None:
        """Remove the videos that nothing, or no frame, was written to, when the pipeline has stopped."""
        for _, path in self.videos():
            made = self.folder / path
            with suppress(OSError):
                if made.is_file() and not made.is_symlink() and (path in without_frames or not made.stat().st_size):
                    made.unlink()

    def write_pictures(self, pipeline: Any) -> list[Path]:
        """Write the last frames; return the files for which there was none. ``pipeline`` still holds them. Raises LaunchError."""
        pictures = ((index, path) for index, path in enumerate(self.files) if path.suffix.lower() in _PICTURES)
        return [path for index, path in pictures if not _write(self.folder / path, pipeline.get_by_name(f"last{index}"))]


def _to_file(path: Path, index: int, converter: str, *, printed: bool) -> list[str]:
    picture = _PICTURES.get(path.suffix.lower())
    if picture is None:
        return [converter, "!", *fitting(index), "!", *_encoder(path, index)]
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


def _encoder(path: Path, index: int) -> list[str]:
    """The words of what makes frames that fit into a file. Raises LaunchError with the packages that have the elements."""
    muxer, encoders = _MUXERS[path.suffix.lower()]
    for name, properties, parsers in encoders:
        if exists(name) and all(map(exists, parsers)):
            _expect(path, [muxer])
            between = [word for parser in parsers for word in (parser, "!")]
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
