"""``fakemux batch-size=2 objects=3``: puts a batch on every buffer, as nvstreammux, nvinfer and nvtracker do."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import gi
import nvds

gi.require_version("GstBase", "1.0")
from gi.repository import GObject, Gst, GstBase  # noqa: E402 - its version comes first

ANY = Gst.Caps.from_string("video/x-raw(ANY)")


class FakeMux(GstBase.BaseTransform):
    __gstmetadata__ = ("Fake muxer", "Filter", "Puts NvDsBatchMeta on buffers", "tests")
    __gsttemplates__ = (
        Gst.PadTemplate.new("sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, ANY),
        Gst.PadTemplate.new("src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, ANY),
    )
    batch_size = GObject.Property(type=int, default=1, nick="batch-size")
    objects = GObject.Property(type=int, default=3)
    source = GObject.Property(type=int, default=10)  # the source_id of the first frame in a batch
    ntp = GObject.Property(type=bool, default=True)

    def __init__(self):
        self.number = -1

    def do_transform_ip(self, buffer):
        self.number += 1
        frames = nvds.traffic(self.number, batch_size=self.batch_size, objects=self.objects, ntp=self.ntp)
        nvds.attach(hash(buffer), [{**frame, "source_id": frame["source_id"] - 10 + self.source} for frame in frames])
        return Gst.FlowReturn.OK


__gstelementfactory__ = ("fakemux", Gst.Rank.NONE, FakeMux)
