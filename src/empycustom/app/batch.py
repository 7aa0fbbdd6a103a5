"""``empycustom batch``: libraries over many recorded videos; the results are tables."""

from __future__ import annotations

import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import empycustom
from empycustom.app.run import check_format, stage_of
from empycustom.batch import Executor, Task, Work
from empycustom.batch.fingerprint import check_stateful, fingerprint, with_options
from empycustom.batch.local import LocalExecutor
from empycustom.batch.on_ray import Cluster, RayExecutor, ray_module
from empycustom.batch.pieces import Pieces
from empycustom.batch.progress import Display
from empycustom.batch.remote import is_remote
from empycustom.batch.results import DONE as HAS_DONE
from empycustom.batch.results import FAILED as HAS_FAILED
from empycustom.batch.results import Results, states_before
from empycustom.batch.run import Summary, left_of, run
from empycustom.batch.tables import pyarrow, reason
from empycustom.batch.videos import find_videos
from empycustom.config.streams import Stage
from empycustom.errors import LaunchError
from empycustom.library.sketch import usual_format
from empycustom.session import PlayOptions
from empycustom.session.console import DONE, FAILED, INTERRUPTED, ErrorCollector, print_error, print_info, reserve_stdout, show
from empycustom.session.lengths import length_of
from empycustom.session.player import Interrupts
from empycustom.text import as_path, for_people, visible

_NEW = "new"
_MANY = 200  # videos whose tables take longer than a moment


def main(args: Namespace) -> int:
    """Work on all videos that are left; return 0, 1 where one has failed, 130 after Ctrl-C."""
    reserve_stdout()
    with ErrorCollector() as found:
        tasks = found(find_videos, args.source, lambda text: print_error(text, kind="warning"))
        if args.pixel_format:
            found(check_format, args.pixel_format, "--pixel-format")
        if args.format == "parquet":
            found(pyarrow)
        if args.ray:
            found(ray_module)
        stages = [found(stage_of, request.absolute(), PlayOptions()) for request in args.libraries]
    called = [(request.path, request.properties) for request in args.libraries]
    pixels = args.pixel_format or (usual_format(called) if called else None)
    work = with_options(Work([*map(_plain, stages)], pixels, lines=args.format == "jsonl"))
    about = fingerprint(work)
    if args.segment:
        check_stateful(work, f"--segment {args.segment.text}")
        _warn_of_every(work, args.segment.text)
    folder = as_path(args.out).absolute()
    if not work.lines and any("\ud800" <= letter <= "\udfff" for letter in str(folder)):  # pyarrow takes no such name
        raise LaunchError(f"--out {visible(str(folder))}: Parquet needs names in UTF-8; give another folder, or --format jsonl.")
    if args.dry_run:
        return _list(args, tasks, states_before(folder, about, force=args.force))
    cluster = _cluster(args, work, {*(task.location for task in tasks), str(folder)}) if args.ray else None
    results = Results(folder, about, lines=work.lines, force=args.force)
    return _work(args, work, tasks, results, cluster)


def _cluster(args: Namespace, work: Work, without: Collection[str]) -> Cluster:
    """Return the cluster that plays."""
    address = None if args.ray is True else args.ray
    cpus = 1.0 if args.cpus_per_video is None else args.cpus_per_video
    cluster = Cluster(work, address, cpus=cpus, gpus=args.gpus_per_video or 0.0, without=without)
    if not args.quiet:
        print_info(cluster.describe())
    return cluster


def _plain(stage: Stage) -> dict[str, object]:
    """Return a stage as values that can be sent elsewhere."""
    others = {name: value for name, value in stage.properties.items() if name not in ("custom-lib", "in-place")}
    return {"path": stage.properties["custom-lib"], "in_place": stage.properties["in-place"], "properties": others}


def _length(location: str) -> tuple[int, str]:
    return (0, "it is played from a copy") if is_remote(location) else length_of(location)


def _warn_of_every(work: Work, segment: str) -> None:
    """Warn that a library does not get the frames that it would get of whole videos."""
    for stage in work.stages:
        every = stage["properties"].get("process-interval", 1)
        if every != 1:
            text = f"--every {every} counts from the first frame of each piece (--segment {segment}), not of each video"
            print_error(text, kind="warning")


def _list(args: Namespace, tasks: Sequence[Task], states: Mapping[str, Mapping[str, Any]]) -> int:
    """Print each video with its state, and how many there are of each."""
    listed = [(for_people(task.name), states.get(task.key, {}).get("state", _NEW)) for task in tasks]
    counts = {state: [each for _, each in listed].count(state) for state in (_NEW, HAS_DONE, HAS_FAILED)}
    left = len(left_of(tasks, states, retry_failed=args.retry_failed))
    if args.json:
        videos = [{"video": name, "state": state} for name, state in listed]
        _print_object(args, **counts, left=left, videos=videos)
        return DONE
    for name, state in listed:
        show(f"{state:8}{name}")
    again = "tried again" if args.retry_failed else "left out; --retry-failed tries them again"
    said = {_NEW: "new", HAS_DONE: "done before", HAS_FAILED: f"failed before ({again})"}
    parts = ", ".join(f"{count} {said[state]}" for state, count in counts.items() if count)
    print_info(f"{parts}: {_videos(left)} would be played.")
    return DONE


def _print_object(args: Namespace, **values: object) -> None:
    """Print the object of --json."""
    whole = {"empycustom": empycustom.__version__, "out": for_people(args.out), **values}
    show(json.dumps(whole, indent=2, ensure_ascii=False))


def _videos(count: int) -> str:
    return f"{count} video{'' if count == 1 else 's'}"


def _work(args: Namespace, work: Work, tasks: Sequence[Task], results: Results, cluster: Cluster | None) -> int:
    left = left_of(tasks, results.states(), retry_failed=args.retry_failed)
    pieces = Pieces(results, args.segment and args.segment.ns, _length, lambda text: print_error(text, kind="warning"))
    display, interrupts, began = Display(quiet=args.quiet), Interrupts(), time.monotonic()
    if cluster:
        executor: Executor = RayExecutor(cluster, results.columns, args.timeout)
    else:
        most = sys.maxsize if args.segment else max(1, len(left))
        jobs = min(args.jobs or os.cpu_count() or 1, most)
        executor = LocalExecutor(work, results.folder, jobs, results.columns, timeout_s=args.timeout, stderr=display.stderr)
    if results.lost:
        some = ", ".join(results.lost[:3]) + (", …" if len(results.lost) > 3 else "")
        what = f"files of {_videos(len(results.lost))} are gone or cut off"
        print_error(f"{what}; what SOURCE names of them is worked on again: {some}", kind="warning")
    display.begun(len(left), len(tasks) - len(left))
    with interrupts.counted():
        try:
            summary = run(left, results, executor, display, pieces=pieces, is_over=lambda: interrupts.count > 0)
        finally:
            display.close()
        states = _finish(results, summary, interrupts, quiet=args.quiet)
    _print_problems(summary)
    of_tasks = [state for task in tasks if (state := states.get(task.key))]
    failures = [
        {"video": state["video"], "error": for_people(state["error"])} for state in of_tasks if state["state"] == HAS_FAILED
    ]
    seconds = time.monotonic() - began
    if interrupts.count and not args.quiet:
        print_info("Interrupted. What is done stays: start it again to go on.")
    if not args.quiet:
        print_info(_line(summary, len(failures), seconds, results.overview, is_nothing_left=not left))
    elif len(failures) > summary.failed:
        print_error(f"{_videos(len(failures) - summary.failed)} failed before; --retry-failed tries again.")
    code = INTERRUPTED if interrupts.count else FAILED if failures or summary.stopped or summary.unclosed else DONE
    if args.json:
        counts = {"done": summary.done, "failed": len(failures), "frames": summary.frames, "objects": summary.objects}
        problems = {key: for_people(getattr(summary, key)) or None for key in ("stopped", "unclosed")}
        _print_object(args, **counts, seconds=round(seconds, 3), **problems, failures=failures, exit_code=code)
    return code


def _print_problems(summary: Summary) -> None:
    """Print why a batch ended early, and what went wrong behind its last video."""
    if summary.stopped:
        print_error(f"{summary.stopped}; stopped. What is done stays: start it again to go on.", summary.details)
    if summary.unclosed:
        print_error(f"{summary.unclosed}. Results of videos that are done are there.")


def _finish(results: Results, summary: Summary, interrupts: Interrupts, *, quiet: bool) -> Mapping[str, Mapping[str, Any]]:
    """Complete the tables, and close the data set; return the states of the videos. Another Ctrl-C leaves tables as they are."""
    before = interrupts.count

    def begun(count: int) -> None:
        if count >= _MANY and not quiet:
            print_info(f"The tables of {_videos(count)} get the columns that have come later.")

    try:
        for name in results.forget_written():
            text = f"{name}, which an option names, has changed while the batch ran; it is not compared any more"
            print_error(text, kind="warning")
        results.close(lambda: interrupts.count > before, begun)
    except OSError as error:
        summary.stopped = summary.stopped or reason(error, results.folder)
    except LaunchError as error:
        summary.stopped = summary.stopped or str(error)
    return results.states()


def _line(summary: Summary, failed: int, seconds: float, path: Path, *, is_nothing_left: bool) -> str:
    """Return what was done, and where it is."""
    before = failed - summary.failed
    told = f", {failed} failed" + (f" ({before} of them before; --retry-failed tries again)" if before else "") if failed else ""
    if is_nothing_left:
        return f"Nothing is left to do{told}; {path}"
    rate = f" ({summary.frames / seconds:.0f} a second)" if summary.frames else ""
    return f"{_videos(summary.done)} done{told}: {summary.frames} frames{rate}, {summary.objects} objects; {path}"
