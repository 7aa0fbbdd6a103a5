"""``fakeedit remove=1 add=1``: removes the n-th object of every frame (-1: none), then adds some, as elements in between do."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import gi
import nvds

gi.require_version("GstBase", "1.0")
from gi.repository import GObject, Gst, GstBase  # noqa: E402 - its version comes first

ANY = Gst.Caps.from_string("video/x-raw(ANY)")


class FakeEdit(GstBase.BaseTransform):
    __gstmetadata__ = ("Fake editor", "Filter", "Removes and adds NvDsObjectMeta", "tests")
    __gsttemplates__ = (
        Gst.PadTemplate.new("sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, ANY),
        Gst.PadTemplate.new("src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, ANY),
    )
    remove = GObject.Property(type=int, default=-1)
    add = GObject.Property(type=int, default=0)

    def do_transform_ip(self, buffer):
        batch = nvds.batch_of(buffer)
        for frame in nvds.frames_of(batch):
            if self.remove >= 0:
                nvds.call("nvds_remove_obj_meta_from_frame", frame, nvds.objects_of(frame)[self.remove])
            for _ in range(self.add):
                nvds.add_object(batch, frame, {"label": b"added"})
        return Gst.FlowReturn.OK


__gstelementfactory__ = ("fakeedit", Gst.Rank.NONE, FakeEdit)
