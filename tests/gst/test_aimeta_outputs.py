"""Where aimeta's documents go when that is slow, stuck, full or gone: video goes on, and nothing is lost silently."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time

import pytest

import empycustom
from empycustom.gstreamer import Gst

SMALL = "video/x-raw,format=RGBA,width=16,height=16"
LIVE = f"videotestsrc is-live=true ! {SMALL},framerate=500/1"
PATIENCE_S = 5.0


@pytest.fixture(autouse=True)
def _registered():
    empycustom.register()


@pytest.fixture
def fifo(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def numbers_in(text):
    return [json.loads(line)["frame"][0]["frame_num"] for line in text.splitlines()]


def counts_of(meta):
    stats = meta.get_property("stats")
    return {stats.nth_field_name(index): stats.get_value(stats.nth_field_name(index)) for index in range(stats.n_fields())}


class Reader(threading.Thread):
    """Reads a named pipe, after some time, a little at a time."""

    def __init__(self, path, *, sleeps_s=0.0, part=1 << 20, pause_s=0.0):
        super().__init__(daemon=True)
        self.path, self.sleeps_s, self.part, self.pause_s = path, sleeps_s, part, pause_s
        self.data = b""
        self.start()

    def run(self):
        with self.path.open("rb", buffering=0) as file:
            time.sleep(self.sleeps_s)
            while part := file.read(self.part):
                self.data += part
                time.sleep(self.pause_s)

    @property
    def numbers(self):
        self.join(30)
        assert not self.is_alive()
        return numbers_in(self.data.decode())


def test_a_reader_that_sleeps_loses_nothing_of_a_file(play, fifo):
    """The queue is full, and the stream waits."""
    reader = Reader(fifo, sleeps_s=0.5, part=50_000, pause_s=0.005)
    pipeline = Gst.parse_launch(f"videotestsrc num-buffers=5000 ! {SMALL} ! aimeta name=meta location={fifo} ! fakesink")
    played = play(pipeline)

    assert (played.ended, played.errors, played.warnings) == (True, [], [])
    assert reader.numbers == list(range(5000))
    assert counts_of(pipeline.get_by_name("meta")) == {"documents": 5000, "written": 5000, "waiting": 0, "dropped": 0, "lost": 0}


def test_so_it_is_on_the_console(gst_env, tmp_path):
    line = f"gst-launch-1.0 -q videotestsrc num-buffers=3000 ! '{SMALL}' ! aimeta silent=false ! fakesink | (sleep 1; cat)"
    done = subprocess.run(["bash", "-c", line], env=gst_env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert numbers_in(done.stdout) == list(range(3000))


def test_a_live_stream_goes_on_while_nobody_reads(fifo):
    """Frames come when they are due, although the queue and the pipe are full; what had no room is counted, and reported once."""
    pipeline = Gst.parse_launch(f"{LIVE} ! aimeta name=meta location={fifo} ! identity name=i signal-handoffs=true ! fakesink")
    late, clock = [], time.monotonic
    began = []

    def arrive(_identity, buffer):
        began.append(clock() - buffer.pts / Gst.SECOND)
        late.append(clock() - buffer.pts / Gst.SECOND - min(began))

    pipeline.get_by_name("i").connect("handoff", arrive)
    meta = pipeline.get_by_name("meta")
    with open(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), "rb"):  # a reader that does not read
        pipeline.set_state(Gst.State.PLAYING)
        until = clock() + 60
        # A busy machine may delay frames, but the delay goes away again; where frames wait for the reader it grows.
        while (counts_of(meta)["dropped"] < 500 or late[-1] > 0.1) and clock() < until:
            time.sleep(0.01)
        counts = counts_of(meta)
        warnings = warnings_on(pipeline.get_bus())
    pipeline.set_state(Gst.State.NULL)

    assert counts["dropped"] >= 500, counts
    assert counts["waiting"] >= 1000
    assert counts["documents"] == sum(counts[name] for name in ("written", "waiting", "dropped"))
    assert min(late[-100:]) <= 0.1
    assert warnings == [
        f"location={fifo} takes documents more slowly than this live stream makes them; those without room are dropped, and "
        "counted in stats"
    ]


def warnings_on(bus):
    found = []
    while message := bus.pop_filtered(Gst.MessageType.WARNING):
        found.append(message.parse_warning()[0].message)
    return found


@pytest.mark.parametrize("source", [f"videotestsrc num-buffers=6 ! {SMALL}", f"{LIVE} ! identity eos-after=6"])
def test_a_pipe_that_nobody_reads_ends_with_an_error_that_counts(play, fifo, source):
    pipeline = Gst.parse_launch(f"{source} ! aimeta name=meta location={fifo} ! fakesink")
    began = time.monotonic()
    played = play(pipeline)

    assert PATIENCE_S < time.monotonic() - began < 2 * PATIENCE_S
    lost = counts_of(pipeline.get_by_name("meta"))["lost"]
    assert [text for text, _ in played.errors] == [
        f"location={fifo} cannot be written (nothing could be written for 5 s, and {lost} documents are lost); "
        "the file is incomplete"
    ]
    assert lost == 5 + ("num-buffers" in source)


def test_a_reader_sees_the_end_although_all_frames_are_dropped(gst_launch, fifo, tmp_path):
    (tmp_path / "lib.py").write_text("def process_ip(io_buffer, in_meta, options):\n    raise ValueError('no')\n")
    with subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE) as reader:
        line = f"videotestsrc num-buffers=3 ! {SMALL} ! empycustom custom-lib={tmp_path}/lib.py on-error=drop"
        gst_launch(f"{line} ! aimeta location={fifo} ! fakesink")
        try:
            assert reader.communicate(timeout=60)[0] == b""
        finally:
            reader.kill()


def test_a_stream_that_waits_can_be_stopped(fifo):
    """At once for the streaming thread; what was accepted gets its time."""
    pipeline = Gst.parse_launch(f"videotestsrc ! {SMALL} ! aimeta name=meta location={fifo} ! fakesink")
    meta = pipeline.get_by_name("meta")
    pipeline.set_state(Gst.State.PLAYING)
    waits_until_full(meta)
    began = time.monotonic()
    pipeline.set_state(Gst.State.READY)

    assert time.monotonic() - began < 2 * PATIENCE_S
    assert f"and {counts_of(meta)['documents']} documents are lost" in pipeline_error(pipeline)
    pipeline.set_state(Gst.State.NULL)
    assert counts_of(meta)["dropped"] == 0


def waits_until_full(meta):
    seen, until = -1, time.monotonic() + 30
    while (now := counts_of(meta)["documents"]) < 1000 or now != seen:
        assert time.monotonic() < until
        seen = now
        time.sleep(0.1)


def pipeline_error(pipeline):
    message = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    return message.parse_error()[0].message if message else ""


def test_a_stream_that_waits_can_be_flushed(fifo):
    pipeline = Gst.parse_launch(f"videotestsrc ! {SMALL} ! aimeta name=meta location={fifo} ! fakesink")
    meta = pipeline.get_by_name("meta")
    pipeline.set_state(Gst.State.PLAYING)
    waits_until_full(meta)
    began = time.monotonic()
    assert pipeline.seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH, 0)
    assert time.monotonic() - began < PATIENCE_S / 2
    reader = Reader(fifo)
    while counts_of(meta)["documents"] < 3000:
        time.sleep(0.02)
    pipeline.set_state(Gst.State.NULL)
    counts = counts_of(meta)
    assert counts["written"] == counts["documents"] == len(reader.numbers)


def test_a_full_disk_is_an_error_however_short_the_stream(gst_launch, tmp_path):
    for source in (f"videotestsrc num-buffers=1 ! {SMALL}", f"videotestsrc ! {SMALL}", f"{LIVE} ! identity eos-after=3"):
        launched = gst_launch(f"{source} ! aimeta location=/dev/full ! fakesink")
        assert launched.code == 1
        assert "location=/dev/full cannot be written (No space left on device); the file is incomplete" in launched.err
        assert launched.err.count("cannot be written") == 1


def test_a_disk_that_gets_full(gst_env, tmp_path):
    if (
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "-Urm", "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("nothing can be mounted here")
    (tmp_path / "disk").mkdir()
    line = f"gst-launch-1.0 -q videotestsrc num-buffers=20000 ! {SMALL} ! aimeta location=disk/meta.jsonl ! fakesink"
    script = f"mount -t tmpfs -o size=64k tmpfs disk && {line}; echo $? > code; cp disk/meta.jsonl ."
    command = ["unshare", "-Urm", "bash", "-c", script]
    done = subprocess.run(command, env=gst_env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert (tmp_path / "code").read_text() == "1\n"
    assert "location=disk/meta.jsonl cannot be written (No space left on device); the file is incomplete" in done.stderr
    whole = (tmp_path / "meta.jsonl").read_text().rpartition("\n")[0]
    assert numbers_in(whole) == list(range(len(whole.splitlines())))


def test_the_file_is_complete_when_the_element_has_stopped(tmp_path):
    pipeline = Gst.parse_launch(f"{LIVE} ! aimeta name=meta location={tmp_path}/m.jsonl ! fakesink")
    meta = pipeline.get_by_name("meta")
    for _ in range(3):
        pipeline.set_state(Gst.State.PLAYING)
        while counts_of(meta)["documents"] < 20:
            time.sleep(0.01)
        pipeline.set_state(Gst.State.NULL)
        numbers = numbers_in((tmp_path / "m.jsonl").read_text())
        counts = counts_of(meta)
        assert numbers == list(range(len(numbers)))
        assert counts == {"documents": len(numbers), "written": len(numbers), "waiting": 0, "dropped": 0, "lost": 0}


def test_the_file_can_be_followed(tmp_path):
    pipeline = Gst.parse_launch(
        f"appsrc name=in caps={SMALL},framerate=30/1 ! aimeta location={tmp_path}/m.jsonl ! fakesink async=false"
    )
    pipeline.set_state(Gst.State.PLAYING)
    for number in range(5):
        pipeline.get_by_name("in").emit("push-buffer", Gst.Buffer.new_wrapped(bytes(16 * 16 * 4)))
        until = time.monotonic() + 60
        while len((tmp_path / "m.jsonl").read_text().splitlines()) <= number and time.monotonic() < until:
            time.sleep(0.001)
        assert numbers_in((tmp_path / "m.jsonl").read_text()) == list(range(number + 1))
    pipeline.set_state(Gst.State.NULL)


def test_many_pipelines_that_start_together(tmp_path):
    count, barrier = 12, threading.Barrier(12)
    pipelines = [
        Gst.parse_launch(f"videotestsrc num-buffers=400 ! {SMALL} ! aimeta location={tmp_path}/{number}.jsonl ! fakesink")
        for number in range(count)
    ]
    ended = []

    def run(pipeline):
        barrier.wait()
        pipeline.set_state(Gst.State.PLAYING)
        message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
        pipeline.set_state(Gst.State.NULL)
        ended.append(message and message.type == Gst.MessageType.EOS)

    threads = [threading.Thread(target=run, args=(pipeline,)) for pipeline in pipelines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert ended == [True] * count
    for number in range(count):
        assert numbers_in((tmp_path / f"{number}.jsonl").read_text()) == list(range(400))


def test_a_program_that_ends_without_stopping(gst_env, tmp_path):
    program = f"""
import time, empycustom
from empycustom.gstreamer import Gst
empycustom.register()
pipeline = Gst.parse_launch("{LIVE} ! aimeta name=meta location=m.jsonl ! fakesink")
seen = []
pipeline.get_by_name("meta").connect("new-meta", lambda _, text: seen.append(text))
pipeline.set_state(Gst.State.PLAYING)
while len(seen) < 50:
    time.sleep(0.001)
print(len(seen))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=gst_env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    numbers = numbers_in((tmp_path / "m.jsonl").read_text())
    assert len(numbers) >= int(done.stdout)
    assert numbers == list(range(len(numbers)))


def test_the_console_may_be_asked_for_while_playing(gst_env, tmp_path):
    program = f"""
import empycustom
from empycustom.gstreamer import Gst
empycustom.register()
pipeline = Gst.parse_launch("videotestsrc num-buffers=9 ! {SMALL} ! aimeta name=meta ! fakesink")
meta = pipeline.get_by_name("meta")
numbers = iter(range(9))
meta.connect("aimeta", lambda element: element.set_property("silent", next(numbers) not in (2, 3, 6)))
pipeline.set_state(Gst.State.PLAYING)
pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS)
pipeline.set_state(Gst.State.NULL)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=gst_env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert numbers_in(done.stdout) == [3, 4, 7]


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("none://x", "location=none://x: there is no output for none://; "),
        ("file://rel.jsonl", "location=file://rel.jsonl: the text between file:// and the next / is the name of a machine, and "),
        ("file:///dev/null/x", "location=file:///dev/null/x: /dev/null/x cannot be written (Not a directory); give another file"),
        ("file:///tmp/x.csv", "location=file:///tmp/x.csv: documents are written as JSON Lines, not as a .csv file"),
    ],
)
def test_impossible_settings_are_errors_at_the_start(play, location, text):
    assert play(f"videotestsrc num-buffers=1 ! {SMALL} ! aimeta location={location} ! fakesink").error.startswith(text)


def test_nothing_stays_behind_where_the_start_fails(play):
    before = set(threading.enumerate())  # some may end meanwhile
    play(f"videotestsrc num-buffers=1 ! {SMALL} ! aimeta silent=false location=/dev/null/x ! fakesink")
    play(f"videotestsrc num-buffers=1 ! {SMALL} ! aimeta location=/dev/null ! fakesink")
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("theirs://x", ""),
        ("theirs://refused", "location=theirs://refused: theirs://refused cannot be written (not today); give another location"),
        ("theirs://fails", "location=theirs://fails cannot be written (Connection reset by peer); what is there is incomplete"),
    ],
)
def test_the_output_of_another_package(gst_launch, theirs, tmp_path, location, text):
    launched = gst_launch(
        f"videotestsrc num-buffers=30 ! {SMALL} ! aimeta location={location} ! fakesink", PYTHONPATH=str(theirs)
    )
    assert bool(launched.code) == bool(text), launched.text
    assert text in launched.err
    assert text or numbers_in((tmp_path / "theirs.jsonl").read_text()) == list(range(30))
