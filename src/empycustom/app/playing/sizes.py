"""One size for a whole video: encoders want it even, and no file can change it on its way.

Between what converts the frames and the encoder are a scaler, which has nothing to do as long as the size of frames stays that of
the first; an element that pads them where their size is odd or tiny; and caps, which are those of the first frame from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from empycustom.gstreamer import GLib, Gst

# I420, for an encoder may prefer a format without loss of colour, which few players can show.
_CAPS = "video/x-raw,format=I420"
_LEAST = 16  # pixels, what all muxers take
_SCALER, _PADDING, _FITTED = "scaler", "padding", "fitted"  # names of elements, to be followed by the index of the file
_LATER = ("format", "width", "height", "pixel-aspect-ratio", "colorimetry", "chroma-site")  # what stays as it is at first


def fitting(index: int) -> list[str]:
    """The words of these elements. They take I420, and by themselves scale odd sizes, which is what gst-launch-1.0 can do."""
    size = f"[{_LEAST},{2**31 - 2},2]"
    caps = f'caps="video/x-raw,format=I420,width={size},height={size}"'
    return [
        *(
            "video/x-raw,format=I420",
            "!",
            "videoscale",
            f"name={_SCALER}{index}",
            "!",
            "videobox",
            f"name={_PADDING}{index}",
            "!",
        ),
        *("capsfilter", f"name={_FITTED}{index}", caps),
    ]


def keep_sizes(pipeline: Any, videos: Sequence[tuple[int, Path]]) -> None:
    """Pad the frames of the videos, given with their indices, and keep the size of the first; say it on the bus, once.

    Each video has a thread of its own, and all get the same frames: what is said of the first holds for all.
    """
    names = ", ".join(str(path) for _, path in videos)
    for number, (index, _) in enumerate(videos):
        scaler, padding, fitted = (pipeline.get_by_name(f"{name}{index}") for name in (_SCALER, _PADDING, _FITTED))
        _keep(scaler.get_static_pad("sink"), padding, fitted, "" if number else names)
        fitted.get_static_pad("src").add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, _fix)


def _keep(pad: Any, padding: Any, fitted: Any, names: str) -> None:
    sizes: list[tuple[int, int]] = []  # the first, and another one

    def look(pad: Any, info: Any) -> Any:
        event = info.get_event()
        if event.type != Gst.EventType.CAPS:
            return Gst.PadProbeReturn.OK
        caps = event.parse_caps()
        size = (caps[0]["width"], caps[0]["height"])
        if not sizes:
            _fit(padding, fitted, *size)
        elif size != sizes[0] and names and len(sizes) == 1:
            _tell(pad.get_parent_element(), names, sizes[0], size)
        if size not in sizes[:1]:
            sizes.append(size)
        return Gst.PadProbeReturn.OK

    pad.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, look)


def _tell(scaler: Any, names: str, first: tuple[int, int], other: tuple[int, int]) -> None:
    text = (
        f"The size of the frames changes from {first[0]}x{first[1]} to {other[0]}x{other[1]}, and a video has one size: in "
        f"{names} frames of other sizes are scaled to the first, with black borders."
    )
    error = GLib.Error.new_literal(Gst.StreamError.quark(), text, Gst.StreamError.FORMAT)
    scaler.post_message(Gst.Message.new_warning(scaler, error, ""))


def _fit(padding: Any, fitted: Any, width: int, height: int) -> None:
    """Let a videobox add what lacks at the right and at the bottom, and a capsfilter take nothing else."""
    wide, high = (max(pixels + pixels % 2, _LEAST) for pixels in (width, height))
    padding.set_property("right", width - wide)
    padding.set_property("bottom", height - high)
    fitted.set_property("caps", Gst.Caps.from_string(f"{_CAPS},width={wide},height={high}"))


def _fix(pad: Any, info: Any) -> Any:
    """Let a capsfilter go on as it begins."""
    event = info.get_event()
    if event.type != Gst.EventType.CAPS:
        return Gst.PadProbeReturn.OK
    found = event.parse_caps()[0]
    kept = Gst.Structure.new_empty(found.get_name())
    for name in filter(found.has_field, _LATER):
        kept.set_value(name, found[name])
    caps = Gst.Caps.new_empty()
    caps.append_structure(kept)
    pad.get_parent_element().set_property("caps", caps)
    return Gst.PadProbeReturn.REMOVE
