"""Define the command line: every command with its arguments, its help and its examples."""

from __future__ import annotations

import argparse
from typing import Any

import empycustom
from empycustom.app import check_options as checked
from empycustom.app import recorded
from empycustom.app.calling import add_called_of_library
from empycustom.app.options import (
    OUTSIDE_HELP,
    AddLibrary,
    Command,
    OfLibraries,
    OfLibrary,
    Parser,
    Plain,
    add_configured,
    at_least,
    check_run,
    output,
    summary,
)
from empycustom.metrics import parse_address
from empycustom.text import parse_duration, parse_time

# Python's levels, as the thresholds of GStreamer's log.
LEVELS = {"error": 1, "warning": 2, "info": 4, "debug": 6}

DESCRIPTION = """\
Call your Python function for every frame of a video, in a GStreamer pipeline.
It gets the pixels and the objects that were found on the frame; what it returns
is attached to the frame as JSON."""

OVERVIEW = """\
first steps:
  empycustom new my_lib.py           write a library that runs as it is
  empycustom check my_lib.py         try it on one synthetic frame
  empycustom run video.mp4 --lib my_lib.py --out meta.jsonl
  empycustom doctor                  check the installation

`empycustom COMMAND --help` describes each command.
Exit codes: 0 done, 1 an error, 2 wrong arguments, 130 after Ctrl-C, or when a debugger was quit."""

RUN = """\
Play SOURCE through one or more libraries. With --out, the JSON documents (one
per frame) go to a file; with --save, the frames go to a video or a picture; with
--show, to a window; with --publish, the documents go to a broker or a database.
Without any of them the documents are printed, one per line.
Nothing else is on stdout: the output of libraries goes to stderr. Without --lib,
SOURCE is played and measured, with documents only if --out is given. If SOURCE
is a stream configuration, a JSON file, its streams are played."""

RUN_MORE = """\
SOURCE is one of:
  video.mp4                      a file; sound in it is ignored
  frames, 'frames/*.jpg'         the pictures and videos of a folder, or of a glob
  frames/%05d.jpg                pictures with numbers in their names
  rtsp://camera/stream           a URI (rtsp, http, https, file ...)
  camera, camera:1, /dev/video1  a camera
  -, or the name of a FIFO       a video from stdin, or from the FIFO
  test                           a moving ball, without end unless --frames is given
  emi_stream_config.json         a stream configuration, with the options above

Several files, from one such SOURCE or from several, play one after the other as
one stream, sorted by names and numbers (2.jpg before 10.jpg) or as you typed
them: libraries start once, frame numbers continue, and `source` in the documents
names the file of a frame. Each picture lasts 1/25 s. A file that cannot be played
is an error that names it; the others are played, and the exit code is 1.

Libraries are called in the order of the command line. --options and --every
belong to the --lib before them:
  --lib detect.py --every 5 --lib average.py --options '{"person_class_id": 2}'
A library with process_ip works on the frames in place; one with only process
makes new frames.

A call that raises, or returns a result that cannot be used, ends the run with
exit code 1. With --on-error pass the frame goes on without a result, with drop it
is dropped; each cause is reported once, as a warning, the summary counts all of
them, and they do not change the exit code. --on-error belongs to the --lib before
it; before the first --lib it is for all libraries. So does --reload.

With --workers a library runs in processes of its own (workers): it uses other
cores, and a crash is an error that names the line, as an exception is; with
--on-error pass or drop another worker takes its place. --call-timeout does the
same for a call that does not return. With --pace latest no frame waits: each goes
on with the newest result, which may be about an earlier one (from_frame). Like
--on-error, these three belong to the --lib before them, or to all:
  --workers 2 --lib detect.py --pace latest --lib read.py --call-timeout 500

At the end a summary is on stderr: frames, speed, files that were written, and
for each library its calls, their times (the median; p95: 95 of 100 calls took
no longer), errors and dropped frames; of one with workers also frames that were
skipped because no worker was free, those that waited for one, and restarts:
workers that took the place of others. The speed is measured from the first frame
on. --summary-json writes the same for programs, and the exit code, also after
errors and Ctrl-C.

--save depends on the file name: .mp4 .mkv .avi .webm are videos, .png .jpg the
last frame. It can be given several times; if a configuration has several streams,
write {stream_id} for the name of each. Without --show, files are read as fast as
the libraries allow. Ctrl-C ends the stream and finishes the files, and so do
SIGTERM, a closed terminal (SIGHUP) and an error; a second Ctrl-C stops at once.
If a video may be unfinished, an error names it, and the exit code is not 0. A
video has one size, that of its first frame; odd sizes and sizes below 16 pixels
get black pixels at the right and at the bottom. Frames without timestamps, as in
MJPEG, get them: the time of their arrival, or 25 per second from a file. Videos
and pictures that are stored rotated, as by phones, are turned upright.

--start and --duration play a part of a video: exactly the frames whose time in
the video (stream_time) is not before the start, and before its end. The video of
--save begins at 0. Times are seconds, m:ss or h:mm:ss, with fractions:
--start 1:20 --duration 2.5. In .mp4, .mov, .mkv, .webm, .avi, .flv and .ogg
decoding begins at the last key frame before the start; other files are read from
their beginning. Without --start, --duration works with all sources.

From a live source (a camera, RTSP, MJPEG over HTTP) the libraries get the newest
frame: frames that arrive while they are busy are skipped, and counted in the
summary. With --every-frame they get all frames; if they are too slow, results
fall behind.

With --metrics 9464, http://127.0.0.1:9464/metrics has the numbers of the summary
and more for Prometheus while it plays, and /healthz says whether frames flow: 200,
or 503 and why not. It has no login: 0.0.0.0:9464 is for all who reach the machine.

examples:
  empycustom run video.mp4 --lib my_lib.py
  empycustom run rtsp://camera/stream --frames 500 --summary-json -
  empycustom run video.mp4 --lib people.py --lib empycustom.libs.draw \\
      --out meta.jsonl --save people.mp4 --save last.png
  empycustom run 'frames/*.jpg' more.mp4 --lib people.py --out meta.jsonl
  empycustom run a.mp4 --lib my_lib.py --start 1:20 --duration 10 --save b.mp4
  empycustom run camera --lib people.py --lib empycustom.libs.draw --show
  ssh camera.local cat video.mkv | empycustom run - --lib my_lib.py
  empycustom run test --lib my_lib.py --frames 100 | jq .frame[0].emcustom
  empycustom run emi_stream_config.json --source rtsp://camera/stream
  empycustom run emi_stream_config.json --source video.mp4 --dry-run"""

STUDIO = """\
Play SOURCE through libraries as `run` does, and show it in the browser: the
picture with what was found on it, the documents, the libraries with their times,
options and errors. Files are played at their own speed, again and again.
Libraries are loaded anew when they are saved; one that fails lets frames pass
meanwhile (--on-error pass), and the page shows why. Ctrl-C ends it."""

STUDIO_MORE = """\
SOURCE, --lib and the options behind it are those of `run`. With --frames, --start
or --duration, SOURCE is played once.

Only this machine can open the page. With --host 0.0.0.0, or the address of a
network, others can, with the token in the address that is printed.

examples:
  empycustom studio video.mp4 --lib my_lib.py --open
  empycustom studio camera --lib people.py --lib empycustom.libs.track
  empycustom studio emi_stream_config.json --host 0.0.0.0 --port 8000"""

SCHEMA = """\
Print the JSON Schema of the stream configuration, emi_stream_config.json, of
documents, or of messages that are published, for editors and other programs."""

SCHEMA_MORE = """\
examples:
  empycustom schema > emi_stream_config.schema.json
  empycustom schema --document > document.schema.json
  empycustom schema --message objects > message.schema.json"""

LAUNCH = """\
Play a pipeline in the notation of gst-launch-1.0, with the elements empycustom,
aimeta and perf. It needs neither a plugin path nor the loader plugin."""

LAUNCH_MORE = """\
DESCRIPTION is one quoted text, or several arguments as for gst-launch-1.0. In
several arguments, a value with blanks or quotation marks (JSON in `options`)
needs only the quotes of the shell.

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
Write a library that runs as it is, with comments on what you can change."""

NEW_MORE = """\
example:
  empycustom new my_lib.py && empycustom check my_lib.py"""

DOCTOR = """\
Check everything that the elements need: Python, its virtual environment,
PyGObject, GStreamer, NumPy, the plugin that loads Python elements, and the
registry. Each line begins with ok, warning or problem, and has a fix. Nothing is
changed."""

DOCTOR_MORE = """\
The exit code is 1 if there is a problem. The object of --json has:
  empycustom  the version
  problems    how many there are
  warnings    how many there are
  findings    a list of objects with the five texts below
  check       what was checked: python, packages, elements, loader ...
  level       ok, warning or problem
  text        what was found
  fix         what to do, "" if nothing has to be done
  details     a traceback, for example, or ""

example:
  empycustom doctor --json | jq -r '.findings[] | select(.fix != "").fix'"""

SOURCE_HELP = "files, folders, globs; or a URI, a camera, `test`, - for stdin; see below"
OPTIONS_HELP = "a JSON object for the callbacks' `options`, or @file.json"
DRY_RUN_HELP = "print the equivalent gst-launch-1.0 command (ready to be typed: with passwords), and play nothing"
EVERY_HELP = "call the --lib before it for every n-th frame (default: 1)"
ON_ERROR_HELP = "what happens if a call fails: fail ends the run, pass passes the frame on, drop drops it (default: {})"
RELOAD_HELP = "load a library anew when its file, or a module beside it, is saved; the stream goes on (default: {})"
WORKERS_HELP = "run the library in so many processes of its own; 0: in that of the pipeline (the default)"
PACE_HELP = "what happens to a frame if all workers are busy: every waits (the default), skip passes it on, latest: see below"
TIMEOUT_HELP = "end a call in a worker after so many milliseconds; then --on-error applies; 0: no limit (the default)"
DOCUMENT_FORMAT_HELP = "what is written: document (the default), or gva: messages as DL Streamer's gvametaconvert makes them"
PUBLISH_HELP = "send the documents there: mqtt://host/topic, postgresql://…; several times for several"
METRICS_HELP = "serve metrics for Prometheus, and /healthz, at HOST:PORT, or on this machine alone: PORT"
SUMMARY_HELP = "write the summary to this file, as JSON, also after an error; - is stdout"
GRACE_HELP = "how long to wait, after Ctrl-C or an error, until files are finished (default: %(default)g)"


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; ``target`` of its namespace is the function of ``app`` that runs the command."""
    parser = Parser("empycustom", description=DESCRIPTION, epilog=OVERVIEW, formatter_class=Plain)
    parser.add_argument("--version", action="version", version=f"empycustom {empycustom.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands", parser_class=Command)
    for add in (
        _add_run,
        _add_studio,
        _add_batch,
        _add_report,
        _add_launch,
        _add_check,
        _add_new,
        _add_schema,
        _add_plugin_path,
        _add_doctor,
    ):
        add(commands)
    return parser


def _add(commands: Any, name: str, *, short: str, text: str, more: str, target: str = "") -> Command:
    command: Command = commands.add_parser(
        name, help=short, description=text, epilog=more, formatter_class=Plain, allow_abbrev=False
    )
    command.set_defaults(target=target or f"{name}:main")
    return command


def _add_log_level(command: Command) -> None:
    text = "show what libraries log with `logging`, and our elements, from this level on: error, warning, info or debug"
    command.add_argument("--log-level", choices=list(LEVELS), metavar="LEVEL", help=text)


def _add_played(command: Command, *, policy: str, reload: str) -> None:
    """Add what is played, and through which libraries; ``policy`` and ``reload`` are defaults."""
    add, on_error = command.add_argument, ON_ERROR_HELP.format(policy)
    add("source", nargs="+", metavar="SOURCE", help=SOURCE_HELP)
    add("--lib", action=AddLibrary, dest="libraries", default=[], metavar="FILE", help="a library, or a dotted module name")
    add("--options", action=OfLibrary, dest="options", type=str, metavar="JSON", help=f"{OPTIONS_HELP}; for the --lib before it")
    add("--every", action=OfLibrary, dest="process-interval", type=at_least(1), metavar="N", help=EVERY_HELP)
    add("--on-error", action=OfLibraries, dest="on-error", choices=("fail", "pass", "drop"), metavar="POLICY", help=on_error)
    add("--reload", action=OfLibraries, dest="reload", nargs=0, const=True, help=RELOAD_HELP.format(reload))
    add("--workers", action=OfLibraries, dest="workers", type=at_least(0), metavar="N", help=WORKERS_HELP)
    add("--pace", action=OfLibraries, dest="pace", choices=("every", "skip", "latest"), metavar="PACE", help=PACE_HELP)
    add("--call-timeout", action=OfLibraries, dest="call-timeout", type=at_least(0), metavar="MS", help=TIMEOUT_HELP)
    add_called_of_library(command)
    add("--out", type=output, metavar="FILE", help="write the documents to this file, one per line; - is stdout")
    add("--document-format", choices=("document", "gva"), default="document", metavar="NAME", help=DOCUMENT_FORMAT_HELP)
    add("--publish", action="append", default=[], metavar="URI", help=PUBLISH_HELP)
    add("--save", action="append", default=[], metavar="FILE", help="write the frames to a video, or the last one to a picture")
    add("--frames", type=at_least(1), metavar="N", help="stop after N frames")
    add("--start", type=parse_time, metavar="TIME", help="begin at this time of the video: 80, 1:20 or 0:01:20.5")
    add("--duration", type=parse_duration, metavar="TIME", help="play only this long: 10, 1:20 or 0.5")
    add("--every-frame", action="store_true", help="call libraries for every frame, also of a live source; see below")
    add("--format", metavar="NAME", help="pixel format of the frames (default: RGBA)")
    _add_log_level(command)
    add("--grace", type=at_least(0, float), default=10.0, metavar="SECONDS", help=GRACE_HELP)
    add_configured(command)
    command.set_defaults(defaults={})
    command.check = check_run


def _add_run(commands: Any) -> None:
    run = _add(commands, "run", short="play a file, stream or camera through libraries", text=RUN, more=RUN_MORE)
    _add_played(run, policy="fail", reload="no")
    add = run.add_argument
    add("--show", action="store_true", help="show the frames in a window, at their own speed")
    add("--dry-run", action="store_true", help=DRY_RUN_HELP)
    add("--quiet", "-q", action="store_true", help="no progress, no summary")
    add("--summary-json", type=summary, metavar="FILE", help=SUMMARY_HELP)
    add("--metrics", type=parse_address, metavar="ADDRESS", help=METRICS_HELP)


def _add_studio(commands: Any) -> None:
    studio = _add(commands, "studio", short="show a video and what libraries say in the browser", text=STUDIO, more=STUDIO_MORE)
    _add_played(studio, policy="pass", reload="yes")
    page = studio.add_argument_group("for the page").add_argument
    page("--host", default="127.0.0.1", metavar="HOST", help="serve it on this address; others than 127.0.0.1 need a token")
    page("--port", type=at_least(0, maximum=65535), default=0, metavar="PORT", help="serve it on this port (default: a free one)")
    page("--open", action="store_true", help="open it in the browser")
    studio.set_defaults(grace=2.0, show=False, dry_run=False, quiet=False, summary_json=None, metrics=None)
    studio.check = _check_studio


def _check_studio(parser: argparse.ArgumentParser, args: Any) -> None:
    """End with a usage error as :func:`check_run` does."""
    check_run(parser, args)
    if "-" in args.settings:
        parser.error("--set - is for `run`; here the page changes options while it plays")


def _add_batch(commands: Any) -> None:
    batch = _add(commands, "batch", short=recorded.SHORT, text=recorded.TEXT, more=recorded.MORE)
    recorded.add_batch(batch, OPTIONS_HELP, EVERY_HELP)
    _add_log_level(batch)
    batch.check = recorded.check_recorded


def _add_report(commands: Any) -> None:
    report = _add(commands, "report", short=recorded.REPORT_SHORT, text=recorded.REPORT, more=recorded.REPORT_MORE)
    recorded.add_report(report)


def _add_schema(commands: Any) -> None:
    short = "print the JSON Schema of the stream configuration"
    schema = _add(commands, "schema", short=short, text=SCHEMA, more=SCHEMA_MORE, target="commands:schema")
    which = schema.add_mutually_exclusive_group()
    which.add_argument("--document", action="store_true", help="of the documents that `run` and the element aimeta write")
    which.add_argument(
        "--message",
        choices=("frames", "objects", "changes", "gva"),
        help="of what the element metapublish sends with this `select`",
    )


def _add_launch(commands: Any) -> None:
    short = "play a gst-launch description with our elements"
    launch = _add(commands, "launch", short=short, text=LAUNCH, more=LAUNCH_MORE, target="commands:launch")
    launch.add_argument("description", nargs="+", type=str, metavar="DESCRIPTION", help="elements, with ! between them")
    launch.add_argument(
        "-e", action="store_true", help="accepted for compatibility with gst-launch-1.0; Ctrl-C always ends the stream first"
    )
    launch.add_argument("--quiet", "-q", action="store_true", help="print only messages of elements: errors, warnings, infos")
    _add_log_level(launch)
    launch.add_argument("--grace", type=at_least(0, float), default=10.0, metavar="SECONDS", help=GRACE_HELP)


def _add_check(commands: Any) -> None:
    check = _add(
        commands, "check", short="try a library on one frame, or check a configuration", text=checked.TEXT, more=checked.MORE
    )
    checked.add_checked(check, OPTIONS_HELP, OUTSIDE_HELP)
    _add_log_level(check)
    check.check = checked.check_checked


def _add_new(commands: Any) -> None:
    new = _add(commands, "new", short="write a library to start from", text=NEW, more=NEW_MORE, target="commands:new")
    new.add_argument("file", metavar="FILE", help="the file to write, for example my_lib.py")
    new.add_argument("--force", action="store_true", help="overwrite an existing file")


def _add_plugin_path(commands: Any) -> None:
    short, target = "print the folder for GST_PLUGIN_PATH", "commands:print_plugin_path"
    _add(commands, "plugin-path", short=short, text=PATH, more=PATH_MORE, target=target)


def _add_doctor(commands: Any) -> None:
    doctor = _add(commands, "doctor", short="report what is missing, and how to fix it", text=DOCTOR, more=DOCTOR_MORE)
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
