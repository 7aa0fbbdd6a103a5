"""The arguments of ``empycustom batch`` and ``empycustom report``."""

from __future__ import annotations

import argparse
import re
from typing import Any

from empycustom.app.calling import add_libraries
from empycustom.app.options import at_least, place, refuse_others, settle_defaults
from empycustom.text import parse_duration

SHORT = "work on many recorded videos; the results are tables"

TEXT = """\
Play recorded videos through libraries, several at once, and write tables: a row
for each frame, a row for each object. A video that fails, or a library that ends
its process, costs that video alone. Results of a video appear when it is
complete; after Ctrl-C, or a power cut, start it again: it goes on."""

MORE = """\
The object of --json has:
  empycustom  the version
  out         the folder of the results
  done        how many videos are done now
  failed      how many have failed, now or before
  frames      how many frames the videos have that are done now
  objects     how many objects
  seconds     how long it took
  stopped     why it ended early, such as a full disk; null: it did not end early
  unclosed    why a process could not close what libraries share; null: none
  failures    a list of video and error
  exit_code   0; 1 where a video has failed, or where stopped or unclosed has a
              text; 130 after Ctrl-C
With --dry-run it has:
  empycustom  the version
  out         the folder of the results
  new, done, failed  how many videos have this state
  left        how many would be played
  videos      a list of video and state

examples:
  empycustom batch archive/ --lib detect.py --lib measure.py --out results/
  empycustom batch @list.txt --lib detect.py --out results/ --jobs 8
  empycustom batch s3://bucket/2026/ --lib detect.py --out results/
  empycustom batch long.mp4 --lib detect.py --out results/ --segment 60s
  empycustom batch /mnt/archive --lib detect.py --out results/ --ray 10.0.0.5:6379
  empycustom batch archive/ --lib detect.py --out results/ --json | jq .failed
  duckdb -c "SELECT label, count(*) FROM 'results/objects/*.parquet' GROUP BY 1"
"""

REPORT_SHORT = "make a page for people about the results of `batch`"

REPORT = """\
Write one page of HTML about the results of `batch`: totals, objects over time,
a histogram of each value of the libraries, the frames with most objects, the
slowest videos, and those that failed, with their errors. The page needs nothing
else: it can be sent and kept."""

REPORT_MORE = """\
examples:
  empycustom report results/
  empycustom report results/ --out monday.html --pictures 0"""

_RAY_HELP = "play on a cluster of Ray: at this address, or the one that runs, or one that Ray starts here"
_SOURCE_HELP = "files, folders, globs, URLs, or @list.txt, a file with one of these on each line"
_FORMAT_HELP = "what is written: parquet (the default), or jsonl: one document on each line"
_TIMEOUT_HELP = "a video fails when no frame comes for SECONDS; 0: no limit (the default)"

_SEGMENT_HELP = "work on pieces of long videos at the same time, each TIME long: 60 or 60s (seconds), or 1:30"


def add_batch(batch: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add = batch.add_argument
    add("source", nargs="+", metavar="SOURCE", help=_SOURCE_HELP)
    add_libraries(batch, policy="fail", ends="the video")
    add("--out", required=True, metavar="FOLDER", help="the folder of the results; started again, it goes on with what is left")
    add("--format", choices=("parquet", "jsonl"), default="parquet", metavar="NAME", help=_FORMAT_HELP)
    add("--jobs", type=at_least(1, maximum=1024), metavar="N", help="play N videos at once (default: as many as cores)")
    add("--segment", type=parse_duration, metavar="TIME", help=_SEGMENT_HELP)
    add(
        "--pixel-format",
        metavar="NAME",
        help="pixel format of the frames (default: RGBA; BGR for gvapython, RGB for hailopython)",
    )
    add("--timeout", type=at_least(0, float), default=0, metavar="SECONDS", help=_TIMEOUT_HELP)
    add("--retry-failed", action="store_true", help="work on videos again that have failed before")
    add("--force", action="store_true", help="work on all videos anew, and remove the results before")
    add("--dry-run", action="store_true", help="list the videos, each with its state (new, done, failed), and play nothing")
    add("--quiet", "-q", action="store_true", help="no progress, no summary")
    add("--json", action="store_true", help="print one JSON object at the end; see below")
    ray = batch.add_argument_group("for a cluster").add_argument
    ray("--ray", nargs="?", const=True, type=_cluster, metavar="ADDRESS", help=_RAY_HELP)
    ray("--cpus-per-video", type=at_least(0.01, float, maximum=1024), metavar="N", help="cores for each video (default: 1)")
    ray("--gpus-per-video", type=_gpus, metavar="N", help="GPUs for each video: 1, or 0.25 where four share one (default: 0)")


def _cluster(text: str) -> str:
    """Return the address of a cluster."""
    if not re.fullmatch(r"auto|local|(ray://)?[^/\s]+:\d+", text):
        raise argparse.ArgumentTypeError(f"{text} is not the address of a cluster, as 10.0.0.5:6379; SOURCE goes before --ray")
    return text


def _gpus(text: str) -> float:
    value: float = at_least(0, float, maximum=1024)(text)
    if value > 1 and value != int(value):
        raise argparse.ArgumentTypeError(f"{text}: a GPU can be shared, and more than one are a whole number")
    return value


def check_recorded(parser: argparse.ArgumentParser, args: Any) -> None:
    """End with a usage error where options do not go together; fill in values."""
    settle_defaults(parser, args)
    if args.ray is None:
        refuse_others(parser, args, {"cpus_per_video": "--cpus-per-video", "gpus_per_video": "--gpus-per-video"}, "is for --ray")
    else:
        refuse_others(parser, args, {"jobs": "--jobs"}, "is for this machine; with --ray, --cpus-per-video says how many fit")


def add_report(report: argparse.ArgumentParser) -> None:
    """Add the arguments of ``report``."""
    add = report.add_argument
    add("results", metavar="FOLDER", help="the folder that was --out of `batch`")
    add("--out", type=place, metavar="FILE", help="the page (default: report.html in FOLDER); - is stdout")
    pictures = "show the N frames with most objects, decoded from the videos (default: %(default)s)"
    add("--pictures", type=at_least(0, maximum=1000), default=12, metavar="N", help=pictures)
