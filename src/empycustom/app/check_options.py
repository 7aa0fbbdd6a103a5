"""The arguments of ``empycustom check``, and what does not go together."""

from __future__ import annotations

import argparse
from typing import Any

from empycustom.app.calling import add_called
from empycustom.app.options import SET_HELP, SOURCE_HELP, at_least, is_configuration, refuse_others
from empycustom.text import parse_time

TEXT = """\
Load a library, call start, process_ip or process (or both) and stop as the
element would, with one frame: a synthetic one with objects on it, a picture, or
one of a video. Print the result, what it means, and the time of the calls. No
pipeline runs. The output of the library goes to stderr.
If FILE is a stream configuration, a JSON file, all errors that `run` would report
are reported without playing it: keys, elements, files, libraries (which are
started and stopped) and the signal callback."""

MORE = """\
The calls get frames with the numbers 0, 1, 2 ..., each a 30th of a second (or one
frame of the video) later than the one before, with the same picture.
The objects of a synthetic frame follow DeepStream: class_id 0 is a car, 1 a
bicycle, 2 a person. Pictures and frames of videos have none.

The object of --json has:
  empycustom             the version
  library                FILE
  options                the options that the callbacks got
  declared               by name: default, description, limits, choices, unit,
                         required and was (its name before) of each option that
                         the library declares; null: it declares none
  mandatory              whether no frame may go on without the library
  stateful               whether the library needs all frames in their order
  dialect                name, and why: how the library is called
  call                   --class, --function, --arg, --kwarg and the like
  missing                line and text of each use of what is not there, in
                         modules of other projects
  frame                  format, width, height, source, stream_time, objects
  calls                  callback, arguments and line of each, in their order
  results                a list, with an object for process_ip and for process
  results[].callback     process_ip or process
  results[].type         Python type of the last result
  results[].returned     the last result as JSON; of modules of other projects
                         what they changed, as our libraries return it
  results[].dropped      why the frame is dropped; null: it is not
  results[].objects      its attributes for each object; null: nothing
  results[].frame        its attributes for the frame
  results[].batch        its attributes for the batch
  results[].new_objects  a list
  results[].changed_objects  a list, for each object what is changed; {}: nothing
  results[].removed_objects  a list of the indices of objects that are removed
  results[].pixels       unchanged, changed or dropped
  results[].warnings     a list of texts
  results[].time_ms      best, median and worst, and the number of calls
  warnings               a list of texts about the file
  ended                  the message, if a call ended the stream
  saved                  the picture of --save
  error                  message and details; then the exit code is 1

Of a configuration it has:
  empycustom             the version
  configuration          FILE
  streams                stream_id, source and stages of each
  streams[].stages       path, element, library, callback, format, memory
  callback               the signal callback's name, or null
  warnings               a list of texts
  error                  as above

examples:
  empycustom check my_lib.py
  empycustom check my_lib.py --options '{"person_class_id": 2}' --objects 5
  empycustom check my_lib.py --format I420 --size 1920x1080 --repeat 100
  empycustom check my_lib.py --image photo.jpg --save boxes.png
  empycustom check my_lib.py --video street.mp4 --at 1:12.5 --save boxes.png
  empycustom check counter.py --class Counter --kwarg '{"line": 3}'
  empycustom check my_lib.py --json | jq .results[0].time_ms.median
  empycustom check emi_stream_config.json"""

_OF_LIBRARIES = {
    "options": "--options",
    "format": "--format",
    "size": "--size",
    "objects": "--objects",
    "repeat": "--repeat",
    "image": "--image",
    "video": "--video",
    "at": "--at",
    "save": "--save",
    "call": "--dialect, --class, --function, --arg, --kwarg and the like",
}
_OF_CONFIGURATIONS = {"sources": "--source", "settings": "--set", "allow_outside": "--allow-outside"}


def add_checked(check: argparse.ArgumentParser, options_help: str, outside_help: str) -> None:
    """Add the arguments."""
    add = check.add_argument
    add("library", metavar="FILE", help="a library, a dotted module name, or a stream configuration")
    add("--options", type=str, metavar="JSON", help=options_help)
    add("--image", metavar="FILE", help="a picture as the frame")
    add("--video", metavar="FILE", help="a frame of a video as the frame: the first one, or the one at --at")
    add(
        "--at",
        type=lambda text: parse_time(text).ns / 1e9,
        metavar="TIME",
        help="time in the video: seconds, as 12.5, or 1:20, or 1:00:03.5",
    )
    add("--save", metavar="FILE", help="write the frame after the last call, with boxes and attributes, as .png or .jpg")
    add(
        "--format",
        "--pixel-format",
        metavar="NAME",
        help="pixel format of the frame (default: RGBA; BGR for gvapython, RGB for hailopython)",
    )
    add("--size", type=_size, metavar="WxH", help="size of the frame (default: 640x480, or that of the picture)")
    add("--objects", type=at_least(0), metavar="N", help="objects on the frame (default: 3, on pictures 0)")
    add("--repeat", type=at_least(1), metavar="N", help="number of timed calls (default: 10)")
    add("--json", action="store_true", help="print one JSON object")
    add_called(check)
    add = check.add_argument_group("for a stream configuration").add_argument
    add("--source", action="append", default=[], dest="sources", metavar="URI", help=SOURCE_HELP)
    add("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE", help=SET_HELP.partition(";")[0])
    add("--allow-outside", action="store_true", help=outside_help)


def check_checked(parser: argparse.ArgumentParser, args: Any) -> None:
    """End with a usage error if arguments do not go together; fill in defaults."""
    if is_configuration(args.library):
        refuse_others(parser, args, _OF_LIBRARIES, "does not go with a stream configuration")
        return
    refuse_others(parser, args, _OF_CONFIGURATIONS, "is for a stream configuration, a file whose name ends in .json")
    if args.image and args.video:
        parser.error("--image and --video are both a frame; give one of them")
    if args.at is not None and not args.video:
        parser.error("--at belongs to --video, and there is none; write --video FILE --at TIME")
    args.repeat, args.at = args.repeat or 10, args.at or 0.0


def _size(text: str) -> tuple[int, int]:
    """Return ``640x480`` as (640, 480)."""
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        width = height = 0
    if not (1 <= width <= 16384 and 1 <= height <= 16384):
        raise argparse.ArgumentTypeError(f"{text} is not a size; write it as 640x480")
    return width, height
