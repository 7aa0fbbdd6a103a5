"""Properties that report their range, enums, floating references, and the debug log."""

import subprocess
import sys
import textwrap
from typing import ClassVar

import pytest

from empycustom.gstreamer import GObject, Gst
from empycustom.native.objects import install_int_property, make_floating, register_enum

READWRITE = int(GObject.ParamFlags.READWRITE)


class Counted(GObject.Object):
    __gtype_name__ = "EmPyCustomTestCounted"
    __gproperties__: ClassVar = {"word": (str, "word", "a property of PyGObject's own", None, GObject.ParamFlags.READWRITE)}

    def __init__(self):
        super().__init__()
        self.seen = []

    def do_get_property(self, spec):
        return self.seen[-1] if self.seen else spec.default_value

    def do_set_property(self, spec, value):
        self.seen.append(value)


install_int_property("EmPyCustomTestCounted", 100, "process-interval", "call for every n-th", (1, 2**31 - 1, 1), READWRITE)
install_int_property("EmPyCustomTestCounted", 101, "level", "how loud", (-5, 5, 0), READWRITE | int(Gst.PARAM_MUTABLE_READY))
install_int_property("EmPyCustomTestCounted", 102, "workers", "how many", (0, 64, 2), READWRITE, signed=False)


def spec(name):
    return next(item for item in Counted.list_properties() if item.name == name)


def test_an_int_property_reports_its_range_default_blurb_and_flags():
    interval = spec("process-interval")
    assert (interval.minimum, interval.maximum, interval.default_value) == (1, 2**31 - 1, 1)
    assert (interval.blurb, interval.value_type) == ("call for every n-th", GObject.TYPE_INT)
    assert interval.__gtype__.is_a(GObject.GType.from_name("GParamInt"))
    workers = spec("workers")
    assert (workers.minimum, workers.maximum, workers.default_value) == (0, 64, 2)
    assert workers.value_type == GObject.TYPE_UINT
    level = spec("level")
    assert (level.minimum, level.maximum, level.default_value) == (-5, 5, 0)
    assert int(level.flags) & int(Gst.PARAM_MUTABLE_READY)


@pytest.mark.parametrize("value", [1, 7, 2**31 - 1, 0, -1, -(2**31)])
def test_every_value_reaches_the_object_bad_ones_too(value):
    thing = Counted()
    thing.set_property("process-interval", value)
    assert thing.seen == [value]
    assert thing.get_property("process-interval") == value


@pytest.mark.parametrize("value", [0, 64, 65, 2**32 - 1])
def test_every_value_without_a_sign_reaches_the_object(value):
    thing = Counted()
    thing.set_property("workers", value)
    assert thing.seen == [value]
    assert thing.get_property("workers") == value


def test_two_such_properties_do_not_mix():
    thing = Counted()
    thing.set_property("level", 9)
    thing.set_property("process-interval", 3)
    assert thing.seen == [9, 3]
    assert Counted().get_property("level") == 0
    assert Counted().get_property("process-interval") == 1


def test_what_is_no_int_is_refused():
    with pytest.raises(TypeError):
        Counted().set_property("process-interval", "many")


register_enum("EmPyCustomTestChoice", [("fail", "stop with an error"), ("pass", "go on"), ("größe", "ä")])


class Chooser(GObject.Object):
    __gtype_name__ = "EmPyCustomTestChooser"
    __gproperties__: ClassVar = {
        "choice": (GObject.GType.from_name("EmPyCustomTestChoice"), "choice", "which", 1, GObject.ParamFlags.READWRITE)
    }
    chosen = 1

    def do_get_property(self, item):
        return self.chosen

    def do_set_property(self, item, value):
        self.chosen = int(value)


@pytest.mark.parametrize(("nick", "number"), [("fail", 0), ("pass", 1), ("größe", 2)])
def test_an_enum_is_set_and_shown_by_its_nicks(nick, number):
    (item,) = [item for item in Chooser.list_properties() if item.name == "choice"]
    assert int(item.default_value) == 1
    chooser = Chooser()
    Gst.util_set_object_arg(chooser, "choice", nick)
    assert chooser.chosen == number
    value = GObject.Value(GObject.GType.from_name("EmPyCustomTestChoice"))
    value.set_enum(number)
    assert Gst.value_serialize(value) in (nick, _quoted(nick))


def _quoted(text):
    """Return a text as GStreamer writes one that is not plain ASCII: in quotes, with its bytes in octal."""
    return '"' + "".join(chr(byte) if byte < 128 else f"\\{byte:o}" for byte in text.encode()) + '"'


def test_a_floating_reference_is_given_back():
    pad = Gst.Pad.new("src", Gst.PadDirection.SRC)  # PyGObject took the floating reference
    before = pad.__grefcount__
    assert not pad.is_floating()
    make_floating(hash(pad))
    assert pad.is_floating()
    assert pad.__grefcount__ == before + 1
    make_floating(hash(pad))
    assert pad.__grefcount__ == before + 1
    holder = Gst.Bin.new("holder")
    holder.add_pad(pad)  # takes the reference over
    assert not pad.is_floating()
    assert pad.__grefcount__ == before + 1
    assert pad.get_parent() is holder


# The debug log. GStreamer reads GST_DEBUG once, so that every test needs its own process.

LOG = """
    from empycustom.gstreamer import Gst
    from empycustom.native.objects import DebugCategory
    log = DebugCategory("python-test", "what a test says", ["test", "other-test"])
    print(log.threshold)
    for level in range(1, 7):
        log.write(level, "/folder/file.py", "function", 7, 0, f"level {level}")
    bin = Gst.Bin.new("holder")
    log.write(1, "file.py", "f", 1, hash(bin), "of größe %s \\0 \\ud800 {}")
"""


def run(debug):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LOG)],
        env={"GST_DEBUG": debug, "GST_DEBUG_NO_COLOR": "1", "PYTHONIOENCODING": "utf-8", "GST_REGISTRY_UPDATE": "no"},
        capture_output=True,
        check=True,
    )
    return int(done.stdout), done.stderr.decode()


@pytest.mark.parametrize(
    ("debug", "threshold"),
    [
        ("", 0),
        ("*:2", 2),
        ("python-test:5", 5),
        ("*python*:6", 6),
        ("test:4", 4),
        ("*test*:6", 6),
        ("other-test:3", 3),
        ("python-test:2,test:6", 6),
        ("python-test:6,test:2", 6),
        ("test:2,other-test:5", 5),
        ("somebody-else:6", 0),
    ],
)
def test_what_a_category_writes(debug, threshold):
    level, text = run(debug)
    assert level == threshold
    assert [number for number in range(1, 7) if f"level {number}\n" in text] == list(range(1, threshold + 1))


def test_a_line_of_the_log_has_category_place_and_object():
    _, text = run("test:6")
    first, *_, last = text.splitlines()
    assert "ERROR" in first
    assert "python-test" in first
    assert "file.py:7:function" in first
    assert "<holder>" in last
    assert last.endswith("of größe %s \\0 \\ud800 {}")
