"""Frames that a decoder leaves in GPU memory are brought to system memory, where what is behind a source takes no others.

NVIDIA's hardware decoder, which GStreamer prefers where DeepStream is installed, gives frames in GPU memory alone.
"""

from __future__ import annotations

from typing import Any

from empycustom.gstreamer import GLib, Gst
from empycustom.session.parts import build_element, exists

_NVMM, _CONVERTER = "memory:NVMM", "nvvideoconvert"


def bring_down(decoder: Any, sink: Any, name: str) -> None:
    """Put a converter behind what ``decoder`` decodes into GPU memory, if ``sink``, the pad that gets it, does not take that.

    ``decoder`` is a decodebin or a uridecodebin, and ``name`` what it decodes, in the message where there is no converter.
    """

    def on_added(decoder: Any, pad: Any) -> None:  # not the one of above: it would refer to itself, and not be freed
        caps = pad.get_current_caps() or pad.query_caps(None)
        if not _is_on_gpu(caps) or sink.query_caps(None).can_intersect(caps):
            return
        if not exists(_CONVERTER):
            text = f"{name} is decoded into GPU memory, and {_CONVERTER}, NVIDIA's element that brings it down, is not installed."
            error = GLib.Error.new_literal(Gst.StreamError.quark(), text, Gst.StreamError.WRONG_TYPE)
            decoder.post_message(Gst.Message.new_error(decoder, error, ""))
        elif decoder.get_factory().get_name() == "decodebin":
            _insert_behind(decoder, pad, sink)
        else:
            _insert_inside(decoder, pad)

    decoder.connect("pad-added", on_added)


def _is_on_gpu(caps: Any) -> bool:
    return bool(caps) and not caps.is_any() and caps.get_size() and caps.get_features(0).contains(_NVMM)


def _insert_behind(decoder: Any, pad: Any, sink: Any) -> None:
    """Put the converter between the two pads, which are linked: decodebin needs the targets of its pads itself."""
    converter = build_element(_CONVERTER)
    decoder.get_parent().add(converter)
    pad.unlink(sink)
    pad.link(converter.get_static_pad("sink"))
    converter.get_static_pad("src").link(sink)
    converter.sync_state_with_parent()


def _insert_inside(decoder: Any, pad: Any) -> None:
    """Put the converter before a pad of the decoder, whose frames wait until it is there."""
    converter, target = build_element(_CONVERTER), pad.get_target()
    decoder.add(converter)
    pad.set_target(converter.get_static_pad("src"))
    target.link(converter.get_static_pad("sink"))
    pad.set_active(False)  # it forgets the caps of what came before
    pad.set_active(True)
    converter.sync_state_with_parent()
