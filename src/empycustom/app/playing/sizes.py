"""One size for a whole video: encoders want it even, and no file can change it on its way.

Between what converts the frames and the encoder are a scaler, which has nothing to do as long as the size of frames stays that of
the first; an element that pads them where their size is odd or tiny; and caps, which are those of the first frame from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from empycustom.gstreamer import GLib, Gst
from empycustom.native import probes

# I420, for an encoder may prefer a format without loss of colour, which few players can show.
_CAPS = "video/x-raw,format=I420"
_LEAST = 16  # pixels, what all muxers take
SCALER, FITTED = "scaler", "fitted"  # names of elements, to be followed by the index of the file
_LATER = ("format", "width", "height", "pixel-aspect-ratio", "colorimetry", "chroma-site")  # what stays as it is at first


def fitting(index: int) -> list[str]:
    """The words of these elements. By themselves they scale odd sizes, which is what gst-launch-1.0 can do."""
    even = f"[{_LEAST},{2**31 - 2},2]"
    fitted = ["capsfilter", f"name={FITTED}{index}", f'caps="{_CAPS},width={even},height={even}"']
    return [_CAPS, "!", "videoscale", f"name={SCALER}{index}", "!", "videobox", "!", *fitted]


def keep_sizes(pipeline: Any, videos: Sequence[tuple[int, Path]]) -> None:
    """Pad the frames of the videos, given with their indices, and keep the size of the first; say it on the bus, once.

    Each video has a thread of its own, and all get the same frames: what is said of the first holds for all.
    """
    names = ", ".join(str(path) for _, path in videos)
    for number, (index, _) in enumerate(videos):
        frames = pipeline.get_by_name(f"{SCALER}{index}").get_static_pad("sink")
        fitted = pipeline.get_by_name(f"{FITTED}{index}").get_static_pad("src")
        video = _Video("" if number else names)
        probes.at_first(hash(frames), video.begin)
        frames.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, video.look_at_frames)
        fitted.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, video.look_at_fitted)


class _Video:
    """The size of one video: that of its first frame. Caps may change before that, as where frames turn out to be turned.

    It holds no element, which would hold it in turn.
    """

    def __init__(self, names: str) -> None:
        self._names = names
        self._size = (0, 0)
        self._began = False

    def begin(self) -> None:
        """Keep the size: here is the first frame."""
        self._began = True

    def look_at_frames(self, pad: Any, info: Any) -> Any:
        """Look at an event that the scaler gets."""
        event = info.get_event()
        if event.type == Gst.EventType.CAPS:
            caps = event.parse_caps()
            size = (caps[0]["width"], caps[0]["height"])
            if not self._began:
                self._size = size
                _fit(pad.get_parent_element(), *size)
            elif size != self._size and self._names:
                _tell(pad.get_parent_element(), self._names, self._size, size)
                self._names = ""  # once
        return Gst.PadProbeReturn.OK

    def look_at_fitted(self, pad: Any, info: Any) -> Any:
        """Look at an event that the encoder gets, and let it get the same ones from then on."""
        event = info.get_event()
        if event.type == Gst.EventType.CAPS and not self._began:
            _fix(pad.get_parent_element(), event.parse_caps()[0])
        return Gst.PadProbeReturn.OK


def _tell(scaler: Any, names: str, first: tuple[int, int], other: tuple[int, int]) -> None:
    text = (
        f"The size of the frames changes from {first[0]}x{first[1]} to {other[0]}x{other[1]}, and a video has one size: in "
        f"{names} frames of other sizes are scaled to the first, with black borders."
    )
    error = GLib.Error.new_literal(Gst.StreamError.quark(), text, Gst.StreamError.FORMAT)
    scaler.post_message(Gst.Message.new_warning(scaler, error, ""))


def _fit(scaler: Any, width: int, height: int) -> None:
    """Let the videobox behind a scaler add what lacks at the right and at the bottom, and the caps behind it be just that."""
    padding = _behind(scaler)
    wide, high = (max(pixels + pixels % 2, _LEAST) for pixels in (width, height))
    padding.set_property("right", width - wide)
    padding.set_property("bottom", height - high)
    _behind(padding).set_property("caps", Gst.Caps.from_string(f"{_CAPS},width={wide},height={high}"))


def _behind(element: Any) -> Any:
    return element.get_static_pad("src").get_peer().get_parent_element()


def _fix(fitted: Any, found: Any) -> None:
    """Let a capsfilter go on with the caps that it has begun with."""
    kept = Gst.Structure.new_empty(found.get_name())
    for name in filter(found.has_field, _LATER):
        kept.set_value(name, found[name])
    caps = Gst.Caps.new_empty()
    caps.append_structure(kept)
    fitted.set_property("caps", caps)
