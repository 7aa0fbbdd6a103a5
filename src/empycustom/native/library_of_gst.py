"""GStreamer's library as ``ctypes`` gives it, for modules of gvapython that call its functions themselves.

An address that ctypes takes for an ``int`` is cut off at 32 bits, and the process crashes: so their arguments are declared.
"""

from __future__ import annotations

import ctypes
from typing import Any

_pointer, _text, _count = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {  # what each returns, and its arguments
    "gst_buffer_add_meta": (_pointer, (_pointer, _pointer, _pointer)),
    "gst_buffer_get_memory": (_pointer, (_pointer, _count)),
    "gst_buffer_iterate_meta": (_pointer, (_pointer, _pointer)),
    "gst_buffer_iterate_meta_filtered": (_pointer, (_pointer, _pointer, ctypes.c_size_t)),
    "gst_buffer_map": (ctypes.c_int, (_pointer, _pointer, ctypes.c_int)),
    "gst_buffer_remove_meta": (ctypes.c_bool, (_pointer, _pointer)),
    "gst_buffer_unmap": (None, (_pointer, _pointer)),
    "gst_caps_get_structure": (_pointer, (_pointer, _count)),
    "gst_memory_is_type": (ctypes.c_bool, (_pointer, _text)),
    "gst_meta_get_info": (_pointer, (_text,)),
    "gst_mini_object_is_writable": (ctypes.c_int, (_pointer,)),
    "gst_mini_object_make_writable": (_pointer, (_pointer,)),
    "gst_mini_object_ref": (_pointer, (_pointer,)),
    "gst_mini_object_unref": (None, (_pointer,)),
    "gst_structure_get_name": (_text, (_pointer,)),
    "gst_structure_get_string": (_text, (_pointer, _text)),
    "gst_structure_has_name": (ctypes.c_bool, (_pointer, _text)),
    "gst_structure_n_fields": (ctypes.c_int, (_pointer,)),
    "gst_structure_nth_field_name": (_text, (_pointer, _count)),
    "gst_util_seqnum_next": (_count, ()),
}
libgst: Any = ctypes.CDLL("libgstreamer-1.0.so.0")
for _name, (_returned, _arguments) in _FUNCTIONS.items():
    _function = getattr(libgst, _name)
    _function.restype, _function.argtypes = _returned, _arguments
