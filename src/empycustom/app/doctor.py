"""``empycustom doctor``: every check in turn, each line printed as soon as it is known.

It must work where anything else is missing: neither this file nor the folder ``health`` imports gi, NumPy or cffi at the top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from empycustom.app.health import gstreamer, loader, nvidia, python
from empycustom.app.health.report import OK, PROBLEM, WARNING, Finding
from empycustom.app.standard_streams import show
from empycustom.text import for_people

CHECKS: tuple[Callable[[], Iterable[Finding]], ...] = (
    *python.CHECKS,
    *gstreamer.CHECKS,
    *nvidia.CHECKS,
    *loader.CHECKS,
)


def main(_arguments: object = None) -> int:
    """Print the findings; return 1 if there is a problem, else 0."""
    counts = {OK: 0, WARNING: 0, PROBLEM: 0}
    for check in CHECKS:
        for finding in check():
            counts[finding.level] += 1
            show(for_people(_shown(finding), lines=True))
    show(f"\n{_plural(counts[PROBLEM], 'problem')}, {_plural(counts[WARNING], 'warning')}.")
    return 1 if counts[PROBLEM] else 0


def _shown(finding: Finding) -> str:
    mend = [f"-> {line}" for line in finding.mend.splitlines()]
    more = [f"   {line}" for line in finding.details.splitlines()]
    first = f"{finding.level:8} {finding.text}"
    return "\n".join([first, *(f"{'':8} {line}" for line in [*mend, *more])])


def _plural(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
