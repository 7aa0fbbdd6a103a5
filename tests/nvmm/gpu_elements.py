"""What elements have that stand for NVIDIA's decoder and converter, without a GPU: their frames are in system memory all the time."""

from __future__ import annotations

import ctypes

import gi

gi.require_version("GstBase", "1.0")
from gi.repository import Gst, GstBase  # noqa: E402 - its version comes first

SYSTEM, NVMM = "memory:SystemMemory", "memory:NVMM"


def template(direction, caps):
    name = "sink" if direction == Gst.PadDirection.SINK else "src"
    return Gst.PadTemplate.new(name, direction, Gst.PadPresence.ALWAYS, Gst.Caps.from_string(caps))


def make_floating(element):
    """Make a new element floating, as its creator expects: PyGObject before 3.46 takes that reference."""
    gobject, own = ctypes.CDLL("libgobject-2.0.so.0"), ctypes.c_void_p(hash(element))
    if not gobject.g_object_is_floating(own):
        gobject.g_object_ref(own)
        gobject.g_object_force_floating(own)


class ChangesMemory(GstBase.BaseTransform):
    """Passes frames on as they are, and says in the caps that they are in another memory, one of ``leaves``."""

    leaves = enters = (SYSTEM, NVMM)

    def do_transform_caps(self, direction, caps, limits):
        changed = Gst.Caps.new_empty()
        for feature in self.leaves if direction == Gst.PadDirection.SINK else self.enters:
            for index in range(caps.get_size()):
                changed.append_structure_full(caps.get_structure(index).copy(), Gst.CapsFeatures.from_string(feature))
        return limits.intersect(changed) if limits else changed

    def do_transform_ip(self, _buffer):
        return Gst.FlowReturn.OK
