"""Charts and pictures as HTML with SVG: no script, nothing from elsewhere. Texts are HTML beside it, to be read on a phone.

Colours are the variables ``--c0`` to ``--c7`` of the style sheet; the last one is for what has none of its own.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from empycustom.batch.statistics import BINS, Crowded, Numbers, Timeline
from empycustom.text import for_people

COLOURS = 7  # of classes
_OTHERS = "others"
_MOST_BARS = 30
_FAR = 3.0  # times the range of 98 % of the values: what is farther away is not shown
_SHORT_S = 20.0
_TICKS = (1.0, 2.0, 2.5, 4.0, 5.0, 10.0)


def text(value: object) -> str:
    """Return a value as HTML: escaped, without passwords, with control characters as escapes."""
    return escape(for_people(str(value)))


def number(value: float) -> str:
    """Return a number for people: four digits, or all of a whole number."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.3e}"
    return f"{value:.4g}"


def clock(seconds: float, *, exact: bool = True) -> str:
    """Return a time in a video: ``1:02:03``, ``0:04.5``; ``exact``: with tenths of a second, where it is short."""
    tenths = round(seconds * 10) if exact else round(seconds) * 10
    hours, minutes, rest = tenths // 36_000, tenths // 600 % 60, tenths % 600
    fraction = f".{rest % 10}" if rest % 10 and seconds < 600 else ""
    return (f"{hours}:{minutes:02d}" if hours else f"{minutes}") + f":{rest // 10:02d}{fraction}"


def timeline(timeline: Timeline, classes: Sequence[str], at: Callable[[float], str]) -> str:
    """Return a chart of objects a frame over time, stacked by class; ``at`` names a time, for who points at it."""
    bins = _fitting(timeline.frames)
    frames = _joined(timeline.frames, bins)
    empty = np.zeros(BINS)
    shown = {name: _joined(timeline.classes.get(name, empty), bins) for name in classes}
    rest = sum((row for name, row in timeline.classes.items() if name not in shown), timeline.others)
    if rest.any():
        shown[_OTHERS] = _joined(rest, bins)
    means = {name: np.divide(row, frames, out=np.zeros(bins), where=frames > 0) for name, row in shown.items()}
    top = _ceiling(max(sum(means.values(), np.zeros(bins)).max(), 1e-9))
    paths, lower = [], np.zeros(bins)
    for index, row in enumerate(means.values()):
        paths.append(f'<path class="k{min(index, COLOURS)}" d="{_steps(lower / top, (lower + row) / top)}"/>')
        lower = lower + row
    for place in range(bins):
        values = [f"{name} {number(row[place])}" for name, row in means.items() if row[place]]
        what = f"{', '.join(values)} a frame" if values else "no objects" if frames[place] else "no frames"
        title = f"{at((place + 0.5) * timeline.span_s / bins)}: {what}"
        paths.append(f'<rect class="hover" x="{place}" width="1" height="100"><title>{text(title)}</title></rect>')
    label = "objects on a frame, over time, by class"
    ticks = [clock(timeline.span_s * part / 4, exact=timeline.span_s < _SHORT_S) for part in range(5)]
    return _legend(means) + _frame("".join(paths), bins, [number(top), number(top / 2), "0"], ticks, label)


def _fitting(frames: Any) -> int:
    """Return how many bins there may be so that each has some frames; where videos have gaps, nearly as many as have any."""
    wanted = min(BINS, max(1, int(frames.sum()) // 2))
    possible = [bins for bins in range(wanted, 0, -1) if BINS % bins == 0]
    return next((bins for bins in possible if 8 * bins >= possible[0] and _joined(frames, bins).all()), possible[0])


def _joined(row: Any, bins: int) -> Any:
    return row.reshape(bins, -1).sum(axis=1)


def _steps(lower: Any, upper: Any) -> str:
    """Return the path around what is between two rows of values from 0 to 1."""
    forth = "".join(f"V{_y(value)}H{place + 1}" for place, value in enumerate(upper.tolist()))
    back = "".join(f"V{_y(value)}H{place}" for place, value in reversed([*enumerate(lower.tolist())]))
    return f"M0 {_y(lower[0])}{forth}{back}Z"


def _y(value: float) -> str:
    return f"{100 - 100 * value:.4g}"


def _ceiling(value: float) -> float:
    """Return a round number that is not smaller."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * tick for tick in _TICKS if power * tick >= value * 0.9999)


def _legend(names: Mapping[str, Any]) -> str:
    entries = "".join(f'<li><i class="k{min(index, COLOURS)}"></i>{text(name)}</li>' for index, name in enumerate(names))
    return f'<ul class="legend">{entries}</ul>'


def _frame(inside: str, width: int, ups: Sequence[str], acrosses: Sequence[str], label: str) -> str:
    """Return a chart with its axes."""
    lines = "".join(f'<path class="grid" d="M0 {place}H{width}"/>' for place in (0, 50, 100))
    svg = f'<svg viewBox="0 0 {width} 100" preserveAspectRatio="none" role="img" aria-label="{text(label)}">{lines}{inside}</svg>'
    up = "".join(f"<span>{text(each)}</span>" for each in ups)
    across = "".join(f"<span>{text(each)}</span>" for each in acrosses)
    return f'<div class="chart"><div class="up">{up}</div>{svg}<div class="across">{across}</div></div>'


def histogram(values: Numbers, label: str) -> str:
    """Return a histogram of numbers, or a sentence where all are the same."""
    sample = values.sample
    if values.least == values.most:
        return f"<p>always {number(values.least)}</p>"
    low, high = _range(values)
    inside = sample[(sample >= low) & (sample <= high)]
    edges = _edges(inside, low, high)
    counts, _ = np.histogram(inside, edges)
    scale = values.count / len(sample)
    top = _ceiling(counts.max() * scale)
    about = "" if scale == 1 else "about "
    bars = "".join(
        f'<rect class="bar" x="{place + 0.04}" width="0.92" y="{_y(count / top)}" height="{100 * count / top:.4g}">'
        f"<title>{_between(edges, place)}: {about}{number(round(count))}</title></rect>"
        for place, count in enumerate((counts * scale).tolist())
    )
    outside = 1 - len(inside) / len(sample)
    notes = [f"{outside:.1%} of the values are outside, {number(values.least)} to {number(values.most)}"] if outside else []
    notes += [f"of {number(len(sample))} values that were drawn by chance"] if scale != 1 else []
    note = f'<p class="note">{text("; ".join(notes))}</p>' if notes else ""
    shown = _labels(edges)
    return _frame(bars, len(counts), [number(top), number(top / 2), "0"], shown, f"histogram of {label}") + note


def _range(values: Numbers) -> tuple[float, float]:
    """Return what is shown: all, or 98 % where a few are far away."""
    low, high = (float(value) for value in np.quantile(values.sample, (0.01, 0.99)))
    is_near = values.most - values.least <= _FAR * (high - low)
    return (values.least, values.most) if is_near or low == high else (low, high)


def _edges(sample: Any, low: float, high: float) -> Any:
    """Return the edges of bars; a bar of whole numbers has the same count of them as every other."""
    if (sample == np.rint(sample)).all():
        step = math.ceil((high - low + 1) / _MOST_BARS)
        first = math.floor(low)
        count = math.ceil((math.floor(high) - first + 1) / step)
        return first - 0.5 + step * np.arange(count + 1)
    bars = int(min(_MOST_BARS, max(5, math.sqrt(len(sample)))))
    return np.linspace(low, high, bars + 1)


def _is_whole(edges: Any) -> bool:
    return bool(edges[0] % 1 == 0.5 and (edges[1] - edges[0]) % 1 == 0)


def _between(edges: Any, place: int) -> str:
    low, high = float(edges[place]), float(edges[place + 1])
    if _is_whole(edges):
        low, high = low + 0.5, high - 0.5
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def _labels(edges: Any) -> list[str]:
    if _is_whole(edges):
        return [number(float(edges[0]) + 0.5), number(float(edges[-1]) - 0.5)]
    return [number(float(edges[0])), number(float(edges[len(edges) // 2])), number(float(edges[-1]))]


def bars(counts: Sequence[tuple[str, int]], *, coloured: Sequence[str] = ()) -> str:
    """Return rows with a bar each; those that are ``coloured`` have the colour of their place there."""
    most = max((count for _, count in counts), default=1) or 1
    rows = [
        f'<tr><th scope="row">{text(name) or "<em>empty</em>"}</th><td class="number">{number(count)}</td><td class="wide">'
        f'<i class="{colour(name, coloured) if coloured else "bar"}" style="width:{100 * count / most:.4g}%"></i></td></tr>'
        for name, count in counts
    ]
    return f'<table class="bars">{"".join(rows)}</table>'


def colour(name: str, classes: Sequence[str]) -> str:
    """Return the name of a class's colour in the style sheet."""
    return f"k{classes.index(name) if name in classes else COLOURS}"


def picture(jpeg: bytes, frame: Crowded, objects: Sequence[Mapping[str, Any]], classes: Sequence[str], label: str) -> str:
    """Return a picture with the boxes of objects on it."""
    width, height = frame.width, frame.height
    image = f'<image width="{width}" height="{height}" preserveAspectRatio="none" href="data:image/jpeg;base64,'
    parts = [f'{image}{b64encode(jpeg).decode()}"/>']
    for each in objects:
        name = each["name"]
        left, top, wide, high = (each[key] or 0.0 for key in ("left", "top", "width", "height"))
        turn = math.degrees(each["rotation"] or 0.0)
        turned = f' transform="rotate({turn:.4g} {left + wide / 2:.4g} {top + high / 2:.4g})"' if turn else ""
        sure = f" {each['confidence']:.0%}" if each["confidence"] is not None else ""
        parts.append(
            f'<rect class="{colour(name, classes)}" x="{left:.5g}" y="{top:.5g}" width="{wide:.5g}" height="{high:.5g}"{turned}>'
            f"<title>{text(name + sure)}</title></rect>"
        )
    return f'<svg class="picture" viewBox="0 0 {width} {height}" role="img" aria-label="{text(label)}">{"".join(parts)}</svg>'
