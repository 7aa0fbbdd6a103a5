"""``empycustom launch``: gst-launch-1.0 with the elements in it."""

from __future__ import annotations

import re
import time
from argparse import Namespace

from empycustom.elements import add_elements
from empycustom.session import callback as debugger
from empycustom.session.console import remark, show
from empycustom.session.parts import Report, build
from empycustom.session.player import Interrupts, Player
from empycustom.session.sinks import expect_windows
from empycustom.text import for_people

_SETTING = re.compile(r"([\w-]+(?:::[\w-]+)*)=(.*)", re.DOTALL)


def main(arguments: Namespace) -> int:
    """Build the pipeline and play it to its end; return the exit code."""
    add_elements()
    interrupts = Interrupts()
    with interrupts.counted():
        pipeline = build(describe(arguments.description))
        expect_windows(pipeline, kind="warning")
        say = (lambda _text: None) if arguments.quiet else show
        say("Playing; Ctrl-C ends the stream.")
        began = time.monotonic()

        def hear(report: Report) -> None:
            try:
                tell(report)
            except BrokenPipeError:  # nobody reads it any more
                player.end()

        player = Player(pipeline, on_report=hear, grace_s=arguments.grace, interrupts=interrupts)
        with debugger.alone():
            code = player.play()
    say(f"Execution ended after {time.monotonic() - began:.3f} s.")
    return code


def describe(words: list[str]) -> str:
    """One description out of the words of a command line; a single word is a description already.

    The shell has taken its quotes away; the values that need some get them anew.
    """
    return words[0] if len(words) == 1 else " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    setting = _SETTING.fullmatch(word)
    if setting is None or not re.search(r"[\s\"'\\!]", setting[2]) or setting[2].startswith(('"', "'")):
        return word
    escaped = setting[2].replace("\\", "\\\\").replace('"', '\\"')
    return f'{setting[1]}="{escaped}"'


def tell(report: Report) -> None:
    """Print what an element says, in the way of gst-launch-1.0: infos on stdout, the others on stderr."""
    if report.kind == "info":
        print(f"INFO:\n{for_people(report.debug or report.text, lines=True)}", flush=True)
        return
    text = for_people(f"{report.kind.upper()}: from element {report.element}: {report.text}")
    remark(f"{text}\nAdditional debug info:\n{report.debug.rstrip()}" if report.debug else text)
