"""How buffers get into the elements: straight from C where that is to be had (see native/fastpath.py), or by PyGObject."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from empycustom.buffers.handed import borrower, hand_over, keep
from empycustom.gstreamer import PYGOBJECT_INTERFACE, PYGOBJECT_VERSION, GstBase
from empycustom.native import fastpath

SLOW_BECAUSE = fastpath.missing(PYGOBJECT_VERSION, PYGOBJECT_INTERFACE)  # "": the fast path is taken


def take_over(element_class: Any, *methods: str) -> None:
    """Let the buffers of an element class come by the fast path, if it is to be had: past these virtual methods of its."""
    if not SLOW_BECAUSE:
        layout = GstBase.BaseTransformClass.__info__.get_fields()
        offsets = {field.get_name(): field.get_offset() for field in layout}
        fastpath.take_slots(hash(element_class.__gtype__), {name: offsets[name] for name in methods})


# What a callback gets: made of the address of the buffer on the fast path, else of the object that PyGObject made. And what has
# to be done when the callback has returned and something still holds it, which PyGObject does itself for its own.
as_buffer: Callable[[Any], Any] = hand_over if SLOW_BECAUSE else borrower()
settle: Callable[[Any], None] = (lambda _: None) if SLOW_BECAUSE else keep
