"""The small commands: ``new``, ``schema``, ``plugin-path`` and ``launch``. Only ``launch`` needs GStreamer."""

from __future__ import annotations

import json
import re
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import empycustom
from empycustom.errors import LaunchError
from empycustom.packages import own_command
from empycustom.session.console import print_info, serialize_debuggers, show
from empycustom.text import as_path, as_text, for_people, shell_word, visible

if TYPE_CHECKING:
    from empycustom.session.parts import Report

TEMPLATE = """\"\"\"A library for the element empycustom: it measures how bright each object is, and the whole frame.

Try it on one synthetic frame:   empycustom check {file}
Run it on a video:               empycustom run video.mp4 --lib {file}
\"\"\"

import sys

import empycustom

state = {{"dark_below": 64, "frames": 0}}


def start(options):
    \"\"\"Called once, before the first frame: load models here. Leave it out if there is nothing to do.

    options: the value of the property `options` (or --options) as a dict; {{}} if it is not set.
    \"\"\"
    state["dark_below"] = options.get("dark_below", 64)


def stop(options):
    \"\"\"Called once, after the last frame: close here what start opened. Leave it out if there is nothing to do.\"\"\"
    print(state["frames"], "frames seen", file=sys.stderr)


def process_ip(io_buffer, in_meta, options):
    \"\"\"Called for every frame; what it writes to the pixels goes downstream.

    io_buffer: the Gst.Buffer. map_frame gives its pixels as NumPy arrays of (height, width, channels), without a copy.
    in_meta:   a dict that describes the frame, and the objects that elements upstream have found on it.
    Returns attributes of the frame, {{"frame": {{"brightness": 0.5}}}}, or, as below, also of the objects: "object" is a list
    whose n-th entry belongs to the n-th object, {{}} for none; "meta" has the attributes of the frame. None: nothing.
    \"\"\"
    state["frames"] += 1
    results = []
    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
        for found in in_meta["frame"][0]["object"]:
            # found has class_id, obj_label, confidence, object_id and rect_params (left, top, width, height in pixels).
            crop = frame.crop(found)[..., :3]  # the object's pixels, a view; without alpha
            results.append({{"brightness": crop.mean(), "dark": crop.mean() < state["dark_below"]}} if crop.size else {{}})
        brightness = frame.rgb.mean()
        # frame.pixels[:10] = 255                        # would paint the top ten rows white, also downstream
    return {{"frame": [{{"meta": {{"brightness": brightness}}, "object": results}}]}}
"""


def new(args: Namespace) -> int:
    """Write a library and print the next commands. Raises LaunchError rather than overwrite a file without --force."""
    path = as_path(args.file)
    if path.suffix != ".py":
        better = path.with_suffix(".py") if path.name.strip(".") else path / "my_lib.py"
        raise LaunchError(f"{path} must end in .py, because it is a Python file; try {better}.")
    if path.is_dir():
        raise LaunchError(f"{path} is a folder; name a file in it.")
    if path.exists() and not args.force:
        raise LaunchError(f"{path} exists; choose another name, or overwrite it with --force.")
    path.parent.mkdir(parents=True, exist_ok=True)
    name = shell_word(as_text(path))
    path.write_text(TEMPLATE.format(file=_in_docstring(path.name)), encoding="utf-8")
    show(f"{visible(str(path))} is written. Next:")
    show(f"  {own_command()} check {name}")
    show(f"  {own_command()} run test --lib {name} --frames 3")
    return 0


def _in_docstring(name: str) -> str:
    """Return the name of a file, quoted for a shell and for a docstring."""
    return shell_word(name).replace("\\", "\\\\").replace('"', '\\"')


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
