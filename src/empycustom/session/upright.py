"""Geometry of frames: videos and pictures that are stored rotated, as by phones, are turned upright; files get one size.

The element UPRIGHT turns frames by the orientation tags of the stream; this module sets it up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from empycustom.config.launch import FIRST, UPRIGHT
from empycustom.gstreamer import GLib, Gst
from empycustom.native import probes

_TAG, _NOT_TURNED = "image-orientation", "rotate-0"
_PARSER = "jpegparse"  # it reads the Exif data of pictures
_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
_OTHERS = (".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pnm")
_LOADER = "gdkpixbufdec"  # it decodes these, where libav's decoders of single pictures find no frame (1.22)
_ON_GPU = "nvv4l2decoder"  # NVIDIA's
_EVENTS = Gst.PadProbeType.EVENT_DOWNSTREAM


def keep_upright(pipeline: Any) -> None:
    """Turn each stream in ``pipeline`` by its orientation tags, or post a warning if no element can do it."""
    if _is_parser_left_out():
        Gst.ElementFactory.find(_PARSER).set_rank(Gst.Rank.PRIMARY)
    if _is_loader_left_out():
        Gst.ElementFactory.find(_LOADER).set_rank(Gst.Rank.SECONDARY)
    turner = pipeline.get_by_name(UPRIGHT)
    if turner is None:
        pipeline.get_by_name(FIRST).get_static_pad("src").add_probe(_EVENTS, _Warning().look)
        return
    # Without this change of direction, videoflip (1.22) copies frames that are upright already.
    _turn(turner, "90r")
    _turn(turner, "identity")
    turner.get_static_pad("sink").add_probe(_EVENTS, _Turning().look)


def variables(names: Iterable[str], *, takes_nvmm: bool) -> list[str]:
    """Return environment settings with which gst-launch-1.0 decodes the pictures of these names, and turns them.

    ``takes_nvmm``: the pipeline takes frames in GPU memory from a decoder; otherwise the one that gives no others is left out.
    """
    names = [name.lower() for name in names]
    wanted = ((_PARSER, "PRIMARY", _JPEG, _is_parser_left_out()), (_LOADER, "SECONDARY", _OTHERS, _is_loader_left_out()))
    ranks = [
        f"{element}:{rank}"
        for element, rank, endings, needed in wanted
        if needed and any(name.endswith(endings) for name in names)
    ]
    if not takes_nvmm and Gst.ElementFactory.find(_ON_GPU) is not None:
        ranks.append(f"{_ON_GPU}:NONE")
    return [f"GST_PLUGIN_FEATURE_RANK={','.join(ranks)}"] if ranks else []


def expect_pictures(element: Any) -> None:
    """Treat a JPEG picture without an orientation as upright, also after one with an orientation in the same stream."""
    if element.get_factory().get_name() == _PARSER:
        pictures = _Pictures()
        element.get_static_pad("sink").add_probe(_EVENTS, pictures.look_at_file)
        element.get_static_pad("src").add_probe(_EVENTS, pictures.look)


def _is_parser_left_out() -> bool:
    """Return True if pictures are decoded without the parser, as before GStreamer 1.24."""
    parser = Gst.ElementFactory.find(_PARSER)
    return parser is not None and parser.get_rank() < Gst.Rank.MARGINAL


def _is_loader_left_out() -> bool:
    """Return True if other decoders are used for such pictures."""
    loader = Gst.ElementFactory.find(_LOADER)
    return loader is not None and loader.get_rank() < Gst.Rank.SECONDARY


def _turn(turner: Any, direction: str) -> None:
    Gst.util_set_object_arg(turner, "video-direction", direction)


def _orientation(tags: Any) -> str | None:
    found, orientation = tags.get_string(_TAG)
    return orientation if found else None


class _Turning:
    """Lets a videoflip turn by tags, and reset for a stream without an orientation, which it never does before 1.24."""

    def __init__(self) -> None:
        self._is_global = False  # the orientation is from a tag that is not only for this stream

    def look(self, pad: Any, info: Any) -> Any:
        """Handle an event before the videoflip."""
        event = info.get_event()
        if event.type == Gst.EventType.STREAM_START:
            self._is_global = False
            _turn(pad.get_parent_element(), "identity")
        elif event.type == Gst.EventType.TAG:
            tags = event.parse_tag()
            of_stream = tags.get_scope() == Gst.TagScope.STREAM
            if _orientation(tags):
                self._is_global = self._is_global or not of_stream
                _turn(pad.get_parent_element(), "auto")
            elif of_stream and not self._is_global:
                _turn(pad.get_parent_element(), "identity")
        return Gst.PadProbeReturn.OK


class _Warning:
    """Warns that frames stay rotated: DeepStream's elements ignore tags."""

    def look(self, pad: Any, info: Any) -> Any:
        """Check an event; warn at the first one with an orientation."""
        event = info.get_event()
        orientation = _orientation(event.parse_tag()) if event.type == Gst.EventType.TAG else None
        if orientation in (None, _NOT_TURNED):
            return Gst.PadProbeReturn.OK
        text = (
            f"The frames are stored turned ({orientation}), and stay so: DeepStream's elements do not turn them. "
            "Turn the file first: ffmpeg -i turned.mp4 upright.mp4"
        )
        element = pad.get_parent_element()
        error = GLib.Error.new_literal(Gst.StreamError.quark(), text, Gst.StreamError.FORMAT)
        element.post_message(Gst.Message.new_warning(element, error, ""))
        return Gst.PadProbeReturn.REMOVE


class _Pictures:
    """Completes the tags of a parser of pictures, which sends none for pictures without an orientation."""

    def __init__(self) -> None:
        self._default = _NOT_TURNED  # for pictures without an orientation: that of their file, such as a .mov
        self._has_tag = True  # for the next picture
        self._watching = False

    def look_at_file(self, _pad: Any, info: Any) -> Any:
        """Handle an event before the parser."""
        event = info.get_event()
        if event.type == Gst.EventType.TAG:
            self._default = _orientation(event.parse_tag()) or self._default
        return Gst.PadProbeReturn.OK

    def look(self, pad: Any, info: Any) -> Any:
        """Handle an event of the parser."""
        event = info.get_event()
        if event.type == Gst.EventType.TAG:
            self._has_tag = True
            if not self._watching and (_orientation(event.parse_tag()) or self._default) != self._default:
                self._watching = True
                pad.add_probe(Gst.PadProbeType.BUFFER, self._look_at_picture)
        return Gst.PadProbeReturn.OK

    def _look_at_picture(self, pad: Any, _info: Any) -> Any:
        had_tag, self._has_tag = self._has_tag, False
        if not had_tag:
            tags = Gst.TagList.new_empty()
            tags.add_value(Gst.TagMergeMode.REPLACE, _TAG, self._default)
            pad.push_event(Gst.Event.new_tag(tags))
            self._has_tag = False
        return Gst.PadProbeReturn.OK


# One size for a whole video file, which has to be even. Before the encoder are a scaler, which is idle while frames have the
# size of the first; an element that pads odd and tiny sizes; and a capsfilter, which keeps the caps of the first frame.


# I420, because an encoder may prefer a format that few players can show.
_CAPS = "video/x-raw,format=I420"
_MIN_SIZE = 16  # pixels, which all muxers accept
SCALER, FITTED = "scaler", "fitted"  # names of elements, to be followed by the index of the file
_FIXED = ("format", "width", "height", "pixel-aspect-ratio", "colorimetry", "chroma-site")  # fields of caps that stay


def fitting(index: int, *, printed: bool) -> list[str]:
    """Return the tokens of these elements. ``printed``: for gst-launch-1.0, where they scale odd sizes instead of padding.

    Otherwise the capsfilter gets its size with the first caps. A range with a step would end the process if nvvideoconvert, which
    simplifies caps, were before it: GStreamer asserts that they have none.
    """
    even = f"[{_MIN_SIZE},{2**31 - 2},2]"
    caps = f"{_CAPS},width={even},height={even}" if printed else _CAPS
    fitted = ["capsfilter", f"name={FITTED}{index}", f'caps="{caps}"']
    return [_CAPS, "!", "videoscale", f"name={SCALER}{index}", "!", "videobox", "!", *fitted]


def keep_sizes(pipeline: Any, videos: Sequence[tuple[int, Path]]) -> None:
    """Pad the frames of the videos, given with their indices, and keep the size of the first; post a warning once.

    Each video has a thread of its own, and all get the same frames: the first one warns for all.
    """
    names = ", ".join(str(path) for _, path in videos)
    for number, (index, _) in enumerate(videos):
        frames = pipeline.get_by_name(f"{SCALER}{index}").get_static_pad("sink")
        fitted = pipeline.get_by_name(f"{FITTED}{index}").get_static_pad("src")
        video = _Video("" if number else names)
        probes.call_at_first_buffer(hash(frames), video.begin)
        frames.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, video.look_at_frames)
        fitted.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, video.look_at_fitted)


class _Video:
    """The size of one video: that of its first frame. Caps may change before the first frame, as when frames are rotated.

    It has no reference to an element, because elements have references to it.
    """

    def __init__(self, names: str) -> None:
        self._names = names
        self._size = (0, 0)
        self._began = False

    def begin(self) -> None:
        """Fix the size at the first frame."""
        self._began = True

    def look_at_frames(self, pad: Any, info: Any) -> Any:
        """Handle an event before the scaler."""
        event = info.get_event()
        if event.type == Gst.EventType.CAPS:
            caps = event.parse_caps()
            size = (caps[0]["width"], caps[0]["height"])
            if not self._began:
                self._size = size
                _fit(pad.get_parent_element(), *size)
            elif size != self._size and self._names:
                _post_size_changed(pad.get_parent_element(), self._names, self._size, size)
                self._names = ""  # once
        return Gst.PadProbeReturn.OK

    def look_at_fitted(self, pad: Any, info: Any) -> Any:
        """Fix the caps in an event before the encoder."""
        event = info.get_event()
        if event.type == Gst.EventType.CAPS and not self._began:
            _fix(pad.get_parent_element(), event.parse_caps()[0])
        return Gst.PadProbeReturn.OK


def _post_size_changed(scaler: Any, names: str, first: tuple[int, int], other: tuple[int, int]) -> None:
    text = (
        f"The size of the frames changes from {first[0]}x{first[1]} to {other[0]}x{other[1]}, and a video has one size: in "
        f"{names} frames of other sizes are scaled to the first, with black borders."
    )
    error = GLib.Error.new_literal(Gst.StreamError.quark(), text, Gst.StreamError.FORMAT)
    scaler.post_message(Gst.Message.new_warning(scaler, error, ""))


def _fit(scaler: Any, width: int, height: int) -> None:
    """Set the videobox behind a scaler to pad at the right and at the bottom, and the caps behind it to the padded size."""
    padding = _behind(scaler)
    wide, high = (max(pixels + pixels % 2, _MIN_SIZE) for pixels in (width, height))
    padding.set_property("right", width - wide)
    padding.set_property("bottom", height - high)
    _behind(padding).set_property("caps", Gst.Caps.from_string(f"{_CAPS},width={wide},height={high}"))


def _behind(element: Any) -> Any:
    return element.get_static_pad("src").get_peer().get_parent_element()


def _fix(fitted: Any, found: Any) -> None:
    """Set a capsfilter to the caps that it has found first."""
    kept = Gst.Structure.new_empty(found.get_name())
    for name in filter(found.has_field, _FIXED):
        kept.set_value(name, found[name])
    caps = Gst.Caps.new_empty()
    caps.append_structure(kept)
    fitted.set_property("caps", caps)
