"""What can be typed for ``empycustom check``, and what does not go together."""

from __future__ import annotations

import argparse
from typing import Any

from empycustom.app.configured import SET_HELP, SOURCE_HELP, is_configuration, refuse_others
from empycustom.app.libraries import at_least
from empycustom.app.moments import moment

TEXT = """\
Load a library, call start, process_ip or process (or both) and stop as the
element would, on one frame: a synthetic one with objects on it, a picture, or
one of a video. Say what came back, what that means, and how long it took. No
pipeline runs. What the library prints goes to stderr.
If FILE is a stream configuration, a JSON file, all that `run` would refuse is
told without playing it: keys, elements, files, libraries (which are started and
stopped) and the signal callback."""

MORE = """\
The calls get frames with the numbers 0, 1, 2 ..., each a 30th of a second (or
what the video says) later than the one before, with the same picture.
The objects of a synthetic frame follow DeepStream: class_id 0 is a car, 1 a
bicycle, 2 a person. Pictures and frames of videos have none.

The object of --json has:
  empycustom             the version
  library                FILE
  options                what the callbacks got
  frame                  format, width, height, source, stream_time, objects
  calls                  callback, arguments and line of each, in their order
  results                a list, with an object for process_ip and for process
  results[].callback     process_ip or process
  results[].type         of what the last call returned, in Python
  results[].returned     the same as JSON
  results[].objects      what that means for each object; null: nothing
  results[].frame        for the frame
  results[].batch        for the batch
  results[].new_objects  a list
  results[].pixels       unchanged, changed or dropped
  results[].warnings     a list of texts
  results[].time_ms      best, median and worst, and the number of calls
  warnings               a list of texts about the file
  ended                  what is said where a call ended the stream
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
}
_OF_CONFIGURATIONS = {"sources": "--source", "settings": "--set", "allow_outside": "--allow-outside"}


def add_checked(check: argparse.ArgumentParser, options_help: str, outside_help: str) -> None:
    """Add the arguments."""
    add = check.add_argument
    add("library", metavar="FILE", help="a library, a dotted module name, or a stream configuration")
    add("--options", type=str, metavar="JSON", help=options_help)
    add("--image", metavar="FILE", help="a picture as the frame")
    add("--video", metavar="FILE", help="a frame of a video as the frame: the first one, or that of --at")
    add(
        "--at",
        type=lambda text: moment(text).ns / 1e9,
        metavar="TIME",
        help="where in the video: seconds, as 12.5, or 1:20, or 1:00:03.5",
    )
    add("--save", metavar="FILE", help="write the frame after the last call, with boxes and what was said, as .png or .jpg")
    add("--format", metavar="NAME", help="pixel format of the frame (default: RGBA)")
    add("--size", type=_size, metavar="WxH", help="size of the frame (default: 640x480, or that of the picture)")
    add("--objects", type=at_least(0), metavar="N", help="objects on the frame (default: 3, on pictures 0)")
    add("--repeat", type=at_least(1), metavar="N", help="calls that are timed (default: 10)")
    add("--json", action="store_true", help="print one JSON object")
    add = check.add_argument_group("for a stream configuration").add_argument
    add("--source", action="append", default=[], dest="sources", metavar="URI", help=SOURCE_HELP)
    add("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE", help=SET_HELP.partition(";")[0])
    add("--allow-outside", action="store_true", help=outside_help)


def check_checked(parser: argparse.ArgumentParser, chosen: Any) -> None:
    """End with a usage error if what was typed does not go together; fill in what is left out."""
    if is_configuration(chosen.library):
        refuse_others(parser, chosen, _OF_LIBRARIES, "does not go with a stream configuration")
        return
    refuse_others(parser, chosen, _OF_CONFIGURATIONS, "is for a stream configuration, a file whose name ends in .json")
    if chosen.image and chosen.video:
        parser.error("--image and --video are both a frame; give one of them")
    if chosen.at is not None and not chosen.video:
        parser.error("--at belongs to --video, and there is none; write --video FILE --at TIME")
    chosen.format, chosen.repeat, chosen.at = chosen.format or "RGBA", chosen.repeat or 10, chosen.at or 0.0


def _size(text: str) -> tuple[int, int]:
    """``640x480`` as (640, 480)."""
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        width = height = 0
    if not (1 <= width <= 16384 and 1 <= height <= 16384):
        raise argparse.ArgumentTypeError(f"{text} is no size; write it as 640x480")
    return width, height
