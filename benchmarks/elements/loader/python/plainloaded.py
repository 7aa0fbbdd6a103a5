"""A hand-written element as GStreamer's Python loader finds it: it imports NumPy, because every library here does."""

from typing import Any

import gi
import numpy  # noqa: F401 - its import is part of what is measured

gi.require_version("Gst", "1.0")
gi.require_version("GstBase", "1.0")
from gi.repository import Gst, GstBase  # noqa: E402 - the versions come first


class PlainLoaded(GstBase.BaseTransform):
    """Does nothing."""

    __gstmetadata__ = ("Plain", "Filter/Effect/Video", "Does nothing", "The empycustom developers")
    __gsttemplates__ = tuple(
        Gst.PadTemplate.new(name, direction, Gst.PadPresence.ALWAYS, Gst.Caps.from_string("video/x-raw"))
        for name, direction in (("sink", Gst.PadDirection.SINK), ("src", Gst.PadDirection.SRC))
    )

    def do_transform_ip(self, buffer: Any) -> Any:
        return Gst.FlowReturn.OK


__gstelementfactory__ = ("plainloaded", 0, PlainLoaded)
