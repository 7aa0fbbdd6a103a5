"""docs/errors.md: each message about declared options and shared objects is provoked, and each that is provoked stands there."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from error_rows import compare

import empycustom
from empycustom import testing
from empycustom.errors import CallbackError, SharedError

SOURCE = "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=64,height=48"
HEAD = "import dataclasses\nfrom empycustom import Option\ndef process_ip(b, m, o):\n    pass\n"
REFUSES = "@dataclasses.dataclass\nclass OPTIONS:\n    least: int = 1\n    def __post_init__(self):\n        1 / 0\n"


def test_an_option_is_refused(play, library):
    def said(declared, options=""):
        return play(f"{SOURCE} ! empycustom in-place=true custom-lib={library(HEAD + declared)} {options} ! fakesink").error

    declared = "OPTIONS = {'least': Option(1)}\n"
    messages = [said(declared, f'options="{{\\"{name}\\":{value}}}"') for name, value in (("leest", 1), ("least", "null"))]
    messages += [said("OPTIONS = {'least': Option(1, 'the least', required=True)}\n")]
    messages += [said(REFUSES), said("OPTIONS = [1]\n"), said("MANDATORY = 1\n"), said("STATEFUL = 1\n")]
    compare("An option of the library is refused", messages)


def test_an_object_cannot_be_shared():
    class Asks:
        def __init__(self, load):
            self.load = load

        def process_ip(self, _buffer, _in_meta, _options):
            empycustom.shared("model", self.load)

    def said(load):
        with pytest.raises(CallbackError) as caught:
            testing.run(Asks(load))
        return str(caught.value.__cause__)

    with pytest.raises(SharedError) as outside:
        empycustom.shared("model", list)
    messages = [str(outside.value), said(lambda: empycustom.shared("model", list))]

    begun = threading.Event()

    def fails():
        from empycustom.library import shared

        begun.set()
        waiting.join(0.01)
        while not shared._waits and waiting.is_alive():
            waiting.join(0.01)
        raise ValueError("no such model")

    waiting = threading.Thread(target=lambda: begun.wait(60) and messages.append(said(list)))
    waiting.start()
    said(fails)
    waiting.join(60)
    compare("An object cannot be shared", messages)
