"""Tables, for the console and for Markdown: the same cells, drawn in two ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.against import compare
from benchmarks.contenders import Contender
from benchmarks.summary import Results, Row, Spread, Wanted, per_object, rows, spread, wanted
from benchmarks.workloads import WORKLOADS, Workload

Cells = list[list[str]]
Section = tuple[str, Cells, list[str]]
"""A title, a table, and remarks below it."""

_HEAD = ["contender", "to gst-python", "µs a buffer", "quartiles", "CPU µs", "MiB after", "MiB peak"]


def plain(cells: Cells) -> str:
    """Draw a table with spaces: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in cells)


def markdown(cells: Cells) -> str:
    """Draw a table as Markdown."""
    head, *body = cells
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *body))


def console_report(results: Results, contenders: Sequence[Contender], commit: str = "") -> str:
    """Return the whole report as it is printed. ``commit``: what this checkout is compared with, if anything."""
    return "\n\n".join(
        f"{title}\n{plain(cells)}" + "".join(f"\n({line})" for line in notes)
        for title, cells, notes in _sections(results, contenders, commit)
    )


def markdown_report(results: Results, contenders: Sequence[Contender], machine: dict[str, Any], commit: str = "") -> str:
    """Return the whole report as a Markdown document."""
    facts = "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in machine.items())
    parts = ["# Results\n\n" + facts]
    for title, cells, notes in _sections(results, contenders, commit):
        parts.append(f"## {title}\n\n{markdown(cells)}" + "".join(f"\n\n{line}." for line in notes))
    return "\n\n".join(parts) + "\n"


def _sections(results: Results, contenders: Sequence[Contender], commit: str) -> list[Section]:
    sections: list[Section] = []
    for name, found in results.items():
        if WORKLOADS[name].kind == "inside":
            sections += _inside_sections(WORKLOADS[name], found)
        elif WORKLOADS[name].kind == "turns":
            sections.append((_title(WORKLOADS[name], found), _turns_cells(found), []))
        else:
            sections.append((_title(WORKLOADS[name], found), _cells(WORKLOADS[name], found), _left_out(name, contenders)))
    objects = per_object(results)
    if objects:
        sections.append(("µs an object, above objects-0", _object_cells(objects), []))
    if commit:
        sections.append((f"this checkout to {commit}, by CPU time", _compared_cells(results, commit), _notes(results)))
    else:
        sections.append(("wanted", _wanted_cells(wanted(results)), _notes(results)))
    return sections


def _title(workload: Workload, found: dict[str, Any]) -> str:
    if workload.kind != "stream":
        return f"{workload.name}: {workload.title}"
    rounds = next(iter(found.values()))["samples"]
    return f"{workload.name}: {workload.title} ({len(rounds)} rounds of {rounds[0]['buffers']} buffers, above identity)"


def _cells(workload: Workload, found: dict[str, Any]) -> Cells:
    if workload.kind == "memory":
        return _memory_cells(found)
    table = rows(workload.name, found)
    if workload.kind == "start":
        return [["contender", "to gst-python", "ms", "quartiles"], *(_start_line(row) for row in table)]
    return [_HEAD, *(_line(row) for row in table)]


def _line(row: Row) -> list[str]:
    return [row.contender, _number(row.ratio), *_spread(row.wall), _number(None if row.cpu is None else row.cpu.median)] + [
        _number(mebibytes, 0) for mebibytes in (row.rss_mib, row.peak_mib)
    ]


def _start_line(row: Row) -> list[str]:
    wall = Spread(*(number / 1000 for number in (row.wall.median, row.wall.low, row.wall.high)))
    return [row.contender, _number(row.ratio), *_spread(wall, 0)]


def _memory_cells(found: dict[str, Any]) -> Cells:
    """Return resident memory at each mark; a mark is headed by the number of buffers that was waited for."""
    marks = next(iter(found.values()))["marks"]
    head = ["contender", *(f"MiB after {mark['wanted']:,}" for mark in marks)]
    return [head, *([name, *(_number(mark["rss_kib"] / 1024) for mark in one["marks"])] for name, one in found.items())]


def _inside_sections(workload: Workload, found: dict[str, Any]) -> list[Section]:
    """Return a table for each group of pieces. Only this project is looked into."""
    pieces = next(iter(found.values()))["pieces"]
    head = ["what", "µs", "quickest"]
    return [
        (
            f"{workload.name}: µs {group}",
            [
                head,
                *(
                    [one["name"], _number(one["median_us"]), _number(one["quickest_us"])]
                    for one in pieces
                    if one["group"] == group
                ),
            ],
            [],
        )
        for group in dict.fromkeys(one["group"] for one in pieces)
    ]


def _turns_cells(found: dict[str, Any]) -> Cells:
    """Return what was measured in turns: median and quartiles of the rounds."""
    measured = next(iter(found.values()))["measured"]
    return [["what", "median", "quartiles"], *([name, *_spread(spread(values))] for name, values in measured.items())]


def _object_cells(objects: dict[str, dict[str, float]]) -> Cells:
    names = list(dict.fromkeys(name for found in objects.values() for name in found))
    return [
        ["contender", *objects],
        *([name, *(_number(found.get(name)) for found in objects.values())] for name in names),
    ]


def _wanted_cells(limits: Sequence[Wanted]) -> Cells:
    return [
        ["what", "wanted", "measured", ""],
        *([one.what, f"≤ {one.limit:g} {one.unit}", _number(one.measured), _verdict(one.measured, one.limit)] for one in limits),
    ]


def _compared_cells(results: Results, commit: str) -> Cells:
    return [
        ["workload", "CPU µs", "the other", "ratio", "wanted", "", "ratio by wall time"],
        *(
            [
                one.aim.title,
                *map(_number, (one.ours, one.other, one.ratio)),
                f"≤ {one.aim.limit:g}",
                _verdict(one.ratio, one.aim.limit),
                _number(one.wall_ratio),
            ]
            for one in compare(results, commit)
        ),
    ]


def _verdict(measured: float | None, limit: float) -> str:
    if measured is None:
        return "not run"
    return "met" if measured <= limit else "missed"


def _notes(results: Results) -> list[str]:
    """Return what the workers reported about themselves, each once."""
    notes = [f"{name}: {one['notes']}" for found in results.values() for name, one in found.items() if one["notes"]]
    return list(dict.fromkeys(notes))


def _left_out(workload: str, contenders: Sequence[Contender]) -> list[str]:
    """Return who is missing in a workload, and why: a line for each reason."""
    missing: dict[str, list[str]] = {}
    for contender in contenders:
        if workload not in contender.workloads:
            missing.setdefault(contender.reason(workload), []).append(contender.name)
    return [f"without {', '.join(names)}: {reason}" for reason, names in missing.items()]


def _spread(one: Spread, digits: int = 2) -> list[str]:
    return [_number(one.median, digits), f"{_number(one.low, digits)} to {_number(one.high, digits)}"]


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
