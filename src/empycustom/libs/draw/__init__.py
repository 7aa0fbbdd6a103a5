"""Draw what was found into the frame: boxes, labels, masks, keypoints, tails of tracks, zones and attributes.

::

    empycustom run street.mp4 --lib examples/people.py --lib empycustom.libs.draw --save people.mp4

It is the last library, as a rule: it draws what those before it have found. docs/libs/draw.md shows what it can draw.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

import empycustom
from empycustom import Option
from empycustom.libs.chosen import Chosen
from empycustom.libs.draw.canvas import BLACK, WHITE, Canvas
from empycustom.libs.draw.text import Template, Writer, attribute_lines
from empycustom.libs.refusals import about_options
from empycustom.libs.shapes import Array, Box, box_of, mask_in, rotation_of
from empycustom.libs.sources import Sources

OPTIONS = {
    "text": Option(
        "{obj_label} {classifier} {object_id} {confidence:.0%}", "the label: a template with keys and attributes of the object"
    ),
    "attributes": Option(["*"], "which attributes are written, as patterns of their names; empty: none"),
    "objects": Option(
        ["*"], 'what is drawn: labels, whatever their case, or numbers of classes; "*", or empty: every object', was="labels"
    ),
    "boxes": Option(True, "draw boxes"),
    "masks": Option(True, "draw masks, half transparent"),
    "keypoints": Option(True, "draw keypoints and skeletons"),
    "zones": Option(True, "draw the lines and areas of empycustom.libs.zones, with their counts"),
    "tail": Option(30, "how long the tail of a tracked object is; 0: none", limits=(0, 1000), unit="frames"),
    "point": Option("bottom", "which point of the box its tail follows", choices=("bottom", "center")),
    "color_by": Option("track", "what has a colour of its own; class: also untracked objects", choices=("track", "class")),
    "min_confidence": Option(0.3, "keypoints below it are not drawn", limits=(0, 1)),
    "thickness": Option(1.0, "of lines, as a factor; 1: by the size of the frame", limits=(0.2, 10)),
    "text_size": Option(1.0, "of text, as a factor; 1: by the size of the frame", limits=(0.2, 10)),
    "font": Option("", "the file of a font with the characters that texts need"),
}

# Okabe and Ito's colours, which the colour-blind can tell apart too.
COLOURS = [(86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66), (204, 121, 167), (213, 94, 0), (0, 114, 178)]
FINE = 60  # of an object of less pixels for each pixel of a point, points and bones are smaller
drawer: Drawer  # made by start
_log = logging.getLogger(__name__)


def start(options: Mapping[str, Any]) -> None:
    """Read the template, open the font, and forget the tails of another run."""
    global drawer
    drawer = Drawer(options)


def process_ip(io_buffer: Any, in_meta: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Draw into each frame of the buffer; a frame with nothing to draw is not touched."""
    global drawer
    if options != drawer.options:  # they were changed while the pipeline plays
        drawer = Drawer(options)
    for frame in in_meta["frame"]:
        drawer.draw(io_buffer, in_meta, frame)


def stop(_options: Mapping[str, Any]) -> None:
    """Warn where no object was drawn, and of fields in the text that no object had."""
    drawer.report()


class Shown(NamedTuple):
    """An object that is drawn."""

    obj: Mapping[str, Any]
    box: Box
    corners: Array
    colour: tuple[int, int, int]


class Drawer:
    """Draw frames, with what is remembered between them."""

    @about_options()
    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options
        self._template, self._writer, self._tails = Template(options["text"]), Writer(options["font"]), Tails(options["tail"])
        self._chosen = Chosen(options["objects"] or ["*"])
        self._objects = self._unplaced = 0

    def draw(self, io_buffer: Any, in_meta: Mapping[str, Any], frame: Mapping[str, Any]) -> None:
        """Draw into one frame of a buffer, if there is something to draw."""
        attributes = frame.get("emcustom")
        notes = attribute_lines(attributes, self.options["attributes"])
        shown = list(self._shown(frame["object"]))
        tails = self._tails.follow(frame, shown, 1.0 if self.options["point"] == "bottom" else 0.5)
        zones = attributes.get("zones") if self.options["zones"] and isinstance(attributes, Mapping) else None
        if not (shown or notes or zones):
            return
        batch_id = frame.get("batch_id", 0)
        with empycustom.map_frame(io_buffer, in_meta, writable=True, batch_id=batch_id) as mapped:
            painter = Painter(Canvas(mapped), self.options, self._writer)
            if self.options["masks"]:
                painter.masks(shown)
            if isinstance(zones, Sequence):
                painter.zones(zones)
            painter.tails(tails)
            painter.objects(shown)
            for each in shown:
                painter.attributes(each, attribute_lines(each.obj.get("emcustom"), self.options["attributes"]))
            for each in shown:
                painter.label(each, self._template.fill(each.obj))
            painter.write(notes, 0, 0, BLACK)

    def report(self) -> None:
        """Log which fields of the text no object had, and whether no object was one of those that are drawn."""
        if missed := self._chosen.missed("objects"):
            _log.warning("no object was drawn: %s", missed)
        if self._objects and self._template.missing:
            _log.warning("no object had %s, which the option text asks for", ", ".join(sorted(self._template.missing)))

    def _shown(self, objects: Sequence[Mapping[str, Any]]) -> Iterator[Shown]:
        for obj in objects:
            if not self._chosen.has(obj):
                continue
            self._objects += 1
            box = box_of(obj)
            if box is None or not math.isfinite(obj.get("rotation") or 0):
                self._unplaced += 1
                if self._unplaced == 1:
                    _log.warning("an object is not drawn, because its box or rotation is not made of finite numbers: %r", obj)
            else:
                yield Shown(obj, box, box.corners(rotation_of(obj)), self._colour(obj))

    def _colour(self, obj: Mapping[str, Any]) -> tuple[int, int, int]:
        number = int(obj.get("object_id", -1))
        if self.options["color_by"] == "class" or number < 0:
            number = int(obj.get("class_id", -1))
        if number < 0:
            number = crc32(str(obj.get("obj_label")).encode())
        return COLOURS[number % len(COLOURS)]


class Tails:
    """Where tracked objects have been, for each source; forgotten when they were not seen for as long as a tail is."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._sources: Sources[dict[int, deque[tuple[int, float, float]]]] = Sources(lambda _before: {})

    def follow(self, frame: Mapping[str, Any], shown: Sequence[Shown], height: float) -> list[tuple[Array, Any]]:
        """Add the places of a frame; return the tails of its source, as points and their colour.

        ``height`` is which point of a box is followed, as a part of its height.
        """
        if not self._length:
            return []
        (tracks, *_), now = self._sources.at(frame), frame["frame_num"]
        for each in shown:
            number = each.obj.get("object_id", -1)
            if number >= 0:
                x, y = each.box.left + each.box.width / 2, each.box.top + each.box.height * height
                tracks.setdefault(number, deque()).append((now, x, y))
        for number in list(tracks):
            while tracks[number] and tracks[number][0][0] <= now - self._length:
                tracks[number].popleft()
            if not tracks[number]:
                del tracks[number]
        colours = {each.obj.get("object_id", -1): each.colour for each in shown}
        return [
            (np.array(points)[:, 1:], colours[number])
            for number, points in tracks.items()
            if number in colours and len(points) > 1
        ]


class Painter:
    """Draw the things of one frame on its canvas, with lines and text that fit its size."""

    def __init__(self, canvas: Canvas, options: Mapping[str, Any], writer: Writer) -> None:
        self._canvas, self.options, self._writer = canvas, options, writer
        side = min(canvas.width, canvas.height)
        self._thickness = max(1, round(max(side / 400, 1.5) * options["thickness"]))
        self._border = max(1, self._thickness // 4) if side >= 300 else 0  # of a small picture it would hide too much
        self._step = max(10, round(max(side / 34, 14) * options["text_size"]))

    def masks(self, shown: Sequence[Shown]) -> None:
        """Tint what masks cover."""
        for each in shown:
            mask = each.obj.get("mask")
            area = self._canvas.area(each.box.corners())
            if mask is not None and not area.is_empty:
                self._canvas.tint(mask_in(mask, each.box, area), area, each.colour)

    def objects(self, shown: Sequence[Shown]) -> None:
        """Draw boxes, on which all dark outlines are below all colours, and keypoints."""
        if self.options["boxes"]:
            for colour, more in ((BLACK, 2 * self._border), (None, 0)):
                for each in shown:
                    self._box(each, colour or each.colour, self._thickness + more)
        if self.options["keypoints"]:
            for each in shown:
                self._keypoints(each)

    def _box(self, each: Shown, colour: tuple[int, int, int], thickness: int) -> None:
        if each.obj.get("rotation"):
            self._canvas.line(each.corners - 0.5, colour, thickness, closed=True)
        else:
            left, top = math.floor(each.box.left), math.floor(each.box.top)
            right, bottom = left + max(int(each.box.width) - 1, 0), top + max(int(each.box.height) - 1, 0)
            self._canvas.box(left, top, right, bottom, colour, thickness)

    def _keypoints(self, each: Shown) -> None:
        keypoints = each.obj.get("keypoints")
        if keypoints is None or not len(keypoints):
            return
        points = np.asarray(keypoints, float).reshape(len(keypoints), -1)
        seen = np.isfinite(points).all(axis=1)
        if points.shape[1] > 2:
            seen &= points[:, 2] >= self.options["min_confidence"]
        size = max(each.box.width, each.box.height) / FINE
        thickness, radius = max(1, min(self._thickness, round(size))), max(1, min(self._thickness + self._border, size))
        skeleton = each.obj.get("skeleton") or ()
        pairs = [(a, b) for a, b in skeleton if a < len(seen) and b < len(seen) and seen[a] and seen[b]]
        if pairs:
            starts, ends = (points[[pair[end] for pair in pairs], :2] for end in (0, 1))
            self._canvas.segments(starts, ends, BLACK, thickness + 2 * self._border)
            self._canvas.segments(starts, ends, each.colour, thickness)
        self._canvas.dots(points[seen, :2], BLACK, radius + self._border)
        self._canvas.dots(points[seen, :2], WHITE, radius)

    def tails(self, tails: Sequence[tuple[Array, Any]]) -> None:
        """Draw where tracked objects came from."""
        for points, colour in tails:
            self._outlined(points, colour)

    def zones(self, zones: Sequence[Any]) -> None:
        """Draw lines and polygons, with their names and counts."""
        for index, zone in enumerate(zones):
            points = np.array(zone.get("points", ()), float) if isinstance(zone, Mapping) else np.empty(0)
            if points.ndim != 2 or len(points) < 2 or not np.isfinite(points).all():
                continue  # attributes of this name that somebody else made
            closed, colour = zone.get("kind") != "line", COLOURS[-1 - index % len(COLOURS)]
            self._outlined(points, colour, closed)
            counts = ["inside"] if closed else ["in", "out"]
            text = " ".join([str(zone.get("name", "")), *(f"{count} {zone[count]}" for count in counts if count in zone)])
            x, y = points[points[:, 1].argmin()]
            self.write([text], x, y - self._step - self._thickness, colour)

    def _outlined(self, points: Array, colour: tuple[int, int, int], closed: bool = False) -> None:
        self._canvas.line(points, BLACK, self._thickness + 2 * self._border, closed)
        self._canvas.line(points, colour, self._thickness, closed)

    def label(self, each: Shown, lines: Sequence[str]) -> None:
        """Write the label above an object; inside of it, where there is no room above."""
        left, top = each.corners.min(axis=0)
        above = top - self._step * len(lines) - self._thickness
        if self._is_seen(each):
            self.write(lines, left - self._thickness / 2, above if above >= 0 else max(top, 0), each.colour)

    def attributes(self, each: Shown, lines: Sequence[str]) -> None:
        """Write attributes below an object, on a dark ground."""
        left, bottom = each.corners[:, 0].min(), each.corners[:, 1].max()
        if self._is_seen(each):
            self.write(lines, left - self._thickness / 2, bottom + self._thickness, BLACK)

    def write(self, lines: Sequence[str], left: float, top: float, colour: tuple[int, int, int]) -> None:
        """Write lines on a ground of a colour, moved to be inside of the frame."""
        if lines:
            self._canvas.paste(self._writer.shades(tuple(lines), self._step), left, top, colour)

    def _is_seen(self, each: Shown) -> bool:
        return not self._canvas.area(each.corners).is_empty
