"""The report of a data set: one page of HTML for people, which needs nothing else and runs no script."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from heapq import nlargest
from itertools import takewhile
from pathlib import Path
from typing import Any

import empycustom
from empycustom.batch.charts import COLOURS, bars, clock, colour, histogram, number, picture, text, timeline
from empycustom.batch.results import DONE
from empycustom.batch.statistics import MOST_COUNTED, Counts, Crowded, Numbers, Statistics, objects_on
from empycustom.errors import EmPyCustomError

Decode = Callable[[str, Crowded], bytes]
"""Returns a frame of what is at a location, as JPEG. Raises EmPyCustomError, with the reason for the page."""

_MOST_CLASSES, _MOST_TEXTS, _MOST_VALUES = 20, 10, 100
_MOST_SLOW, _MOST_FAILED = 10, 100
_LONGEST = 20_000  # characters of a traceback
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(found: Statistics, decode: Decode) -> Iterator[str]:
    """Yield the page, part by part. ``decode`` gives the pictures."""
    name = text(found.folder.name)
    style = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>{name}: report</title><style>{style}</style></head><body><header><h1>{name}</h1>"
        f"<p>Report of {text(found.folder)}, made {datetime.now().astimezone():%Y-%m-%d %H:%M}</p></header><main>"
    )
    classes = [label for label, _ in found.classes.by_name.most_common(COLOURS)]
    for title, part in (
        ("", _totals(found)),
        ("Objects over time", _over_time(found, classes)),
        ("Objects by class", _by_class(found, classes)),
        ("Frames with most objects", _crowded(found, classes, decode)),
        ("Values of the libraries", _values(found)),
        ("Slowest videos", _slowest(found)),
        ("Failed videos", _failed(found)),
        ("What was done", _done(found)),
    ):
        inside = "".join(part)
        if inside:
            head = f"<h2>{title}</h2>" if title else ""
            yield f'<section id="{title.lower().replace(" ", "-") or "totals"}">{head}{inside}</section>\n'
    yield f"</main><footer>empycustom {text(empycustom.__version__)}</footer></body></html>\n"


def _totals(found: Statistics) -> Iterator[str]:
    done = found.done.values()
    failed = len(found.videos) - len(done)
    frames, seconds = sum(state["frames"] for state in done), sum(state["seconds"] for state in done)
    tiles = [
        ("videos done", number(len(done))),
        ("videos failed", f'<a href="#failed-videos">{number(failed)}</a>' if failed else "0"),
        ("frames", number(frames)),
        ("objects", number(sum(state["objects"] for state in done))),
        ("of video", _long(found.in_order.span_s)),
        ("of work", _long(seconds)),
        ("frames a second, each process", number(round(frames / seconds)) if seconds else "0"),
    ]
    yield f'<dl class="tiles">{"".join(f"<div><dd>{value}</dd><dt>{what}</dt></div>" for what, value in tiles)}</dl>'
    if not done:
        yield "<p>No video is done, so there are no frames and no objects.</p>"


def _long(seconds: float) -> str:
    """Return how long something takes: ``2 h 05 min``, ``4 min 10 s``, ``3.2 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _over_time(found: Statistics, classes: Sequence[str]) -> Iterator[str]:
    if not found.classes.by_name:
        return
    if not found.in_order.span_s:
        yield "<p>The frames have no times.</p>"
        return
    shorter, begins = _shorter(found), [*found.begins.values()]
    names = [shorter(state["video"]) for state in found.done.values()]

    def at(seconds: float) -> str:
        place = sum(begin <= seconds for begin in begins) - 1
        return f"{names[place]} at {clock(seconds - begins[place])}"

    yield (
        "<p>Objects on a frame (mean), one video after the other, in the order of their names.</p>"
        if len(names) > 1
        else ("<p>Objects on a frame (mean).</p>")
    )
    yield timeline(found.in_order, classes, at)
    if len(names) > 1:
        yield "<p>The same by the time in the video: the mean of all videos that are that long.</p>"
        yield timeline(found.beginnings, classes, clock)


def _shorter(found: Statistics) -> Callable[[str], str]:
    """Return a function that gives the name of a video without the folder that all have in common."""
    folders = [state["video"].rstrip("/").split("/")[:-1] for state in found.videos.values()]
    common = sum(1 for _ in takewhile(lambda level: len({*level}) == 1, zip(*folders, strict=False)))
    return lambda name: "/".join(name.rstrip("/").split("/")[common:]) or name


def _by_class(found: Statistics, classes: Sequence[str]) -> Iterator[str]:
    if found.classes.by_name:
        yield bars(found.classes.by_name.most_common(_MOST_CLASSES), coloured=classes)
        yield _more(found.classes, _MOST_CLASSES, "classes")


def _more(counts: Counts, shown: int, what: str) -> str:
    """Return what is not shown of counts."""
    left = len(counts.by_name) - shown
    if left <= 0:
        return ""
    rest = sum(counts.by_name.values()) + counts.others - sum(count for _, count in counts.by_name.most_common(shown))
    many = f"more than {number(MOST_COUNTED)} different {what}" if counts.others else f"{number(left)} more {what}"
    return f'<p class="note">{many}, {number(rest)} together</p>'


def _crowded(found: Statistics, classes: Sequence[str], decode: Decode) -> Iterator[str]:
    if not found.crowded:
        return
    objects, shorter = objects_on(found), _shorter(found)
    yield '<div class="pictures">'
    for frame in found.crowded:
        state = found.videos[frame.key]
        when = clock(frame.time) if frame.time > 0 or not frame.frame_num else f"frame {frame.frame_num}"
        title = f"{shorter(state['video'])}, {when}"
        try:
            shown = picture(decode(state["location"], frame), frame, objects[frame.key, frame.frame_num], classes, title)
        except EmPyCustomError as error:
            shown = f'<p class="missing">{text(error)}</p>'
        counts = Counter(each["name"] for each in objects[frame.key, frame.frame_num]).most_common(COLOURS)
        names = "".join(f'<li><i class="{colour(name, classes)}"></i>{text(name)} {count}</li>' for name, count in counts)
        caption = f'<p title="{text(state["video"])}">{text(title)}</p><ul class="legend">{names}</ul>'
        yield f"<figure>{shown}<figcaption>{caption}</figcaption></figure>"
    yield "</div>"


def _values(found: Statistics) -> Iterator[str]:
    values = dict(found.values)
    if found.confidence.count:
        values["objects", "confidence"] = found.confidence
    shown = [(key, each) for key, each in sorted(values.items()) if isinstance(each, Counts) or each.count]
    if shown:
        yield '<div class="values">'
        yield from (_value(table, name, each) for (table, name), each in shown[:_MOST_VALUES])
        yield "</div>"
    if len(shown) > _MOST_VALUES:
        yield f'<p class="note">{number(len(shown) - _MOST_VALUES)} more columns are not shown.</p>'


def _value(table: str, name: str, values: Numbers | Counts) -> str:
    head = f"<h3><code>{text(name)}</code> <small>of {table}</small></h3>"
    if isinstance(values, Counts):
        inside = bars(values.by_name.most_common(_MOST_TEXTS)) + _more(values, _MOST_TEXTS, "texts")
        return f"<article>{head}{inside}</article>"
    import numpy as np

    about = "≈ " if values.count > len(values.sample) else ""
    facts = [
        ("values", number(values.count)),
        ("least", number(values.least)),
        ("median", about + number(float(np.median(values.sample)))),
        ("mean", number(values.total / values.count)),
        ("most", number(values.most)),
    ]
    return f"<article>{head}{histogram(values, name)}{_facts(facts)}</article>"


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    return f'<dl class="facts">{"".join(f"<div><dt>{what}</dt><dd>{value}</dd></div>" for what, value in facts)}</dl>'


def _slowest(found: Statistics) -> Iterator[str]:
    slow = nlargest(_MOST_SLOW, found.done.values(), key=lambda state: state["seconds"])
    if not slow:
        return
    shorter = _shorter(found)
    head = ("video", "seconds", "frames a second", "frames", "length")
    yield f'<div class="scroll"><table><thead><tr>{"".join(f"<th>{each}</th>" for each in head)}</tr></thead><tbody>'
    for state in slow:
        rate = state["frames"] / state["seconds"] if state["seconds"] else 0.0
        length = clock(max(0, state["duration_ns"]) / 1e9)
        cells = (f"{state['seconds']:.1f}", number(round(rate, 1)), number(state["frames"]), length)
        numbers = "".join(f'<td class="number">{each}</td>' for each in cells)
        yield f'<tr><th scope="row" title="{text(state["video"])}">{text(shorter(state["video"]))}</th>{numbers}</tr>'
    yield "</tbody></table></div>"


def _failed(found: Statistics) -> Iterator[str]:
    failed = [state for state in found.videos.values() if state["state"] != DONE]
    for state in failed[:_MOST_FAILED]:
        details = state["details"].strip()
        cut = f"…\n{details[-_LONGEST:]}" if len(details) > _LONGEST else details
        folded = f"<details><summary>traceback</summary><pre>{_lines(cut)}</pre></details>" if details else ""
        yield f'<article class="failed"><h3>{text(state["video"])}</h3><p>{_lines(state["error"])}</p>{folded}</article>'
    if len(failed) > _MOST_FAILED:
        table = "videos.jsonl" if found.has_lines else "videos.parquet"
        yield f'<p class="note">{number(len(failed) - _MOST_FAILED)} more failed: see {table}.</p>'


def _lines(given: str) -> str:
    return "\n".join(text(line) for line in given.split("\n"))


def _done(found: Statistics) -> Iterator[str]:
    about = found.mark["about"]
    rows: list[tuple[str, str]] = []
    for library in about.get("libraries", []):
        properties: Mapping[str, Any] = {key: value for key, value in library["properties"].items() if value not in (None, "")}
        set_to = "".join(f"<br>{text(key)}: {text(_written(value))}" for key, value in properties.items())
        rows.append(("library", f"<code>{text(library['path'])}</code>{set_to}"))
    rows += [("pixel format", text(about["format"]))] if about.get("format") else []
    rows.append(("written by", f"empycustom {text(found.mark.get('empycustom', ''))}"))
    yield f'<table class="done">{"".join(f"<tr><th>{what}</th><td>{value}</td></tr>" for what, value in rows)}</table>'


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
