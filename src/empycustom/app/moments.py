"""Times in a video as they are typed: ``80``, ``1:20``, ``0:01:20.5``."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from decimal import Decimal
from functools import reduce
from typing import NamedTuple

_NS = 10**9  # of a second
_LONGEST_S = 10**9
_WHOLE, _FRACTION = re.compile("[0-9]+"), re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")


class Moment(NamedTuple):
    """A time in a video, in nanoseconds, and how it was typed."""

    ns: int
    text: str


def moment(text: str) -> Moment:
    """Read a time: seconds, m:ss or h:mm:ss, with a fraction or without."""
    *whole, last = text.split(":")
    if len(whole) < 3 and all(map(_WHOLE.fullmatch, whole)) and _FRACTION.fullmatch(last):
        numbers = [Decimal(part) for part in (*whole, last)]
        seconds = reduce(lambda sum, number: sum * 60 + number, numbers)
        if all(number < 60 for number in numbers[1:]) and seconds < _LONGEST_S:
            return Moment(int(seconds * _NS), text)
    raise ArgumentTypeError(f"{text} is not a time; write seconds, as 12.5, or 1:20, or 1:00:03.5")


def length(text: str) -> Moment:
    """The same of how long something is, which is not 0."""
    read = moment(text)
    if not read.ns:
        raise ArgumentTypeError(f"{text} is not a time that lasts; write how long, as 12.5, or 1:20, or 1:00:03.5")
    return read
