"""Changing and removing objects of a batch of DeepStream, each in one step under its lock (see ``deepstream``)."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from itertools import compress, repeat, starmap
from math import isfinite
from operator import eq
from typing import Any

from empycustom.native.deepstream import FRAME_OBJECTS, GLIB, Layout, Steps, flat, keeping_the_gil, lists_at, pointers_at
from empycustom.native.deepstream_read import ObjectMeta
from empycustom.native.deepstream_write import (
    LAST_PLACE,
    box_writer,
    cut,
    mask_fields,
    new_classifier,
    put_float,
    put_mask,
    style_of_text,
    text_offset,
    text_offset_of,
)
from empycustom.native.loading import POINTER, bytes_of, ffi, glib, offset_of, packer, reader, writer

_HEAD, _TAIL = "NvDsObjectHead", "NvDsObjectTail"
_BOX = ("left", "top", "width", "height")
_NUMBERS = ("unique_component_id", "class_id", "confidence", "tracker_confidence")
_number = {name: writer(_HEAD, name) for name in _NUMBERS}
_object_id, _parent_of, _parent = writer(_HEAD, "object_id"), reader(_HEAD, "parent"), writer(_HEAD, "parent")
_label = writer(_TAIL, "obj_label")
_TEXT, _CLASSIFIERS = offset_of(_TAIL, "text_params.display_text"), offset_of(_TAIL, "classifier_meta_list")
_put = packer("=Q")
_free = ctypes.PYFUNCTYPE(None, ctypes.c_size_t)(("g_free", GLIB))

Calls = list[tuple[Callable[..., Any], tuple[Any, ...]]]


def change_object(frame: int, batch: int, layout: Layout, before: ObjectMeta, after: ObjectMeta) -> bool:
    """Change what is different in an object of the frame at an address; return whether it is still there.

    A text goes with the box where that moves. How the object is drawn stays.
    """
    address, tail = before.address, before.address + layout.object_tail
    steps = Steps()
    found = steps.find(frame + FRAME_OBJECTS, address)
    calls = _calls(address, tail, before, after)
    if after.classifiers != before.classifiers:
        heads = steps.fill(filter(None, pointers_at(compress((tail + _CLASSIFIERS,), found))))
        steps.fill(map(keeping_the_gil("nvds_clear_classifier_meta_list"), repeat(address), heads))
        add = keeping_the_gil("nvds_add_classifier_meta_to_object")
        calls += [(add, (address, new_classifier(batch, each))) for each in reversed(after.classifiers)]
    freed = []  # what is not the object's if it is gone
    if after.mask is not before.mask:
        mask = mask_fields(after.mask)
        freed.append(mask[0])
        _free_at(steps, address + layout.mask, found)
        calls.append((put_mask, (address + layout.mask, *mask)))
    if after.angle != before.angle:
        calls.append((put_float, (address + layout.angle, after.angle)))
    if after.display_text != before.display_text:
        freed.append(glib.g_strdup(bytes_of(after.display_text)) if after.display_text else 0)
        _free_at(steps, tail + _TEXT, found)
        calls.append((_put, (tail + _TEXT, freed[-1])))
        if not before.display_text:
            calls += style_of_text(tail, after.left, after.top)
    for function, arguments in calls:
        steps.fill(starmap(function, compress((arguments,), found)))
    steps.run(batch)
    for memory in freed if not found else ():
        glib.g_free(ffi.cast(POINTER, memory))
    return bool(found)


def _free_at(steps: Steps, place: int, found: list[int]) -> None:
    """Add the steps that free what the pointer at a place points to, if something was found."""
    steps.fill(map(_free, steps.fill(filter(None, pointers_at(compress((place,), found))))))


def _calls(address: int, tail: int, before: ObjectMeta, after: ObjectMeta) -> Calls:
    """Return the calls that write what is in the object itself."""
    there, wanted = before._asdict(), after._asdict()
    calls: Calls = [(write, (address, wanted[name])) for name, write in _number.items() if wanted[name] != there[name]]
    if after.object_id != before.object_id:
        calls.append((_object_id, (address, after.object_id % 2**64)))
    if after.label != before.label:
        calls.append((_label, (tail, cut(after.label))))
    if [wanted[name] for name in _BOX] != [there[name] for name in _BOX]:
        calls.append((box_writer, (address, *(wanted[name] for name in _BOX))))
        x, y = text_offset_of(tail)
        calls.append((text_offset, (tail, _moved(x, after.left - before.left), _moved(y, after.top - before.top))))
    return calls


def _moved(place: int, by: float) -> int:
    """Return a place of a text that is moved; a box of others may have been nowhere."""
    return max(0, min(place + round(by), LAST_PLACE)) if isfinite(by) else place


def set_parent(frame: int, batch: int, address: int, parent: int) -> None:
    """Let an object of the frame at an address have another one of it as its parent, where both are there; 0: none."""
    steps = Steps()
    found = steps.find(frame + FRAME_OBJECTS, address)
    objects = steps.fill(flat(lists_at(pointers_at(compress((frame + FRAME_OBJECTS,), found)))))
    possible = steps.fill(filter(objects.__contains__, (parent,))) if parent else found
    steps.fill(map(_parent, compress((address,), possible), repeat(parent)))
    steps.run(batch)


def remove_object(frame: int, batch: int, address: int) -> None:
    """Remove an object from the frame at an address, if it is still there; what has it as its parent has none then."""
    steps = Steps()
    found = steps.find(frame + FRAME_OBJECTS, address)
    objects = steps.fill(lists_at(pointers_at(compress((frame + FRAME_OBJECTS,), found))))
    parents = steps.fill(map(_parent_of, flat(objects)))
    children = steps.fill(compress(flat(objects), map(eq, parents, repeat((address,)))))
    steps.fill(map(_parent, children, repeat(0)))
    steps.fill(starmap(keeping_the_gil("nvds_remove_obj_meta_from_frame"), compress(((frame, address),), found)))
    steps.run(batch)
