"""Buffers straight from C: when that is possible, the objects it makes, and the slots of a class of the test's own."""

import subprocess
import sys
from typing import ClassVar

import pytest

from empycustom.gstreamer import PYGOBJECT_INTERFACE, PYGOBJECT_VERSION, Gst, GstBase
from empycustom.native import fastpath
from empycustom.native.loading import buffer_at, ffi, glib

SWITCH = "EMPYCUSTOM_FAST_PATH"
needs_interface = pytest.mark.skipif(PYGOBJECT_INTERFACE is None, reason="this PyGObject has no interface for C")

# When.


@pytest.mark.parametrize("value", ["off", "OFF", "Off", "0", "no", "No", "false", "FALSE"])
def test_it_is_switched_off_by_the_environment(monkeypatch, value):
    monkeypatch.setenv(SWITCH, value)
    assert fastpath.reason_unavailable((3, 42, 2), object()) == f"{SWITCH}={value}"


@pytest.mark.parametrize("value", [None, "", "on", "1", "yes", "true", "offf", " off", "-1"])
def test_other_values_leave_it_on(monkeypatch, value):
    monkeypatch.delenv(SWITCH, raising=False)
    if value is not None:
        monkeypatch.setenv(SWITCH, value)
    assert fastpath.reason_unavailable((3, 42, 2), object()) == ""


def test_without_the_interface_of_pygobject_it_is_missing(monkeypatch):
    monkeypatch.delenv(SWITCH, raising=False)
    assert fastpath.reason_unavailable((3, 42, 2), None) == "PyGObject 3.42.2 is not known to have it"


@pytest.mark.parametrize("version", [(2, 28, 6), (3, 29, 99), (4, 0, 0), (4,), (10, 0, 1)])
def test_a_pygobject_that_nobody_tried_is_left_alone(monkeypatch, version):
    monkeypatch.delenv(SWITCH, raising=False)
    assert fastpath.reason_unavailable(version, object()) == f"PyGObject {'.'.join(map(str, version))} is not known to have it"


@pytest.mark.parametrize("version", [(3, 30, 0), (3, 42, 2), (3, 50), (3, 58, 1), (3, 99, 99), PYGOBJECT_VERSION])
def test_every_pygobject_from_3_30_to_4_will_do(monkeypatch, version):
    monkeypatch.delenv(SWITCH, raising=False)
    assert fastpath.reason_unavailable(version, object()) == ""


def test_a_python_without_the_gil_or_not_in_c_is_left_alone(monkeypatch):
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert "without the GIL" in fastpath.reason_unavailable((3, 42, 2), object())
    monkeypatch.setattr(fastpath.platform, "python_implementation", lambda: "PyPy")
    assert "PyPy" in fastpath.reason_unavailable((3, 42, 2), object())


# The objects.


def references(buffer):
    return buffer_at(hash(buffer)).mini_object.refcount


@pytest.fixture
def make():
    return fastpath.boxed_constructor(PYGOBJECT_INTERFACE)


@needs_interface
def test_an_object_is_made_of_an_address_and_takes_no_reference(make):
    buffer = Gst.Buffer.new_wrapped(b"abcd")
    buffer.pts = 7
    made = make(hash(Gst.Buffer.__gtype__), hash(buffer), 0, 0)
    assert type(made) is Gst.Buffer
    assert made is not buffer
    assert hash(made) == hash(buffer)
    assert (made.pts, made.get_size(), made.extract_dup(0, 4)) == (7, 4, b"abcd")
    assert references(buffer) == 1
    made.pts = 8
    assert buffer.pts == 8


@needs_interface
def test_what_is_made_can_be_mapped_for_writing(make):
    buffer = Gst.Buffer.new_allocate(None, 4, None)
    made = make(hash(Gst.Buffer.__gtype__), hash(buffer), 0, 0)
    ok, info = made.map(Gst.MapFlags.WRITE)
    assert ok
    info.data[:] = b"wxyz"
    made.unmap(info)
    assert buffer.extract_dup(0, 4) == b"wxyz"
    assert references(buffer) == 1


@needs_interface
def test_many_made_and_dropped_leave_the_reference_count_as_it_was(make):
    buffer = Gst.Buffer.new_allocate(None, 4, None)
    gtype, address = hash(Gst.Buffer.__gtype__), hash(buffer)
    for _ in range(1000):
        make(gtype, address, 0, 0)
    kept = [make(gtype, address, 0, 0) for _ in range(1000)]
    assert references(buffer) == 1
    assert {hash(made) for made in kept} == {address}
    del kept
    assert references(buffer) == 1
    assert buffer.get_size() == 4


@needs_interface
def test_references_that_others_hold_stay(make):
    buffer = Gst.Buffer.new_allocate(None, 4, None)
    other = buffer.copy()  # takes a reference, no more
    assert references(buffer) == 2
    make(hash(Gst.Buffer.__gtype__), hash(buffer), 0, 0)
    assert references(buffer) == 2
    del other
    assert references(buffer) == 1


# The slots.

ANY = Gst.Caps.new_any()


class Probe(GstBase.BaseTransform):
    __gtype_name__ = "EmPyCustomTestFastPathProbe"
    __gstmetadata__ = ("Probe", "Filter", "An element of the tests", "The empycustom developers")
    __gsttemplates__ = tuple(
        Gst.PadTemplate.new(name, direction, Gst.PadPresence.ALWAYS, ANY)
        for name, direction in (("sink", Gst.PadDirection.SINK), ("src", Gst.PadDirection.SRC))
    )
    by_pygobject: ClassVar[list] = []

    def do_transform_ip(self, buffer):
        self.by_pygobject.append(hash(buffer))
        return Gst.FlowReturn.OK


FIELDS = {field.get_name(): field.get_offset() for field in GstBase.BaseTransformClass.__info__.get_fields()}
OFFSETS = {name: FIELDS[name] for name in ("transform_ip", "transform")}
fastpath.override_vfuncs(hash(Probe.__gtype__), OFFSETS)


def slot(name):
    """Return the function in the slot of the class, as C calls it."""
    kind = {"transform_ip": "int(*)(uintptr_t, uintptr_t)", "transform": "int(*)(uintptr_t, uintptr_t, uintptr_t)"}[name]
    start = ffi.cast("char *", glib.g_type_class_ref(hash(Probe.__gtype__)))
    return ffi.cast(kind, ffi.cast("void **", start + OFFSETS[name])[0])


class Entered:
    """What an element at an address was called for."""

    def __init__(self, address, *, flow=0, error=None, transform=True):
        self.address, self.calls, self.failures, self.flow, self.error = address, [], [], flow, error
        fastpath.register(address, self.failures.append, self.work, self.work if transform else None)

    def work(self, *addresses):
        self.calls.append(addresses)
        if self.error is not None:
            raise self.error
        return self.flow


@pytest.fixture
def entered():
    made = []

    def enter(*arguments, **more):
        made.append(Entered(*arguments, **more))
        return made[-1]

    yield enter
    for item in made:
        fastpath.unregister(item.address)


def pipeline_of(probe, n=3):
    pipeline = Gst.Pipeline.new(None)
    source, sink = Gst.ElementFactory.make("fakesrc"), Gst.ElementFactory.make("fakesink")
    source.set_property("num-buffers", n)
    for element in (source, probe, sink):
        pipeline.add(element)
    assert source.link(probe)
    assert probe.link(sink)
    return pipeline


def test_buffers_of_a_pipeline_come_past_pygobject(play, entered):
    probe = Probe()
    probe.set_in_place(True)
    mine = entered(hash(probe))
    Probe.by_pygobject.clear()
    assert play(pipeline_of(probe)).ended
    assert [len(addresses) for addresses in mine.calls] == [1, 1, 1]
    assert all(address for (address,) in mine.calls)
    assert Probe.by_pygobject == mine.failures == []


@pytest.mark.parametrize(
    "error", [ValueError("no"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), MemoryError()], ids=repr
)
def test_what_is_raised_goes_to_failed_and_the_flow_ends(play, entered, capfd, error):
    probe = Probe()
    probe.set_in_place(True)
    mine = entered(hash(probe), error=error)
    played = play(pipeline_of(probe))
    assert mine.failures == [error]
    assert len(mine.calls) == 1
    assert not played.ended
    assert "reason error (-5)" in played.errors[0][1], "the source tells what its buffers came back with"
    assert capfd.readouterr().err == "", "cffi prints nothing of its own"


@pytest.mark.parametrize("flow", [0, 100, -5, -2])
def test_what_is_returned_goes_to_c(entered, flow):
    mine = entered(0x1000, flow=flow)
    assert slot("transform_ip")(0x1000, 0x2000) == flow
    assert slot("transform")(0x1000, 0x2000, 2**64 - 16) == flow
    assert mine.calls == [(0x2000,), (0x2000, 2**64 - 16)]


@pytest.mark.parametrize(("name", "buffers"), [("transform_ip", (1,)), ("transform", (1, 2))])
def test_an_exception_between_two_buffers_is_also_reported(entered, name, buffers):
    error = LookupError("gone")
    mine = entered(0x1000, error=error)
    assert slot(name)(0x1000, *buffers) == -5
    assert mine.failures == [error]
    assert mine.calls == [buffers]


def test_each_element_has_what_it_entered_with(entered):
    one, two = entered(0x1000, flow=1), entered(0x2000, flow=2)
    call = slot("transform_ip")
    assert [call(0x1000, 5), call(0x2000, 6), call(0x1000, 7)] == [1, 2, 1]
    assert (one.calls, two.calls) == ([(5,), (7,)], [(6,)])
    fastpath.unregister(0x1000)
    assert call(0x2000, 8) == 2
    assert two.calls == [(6,), (8,)]


def test_entering_again_replaces_and_leaving_twice_does_nothing(entered):
    first, second = entered(0x1000), entered(0x1000, flow=9)
    assert slot("transform_ip")(0x1000, 5) == 9
    assert (first.calls, second.calls) == ([], [(5,)])
    fastpath.unregister(0x1000)
    fastpath.unregister(0x1000)
    fastpath.unregister(0x3000)


def test_nothing_is_kept_of_an_element_that_is_unregistered():
    """Its callbacks would keep it, and its library, forever."""
    mine = Entered(0x1000)
    held = sys.getrefcount(mine)
    fastpath.unregister(0x1000)
    assert sys.getrefcount(mine) == held - 2  # its two bound methods
    assert not any(0x1000 in table for table in fastpath._TABLES)


# The end of the interpreter.


def test_nothing_is_called_when_all_are_unregistered(entered):
    mine = entered(0x1000)
    fastpath._unregister_all()
    assert [slot("transform_ip")(0x1000, 5), slot("transform")(0x1000, 5, 6)] == [-2, -2], "flushing: the end, without an error"
    assert mine.calls == mine.failures == []


AT_EXIT = """
import atexit, builtins, time

seen = builtins.seen = []

@atexit.register  # before the package registers its own, so it is called after that
def last():
    before = len(seen)
    time.sleep(0.3)
    print(before > 0, len(seen) - before)

import empycustom
from empycustom.gstreamer import Gst

empycustom.register()
pipeline = Gst.parse_launch("videotestsrc is-live=true ! video/x-raw,framerate=200/1 ! empycustom in-place=true custom-lib={lib} ! fakesink")
pipeline.set_state(Gst.State.PLAYING)
while len(seen) < 5:
    time.sleep(0.01)
"""


@pytest.mark.skipif(bool(fastpath.reason_unavailable(PYGOBJECT_VERSION, PYGOBJECT_INTERFACE)), reason="no fast path here")
def test_no_frame_reaches_a_library_at_the_end_of_the_interpreter(tmp_path):
    library = tmp_path / "lib.py"
    library.write_text("import builtins\ndef process_ip(b, m, o):\n    builtins.seen.append(1)\n")
    done = subprocess.run(
        [sys.executable, "-c", AT_EXIT.replace("{lib}", str(library))], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True 0\n", "")


AFTER_THE_END = """
import ctypes
import empycustom
from empycustom.gstreamer import Gst

empycustom.register()
libc, gst = ctypes.CDLL(None), ctypes.CDLL("libgstreamer-1.0.so.0")
pipeline = Gst.parse_launch("videotestsrc name=s ! empycustom in-place=false ! perf ! aimeta ! fakesink")
pad = pipeline.get_by_name("s").get_static_pad("src")
for kept in (pipeline, pad):
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
text = ctypes.create_string_buffer(b"asked")
ctypes.pythonapi.Py_IncRef(ctypes.py_object(text))
libc.__cxa_atexit(libc.puts, text, None)  # the last one is called first
libc.__cxa_atexit(gst.gst_pad_get_allowed_caps, ctypes.c_void_p(hash(pad)), None)  # asks all elements for their caps
"""


def test_caps_are_negotiated_after_the_end_of_the_interpreter():
    """As a thread of GStreamer may do in a pipeline that is just starting: PyGObject returns NULL then, not caps."""
    done = subprocess.run([sys.executable, "-c", AFTER_THE_END], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "asked\n", "")
