"""How what `empycustom.attach` began ends: by `close`, from wherever it is called, with its pad, and with the program."""

from __future__ import annotations

import gc
import threading
import time

import pytest
from driven import wait_until
from programs import both_ways

import empycustom
from empycustom.errors import CallbackError
from empycustom.gstreamer import Gst
from empycustom.native import probes
from empycustom.session import attach as ours

SMALL = "video/x-raw,format=RGBA,width=16,height=16,framerate=30/1"
LIVE = f"videotestsrc is-live=true ! {SMALL} ! fakesink name=end sync=false async=false"


class Noting:
    """A library that notes what is called; ``during`` is called in each call."""

    def __init__(self, during=None):
        self.notes, self.during = [], during or (lambda: None)

    def start(self, _options):
        self.notes.append("start")

    def process_ip(self, _buffer, _in_meta, _options):
        self.notes.append("enter")
        self.during()
        self.notes.append("leave")

    def stop(self, _options):
        self.notes.append("stop")


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = len(probes._callbacks), len(probes._when_freed)
    yield
    gc.collect()
    assert not ours._open
    assert (len(probes._callbacks), len(probes._when_freed)) == before


@pytest.fixture
def live():
    """A pipeline of a live source that plays, with its last pad."""
    pipeline = Gst.parse_launch(LIVE)
    pipeline.set_state(Gst.State.PLAYING)
    yield pipeline.get_by_name("end").get_static_pad("sink")
    pipeline.set_state(Gst.State.NULL)


def passed(pad):
    """Wait until a buffer has gone through a pad."""
    seen = threading.Event()
    pad.add_probe(Gst.PadProbeType.BUFFER, lambda *_: seen.set() or Gst.PadProbeReturn.REMOVE)
    assert seen.wait(30)


def test_close_waits_for_the_call_and_then_nothing_is_called(live):
    inside, go_on = threading.Event(), threading.Event()
    library = Noting(lambda: (inside.set(), go_on.wait(30)))
    attached = empycustom.attach(live, library)
    assert inside.wait(30)
    closing = threading.Thread(target=attached.close)
    closing.start()
    time.sleep(0.1)
    assert closing.is_alive()
    assert library.notes == ["start", "enter"]
    go_on.set()
    closing.join(30)
    assert library.notes == ["start", "enter", "leave", "stop"]
    passed(live)
    attached.close()
    assert library.notes == ["start", "enter", "leave", "stop"]


def test_a_library_closes_itself(live):
    attached = []
    library = Noting(lambda: attached[0].close())
    attached.append(empycustom.attach(live, library, process_interval=30))
    wait_until(lambda: "stop" in library.notes)
    assert library.notes == ["start", "enter", "leave", "stop"]
    passed(live)


def test_a_handler_of_a_signal_closes_it(live):
    library = Noting()
    library.process_ip = lambda _buffer, _in_meta, _options: {"frame": {"x": 1}}
    attached = empycustom.attach(live, library)
    attached.element.connect("new-meta", lambda *_: attached.close())
    wait_until(lambda: "stop" in library.notes)


def test_an_error_of_stop_is_raised_and_does_not_hide_another():
    class Bad(Noting):
        def stop(self, _options):
            raise ValueError("no")

    sink = Gst.ElementFactory.make("fakesink")
    with pytest.raises(CallbackError, match="stop raised ValueError: no"), empycustom.attach(sink.get_static_pad("sink"), Bad()):
        pass
    with pytest.raises(KeyError, match="mine"), empycustom.attach(sink.get_static_pad("sink"), Bad()):
        raise KeyError("mine")


def test_stop_is_called_when_the_pad_is_gone(play):
    """Nobody keeps what `attach` returned, and nobody closes it: neither it nor the element stays."""
    library = Noting()
    pipeline = Gst.parse_launch(f"videotestsrc num-buffers=2 ! {SMALL} ! fakesink name=end")
    freed = empycustom.attach(pipeline.get_by_name("end").get_static_pad("sink"), library).element.weak_ref()
    assert play(pipeline).ended
    assert library.notes == ["start", *["enter", "leave"] * 2]
    del pipeline
    wait_until(lambda: "stop" in library.notes)
    wait_until(lambda: gc.collect() is not None and freed() is None)


def test_a_pad_that_is_given_back(live):
    """A request pad, as a program adds and removes one while it plays."""
    library = Noting()
    tee = Gst.ElementFactory.make("tee")
    pad = tee.request_pad_simple("src_%u")
    empycustom.attach(pad, library)
    tee.release_request_pad(pad)
    del pad
    wait_until(lambda: "stop" in library.notes)
    assert library.notes == ["start", "stop"]


def test_threads_that_attach_and_close_again_and_again(live):
    """Each sees frames by its own library alone, and the pad is as it was before."""
    libraries, failed = [], []

    def run():
        try:
            for _ in range(20):
                library = Noting()
                libraries.append(library)
                with empycustom.attach(live, library):
                    wait_until(lambda library=library: "leave" in library.notes)
        except BaseException as error:  # noqa: BLE001 - a thread has nobody to raise to
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failed == []
    assert len(libraries) == 160
    for library in libraries:
        calls = library.notes[1:-1]
        assert [library.notes[0], library.notes[-1]] == ["start", "stop"]
        assert calls == ["enter", "leave"] * (len(calls) // 2)
    passed(live)


def test_threads_that_close_the_same(live):
    for _ in range(20):
        library = Noting()
        attached = empycustom.attach(live, library)
        threads = [threading.Thread(target=attached.close) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert library.notes.count("stop") == 1


def test_a_paused_pipeline_does_not_keep_close_waiting():
    """The stream ends in a call, and the end waits downstream."""
    ended = threading.Event()

    def ends(_buffer, _in_meta, _options):
        ended.set()
        raise empycustom.EndOfStream

    pipeline = Gst.parse_launch(f"videotestsrc ! {SMALL} ! identity name=i ! queue ! fakesink sync=true")
    attached = empycustom.attach(pipeline.get_by_name("i").get_static_pad("src"), ends)
    pipeline.set_state(Gst.State.PAUSED)
    assert ended.wait(30)
    attached.close()
    pipeline.set_state(Gst.State.NULL)


def test_a_flush_waits_for_no_call():
    inside, go_on = threading.Event(), threading.Event()
    library = Noting(lambda: (inside.set(), go_on.wait(30)))
    pipeline = Gst.parse_launch(f"videotestsrc ! {SMALL} ! identity name=i ! fakesink")
    pad = pipeline.get_by_name("i").get_static_pad("sink")
    with empycustom.attach(pad, library):
        pipeline.set_state(Gst.State.PLAYING)
        assert inside.wait(30)
        flushing = threading.Thread(target=pad.send_event, args=[Gst.Event.new_flush_start()])
        flushing.start()
        flushing.join(30)
        assert not flushing.is_alive()
        assert library.notes == ["start", "enter"]
        go_on.set()
        pipeline.set_state(Gst.State.NULL)


def test_a_library_that_changes_is_loaded_anew(live, library):
    pytest.importorskip("watchfiles")
    lib = library("def process_ip(b, m, o):\n    return {'frame': {'version': 1}}\n")
    with empycustom.attach(live, lib, reload=True) as attached:
        wait_until(lambda: attached.element.get_property("last-meta") == '{"frame":{"version":1}}')
        lib.write_text("def process_ip(b, m, o):\n    return {'frame': {'version': 22}}\n")
        wait_until(lambda: attached.element.get_property("last-meta") == '{"frame":{"version":22}}')


# The end of a program.

AT_THE_END = """
class Library:
    def start(self, options):
        self.calls = 0
    def process_ip(self, buffer, in_meta, options):
        self.calls += 1
        return {"frame": {"calls": self.calls}}
    def stop(self, options):
        print("stopped", self.calls > 0, flush=True)

pipeline = Gst.parse_launch(
    f"videotestsrc is-live=true ! {SMALL} ! tee name=t ! queue ! fakesink name=a sync=false async=false "
    "t. ! queue ! fakesink name=b sync=false async=false"
)
seen = {"a": 0, "b": 0}
def see(pad, info, name):
    seen[name] += 1
    return Gst.PadProbeReturn.OK
for name in seen:
    pad = pipeline.get_by_name(name).get_static_pad("sink")
    empycustom.attach(pad, Library())
    pad.add_probe(Gst.PadProbeType.BUFFER, see, name)
pipeline.set_state(Gst.State.PLAYING)
while min(seen.values()) < 5:
    pass
print("ends", flush=True)
"""


@both_ways
def test_a_program_ends_while_its_pipeline_plays(way, python):
    done = python(AT_THE_END, way)
    assert done.stdout.split("\n") == ["ends", "stopped True", "stopped True", ""]
    assert done.stderr == ""


def test_a_program_ends_while_a_call_does_not_return(python):
    done = python(
        "from empycustom.session import attach\n"
        "attach._GRACE_S = 0.5\n"
        "inside, go_on = threading.Event(), threading.Event()\n"
        "pipeline = Gst.parse_launch(f'videotestsrc ! {SMALL} ! fakesink name=end')\n"
        "library = lambda buffer, in_meta, options: (inside.set(), go_on.wait())[:0]\n"
        "empycustom.attach(pipeline.get_by_name('end').get_static_pad('sink'), library)\n"
        "pipeline.set_state(Gst.State.PLAYING)\n"
        "inside.wait()\n"
    )
    assert done.stderr == "end:sink: a call does not return, and the program ends without stop\n"
