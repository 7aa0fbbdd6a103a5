"""``empycustom doctor``: every check in turn, each line printed as soon as it is known, or all as JSON.

It must work where anything else is missing: neither this file nor the folder ``health`` imports gi, NumPy or cffi at the top.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import asdict

import empycustom
from empycustom.app import doctor_gstreamer as gstreamer
from empycustom.app import doctor_gstreamer as nvidia
from empycustom.app import doctor_loader as loader
from empycustom.app import doctor_python as python
from empycustom.packages import OK, PROBLEM, WARNING, Finding
from empycustom.session.console import keep_stdout, show
from empycustom.text import for_people

CHECKS: tuple[Callable[[], Iterable[Finding]], ...] = (
    *python.PYTHON_CHECKS,
    *gstreamer.GSTREAMER_CHECKS,
    *nvidia.NVIDIA_CHECKS,
    *loader.CHECKS,
)


def main(arguments: Namespace) -> int:
    """Print the findings; return 1 if there is a problem, else 0."""
    keep_stdout()
    counts = {OK: 0, WARNING: 0, PROBLEM: 0}
    listed = []
    for check in CHECKS:
        for finding in check():
            counts[finding.level] += 1
            if arguments.json:
                listed.append({"check": check.__name__.removeprefix("check_"), **_fit(asdict(finding))})
            else:
                show(for_people(_shown(finding), lines=True))
    if arguments.json:
        whole = {"empycustom": empycustom.__version__, "problems": counts[PROBLEM], "warnings": counts[WARNING]}
        show(json.dumps({**whole, "findings": listed}, indent=2, ensure_ascii=False))
    else:
        show(f"\n{_plural(counts[PROBLEM], 'problem')}, {_plural(counts[WARNING], 'warning')}.")
    return 1 if counts[PROBLEM] else 0


def _fit(texts: dict[str, str]) -> dict[str, str]:
    return {key: for_people(text, lines=True) for key, text in texts.items()}


def _shown(finding: Finding) -> str:
    fix = [f"-> {line}" for line in finding.fix.splitlines()]
    more = [f"   {line}" for line in finding.details.splitlines()]
    first = f"{finding.level:8} {finding.text}"
    return "\n".join([first, *(f"{'':8} {line}" for line in [*fix, *more])])


def _plural(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
