"""The commands that need no GStreamer: ``new``, ``schema`` and ``plugin-path``."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import empycustom
from empycustom.errors import LaunchError
from empycustom.packages import own_command
from empycustom.session.console import show
from empycustom.text import as_path, as_text, shell_word, visible

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
    """Print the JSON Schema of the stream configuration, or of documents; return 0."""
    from empycustom.config.schema import json_schema
    from empycustom.model.keys import document_schema

    show(json.dumps(document_schema() if args.document else json_schema(), indent=2, ensure_ascii=False))
    return 0


def print_plugin_path(_args: object = None) -> int:
    """Print the folder for ``GST_PLUGIN_PATH``; return 0."""
    show(str(plugin_path()))
    return 0


def plugin_path() -> Path:
    """Return the folder for ``GST_PLUGIN_PATH``; the loader files are in ``python/`` below it."""
    return Path(empycustom.__file__).resolve().parent / "gstreamer-1.0"
