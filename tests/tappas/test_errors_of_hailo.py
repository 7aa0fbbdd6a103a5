"""docs/errors.md: each message about Hailo's modules and metadata is provoked, and each that is provoked stands there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))

from error_rows import compare

ATTACH = "import ctypes\nlib = ctypes.CDLL({!r})\nlib.attach.argtypes = [ctypes.c_void_p, ctypes.c_long]\n"
ADDS = {"obj_label": "cat", "rect_params": {"left": 1, "top": 2, "width": 3, "height": 4}}
MODULES = [
    ("", "def walk(f):\n    pass\n"),
    ("finalize-function=end", "def run(f):\n    pass\n"),
    ("", "run = 3\n"),
    ("", "async def run(f):\n    return 0\n"),
    ("", "def run():\n    pass\n"),
    ("finalize-function=end", "def run(f):\n    pass\ndef end(x):\n    pass\n"),
    ("", "def run(f):\n    pass\n"),
    ("", "from gi.repository import Gst\ndef run(f):\n    return Gst.FlowReturn.ERROR\n"),
    ("", "from gi.repository import Gst\ndef run(f):\n    return Gst.FlowReturn.EOS\n"),
    ("", "from gi.repository import Gst\ndef run(f):\n    return Gst.FlowReturn.CUSTOM_SUCCESS_1\n"),
    ("workers=1", "def run(f):\n    f.roi\n"),
    ("class=A", "def run(f):\n    return 0\n"),
]


def test_messages_about_hailos_modules_and_metadata(launch, gst_launch, standin, library):
    messages = []
    for index, (properties, text) in enumerate(MODULES):
        file = library(text, f"lib{index}.py")
        done = launch(f"videotestsrc num-buffers=1 ! hailopython module={file} {properties} ! fakesink")
        messages.append(message_in(done.text))
    missing = library("def run(f):\n    f.roi\n", "lib.py")
    messages.append(message_in(gst_launch(f"videotestsrc num-buffers=1 ! hailopython module={missing} ! fakesink").text))
    attach = ATTACH.format(str(standin / "meta.so"))
    attaches = library(f"{attach}def process_ip(b, m, o):\n    lib.attach(hash(b), o['number'])\n", "upstream/attaches.py")
    adds = library(f"def process_ip(b, m, o):\n    return {{'frame': [{{'new_object': [{ADDS!r}]}}]}}\n", "adds.py")
    for number, run in ((1, gst_launch), (0, launch)):
        head = f"""videotestsrc num-buffers=1 ! empycustom in-place=true custom-lib={attaches} options='{{"number": {number}}}'"""
        messages.append(message_in(run(f"{head} ! empycustom in-place=true custom-lib={adds} ! fakesink").text))
    compare("Hailo's modules and metadata", messages)


def message_in(text):
    """Return the first message of one of our elements that gst-launch-1.0 printed."""
    end = r"INFO:\n[^\n]*\n([^\n]+)"
    found = re.search(rf"from element [^\n]*?(?:hailopython|empycustom)[^\n:]*: ?\n?([^\n]+)|{end}", text)
    assert found, text
    return (found[1] or found[2]).strip()
