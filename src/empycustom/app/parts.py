"""Elements made by name, with an error that says which Debian package has one that is missing."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from empycustom.app.packages import how_to_get
from empycustom.errors import LaunchError
from empycustom.gstreamer import Gst


def exists(factory: str) -> bool:
    """Whether this GStreamer has the element."""
    return Gst.ElementFactory.find(factory) is not None


def make(factory: str, **properties: Any) -> Any:
    """A new element; in names of properties, ``_`` stands for a dash. Raises LaunchError if there is no such element."""
    element = Gst.ElementFactory.make(factory)
    if element is None:
        raise LaunchError(f"GStreamer has no element {factory} here; {how_to_get([factory])}.")
    for name, value in properties.items():
        element.set_property(name.replace("_", "-"), value)
    return element


def caps_filter(caps: str) -> Any:
    """A capsfilter for ``caps``."""
    return make("capsfilter", caps=Gst.Caps.from_string(caps))


def chain(pipeline: Any, *elements: Any) -> Any:
    """Add ``elements`` to the pipeline, link them in this order, and return the last. Raises LaunchError."""
    for element in elements:
        if element.get_parent() is None:
            pipeline.add(element)
    for before, after in pairwise(elements):
        if not before.link(after):
            raise LaunchError(f"{before.get_name()} and {after.get_name()} cannot be linked: their formats do not go together.")
    return elements[-1]
