"""``empycustom new``: a library to start from."""

from __future__ import annotations

from argparse import Namespace

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

    options: what the property `options` (or --options) says, as a dict; {{}} if nothing.
    \"\"\"
    state["dark_below"] = options.get("dark_below", 64)


def stop(options):
    \"\"\"Called once, after the last frame: close here what start opened. Leave it out if there is nothing to do.\"\"\"
    print(state["frames"], "frames seen", file=sys.stderr)


def process_ip(io_buffer, in_meta, options):
    \"\"\"Called for every frame; what it writes into the pixels goes downstream.

    io_buffer: the Gst.Buffer. map_frame gives its pixels as NumPy arrays of (height, width, channels), without a copy.
    in_meta:   what is known of the frame, and of the objects that elements upstream found on it.
    Returns the results of this library. {{"frame": {{"brightness": 0.5}}}} is about the frame. If there are results for objects,
    too, it is the form below: "object" is a list whose n-th entry belongs to the n-th object, {{}} where there is no result;
    "meta" is about the frame. None: no results.
    \"\"\"
    state["frames"] += 1
    results = []
    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
        for found in in_meta["frame"][0]["object"]:
            # found has class_id, obj_label, confidence, object_id and rect_params (left, top, width, height in pixels).
            crop = frame.crop(found)[..., :3]  # the object's pixels, a view; without alpha
            results.append({{"brightness": crop.mean(), "dark": crop.mean() < state["dark_below"]}} if crop.size else {{}})
        brightness = frame.rgb.mean()
        # frame.pixels[:10] = 255                        # would paint the ten rows at the top white, downstream, too
    return {{"frame": [{{"meta": {{"brightness": brightness}}, "object": results}}]}}
"""


def main(arguments: Namespace) -> int:
    """Write the file and say what to do with it. Raises LaunchError rather than overwrite one, unless --force is given."""
    path = as_path(arguments.file)
    if path.suffix != ".py":
        better = path.with_suffix(".py") if path.name.strip(".") else path / "my_lib.py"
        raise LaunchError(f"{path} must end in .py, for it is a Python file; try {better}.")
    if path.is_dir():
        raise LaunchError(f"{path} is a folder; name a file in it.")
    if path.exists() and not arguments.force:
        raise LaunchError(f"{path} is there already; choose another name, or overwrite it with --force.")
    path.parent.mkdir(parents=True, exist_ok=True)
    name = shell_word(as_text(path))
    path.write_text(TEMPLATE.format(file=_in_docstring(path.name)), encoding="utf-8")
    show(f"{visible(str(path))} is written. Next:")
    show(f"  {own_command()} check {name}")
    show(f"  {own_command()} run test --lib {name} --frames 3")
    return 0


def _in_docstring(name: str) -> str:
    """The name of a file as a shell takes it, inside of a docstring."""
    return shell_word(name).replace("\\", "\\\\").replace('"', '\\"')
