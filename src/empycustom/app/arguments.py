"""What can be typed: every command with its arguments, its help and its examples."""

from __future__ import annotations

import argparse
from typing import Any

import empycustom
from empycustom.app import options as checked
from empycustom.app.options import (
    OUTSIDE_HELP,
    AddLibrary,
    Command,
    OfLastLibrary,
    OnError,
    Parser,
    Plain,
    add_configured,
    at_least,
    check_run,
    output,
    summary,
)
from empycustom.session.logs import add_log_level
from empycustom.text import length, moment

DESCRIPTION = """\
One Python file in a GStreamer pipeline: it sees every frame and what was found
on it, and what it returns travels with the video."""

OVERVIEW = """\
the shortest way in:
  empycustom new my_lib.py           write a library that runs as it is
  empycustom check my_lib.py         try it on one synthetic frame
  empycustom run video.mp4 --lib my_lib.py --out meta.jsonl
  empycustom doctor                  when something is missing

`empycustom COMMAND --help` says more about each.
Exit codes: 0 done, 1 an error, 2 wrong arguments, 130 after Ctrl-C, or where a debugger was left."""

RUN = """\
Play SOURCE through one or more libraries. With --out, the JSON documents (one
a frame) go to a file; with --save, the frames go to a video or a picture; with
--show, to a window. Without any of them the documents are printed, one a line.
Nothing else is on stdout: what libraries print goes to stderr. Without --lib,
SOURCE is played and measured; there are documents where --out asks for them.
If SOURCE is a stream configuration, a JSON file, what it says is played."""

RUN_MORE = """\
SOURCE is one of:
  video.mp4                      a file; sound in it is ignored
  frames, 'frames/*.jpg'         the pictures and videos of a folder, or of a glob
  frames/%05d.jpg                pictures with numbers in their names
  rtsp://camera/stream           a URI (rtsp, http, https, file ...)
  camera, camera:1, /dev/video1  a camera
  -, or the name of a FIFO       what comes in by stdin, or by the FIFO
  test                           a moving ball, without end unless --frames is given
  emi_stream_config.json         a stream configuration, with the options above

Several files, of one such SOURCE or of several, play one after the other as one
stream, by their names and numbers (2.jpg before 10.jpg) or as you typed them:
libraries start once, frames are counted on, and `source` in the documents says
which file a frame is of. Pictures last 1/25 s each. A file that cannot be played
is an error that names it; the others are played, and the exit code is 1.

Libraries run in the order in which they are given. --options and --every
belong to the --lib before them:
  --lib detect.py --every 5 --lib average.py --options '{"person_class_id": 2}'
A library with process_ip works on the frames in place; one that has only
process makes new ones.

A call that raises, or returns what cannot be used, ends the run with exit
code 1. With --on-error pass its frame goes on without a result, with drop it is
dropped; each cause is a warning, once, the summary counts all of them, and they
do not change the exit code. --on-error belongs to the --lib before it, or to
all libraries where it stands before the first.

At the end a summary is on stderr: frames, speed, files that were written, and
for each library its calls, their times (the median; p95: 95 of 100 calls took
no longer), errors and frames that it dropped. The speed is measured from the
first frame on. --summary-json writes the same for programs, and the exit code,
also after errors and Ctrl-C.

--save goes by the ending: .mp4 .mkv .avi .webm are videos, .png .jpg the last
frame. It may be given several times; where a configuration has several streams,
{stream_id} in it stands for the name of each. Without --show, files are read as
fast as the libraries allow. Ctrl-C ends the stream and finishes the files, and
so do SIGTERM, a terminal that is closed (SIGHUP) and an error; a second Ctrl-C
stops at once. A video that may be unfinished is named, and the exit code is not
0. A video has one size, that of its first frame; what is odd or less than 16
pixels gets black pixels at the right and at the bottom. Frames that come
without timestamps, as MJPEG, get them: the time of their arrival, or 25 a
second where it is a file. Videos and pictures that are stored turned, as phones
do it, are turned upright.

--start and --duration play a part of a video: exactly the frames whose time in
the video (stream_time) is not before the start, and before its end. What --save
writes begins at 0. Times are seconds, m:ss or h:mm:ss, with fractions:
--start 1:20 --duration 2.5. In .mp4, .mov, .mkv, .webm, .avi, .flv and .ogg
nothing is decoded but from the last key frame before the start on; other files
are read from their beginning. Without --start, --duration is for all sources.

Of a live source (a camera, RTSP, MJPEG over HTTP) the libraries get the newest
frame: what came while they were busy is left out, and counted in the summary.
--every-frame gives them all frames; where they are too slow, results fall behind.

examples:
  empycustom run video.mp4 --lib my_lib.py
  empycustom run rtsp://camera/stream --frames 500 --summary-json -
  empycustom run video.mp4 --lib people.py --lib draw.py --out meta.jsonl \\
      --save people.mp4 --save last.png
  empycustom run 'frames/*.jpg' more.mp4 --lib people.py --out meta.jsonl
  empycustom run a.mp4 --lib my_lib.py --start 1:20 --duration 10 --save b.mp4
  empycustom run camera --lib draw.py --show
  ssh camera.local cat video.mkv | empycustom run - --lib my_lib.py
  empycustom run test --lib my_lib.py --frames 100 | jq .frame[0].emcustom
  empycustom run emi_stream_config.json --source rtsp://camera/stream
  empycustom run emi_stream_config.json --source video.mp4 --dry-run"""

SCHEMA = """\
Print the JSON Schema of the stream configuration, emi_stream_config.json, for
editors and other programs."""

SCHEMA_MORE = """\
example:
  empycustom schema > emi_stream_config.schema.json"""

LAUNCH = """\
Play a pipeline in the language of gst-launch-1.0, with the elements empycustom,
aimeta and perf in it. No plugin path and no loader plugin are needed."""

LAUNCH_MORE = """\
DESCRIPTION is one quoted text, or words as for gst-launch-1.0. As words, a
value with blanks or quotation marks (JSON in `options`) needs no other quotes
than the shell's.

examples:
  empycustom launch 'videotestsrc num-buffers=100
      ! empycustom custom-lib=my_lib.py in-place=true
      ! aimeta silent=false ! fakesink'
  empycustom launch videotestsrc ! empycustom custom-lib=my_lib.py \\
      in-place=true options='{"level": 3}' ! perf ! fakesink"""

PATH = """\
Print the folder that GST_PLUGIN_PATH needs, so that gst-launch-1.0 and other
programs find the elements."""

PATH_MORE = """\
example:
  export GST_PLUGIN_PATH=$(empycustom plugin-path)
  gst-inspect-1.0 empycustom"""

NEW = """\
Write a library that runs as it is, with comments that say what may be changed."""

NEW_MORE = """\
example:
  empycustom new my_lib.py && empycustom check my_lib.py"""

DOCTOR = """\
Look at everything that the elements need: Python, its virtual environment,
PyGObject, GStreamer, NumPy, the plugin that loads Python elements, and the
registry. Each line says ok, warning or problem, and how to fix it.
Nothing is changed."""

DOCTOR_MORE = """\
The exit code is 1 if there is a problem. The object of --json has:
  empycustom  the version
  problems    how many there are
  warnings    how many there are
  findings    a list of objects, which have the five texts below
  check       what was looked at: python, packages, elements, loader ...
  level       ok, warning or problem
  text        what was found
  fix         what to do, "" where there is nothing
  details     a traceback, for example, or ""

example:
  empycustom doctor --json | jq -r '.findings[] | select(.fix != "").fix'"""

SOURCE_HELP = "files, folders, globs; or a URI, a camera, `test`, - for stdin; see below"
OPTIONS_HELP = "a JSON object for the callbacks' `options`, or @file.json"
DRY_RUN_HELP = "print the line of gst-launch-1.0 that does the same (as it is to be typed: with passwords), and play nothing"
ON_ERROR_HELP = "what a frame whose call fails does: fail ends the run (the default), pass lets it go on, drop drops it"
SUMMARY_HELP = "write the summary here, as JSON, however the run ends; - is stdout"
GRACE_HELP = "how long Ctrl-C, or an error, waits for the files to be finished (default: %(default)g)"


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; a parsed namespace names in ``module`` the file of ``app`` that does the work."""
    parser = Parser("empycustom", description=DESCRIPTION, epilog=OVERVIEW, formatter_class=Plain)
    parser.add_argument("--version", action="version", version=f"empycustom {empycustom.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands", parser_class=Command)
    for add in (_add_run, _add_launch, _add_check, _add_new, _add_schema, _add_plugin_path, _add_doctor):
        add(commands)
    return parser


def _add(commands: Any, name: str, *, short: str, text: str, more: str) -> Command:
    command: Command = commands.add_parser(
        name, help=short, description=text, epilog=more, formatter_class=Plain, allow_abbrev=False
    )
    command.set_defaults(module=name.replace("-", "_"))
    return command


def _add_run(commands: Any) -> None:
    run = _add(commands, "run", short="a file, stream or camera through libraries", text=RUN, more=RUN_MORE)
    add = run.add_argument
    add("source", nargs="+", metavar="SOURCE", help=SOURCE_HELP)
    add("--lib", action=AddLibrary, dest="libraries", default=[], metavar="FILE", help="a library, or a dotted module name")
    add("--options", action=OfLastLibrary, type=str, metavar="JSON", help=f"{OPTIONS_HELP}; for the --lib before it")
    add("--every", action=OfLastLibrary, type=at_least(1), metavar="N", help="call the --lib before it for every n-th frame")
    add("--on-error", action=OnError, choices=("fail", "pass", "drop"), metavar="POLICY", help=ON_ERROR_HELP)
    add("--out", type=output, metavar="FILE", help="write the documents here, one a line; - is stdout")
    add("--save", action="append", default=[], metavar="FILE", help="write the video, or a picture of the last frame")
    add("--show", action="store_true", help="show the frames in a window, at their own speed")
    add("--frames", type=at_least(1), metavar="N", help="stop after N frames")
    add("--start", type=moment, metavar="TIME", help="begin at this time of the video: 80, 1:20 or 0:01:20.5")
    add("--duration", type=length, metavar="TIME", help="stop after so long a part of the video: 10, 1:20 or 0.5")
    add("--every-frame", action="store_true", help="give every frame of a live source to the libraries, too; see below")
    add("--format", metavar="NAME", help="pixel format of the frames (default: RGBA)")
    add("--dry-run", action="store_true", help=DRY_RUN_HELP)
    add("--quiet", "-q", action="store_true", help="no progress, no summary")
    add_log_level(run)
    add("--summary-json", type=summary, metavar="FILE", help=SUMMARY_HELP)
    add("--grace", type=at_least(0, float), default=10.0, metavar="SECONDS", help=GRACE_HELP)
    add_configured(run)
    run.set_defaults(on_error=None)
    run.check = check_run


def _add_schema(commands: Any) -> None:
    _add(commands, "schema", short="the JSON Schema of the stream configuration", text=SCHEMA, more=SCHEMA_MORE)


def _add_launch(commands: Any) -> None:
    launch = _add(commands, "launch", short="a gst-launch description, elements included", text=LAUNCH, more=LAUNCH_MORE)
    launch.add_argument("description", nargs="+", type=str, metavar="DESCRIPTION", help="elements, with ! between them")
    launch.add_argument("-e", action="store_true", help="accepted as by gst-launch-1.0; Ctrl-C always ends the stream first")
    launch.add_argument("--quiet", "-q", action="store_true", help="only what elements say: errors, warnings, infos")
    add_log_level(launch)
    launch.add_argument("--grace", type=at_least(0, float), default=10.0, metavar="SECONDS", help=GRACE_HELP)


def _add_check(commands: Any) -> None:
    check = _add(commands, "check", short="try a library on a frame, or a configuration", text=checked.TEXT, more=checked.MORE)
    checked.add_checked(check, OPTIONS_HELP, OUTSIDE_HELP)
    add_log_level(check)
    check.check = checked.check_checked


def _add_new(commands: Any) -> None:
    new = _add(commands, "new", short="write a library to start from", text=NEW, more=NEW_MORE)
    new.add_argument("file", metavar="FILE", help="where to write it, my_lib.py for instance")
    new.add_argument("--force", action="store_true", help="overwrite a file that is there")


def _add_plugin_path(commands: Any) -> None:
    _add(commands, "plugin-path", short="the folder for GST_PLUGIN_PATH", text=PATH, more=PATH_MORE)


def _add_doctor(commands: Any) -> None:
    doctor = _add(commands, "doctor", short="what is missing, and how to fix it", text=DOCTOR, more=DOCTOR_MORE)
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
