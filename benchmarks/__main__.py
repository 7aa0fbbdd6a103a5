"""``python -m benchmarks``: measure, print, and keep what was found."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.against import COMPARED, compare
from benchmarks.against import contenders as contenders_against
from benchmarks.contenders import BASELINE, BUILT_IN, Contender, ContenderError, built_in, read_contender
from benchmarks.machine import MachineError, ask
from benchmarks.report import console_report, markdown_report
from benchmarks.rounds import ContenderFailed, Report, run_once, run_stream
from benchmarks.starts import run_start
from benchmarks.summary import Results, per_object, rows, wanted
from benchmarks.workloads import WORKLOADS, Workload

RESULTS = Path(__file__).parent / "results"
QUICK_REPEATS = 2
_OPTIONAL = [name for name in BUILT_IN if name != BASELINE]  # all others are measured above it

_EPILOG = """\
workloads and contenders are listed by --list; docs/performance.md explains the method and the file of a contender.

examples:
  python -m benchmarks --quick                            does it work at all? (the numbers mean nothing)
  python -m benchmarks --only nothing pixels --repeats 5  two workloads, fewer repeats
  python -m benchmarks --contender my-element.toml        put an element of yours beside the others
  python -m benchmarks --against main~1                   what changed since another commit of this checkout
"""


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure what a buffer costs in empycustom and in other ways to run Python in a GStreamer pipeline.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", metavar="WORKLOAD", choices=WORKLOADS, help="run these workloads, no others")
    parser.add_argument("--repeats", type=_repeats, metavar="N", help="rounds of each contender (default: 9)")
    parser.add_argument("--quick", action="store_true", help=f"few buffers, {QUICK_REPEATS} repeats: only to see that it works")
    parser.add_argument(
        "--contender", nargs="+", type=Path, default=[], metavar="FILE.toml", help="further contenders, one a file"
    )
    parser.add_argument(
        "--against",
        metavar="COMMIT",
        help=f"compare this checkout with another commit of it, in turns (default of --only: {' '.join(COMPARED)})",
    )
    parser.add_argument(
        "--without", nargs="+", default=[], metavar="NAME", choices=_OPTIONAL, help="leave these built-in contenders out"
    )
    parser.add_argument(
        "--out", type=Path, default=RESULTS, metavar="DIR", help="folder for what is found (default: %(default)s)"
    )
    parser.add_argument("--no-plot", action="store_true", help="draw no plot (it needs matplotlib)")
    parser.add_argument("--list", action="store_true", help="list workloads and contenders, and measure nothing")
    options = parser.parse_args(argv)
    if options.repeats is None:
        options.repeats = QUICK_REPEATS if options.quick else 9
    return options


def _repeats(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1 repeat is needed")
    return number


def measure(workload: Workload, contenders: Sequence[Contender], options: argparse.Namespace, report: Report) -> dict[str, Any]:
    """Run one workload with the contenders that can do it, and return what was found, by contender."""
    able = [contender for contender in contenders if workload.name in contender.workloads]
    if workload.kind == "start":
        return run_start(workload, able, repeats=options.repeats, report=report)
    if workload.kind == "stream":
        return run_stream(workload, able, repeats=options.repeats, quick=options.quick, report=report)
    return run_once(workload, able, quick=options.quick, report=report)


def keep(
    folder: Path,
    results: Results,
    contenders: Sequence[Contender],
    machine: dict[str, Any],
    *,
    plot: bool,
    commit: str = "",
) -> None:
    """Write results.json, table.md and, if wanted, plot.png."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "machine": machine,
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "workloads": {
            name: {
                **asdict(WORKLOADS[name]),
                "contenders": found,
                "summary": [asdict(row) for row in rows(name, found)],
            }
            for name, found in results.items()
        },
        "per_object_us": per_object(results),
        "wanted": [asdict(one) for one in wanted(results)],
        "against": [asdict(one) for one in compare(results, commit)] if commit else [],
    }
    (folder / "results.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "table.md").write_text(markdown_report(results, contenders, machine, commit), encoding="utf-8")
    if plot:
        from benchmarks.plot import draw  # matplotlib is loaded only where a plot is wanted

        draw(results, folder / "plot.png")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    options = arguments(argv)
    with tempfile.TemporaryDirectory() as folder:
        return _run(options, Path(folder))


def _run(options: argparse.Namespace, folder: Path) -> int:
    commit = ""
    try:
        commit, ours = contenders_against(options.against, folder) if options.against else ("", built_in())
        contenders = _contenders(ours, options)
        if options.list:
            _list(contenders)
            return 0
        machine = ask()
    except (ContenderError, MachineError) as error:
        return _print_error(error)
    results: Results = {}
    code, report = 0, _reporter()
    try:
        for name in options.only or (COMPARED if commit else WORKLOADS):
            results[name] = measure(WORKLOADS[name], contenders, options, report)
    except ContenderFailed as error:
        code = _print_error(error)  # what was found before is worth keeping
    except KeyboardInterrupt:
        code = _print_error("interrupted; the workloads before are kept")
    if results:
        print(console_report(results, contenders, commit))
        keep(options.out, results, contenders, machine, plot=not options.no_plot, commit=commit)
        print(f"\nkept in {options.out}")
    return code


def _print_error(error: Exception | str) -> int:
    print(f"ERROR: {error}", file=sys.stderr)
    return 1


def _reporter() -> Report:
    """Return a function that reports progress, with the seconds since now."""
    began = time.monotonic()
    return lambda line: print(f"[{time.monotonic() - began:5.0f} s] {line}", file=sys.stderr, flush=True)


def _contenders(ours: Sequence[Contender], options: argparse.Namespace) -> list[Contender]:
    wanted_ones = [contender for contender in ours if contender.name not in options.without]
    contenders = [*wanted_ones, *(read_contender(path) for path in options.contender)]
    names = [contender.name for contender in contenders]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ContenderError(f"two contenders are called {twice!r}: change the key 'name' in the file of one of them.")
    return contenders


def _list(contenders: Sequence[Contender]) -> None:
    width = max(map(len, WORKLOADS))
    for workload in WORKLOADS.values():
        print(f"{workload.name:{width}}  {workload.title}")
    print()
    for contender in contenders:
        role = "the baseline, " if contender.name == BASELINE else ""
        print(f"{contender.name:{width}}  {role}{len(contender.workloads)} workloads")


if __name__ == "__main__":
    sys.exit(main())
