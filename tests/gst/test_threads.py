"""Claims of docs/library.md about threads: calls of one element never overlap, whoever starts and stops it."""

from __future__ import annotations

import threading
import time

import empycustom
from empycustom.gstreamer import Gst

empycustom.register()

LIBRARY = """\
import sqlite3, threading, time

inside = 0
threads = []


def enter(name):
    global inside
    inside += 1
    threads.append((name, threading.get_ident()))
    alone = inside == 1
    time.sleep(0.001)  # others may come now
    inside -= 1
    if not alone:
        raise RuntimeError(f"{name} is called while another call runs")


def start(options):
    global database
    database = sqlite3.connect(":memory:", check_same_thread=False)
    database.execute("create table seen (frame integer)")
    enter("start")


def process_ip(io_buffer, in_meta, options):
    enter("process_ip")
    database.execute("insert into seen values (?)", [in_meta["frame"][0]["frame_num"]])
    stored = database.execute("select count(*) from seen").fetchone()[0]
    return {"frame": {"stored": stored, "threads": len(set(threads))}}


def stop(options):
    enter("stop")
    database.close()
"""
SOURCE = "videotestsrc is-live={} ! video/x-raw,format=RGBA,width=64,height=48,framerate=200/1"


def test_calls_never_overlap_and_sqlite_works(library):
    """Pipelines start from a barrier, and are stopped and started again, with properties set meanwhile."""
    path = library(LIBRARY)
    barrier = threading.Barrier(4)
    errors, stored = [], []

    def work(index):
        live = "true" if index % 2 else "false"
        element = f"empycustom name=lib in-place=true custom-lib={path}"
        pipeline = Gst.parse_launch(f"{SOURCE.format(live)} ! queue max-size-buffers=2 ! {element} ! queue ! aimeta ! fakesink")
        lib = pipeline.get_by_name("lib")
        barrier.wait()
        for _ in range(3):
            pipeline.set_state(Gst.State.PLAYING)
            before = time.monotonic() + 60
            while time.monotonic() < before and lib.get_property("stats").get_value("processed") < 10:
                lib.set_property("options", '{"a": 1}')
                time.sleep(0.01)
            pipeline.seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH, 0)
            stored.append(lib.get_property("stats").get_value("processed"))
            pipeline.set_state(Gst.State.NULL)
            while (message := pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)) is not None:
                errors.append(message.parse_error())

    threads = [threading.Thread(target=work, args=[index]) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(stored) == 12
    assert min(stored) >= 10


def test_a_streaming_thread_is_not_the_one_that_starts(library, play):
    source = (
        "import threading\nused = {}\ndef start(o):\n    used['start'] = threading.get_ident()\n"
        "def process_ip(b, m, o):\n    used.setdefault('process_ip', threading.get_ident())\n"
        "    return {'frame': {'same': used['start'] == used['process_ip']}}\n"
    )
    played = play(
        f"{SOURCE.format('false')} ! identity eos-after=3 ! empycustom in-place=true custom-lib={library(source)} ! appsink name=out"
    )
    assert [empycustom.document(sample)["frame"][0]["emcustom"] for sample in played.samples] == [{"same": False}] * 2
