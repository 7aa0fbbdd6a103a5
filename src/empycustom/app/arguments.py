"""Define the command line: every command with its arguments, its help and its examples."""

from __future__ import annotations

import argparse
from typing import Any

import empycustom
from empycustom.app import check_options as checked
from empycustom.app import help_texts as texts
from empycustom.app import recorded
from empycustom.app.calling import OPTIONS_HELP, add_libraries
from empycustom.app.help_format import Plain
from empycustom.app.new import KINDS
from empycustom.app.options import (
    OUTSIDE_HELP,
    Command,
    Parser,
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

SOURCE_HELP = "files, folders, globs; or a URI, a camera, `test`, - for stdin; see below"
DRY_RUN_HELP = "print the equivalent gst-launch-1.0 command (ready to be typed: with passwords), and play nothing"
DOCUMENT_FORMAT_HELP = "what is written: document (the default), or gva: messages as DL Streamer's gvametaconvert makes them"
PUBLISH_HELP = "send the documents there: mqtt://host/topic, postgresql://…; several times for several"
METRICS_HELP = "serve metrics for Prometheus, and /healthz, at HOST:PORT, or on this machine alone: PORT"
SUMMARY_HELP = "write the summary to this file, as JSON, also after an error; - is stdout"
GRACE_HELP = "how long to wait, after Ctrl-C or an error, until files are finished (default: %(default)g)"


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; ``target`` of its namespace is the function of ``app`` that runs the command."""
    parser = Parser("empycustom", description=texts.DESCRIPTION, epilog=texts.OVERVIEW, formatter_class=Plain)
    parser.add_argument("--version", action="version", version=f"empycustom {empycustom.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", prog="empycustom", required=True, title="commands", parser_class=Command)
    for add in (
        _add_run,
        _add_studio,
        _add_batch,
        _add_report,
        _add_launch,
        _add_check,
        _add_new,
        _add_schema,
        _add_completion,
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
    add = command.add_argument
    add("source", nargs="+", metavar="SOURCE", help=SOURCE_HELP)
    add_libraries(command, policy=policy, reload=reload)
    add("--out", type=output, metavar="FILE", help="write the documents to this file, one per line; - is stdout")
    add("--document-format", choices=("document", "gva"), default="document", metavar="NAME", help=DOCUMENT_FORMAT_HELP)
    add("--publish", action="append", default=[], metavar="URI", help=PUBLISH_HELP)
    add("--save", action="append", default=[], metavar="FILE", help="write the frames to a video, or the last one to a picture")
    add("--frames", type=at_least(1), metavar="N", help="stop after N frames")
    add("--start", type=parse_time, metavar="TIME", help="begin at this time of the video: 80, 1:20 or 0:01:20.5")
    add("--duration", type=parse_duration, metavar="TIME", help="play only this long: 10, 1:20 or 0.5")
    add("--every-frame", action="store_true", help="call libraries for every frame, also of a live source; see below")
    add(
        "--format",
        "--pixel-format",
        metavar="NAME",
        help="pixel format of the frames (default: RGBA; BGR for gvapython, RGB for hailopython)",
    )
    _add_log_level(command)
    add("--grace", type=at_least(0, float), default=10.0, metavar="SECONDS", help=GRACE_HELP)
    add_configured(command)
    command.check = check_run


def _add_run(commands: Any) -> None:
    run = _add(commands, "run", short="play a file, stream or camera through libraries", text=texts.RUN, more=texts.RUN_MORE)
    _add_played(run, policy="fail", reload="no")
    add = run.add_argument
    add("--show", action="store_true", help="show the frames in a window, at their own speed")
    add("--dry-run", action="store_true", help=DRY_RUN_HELP)
    add("--quiet", "-q", action="store_true", help="no progress, no summary")
    add("--summary-json", type=summary, metavar="FILE", help=SUMMARY_HELP)
    add("--metrics", type=parse_address, metavar="ADDRESS", help=METRICS_HELP)


def _add_studio(commands: Any) -> None:
    studio = _add(
        commands, "studio", short="show a video and what libraries say in the browser", text=texts.STUDIO, more=texts.STUDIO_MORE
    )
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
    recorded.add_batch(batch)
    _add_log_level(batch)
    batch.check = recorded.check_recorded


def _add_report(commands: Any) -> None:
    report = _add(commands, "report", short=recorded.REPORT_SHORT, text=recorded.REPORT, more=recorded.REPORT_MORE)
    recorded.add_report(report)


def _add_schema(commands: Any) -> None:
    short = "print the JSON Schema of the stream configuration"
    schema = _add(commands, "schema", short=short, text=texts.SCHEMA, more=texts.SCHEMA_MORE, target="commands:schema")
    which = schema.add_mutually_exclusive_group()
    which.add_argument("--document", action="store_true", help="of the documents that `run` and the element aimeta write")
    which.add_argument(
        "--message",
        choices=("frames", "objects", "changes", "gva"),
        help="of what the element metapublish sends with this `select`",
    )


def _add_launch(commands: Any) -> None:
    short = "play a gst-launch description with our elements"
    launch = _add(commands, "launch", short=short, text=texts.LAUNCH, more=texts.LAUNCH_MORE, target="commands:launch")
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
    kinds = "\n".join(f"  {name:9}  {kind.what}" for name, kind in KINDS.items())
    new = _add(
        commands,
        "new",
        short="write a library to start from, or a whole project",
        text=texts.NEW,
        more=texts.NEW_MORE.format(kinds),
    )
    new.add_argument("file", metavar="FILE", help="the file to write, for example my_lib.py; of a project the folder")
    new.add_argument("--kind", choices=list(KINDS), default="measure", metavar="KIND", help=f"what it is: {', '.join(KINDS)}")
    new.add_argument("--force", action="store_true", help="overwrite existing files; take the name of a module of Python's")


def _add_completion(commands: Any) -> None:
    short = "print the script that completes commands in bash or zsh"
    completion = _add(commands, "completion", short=short, text=texts.COMPLETION, more=texts.COMPLETION_MORE)
    completion.add_argument("shell", choices=("bash", "zsh"), metavar="SHELL", help="bash or zsh")


def _add_plugin_path(commands: Any) -> None:
    short, target = "print the folder for GST_PLUGIN_PATH", "commands:print_plugin_path"
    _add(commands, "plugin-path", short=short, text=texts.PATH, more=texts.PATH_MORE, target=target)


def _add_doctor(commands: Any) -> None:
    doctor = _add(
        commands, "doctor", short="report what is missing, and how to fix it", text=texts.DOCTOR, more=texts.DOCTOR_MORE
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    doctor.add_argument("--fix", action="store_true", help="show what can be done about it, ask, and do it; see below")
    doctor.add_argument("--yes", "-y", action="store_true", help="--fix: do it without a question")
    doctor.check = _check_doctor


def _check_doctor(parser: argparse.ArgumentParser, args: Any) -> None:
    if args.yes and not args.fix:
        parser.error("--yes belongs to --fix, and there is none")
    if args.json and args.fix:
        parser.error("--json only reports; do it without --fix")
