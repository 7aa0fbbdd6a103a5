"""Hailo's meta on buffers, whose objects Hailo's own Python module reads and writes: where it is, and the object in it."""

from __future__ import annotations

from empycustom.native.loading import glib, gst, reader

NAME = "GstHailoMetaAPI"
_main_object = reader("GstHailoMeta", "main_object")


def api() -> int:
    """Return the type of the API of Hailo's metas; 0: no element of Hailo's has been used in this process."""
    return int(glib.g_type_from_name(NAME.encode()))


def main_object_at(meta_address: int) -> int:
    """Return the address of the HailoMainObject in the meta at an address; 0: there is none. It lives as long as the meta."""
    return int(_main_object(meta_address)[0])


def meta_on(address: int) -> int:
    """Return the address of the first such meta on a buffer, 0: it has none."""
    return int(gst.gst_buffer_get_meta(address, api()))
