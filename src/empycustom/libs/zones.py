r"""Say who is in an area, who crosses a line and which way, how many that are, and how long they stay.

::

    empycustom run street.mp4 --lib examples/people.py --lib empycustom.libs.track --lib empycustom.libs.zones \
        --options '{"zones": [{"name": "door", "line": [[0.2, 0.5], [0.8, 0.5]]}]}' --out meta.jsonl

A zone is ``{"name": ..., "line": [[x, y], [x, y]]}`` or ``{"name": ..., "polygon": [[x, y], ...]}``, with ``"source_id": n`` for
that source alone. Crossings need objects that a tracker has numbered (``object_id``). docs/libs/zones.md says what it returns.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from empycustom.libs.chosen import Chosen
from empycustom.libs.sources import Sources
from empycustom.text import meant

POINTS: Final = {  # of the upright box, in parts of its width and height
    "bottom": (0.5, 1.0),
    "center": (0.5, 0.5),
    "top": (0.5, 0.0),
    "left": (0.0, 0.5),
    "right": (1.0, 0.5),
}
STATEFUL = True  # who was where, and how many have crossed
UNTRACKED = -1
_KEYS = ("name", "line", "polygon", "source_id")
_PATIENCE = 30  # frames with objects without numbers, before a warning
_log = logging.getLogger(__name__)


# Geometry. Points are rows of an array, y grows downwards.


def inside(points: Any, polygon: Any) -> Any:
    """Return for each point whether it is in a polygon; its edges belong to it. Where it crosses itself, even-odd decides."""
    x, y = points[:, :1], points[:, 1:]
    (ax, ay), (bx, by) = polygon.T, np.roll(polygon, -1, axis=0).T
    turn = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
    between = (np.minimum(ax, bx) <= x) & (x <= np.maximum(ax, bx)) & (np.minimum(ay, by) <= y) & (y <= np.maximum(ay, by))
    passes = ((ay > y) != (by > y)) & ((turn > 0) == (by > ay))  # edges to the right of the point, at its height
    return ((turn == 0) & between).any(axis=1) | (passes.sum(axis=1) % 2 == 1)


def sides(points: Any, line: Any) -> Any:
    """Return for each point 1 on the left of the line, seen from its first point to its second, -1 on the right, 0 on it."""
    return -np.sign(_turn(line[0], line[1], points)).astype(int)


def passes_between(start: Any, end: Any, line: Any) -> bool:
    """Return whether the way from ``start`` to ``end``, which are on different sides of a line, leads between its two points."""
    turns = _turn(np.asarray(start, float), np.asarray(end, float), line)
    return bool(np.sign(turns[0]) * np.sign(turns[1]) <= 0)


def _turn(start: Any, end: Any, points: Any) -> Any:
    (dx, dy), offset = end - start, points - start
    return dx * offset[..., 1] - dy * offset[..., 0]


def points_of(objects: Sequence[Any], point: str) -> Any:
    """Return the point of each object that counts, (n, 2) in pixels; of a turned box, that of the upright box around it."""
    part_x, part_y = POINTS[point]
    points = np.empty((len(objects), 2))
    for row, each in zip(points, objects, strict=True):
        box, angle = each["rect_params"], each.get("rotation", 0.0)
        width, height = box["width"], box["height"]
        cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
        upright_width, upright_height = (width * cos + height * sin, width * sin + height * cos) if angle else (width, height)
        row[0] = box["left"] + width / 2 + (part_x - 0.5) * upright_width
        row[1] = box["top"] + height / 2 + (part_y - 0.5) * upright_height
    return points


# Zones, and what is known of the objects at each.


@dataclass(frozen=True)
class Zone:
    """A line or polygon, as it was given; ``points`` (n, 2) in parts of the frame or in pixels."""

    name: str
    kind: str
    points: Any
    in_parts: bool
    source_id: int | None

    def pixels(self, width: int, height: int) -> Any:
        """Return the points in pixels of a frame of that size, rounded to a thousandth so that 0.7 of 480 lines is 336."""
        return np.round(self.points * (width, height), 3) if self.in_parts else self.points


@dataclass
class Place:
    """Where an object is at a zone: ``side`` 1 or -1, of a polygon 1 is inside; ``point`` the last one that was not beyond."""

    side: int
    point: Any
    since_s: float
    seen_s: float
    beyond: Any = None  # the first point on the other side, its time, and the number of frames there
    beyond_s: float = 0.0
    frames: int = 0

    def move(self, side: int, point: Any, time_s: float, min_frames: int) -> bool:
        """Take in a new point, return whether the side has changed with it. On a line (0) it has not."""
        self.seen_s = time_s
        if side in (0, self.side):
            self.point, self.frames = point, 0
            return False
        if not self.frames:
            self.beyond, self.beyond_s = point, time_s
        self.frames += 1
        return self.frames >= min_frames

    def settle(self, side: int, point: Any) -> None:
        """Be on the other side, since the first point there."""
        self.side, self.point, self.since_s, self.frames = side, point, self.beyond_s, 0


@dataclass
class Count:
    """What is counted at a zone."""

    entered: int = 0
    left: int = 0
    places: dict[int, Place] = field(default_factory=dict)


def read_zones(given: Any) -> list[Zone]:
    """Check the option ``zones``. Raises ValueError, which names the zone and the problem."""
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        raise ValueError(
            'the option zones has to be a list of zones, such as [{"name": "door", "line": [[0.2, 0.5], [0.8, 0.5]]}] or '
            '[{"name": "yard", "polygon": [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]}]'
        )
    zones = [_read_zone(each, f"zones[{index}]") for index, each in enumerate(given)]
    names = [zone.name for zone in zones]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ValueError(f"zones[{index}] is named {name!r}, as zones[{names.index(name)}] is: each needs a name of its own")
    return zones


def _read_zone(given: Any, path: str) -> Zone:
    unknown = sorted(str(key) for key in given if key not in _KEYS) if isinstance(given, Mapping) else []
    if unknown:
        name = f" ({given['name']})" if "name" in given else ""
        raise ValueError(
            f"{path}{name} has {unknown[0]!r}{meant(unknown[0], _KEYS)}: a zone has name, line or polygon, and source_id if "
            "it is for one source"
        )
    kinds = [kind for kind in ("line", "polygon") if isinstance(given, Mapping) and kind in given]
    if len(kinds) != 1 or not isinstance(given.get("name"), str) or not given["name"]:
        raise ValueError(
            f'{path} has to be {{"name": text, "line": points}} or {{"name": text, "polygon": points}}, not {given!r}'
        )
    (kind,), path = kinds, f"{path} ({given['name']})"
    source_id = given.get("source_id")
    if source_id is not None and type(source_id) is not int:
        raise ValueError(f"{path}: source_id has to be a whole number, not {source_id!r}")
    points = _read_points(given[kind], kind, f"{path}.{kind}")
    return Zone(given["name"], kind, points, bool((points >= 0).all() and (points <= 1).all()), source_id)


def _read_points(given: Any, kind: str, path: str) -> Any:
    expected = "2 points" if kind == "line" else "3 points or more"
    try:
        points = np.array(given, float)
    except (TypeError, ValueError):
        points = np.empty(0)
    right = points.ndim == 2 and points.shape[1] == 2 and (len(points) == 2 if kind == "line" else len(points) > 2)
    if not right or not np.isfinite(points).all():
        raise ValueError(f"{path} has to be a list of {expected}, [x, y] each, not {given!r}")
    if np.linalg.matrix_rank(points - points[0]) < (1 if kind == "line" else 2):
        raise ValueError(f"{path} has no {'length' if kind == 'line' else 'area'}: {given!r}")
    if 1 < np.abs(points).max() <= 2:
        raise ValueError(f"{path} is neither in parts of the frame (all from 0 to 1) nor in pixels: {given!r}")
    return points


def _option(default: Any, description: str, **about: Any) -> Any:
    return field(default=default, metadata={"description": description, **about})


_ZONES = 'lines and polygons: {"name", "line": [[x, y], [x, y]]}, {"name", "polygon": [[x, y], ...]}'
_OBJECTS = 'what is counted: labels, whatever their case, or numbers of classes; "*", or empty: every object'


@dataclass
class Options:
    """The options. ``places`` are the zones, as they were read."""

    zones: list[Any] = field(metadata={"description": _ZONES})
    point: str = _option("bottom", "which point of an object's box counts", choices=tuple(POINTS))
    objects: list[Any] = field(default_factory=lambda: ["*"], metadata={"description": _OBJECTS, "was": "labels"})
    min_frames: int = _option(1, "after so many frames on the other side an object has crossed", limits=(1, 1000), unit="frames")
    forget_after: float = _option(2.0, "an object that is not seen for so long begins anew", limits=(0, 86400), unit="seconds")
    frame_rate: float = _option(0.0, "of frames without timestamps; 0: the timestamps say it", limits=(0, 1000), unit="frames/s")

    def __post_init__(self) -> None:
        self.places = read_zones(self.zones)


OPTIONS = Options
counter: Counter


def start(options: Options) -> None:
    """Begin to count at 0."""
    global counter
    counter = Counter(options)


def process_ip(_io_buffer: Any, in_meta: Any, options: Options) -> Any:
    """Return zones and events as attributes of each frame, and the zones that they are in as attributes of objects."""
    return {"frame": [counter.look(frame, options) for frame in in_meta["frame"]]}


def stop(_options: Options) -> None:
    """Warn where no object was one of those that are counted."""
    if missed := counter.chosen.missed("objects"):
        _log.warning("nothing was counted: %s", missed)


class Counter:
    """What was counted of each source. Options may change while it plays; zones of the same name go on to count."""

    def __init__(self, options: Options) -> None:
        self.chosen = Chosen(options.objects or ["*"])
        self.sources: Sources[dict[str, Count]] = Sources(lambda _before: {})
        self.without_id = 0

    def look(self, frame: Any, options: Options) -> dict[str, Any]:
        """Return what the library says about a frame and its objects."""
        counts, time_s, _passed = self.sources.at(frame, options.frame_rate)
        width, height, objects = frame["source_frame_width"], frame["source_frame_height"], frame["object"]
        if self.chosen.labels != (options.objects or ["*"]):  # they were changed while the pipeline plays
            self.chosen = Chosen(options.objects or ["*"])
        chosen = [index for index, each in enumerate(objects) if self.chosen.has(each)]
        looked_at = [objects[index] for index in chosen]
        self._complain(looked_at)
        points, ids = points_of(looked_at, options.point), _unique([each["object_id"] for each in looked_at])
        found: list[dict[str, Any]] = [{} for _ in objects]
        zones, events = [], []
        for zone in options.places:
            if zone.source_id in (None, frame["source_id"]):
                count, shape = counts.setdefault(zone.name, Count()), zone.pixels(width, height)
                now = inside(points, shape) * 2 - 1 if zone.kind == "polygon" else sides(points, shape)
                events += [
                    {"zone": zone.name, **event, "frame_num": frame["frame_num"], "time_s": round(time_s, 3)}
                    for event in _follow(count, zone.kind, shape, ids, points, now, time_s, options)
                ]
                zones.append(_summary(zone, shape, count, now))
                if zone.kind == "polygon":
                    _mark(found, chosen, zone.name, ids, now, count, time_s)
        return {"meta": {"zones": zones, **({"events": events} if events else {})}, "object": found}

    def _complain(self, objects: Sequence[Any]) -> None:
        """Say once that nobody numbers the objects."""
        if self.without_id < 0 or not objects:
            return
        self.without_id = self.without_id + 1 if all(each["object_id"] == UNTRACKED for each in objects) else -1
        if self.without_id == _PATIENCE:
            _log.warning(
                "%d frames had objects, and none of these has an object_id: who crosses a zone is not counted. Run a tracker "
                "before zones, such as --lib empycustom.libs.track",
                _PATIENCE,
            )


def _unique(ids: list[int]) -> list[int]:
    """Return the ids; one that occurs a second time on a frame says nothing."""
    seen: set[int] = set()
    return [UNTRACKED if each in seen or seen.add(each) else each for each in ids]  # type: ignore[func-returns-value]


def _follow(
    count: Count, kind: str, shape: Any, ids: list[int], points: Any, now: Any, time_s: float, options: Options
) -> list[dict[str, Any]]:
    """Follow the objects at a zone, return the crossings, without those of objects that have no number."""
    events: list[dict[str, Any]] = []
    for lost in [each for each, place in count.places.items() if time_s - place.seen_s > options.forget_after]:
        del count.places[lost]
    for object_id, point, side in zip(ids, points, now.tolist(), strict=True):
        if object_id == UNTRACKED:
            continue
        place = count.places.get(object_id)
        if place is None:
            if side:  # on the line it has no side yet
                count.places[object_id] = Place(side, point, time_s, time_s)
        elif place.move(side, point, time_s, options.min_frames):
            crossed = kind == "polygon" or passes_between(place.point, place.beyond, shape)
            stayed_s = place.beyond_s - place.since_s
            place.settle(side, point)
            if crossed:
                entered = side > 0
                count.entered, count.left = count.entered + entered, count.left + (not entered)
                event: dict[str, Any] = {"object_id": object_id, "direction": "in" if entered else "out"}
                events.append(event if entered or kind == "line" else {**event, "dwell_s": round(stayed_s, 3)})
    return events


def _summary(zone: Zone, shape: Any, count: Count, now: Any) -> dict[str, Any]:
    """Return what draw and others need of a zone; nobody is inside of a line."""
    within = int((now > 0).sum()) if zone.kind == "polygon" else 0
    return {
        "name": zone.name,
        "kind": zone.kind,
        "points": shape.tolist(),
        "inside": within,
        "in": count.entered,
        "out": count.left,
    }


def _mark(
    found: list[dict[str, Any]], chosen: list[int], name: str, ids: list[int], now: Any, count: Count, time_s: float
) -> None:
    """Write into the attributes of the objects in a polygon that they are there, and since when."""
    for index, object_id, side in zip(chosen, ids, now.tolist(), strict=True):
        if side > 0:
            found[index].setdefault("zones", []).append(name)
            place = count.places.get(object_id)
            if place is not None:
                since_s = place.since_s if place.side > 0 else place.beyond_s
                found[index].setdefault("dwell_s", {})[name] = round(time_s - since_s, 3)
