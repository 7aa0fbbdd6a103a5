"""The table of formats in docs/pixels.md, made from the declaration of the formats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tables import table

from empycustom.frames.formats import FORMATS, PixelFormat, PlaneFormat, channel_slice

PAGE = Path(__file__).parents[2] / "docs" / "pixels.md"
BEGIN = "<!-- Made by tools/pages/pixels.py from the table of formats; not to be edited. -->\n"
END = "<!-- The end of what is made. -->\n"
COLOURS = ("rgb", "bgr", "rgba")


def made() -> dict[str, str]:
    """Return the page, with a new table in it; nothing where there is no page."""
    if not PAGE.exists():
        return {}
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    lines = table(["format", "`frame.planes`, in their order", "type", "values", "also a view"], rows())
    return {"pixels.md": "\n".join([before + begin, *lines, end + after]) if end else before + begin + rest}


def rows() -> Iterator[list[str]]:
    """Yield the formats, one a row."""
    for name, known in FORMATS.items():
        planes = ", ".join(map(_plane, known.planes))
        kind = np.dtype(known.planes[0].dtype)
        order = "" if kind.isnative else f" (`{kind.str}`)"
        yield [f"`{name}`", planes, f"{kind.name}{order}", _values(known), ", ".join(f"`{view}`" for view in _views(name, known))]


def _plane(plane: PlaneFormat) -> str:
    rows = "h" if plane.sub_y == 1 else f"h/{plane.sub_y}"
    columns = "w" if plane.sub_x == 1 else f"w/{plane.sub_x}"
    channels = f", {plane.channels}" if plane.channels > 1 else ""
    return f"{plane.components} ({rows}, {columns}{channels})"


def _values(known: PixelFormat) -> str:
    highest = ((1 << known.bits) - 1) << known.shift
    return f"0 to {highest}{f' by {1 << known.shift}' if known.shift else ''}"


def _views(name: str, known: PixelFormat) -> Iterator[str]:
    if len(known.planes) == 1:
        yield "pixels"
    yield from (view for view in COLOURS if channel_slice(name, view.upper()) is not None)
    if "Y" in known.planes[0].components:
        yield "gray"
