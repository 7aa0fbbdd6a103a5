"""The small commands: ``schema``, ``plugin-path`` and ``launch``. Only ``launch`` needs GStreamer."""

from __future__ import annotations

import json
import re
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import empycustom
from empycustom.session.console import print_info, serialize_debuggers, show
from empycustom.text import for_people

if TYPE_CHECKING:
    from empycustom.session.parts import Report


def schema(args: Namespace) -> int:
    """Print the JSON Schema of the stream configuration, of documents, or of messages; return 0."""
    from empycustom.config.schema import json_schema
    from empycustom.model.keys import document_schema
    from empycustom.publish.schema import message_schema

    made = message_schema(args.message) if args.message else document_schema() if args.document else json_schema()
    show(json.dumps(made, indent=2, ensure_ascii=False))
    return 0


def print_plugin_path(_args: object = None) -> int:
    """Print the folder for ``GST_PLUGIN_PATH``; return 0."""
    show(str(plugin_path()))
    return 0


def plugin_path() -> Path:
    """Return the folder for ``GST_PLUGIN_PATH``; the loader files are in ``python/`` below it."""
    return Path(empycustom.__file__).resolve().parent / "gstreamer-1.0"


# ``launch``: gst-launch-1.0 with our elements.


_SETTING = re.compile(r"([\w-]+(?:::[\w-]+)*)=(.*)", re.DOTALL)


def launch(args: Namespace) -> int:
    """Build a pipeline and play it to its end; return the exit code."""
    from empycustom.elements import add_elements
    from empycustom.session.parts import build, check_links
    from empycustom.session.player import Interrupts, Owner, Player
    from empycustom.session.sinks import expect_windows

    class Printing(Owner):
        def report(self, report: Report, _element: object) -> None:
            """Print it; end the pipeline where its reader has ended."""
            try:
                print_report(report)
            except BrokenPipeError:
                player.end()

    add_elements()
    interrupts = Interrupts()
    with interrupts.counted():
        pipeline = build(describe(args.description))
        check_links(pipeline)
        expect_windows(pipeline, kind="warning")
        report_line = (lambda _text: None) if args.quiet else show
        report_line("Playing; Ctrl-C ends the stream.")
        began = time.monotonic()
        player = Player(pipeline, Printing(), grace_s=args.grace, interrupts=interrupts)
        with serialize_debuggers():
            code = player.play()
    report_line(f"Execution ended after {time.monotonic() - began:.3f} s.")
    return code


def describe(tokens: list[str]) -> str:
    """Return the description of a pipeline from the arguments of a command line; a single argument is a description already.

    The shell has removed quotes; values that need them are quoted again.
    """
    return tokens[0] if len(tokens) == 1 else " ".join(map(_quoted, tokens))


def _quoted(token: str) -> str:
    setting = _SETTING.fullmatch(token)
    if setting is None or not re.search(r"[\s\"'\\!]", setting[2]) or setting[2].startswith(('"', "'")):
        return token
    escaped = setting[2].replace("\\", "\\\\").replace('"', '\\"')
    return f'{setting[1]}="{escaped}"'


def print_report(report: Report) -> None:
    """Print a message of an element as gst-launch-1.0 does: infos on stdout, the others on stderr."""
    if report.kind == "info":
        print(f"INFO:\n{for_people(report.debug or report.text, lines=True)}", flush=True)
        return
    text = for_people(f"{report.kind.upper()}: from element {report.element}: {report.text}")
    print_info(f"{text}\nAdditional debug info:\n{report.debug.rstrip()}" if report.debug else text)
