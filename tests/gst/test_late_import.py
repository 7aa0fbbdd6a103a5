"""A program that has got elements of others before it loads ours: PyGObject has made classes of its own of their base classes."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst
Gst.init(None)
pipeline = Gst.parse_launch(
    "videotestsrc num-buffers=3 ! video/x-raw,format=RGBA,width=16,height=16 ! identity name=first ! fakesink name=last"
)
first = pipeline.get_by_name("first")
assert type(first).__mro__[1].__module__ == "__gi__", "PyGObject knows better now: this test is in vain"
{more}
import empycustom
empycustom.register()

def library(buffer, in_meta, options):
    print(in_meta["frame"][0]["frame_num"], flush=True)

{how}
first.set_property("silent", False)
pipeline.set_state(Gst.State.PLAYING)
message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
assert message and message.type == Gst.MessageType.EOS, message and message.parse_error()
pipeline.set_state(Gst.State.NULL)
"""
ELEMENT = """
ours = Gst.ElementFactory.make("empycustom")
ours.set_property("in-place", True)
ours.library = library
last = pipeline.get_by_name("last")
first.unlink(last)
pipeline.add(ours)
first.link(ours)
ours.link(last)
"""
LOADED = "gi.require_version('GstBase', '1.0')\nfrom gi.repository import GstBase\nGstBase.BaseTransform\n"


@pytest.mark.parametrize("more", ["", LOADED], ids=["as it is", "GstBase is loaded"])
@pytest.mark.parametrize("how", [ELEMENT, 'empycustom.attach(first.get_static_pad("src"), library)'], ids=["element", "attach"])
def test_elements_of_others_first(how, more, env_with, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(how=how, more=more))
    done = subprocess.run(
        [sys.executable, str(program)], env=env_with(), capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "0\n1\n2\n"), done.stderr
    assert done.stderr == ""
