"""One picture: a panel for each workload, a bar for each contender, whiskers from quartile to quartile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.contenders import BASELINE, OURS
from benchmarks.summary import Results, Row, rows
from benchmarks.workloads import WORKLOADS

COLUMNS = 2
OURS_COLOR, OTHER_COLOR = "#1f6feb", "#b6bcc4"


def draw(results: Results, path: Path) -> None:
    """Draw what the workloads with streams, and the start, took. Memory is in the table only."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    tables = {name: [row for row in rows(name, found) if row.contender != BASELINE] for name, found in results.items()}
    panels = {name: table for name, table in tables.items() if table}
    if not panels:
        return
    most = max(map(len, panels.values()))
    lines = -(-len(panels) // COLUMNS)
    figure, axes = pyplot.subplots(
        lines, COLUMNS, figsize=(13, 0.6 + (0.7 + 0.28 * most) * lines), squeeze=False, layout="constrained"
    )
    figure.suptitle("µs a buffer above identity: median, and from quartile to quartile", fontsize=12)
    for axis, (name, table) in zip(axes.flat, panels.items(), strict=False):  # a last panel may be empty
        _panel(axis, name, table, most)
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _panel(axis: Any, name: str, table: list[Row], most: int) -> None:
    start = WORKLOADS[name].kind == "start"
    scale = 1000 if start else 1
    for place, row in enumerate(table):
        median, low, high = (number / scale for number in (row.wall.median, row.wall.low, row.wall.high))
        color = OURS_COLOR if row.contender == OURS else OTHER_COLOR
        axis.barh(place, median, xerr=[[median - low], [high - median]], color=color, height=0.7, ecolor="#444", capsize=3)
        axis.annotate(f"{median:.0f} ms" if start else f"{median:.1f}", (max(high, 0), place), (6, 0), **_LABEL)
    axis.set_yticks(range(len(table)), [row.contender for row in table])
    axis.set_ylim(most - 0.4, -0.6)  # as many places as the fullest panel has, from the top: all bars are alike
    axis.set_title(f"{name}: {WORKLOADS[name].title}{' (ms, in all)' if start else ''}", fontsize=9, loc="left")
    axis.margins(x=0.14)
    axis.set_xlim(left=0)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)


_LABEL: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8}
