"""The window of ``--show``: whether there can be one, and whether there is."""

from __future__ import annotations

import os
from typing import Any

from empycustom.app.health.packages import WINDOWS, how_to_get
from empycustom.app.playing.parts import exists
from empycustom.errors import LaunchError
from empycustom.gstreamer import GLib, Gst

CHOOSER = "autovideosink"
_NOT_IN_WINDOWS = ("kmssink", "dfbvideosink")  # CHOOSER would try them, too; the second crashes where there is no screen
_INSTEAD = "Write a file with --save instead, or use `empycustom launch` with a sink that needs no desktop, as kmssink."


def check_window() -> None:
    """Raise LaunchError without a display, or an element that shows frames on it; keep CHOOSER from what uses none."""
    displays = [name for name in WINDOWS if os.environ.get(name)]
    if not displays:
        raise LaunchError(f"--show needs a display, and neither {' nor '.join(WINDOWS)} is set. {_INSTEAD}")
    sinks = list(dict.fromkeys(sink for name in displays for sink in WINDOWS[name]))
    if not any(map(exists, sinks)):
        raise LaunchError(f"--show needs an element that shows frames, and none is here; {how_to_get(sinks[:1])}.")
    for name in filter(exists, _NOT_IN_WINDOWS):
        Gst.ElementFactory.find(name).set_rank(Gst.Rank.NONE)


def expect_windows(pipeline: Any, *, kind: str = "error") -> None:
    """Say on the bus if no window can be opened: CHOOSER throws the frames away without a word. ``kind``: error or warning."""
    for element in _choosers(pipeline):
        _expect(element, kind)


def show_at_once(pipeline: Any) -> None:
    """Let windows show frames when they come, because the source turns out to be live."""
    for element in _choosers(pipeline):
        element.set_property("sync", False)


def _choosers(container: Any) -> list[Any]:
    found = []
    for element in container.children:
        if element.get_factory() and element.get_factory().get_name() == CHOOSER:
            found.append(element)
        elif isinstance(element, Gst.Bin):
            found += _choosers(element)
    return found


def _expect(chooser: Any, kind: str) -> None:
    def on_chosen(_chooser: Any, chosen: Any) -> None:
        chooser.disconnect(handler)  # at the end, another one takes the place of what was chosen
        if chosen.get_factory().get_name().startswith("fake"):
            displays = ", ".join(f"{name}={os.environ[name]}" for name in WINDOWS if os.environ.get(name))
            text = f"No window can be opened on the display ({displays or 'there is none'}), so no frame is shown. {_INSTEAD}"
            error = GLib.Error.new_literal(Gst.ResourceError.quark(), text, Gst.ResourceError.NOT_FOUND)
            chooser.post_message(getattr(Gst.Message, f"new_{kind}")(chooser, error, ""))

    handler = chooser.connect("element-added", on_chosen)
