"""``empycustom launch``: gst-launch-1.0 with our elements."""

from __future__ import annotations

import re
import time
from argparse import Namespace
from typing import Any

from empycustom.elements import add_elements
from empycustom.session.console import print_info, serialize_debuggers, show
from empycustom.session.parts import Report, build
from empycustom.session.player import Interrupts, Owner, Player
from empycustom.session.sinks import expect_windows
from empycustom.text import for_people

_SETTING = re.compile(r"([\w-]+(?:::[\w-]+)*)=(.*)", re.DOTALL)


def main(args: Namespace) -> int:
    """Build the pipeline and play it to its end; return the exit code."""
    add_elements()
    interrupts = Interrupts()
    with interrupts.counted():
        pipeline = build(describe(args.description))
        expect_windows(pipeline, kind="warning")
        report_line = (lambda _text: None) if args.quiet else show
        report_line("Playing; Ctrl-C ends the stream.")
        began = time.monotonic()

        owner = _Printing()
        owner.player = player = Player(pipeline, owner, grace_s=args.grace, interrupts=interrupts)
        with serialize_debuggers():
            code = player.play()
    report_line(f"Execution ended after {time.monotonic() - began:.3f} s.")
    return code


class _Printing(Owner):
    """Prints what elements report."""

    player: Player

    def report(self, report: Report, _element: Any) -> None:
        """Print it; end the pipeline where its reader has ended."""
        try:
            print_report(report)
        except BrokenPipeError:
            self.player.end()


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
