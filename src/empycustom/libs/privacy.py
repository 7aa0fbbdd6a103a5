"""Hide objects: blur, pixelate or fill what is in their boxes or under their masks.

::

    empycustom run street.mp4 --lib examples/people.py --lib empycustom.libs.privacy --save private.mp4

It works on every format. What cannot be hidden is an error, and settings that let frames pass are refused.
docs/libs/privacy.md says what it can promise, and what only the pipeline can.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

import empycustom
from empycustom import Option
from empycustom.errors import FrameError
from empycustom.frames.colours import samples_of
from empycustom.frames.formats import planes_of
from empycustom.libs.chosen import Chosen
from empycustom.libs.refusals import about_options
from empycustom.libs.shapes import Area, Array, box_of, mask_in, opencv, polygon_in, rotation_of

OPTIONS = {
    "objects": Option(
        ["person"], 'what is hidden: labels, whatever their case, or numbers of classes; "*" is every object', was="labels"
    ),
    "mode": Option("blur", "how it is hidden", choices=("blur", "pixelate", "fill")),
    "strength": Option(
        0.3, "how far the blur reaches and how large its blocks are, as a part of the smaller side", limits=(0.05, 1)
    ),
    "grow": Option(0.1, "how much more is hidden at each side, as a part of the smaller side", limits=(0, 2)),
    "color": Option("#000000", "what fill fills with: red, green and blue"),
}
MANDATORY = True  # no frame may go on that was not looked at
hider: Hider  # made by start
_log = logging.getLogger(__name__)


def start(options: Mapping[str, Any]) -> None:
    """Check the options."""
    global hider
    hider = Hider(options)


def process_ip(io_buffer: Any, in_meta: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """Hide objects in each frame of the buffer; return the attribute ``hidden`` for them."""
    global hider
    if options != hider.options:  # they were changed while the pipeline plays
        hider = Hider(options)
    return {"frame": [{"object": hider.hide(io_buffer, in_meta, frame)} for frame in in_meta["frame"]]}


def stop(_options: Mapping[str, Any]) -> None:
    """Warn where no object had one of the labels."""
    hider.report()


class Hider:
    """Hide objects, and remember which labels there were."""

    @about_options()
    def __init__(self, options: Mapping[str, Any]) -> None:
        opencv()
        self.options = options
        if not options["objects"]:
            raise ValueError('the option objects is empty, so that nothing would be hidden: name labels, or "*" for every object')
        if not re.fullmatch("#[0-9a-fA-F]{6}", options["color"]):
            raise ValueError(f'the option color has to be like "#1e90ff", not {options["color"]!r}')
        self._chosen = Chosen(options["objects"])
        self._flat = self._late = False  # whether a box without an area, and objects of an earlier frame, were reported
        red, green, blue = bytes.fromhex(options["color"][1:])
        self._colour = red, green, blue
        self._mode, self._strength, self._grow = options["mode"], options["strength"], options["grow"]

    def hide(self, io_buffer: Any, in_meta: Mapping[str, Any], frame: Mapping[str, Any]) -> list[Any]:
        """Hide the objects of one frame; return for each object its attributes."""
        if "from_frame" in frame and not self._late:
            self._late = True
            _log.warning(
                "a library upstream runs with pace=latest: what it finds was there in an earlier frame, and not all is hidden "
                "(reported once); set pace=every there"
            )
        wanted = [self._chosen.has(obj) for obj in frame["object"]]
        hidden = [False] * len(wanted)
        if any(wanted):
            batch_id = frame.get("batch_id", 0)
            with empycustom.map_frame(io_buffer, in_meta, writable=True, batch_id=batch_id) as mapped:
                if not isinstance(mapped.planes[0], np.ndarray):
                    raise FrameError(
                        "Nothing can be hidden in GPU memory: put nvvideoconvert ! 'video/x-raw,format=RGBA' before the element."
                    )
                hidden = [is_wanted and self._hide(mapped, obj) for obj, is_wanted in zip(frame["object"], wanted, strict=True)]
        return [{"hidden": True} if is_hidden else {} for is_hidden in hidden]

    def report(self) -> None:
        """Log the labels that there were, if none of them was to be hidden."""
        if missed := self._chosen.missed("objects"):
            _log.warning("nothing was hidden: %s", missed)

    def _hide(self, mapped: Any, obj: Mapping[str, Any]) -> bool:
        """Hide an object; report whether a part of it is in the frame."""
        box = box_of(obj)
        if box is None:
            raise ValueError(f"an object cannot be hidden, because its box is not made of finite numbers: {obj!r}")
        if not (box.width > 0 and box.height > 0):
            if not self._flat:
                _log.warning("an object is not hidden, because its box has no area (reported once): %r", dict(obj))
            self._flat = True
            return False
        mask, rotation = obj.get("mask"), rotation_of(obj)
        grown = box.grown(self._grow)
        corners = grown.corners(rotation if mask is None else 0)
        area = Area.around(corners, mapped.width, mapped.height, step=2)
        if area.is_empty:
            return False
        cover = None
        if mask is not None:
            cover = mask_in(mask, box, area)
            more = round(self._grow * min(box.width, box.height))
            cover = _grown(cover, more) if cover.any() else None  # one that covers nothing must not hide nothing
        elif rotation:
            cover = polygon_in(corners, area)
        window = max(self._strength * min(grown.width, grown.height), 2.0)
        colours = samples_of(mapped.format, mapped.height, self._colour)
        for plane, view, colour in zip(planes_of(mapped.format), mapped.planes, colours, strict=True):
            self._hide_in(plane, view, area, cover, window, colour)
        return True

    def _hide_in(self, plane: Any, view: Array, area: Area, cover: Array | None, window: float, colour: tuple[int, ...]) -> None:
        """Hide an area in a plane, or the part of it that ``cover`` covers."""
        rows, columns = plane.rows(area.top, area.bottom), plane.columns(area.left, area.right)
        part = view[rows[0] : rows[1], columns[0] : columns[1]]
        if not part.size:
            return
        across = plane.sub_x * plane.pixels
        if plane.pixels > 1:  # YUY2 and UYVY: a sample of chroma is about two of luma, so they are hidden together
            part = part.reshape(part.shape[0], -1, len(plane.components))
        native = part.astype(part.dtype.newbyteorder("="))  # OpenCV does not look at the order of bytes
        hidden = np.full_like(native, colour[0] if native.ndim == 2 else colour)
        if self._mode != "fill":
            hidden = _SMOOTHED[self._mode](native, max(round(window / across), 1), max(round(window / plane.sub_y), 1))
        if cover is None:
            part[...] = hidden
        else:
            covers = _any_of(cover, across, plane.sub_y)
            part[...] = np.where(covers if native.ndim == 2 else covers[..., None], hidden, native)


def _blur(pixels: Array, across: int, down: int) -> Array:
    """Return the mean over a window around each pixel, twice: once leaves edges that can be computed back."""
    blur = opencv().blur
    across, down = min(across, 2 * pixels.shape[1]), min(down, 2 * pixels.shape[0])
    blurred: Array = blur(blur(pixels, (across, down)), (across, down))
    return blurred


def _pixelate(pixels: Array, across: int, down: int) -> Array:
    """Return blocks of one colour each, their mean."""
    cv2 = opencv()
    height, width = pixels.shape[:2]
    blocks = max(round(width / across), 1), max(round(height / down), 1)
    large: Array = cv2.resize(
        cv2.resize(pixels, blocks, interpolation=cv2.INTER_AREA), (width, height), interpolation=cv2.INTER_NEAREST
    )
    return large


_SMOOTHED = {"blur": _blur, "pixelate": _pixelate}


def _grown(cover: Array, by: int) -> Array:
    """Return which pixels have a covered one at most ``by`` pixels away, in each direction; as fast for large numbers."""
    cv2 = opencv()
    window = tuple(2 * min(by, side) + 1 for side in (cover.shape[1], cover.shape[0]))
    return np.asarray(cv2.boxFilter(cover, cv2.CV_32F, window, normalize=False, borderType=cv2.BORDER_CONSTANT) > 0.5)


def _any_of(cover: Array, across: int, down: int) -> Array:
    """Return for each sample whether one of its pixels is covered."""
    rows, columns = (-cover.shape[0] % down), (-cover.shape[1] % across)
    padded = np.pad(cover, ((0, rows), (0, columns)), mode="edge")
    grid = padded.reshape(padded.shape[0] // down, down, padded.shape[1] // across, across)
    return np.asarray(grid.any(axis=(1, 3)))
