"""Outputs of documents: the queue and the thread in front of one that can block, files, the console, and the table of them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time

import pytest
from output_queues import LIVE, PATIENCE_S, WAITS, Gate, Stream, lines, put_all, queue_of

from empycustom.errors import StuckOutputError
from empycustom.outputs import queued
from empycustom.outputs.queued import reason
from empycustom.outputs.table import ConsoleOutput


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.passing.set()


def test_all_is_written_in_order_and_the_output_closed(gate):
    gate.passing.set()
    output = queue_of(gate)
    assert all(put_all(output, lines(5000)))
    output.close()

    assert gate.lines == lines(5000)
    assert gate.is_closed
    assert (output.written, output.waiting, output.dropped, output.lost, output.errors) == (5000, 0, 0, 0, [])
    assert not output.put(b"late\n", WAITS)


def test_documents_come_together(gate):
    """A thread that is woken for each costs the stream more than writing does."""
    gate.passing.set()
    output = queue_of(gate)
    put_all(output, lines(1000))
    output.close()

    assert gate.calls < 300


def test_no_more_are_gathered_where_the_stream_would_have_to_wait_for_room(gate, monkeypatch):
    monkeypatch.setattr(queued, "_GATHER_S", 3600)
    gate.passing.set()
    output = queue_of(gate, most=10)
    thread = threading.Thread(target=put_all, args=(output, lines(50)), daemon=True)
    thread.start()
    thread.join(PATIENCE_S)

    assert not thread.is_alive()
    output.close()
    assert gate.lines == lines(50)


def test_one_alone_is_not_kept_back(gate):
    gate.passing.set()
    output = queue_of(gate)
    output.put(b"1\n", WAITS)
    until = time.monotonic() + PATIENCE_S
    while not output.written and time.monotonic() < until:
        time.sleep(0.001)

    assert gate.lines == [b"1\n"]
    output.close()


@pytest.mark.parametrize("limit", [{"most": 10}, {"most_bytes": 20}])
def test_a_live_stream_drops_what_there_is_no_room_for(gate, limit):
    output = queue_of(gate, **limit)
    output.put(b"0\n", LIVE)
    assert gate.entered.wait(PATIENCE_S)  # with the first
    kept = put_all(output, [b"%d\n" % (number % 10) for number in range(1, 101)], LIVE)

    assert kept == [True] * 10 + [False] * 90  # no time passes for that: the gate is not open
    assert (output.waiting, output.dropped) == (11, 90)
    gate.passing.set()
    output.close()
    assert gate.lines == [*lines(10), b"0\n"]


def test_what_is_larger_than_all_room_is_taken_alone(gate):
    gate.passing.set()
    output = queue_of(gate, most_bytes=10)
    assert put_all(output, [b"x" * 100, b"y" * 100]) == [True, True]
    output.close()
    assert gate.lines == [b"x" * 100, b"y" * 100]


def test_another_stream_waits_for_room_and_loses_nothing(gate):
    output = queue_of(gate, most=10)
    thread = threading.Thread(target=put_all, args=(output, lines(1000)))
    thread.start()
    time.sleep(0.1)
    assert thread.is_alive()
    assert output.waiting <= 10 + 10  # in the queue, and what is written just now
    gate.passing.set()
    thread.join(PATIENCE_S)
    output.close()

    assert gate.lines == lines(1000)
    assert output.dropped == 0


def test_waiting_ends_when_the_stream_is_stopped_and_the_document_is_kept(gate):
    output, stream = queue_of(gate, most=1), Stream()
    put_all(output, lines(1))
    assert gate.entered.wait(PATIENCE_S)
    put_all(output, lines(1, 1))
    found = []
    thread = threading.Thread(target=lambda: found.append(output.put(b"2\n", stream)))
    thread.start()
    time.sleep(0.05)
    assert not found
    stream.stopping = True
    thread.join(PATIENCE_S)
    assert found == [True]
    gate.passing.set()
    output.close()
    assert gate.lines == lines(3)


def test_waiting_ends_when_the_output_fails():
    gate = Gate(error=OSError(errno.ENOSPC, "No space left on device"))
    output = queue_of(gate, most=1)
    found = []
    thread = threading.Thread(target=lambda: found.extend(put_all(output, lines(5))))
    thread.start()
    assert gate.entered.wait(PATIENCE_S)
    gate.passing.set()
    thread.join(PATIENCE_S)

    assert not thread.is_alive()
    assert found[-1] is False
    output.close()
    assert output.errors == [gate.error]
    assert output.failed is gate.error
    assert gate.is_closed
    assert (output.written, output.lost) == (0, output.accepted)
    assert reason(gate.error) == "No space left on device"


def test_an_error_of_any_kind_is_reported_once():
    class Odd(Gate):
        def close(self):
            raise RuntimeError("closing failed as well")

    gate = Odd(error=ZeroDivisionError())
    gate.passing.set()
    output = queue_of(gate)
    put_all(output, lines(3))
    output.close()
    assert output.errors == [gate.error]
    assert reason(gate.error) == "ZeroDivisionError"


def test_an_error_of_closing_is_one(gate):
    gate.passing.set()
    gate.close = lambda: 1 / 0
    output = queue_of(gate)
    put_all(output, lines(3))
    output.close()
    assert [type(error) for error in output.errors] == [ZeroDivisionError]


def test_what_takes_nothing_is_given_up_and_counted(gate):
    output = queue_of(gate)
    put_all(output, lines(7))
    began = time.monotonic()
    output.close(patience_s=0.3)

    assert time.monotonic() - began >= 0.3
    assert isinstance(output.failed, StuckOutputError)
    assert output.errors == [output.failed]
    assert str(output.failed) == "nothing could be written for 0.3 s, and 7 documents are lost"
    assert (output.lost, output.waiting, output.written) == (7, 0, 0)
    began = time.monotonic()
    output.close(patience_s=10 * PATIENCE_S)
    assert time.monotonic() - began < PATIENCE_S, "it was given up already"


def test_what_is_slow_is_waited_for(gate):
    """Longer than what takes nothing."""
    gate.batch_bytes = 2
    gate.write = lambda batch: (time.sleep(0.3), gate.lines.extend(batch))
    output = queue_of(gate)
    put_all(output, lines(10))
    output.close(patience_s=2)
    assert gate.lines == lines(10)
    assert output.errors == []


def test_draining_waits_for_what_was_accepted_and_ends_when_the_stream_is_stopped(gate):
    output = queue_of(gate)
    put_all(output, lines(3))
    output.drain(lambda: True)
    assert output.waiting == 3
    threading.Timer(0.1, gate.passing.set).start()
    output.drain()
    assert gate.lines == lines(3)
    assert output.put(b"more\n", WAITS)
    output.close()


def test_a_batch_is_no_larger_than_the_output_wants(gate):
    sizes = []
    gate.batch_bytes = 10
    gate.write = lambda batch: sizes.append(sum(map(len, batch)))
    output = queue_of(gate)
    put_all(output, [b"abc\n"] * 20 + [b"x" * 50])
    output.close()
    assert max(sizes[:-1]) == 8
    assert sizes[-1] == 50
    assert output.written == 21


def test_many_threads_put_at_once():
    gate = Gate()
    gate.passing.set()
    output = queue_of(gate, most=50)
    barrier = threading.Barrier(8)

    def put(name):
        barrier.wait()
        for number in range(500):
            assert output.put(b"%d %d\n" % (name, number), WAITS)

    threads = [threading.Thread(target=put, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    output.close()

    found = [tuple(map(int, line.split())) for line in gate.lines]
    assert len(found) == 4000
    for name in range(8):
        assert [number for each, number in found if each == name] == list(range(500))


def test_many_threads_close_while_others_put():
    for _ in range(50):
        gate = Gate()
        gate.passing.set()
        output = queue_of(gate)
        barrier = threading.Barrier(4)
        accepted = []

        def put(output=output, barrier=barrier, accepted=accepted):
            barrier.wait()
            accepted.extend(put_all(output, lines(100)))

        def close(output=output, barrier=barrier):
            barrier.wait()
            output.close()

        threads = [threading.Thread(target=each) for each in (put, put, close, close)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        assert sum(accepted) == output.accepted == output.written == len(gate.lines)


def test_a_child_of_a_fork_leaves_it_alone(gate):
    output = queue_of(gate)
    put_all(output, lines(2))
    child = os.fork()
    if child == 0:
        queued._close_all()
        os._exit(0 if output.failed is None else 1)
    assert os.waitpid(child, 0)[1] == 0
    gate.passing.set()
    output.close()
    assert gate.lines == lines(2)


def test_a_program_that_ends_writes_what_was_accepted(tmp_path):
    program = """
import sys
from empycustom.outputs.table import FileOutput
from empycustom.outputs.queued import QueuedOutput

class Waits:
    def is_live(self): return False
    def is_stopping(self): return False

for name in sys.argv[1:]:
    output = QueuedOutput(FileOutput(name), on_error=print)
    for number in range(500):
        output.put(b"%d\\n" % number, Waits())
"""
    good, full = tmp_path / "good", "/dev/full"
    done = subprocess.run(
        [sys.executable, "-c", program, good, full], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert good.read_bytes() == b"".join(lines(500))
    assert (done.returncode, done.stdout) == (0, "[Errno 28] No space left on device\n")


def test_giving_up_names_all(gate):
    output = queue_of(gate)
    put_all(output, lines(2))
    assert queued.give_up_all(0.2) == [output]
    assert output.lost == 2
    assert queued.give_up_all() == []
    output.close()


def test_giving_up_writes_what_can_be_written_soon(gate):
    output = queue_of(gate)
    put_all(output, lines(2))
    threading.Timer(0.1, gate.passing.set).start()
    assert queued.give_up_all(PATIENCE_S) == []
    assert gate.lines == lines(2)
    output.close()


def test_a_stream_that_is_closed_meanwhile():
    """What is still to be written gets into no file that has the same number by then."""
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    output = queue_of(ConsoleOutput(stream=stream))
    put_all(output, [b"z" * 4095 + b"\n"] * 100)
    time.sleep(0.1)
    stream.close()
    with open(os.devnull, "rb") as other, os.fdopen(reading, "rb") as reader:
        assert other.fileno() == writing
        threading.Thread(target=output.close).start()
        assert reader.read().count(b"\n") == 100
    assert output.errors == []
