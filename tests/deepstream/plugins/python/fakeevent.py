"""``fakeevent object-id=other text=hello``: attaches an NvDsEventMsgMeta of another program to every frame. Without an id it has none.

``careless=true``: what it does not need it leaves as it was in the pool, where everything is zero at first.
"""

import ctypes
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import gi
import nvds

gi.require_version("GstBase", "1.0")
from gi.repository import GObject, Gst, GstBase  # noqa: E402 - its version comes first

ANY = Gst.Caps.from_string("video/x-raw(ANY)")
EVENT_SIZE, OBJECT_ID = 14040, 136  # NvDsEventMsgMeta

calloc = ctypes.CDLL(None).calloc
calloc.restype, calloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t, ctypes.c_size_t)


class FakeEvent(GstBase.BaseTransform):
    __gstmetadata__ = ("Fake event", "Filter", "Adds an NvDsEventMsgMeta to each frame", "tests")
    __gsttemplates__ = (
        Gst.PadTemplate.new("sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, ANY),
        Gst.PadTemplate.new("src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, ANY),
    )
    object_id = GObject.Property(type=str, default="", nick="object-id")
    text = GObject.Property(type=str, default="")
    careless = GObject.Property(type=bool, default=False)

    def do_transform_ip(self, buffer):
        batch = nvds.batch_of(buffer)
        for frame in nvds.frames_of(batch):
            event = calloc(1, EVENT_SIZE)  # nobody frees it, and copies of the batch go without: it has no functions for both
            if self.object_id:
                nvds.put(nvds.LONG, event + OBJECT_ID, nvds.strdup(self.object_id.encode()))
            nvds.put(nvds.LONG, event + nvds.OTHER_ATTRS, nvds.strdup(self.text.encode()))
            user = nvds.call("nvds_acquire_user_meta_from_pool", batch)
            nvds.put(nvds.INT, user + 8, nvds.EVENT_MSG_META)
            if not self.careless:
                nvds.put(nvds.LONG, user + 16, 0, 0, 0)  # uContext, copy_func, release_func
            nvds.put(nvds.LONG, user + 40, event)
            nvds.call("nvds_add_user_meta_to_frame", frame, user)
        return Gst.FlowReturn.OK


__gstelementfactory__ = ("fakeevent", Gst.Rank.NONE, FakeEvent)
