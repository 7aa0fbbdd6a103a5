"""Clients that do not read, vanish, come all at once, or send what they should not: the pipeline goes on, and so do the others."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from program import Client, NeverReads, Studio, request, wait_for
from websockets.exceptions import ConnectionClosed, InvalidStatus

Start = Callable[..., Studio]
Connect = Callable[..., Client]
COUNTS = """\
calls = 0

def process_ip(io_buffer, in_meta, options):
    global calls
    calls += 1
    return {"frame": {"calls": calls, "options": options}}
"""
WATCHES = """\
import json, sys
sys.path.insert(0, sys.argv[2])
from websockets.sync.client import connect
port = sys.argv[1]
with connect(f"ws://127.0.0.1:{port}/ws", origin=f"http://127.0.0.1:{port}", proxy=None, compression=None) as socket:
    hello = json.loads(socket.recv())
    socket.send(json.dumps({"type": "watch", "stream": hello["streams"][0]}))
    while True:
        socket.send(json.dumps({"type": "ready"}))
        while not isinstance(socket.recv(), bytes):
            pass
        print("frame", flush=True)
"""


@pytest.fixture
def noise(tmp_path: Path, play: Any) -> Path:
    """A file of 300 frames of noise, 60 a second, whose pictures are large."""
    path = tmp_path / "noise.avi"
    source = "videotestsrc num-buffers=300 pattern=snow ! video/x-raw,format=I420,width=640,height=480,framerate=60/1"
    assert play(f'{source} ! jpegenc ! avimux ! filesink location="{path}"').ended
    return path


def rss_mib(studio: Studio) -> float:
    (line,) = [line for line in Path(f"/proc/{studio.pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def test_one_that_never_reads_costs_no_memory(studio: Start, client: Connect, library: Any, noise: Path) -> None:
    """Another one gets its pictures meanwhile; those of the second part would be 80 MiB if they were kept."""
    served = studio(noise, "--lib", library(COUNTS), MALLOC_MMAP_THRESHOLD_="65536")  # what is freed is given back at once
    reading, stuck = client(served), NeverReads(client(served))
    reading.watch()

    def read(count: int) -> int:
        """Read as many pictures as a page does; return the size of all."""
        size = 0
        for _ in range(count):
            size += len(reading.frame().jpeg)
            time.sleep(0.02)
        return size

    read(250)
    before = rss_mib(served)
    assert read(600) > 80 << 20
    stuck.end()
    assert stuck.sent > 100
    assert rss_mib(served) - before < 40, "what is kept of the last seconds may grow by half of that on a busy machine"


def test_one_that_never_reads_does_not_hold_its_stream_up(studio: Start, client: Connect, library: Any, tmp_path: Path) -> None:
    """Of two streams one is shown to it. Both go on alike: it costs no frame."""
    library(COUNTS)
    made = {"pipeline_configuration": {"empycustom": {"custom-lib": "lib.py", "in-place": True}}}
    streams = [{"stream_id": name, "location": "test"} for name in ("shown", "unseen")]
    (tmp_path / "emi_stream_config.json").write_text(json.dumps({**made, "streams": streams}))
    served = studio("emi_stream_config.json")
    looks, stuck = client(served), NeverReads(client(served))
    first = {
        name: looks.until_stream(lambda found: found["frames"] > 10, "frames", name)["frames"] for name in ("shown", "unseen")
    }

    def are_alike(unseen: dict[str, Any]) -> bool:
        """Return whether 300 frames have come, of the other stream as many; a moment in which one of them waits does not matter."""
        more = unseen["frames"] - first["unseen"]
        return more > 300 and looks.stream("shown")["frames"] - first["shown"] > 0.9 * more

    looks.until_stream(are_alike, "as many frames", "unseen")
    stuck.end()


def test_one_that_reads_slowly_gets_the_newest_frames(studio: Start, client: Connect, library: Any) -> None:
    """What is made meanwhile is not kept for it: the next picture is newer by all frames that it has missed."""
    served = studio("test", "--lib", library(COUNTS))
    slow, looks = client(served), client(served)
    slow.watch()
    first = slow.frame()
    looks.until_stream(lambda found: found["frames"] > first.number + 60, "60 frames")
    second = slow.frame()
    assert second.number - first.number > 50
    assert second.header["document"]["frame"][0]["emcustom"]["calls"] > 50


def test_two_at_once_get_the_same_frames(studio: Start, client: Connect, library: Any) -> None:
    served = studio("test", "--lib", library(COUNTS))
    both = [client(served), client(served)]
    for each in both:
        each.watch()
    seen: list[dict[int, bytes]] = [{}, {}]
    counts, is_enough = [0, 0], threading.Event()

    def read(which: int) -> None:
        while not is_enough.is_set():
            frame = both[which].frame()
            seen[which][frame.number] = frame.jpeg
            counts[which] += 1

    def common() -> set[int]:
        return {*seen[0].copy()} & {*seen[1].copy()}

    readers = [threading.Thread(target=read, args=(which,)) for which in range(2)]
    for reader in readers:  # in turns each would get the frame after the other's
        reader.start()
    try:
        wait_for(lambda: min(counts) >= 40 and common(), "40 frames each, and those of the same time")
    finally:
        is_enough.set()
        for reader in readers:
            reader.join(60)
    assert all(seen[0][number] == seen[1][number] for number in common())
    assert [len(each) for each in seen] == counts, "nobody gets a frame twice"


def test_all_that_come_at_one_time_are_served(studio: Start, library: Any) -> None:
    """Eight connect, watch and set options from a barrier on: each gets pictures, and answers to its own questions."""
    served = studio("test", "--lib", library(COUNTS))
    barrier, found, errors = threading.Barrier(8), [], []

    def come(number: int) -> None:
        try:
            barrier.wait(60)
            one = Client(served)
            one.watch()
            numbers = []
            for step in range(10):
                numbers.append(one.frame().number)
                assert one.set_options({"word": f"{number} {step}"}) is None
            one.close()
            found.append(numbers)
        except BaseException as error:  # noqa: BLE001 - it is the test's
            errors.append(repr(error))

    threads = [threading.Thread(target=come, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    assert len(found) == 8
    assert all(numbers == sorted(set(numbers)) for numbers in found)
    assert "Traceback" not in served.output


def test_clients_that_are_killed_leave_their_place(studio: Start, client: Connect, library: Any, tmp_path: Path) -> None:
    served = studio("test", "--lib", library(COUNTS))
    program = tmp_path / "watches.py"
    program.write_text(WATCHES)
    for _ in range(3):
        gone = [
            subprocess.Popen([sys.executable, program, str(served.port), ""], stdout=subprocess.PIPE, text=True) for _ in range(6)
        ]
        for each in gone:
            with each:
                assert each.stdout.readline() == "frame\n"
                each.kill()
    wait_for(lambda: places_of(served) >= 16, "their places")
    one = client(served)
    one.watch()
    assert one.frame().jpeg
    assert "Traceback" not in served.output


def places_of(served: Studio) -> int:
    """Return how many clients are taken, up to 40."""
    taken: list[Client] = []
    with suppress(InvalidStatus, ConnectionClosed):
        while len(taken) < 40:
            taken.append(Client(served))
    for each in taken:
        each.close()
    return len(taken)


def test_there_is_a_limit_of_clients_and_the_next_one_is_told(studio: Start, client: Connect, library: Any) -> None:
    served = studio("test", "--lib", library(COUNTS))
    taken = [client(served) for _ in range(16)]
    with pytest.raises((InvalidStatus, ConnectionClosed)) as error:
        client(served)
    assert "too many" in str(error.value) or error.value.response.status_code in (403, 429, 503)
    assert request(served, "/").status == 200
    taken[0].watch()
    assert taken[0].frame()
    for each in taken:
        each.close()
    wait_for(lambda: places_of(served) == 16, "their places")


WRONG = {
    "nothing": "",
    "no JSON": "nonsense",
    "a list": "[]",
    "a number": "1",
    "null": "null",
    "a huge number": "1" * 10_000,
    "deep": "[" * 100_000,
    "deep objects": '{"a":' * 20_000,
    "without a type": "{}",
    "an unknown type": '{"type":"reload"}',
    "a type that is not a text": '{"type":["watch"]}',
    "a stream that is not there": '{"type":"watch","stream":"nobody"}',
    "a stream that is a list": '{"type":"watch","stream":["test"]}',
    "a stream that is an object": '{"type":"watch","stream":{}}',
    "bytes": b'{"type":"ready"}',
    "bytes that are no UTF-8": b"\xff\xfe\x00",
    "too long": '{"type":"ready","more":"' + "a" * 400_000 + '"}',
}


@pytest.mark.parametrize("message", WRONG.values(), ids=WRONG)
def test_what_a_page_never_sends_ends_its_connection_alone(studio: Start, client: Connect, library: Any, message: Any) -> None:
    served = studio("test", "--lib", library(COUNTS))
    other, wrong = client(served), client(served)
    other.watch()
    with suppress(ConnectionClosed):
        wrong.socket.send(message)
    with pytest.raises(ConnectionClosed) as error:
        wrong.until(lambda _: False, "the end")
    assert error.value.rcvd.code in (1003, 1007, 1008, 1009)
    assert other.frame().number < other.frame().number
    assert "Traceback" not in served.output


OPTIONS = {
    "no options": {"type": "options", "id": 1, "stream": "test", "library": 0},
    "options that are a list": {"type": "options", "id": 1, "stream": "test", "library": 0, "options": [1]},
    "a library that is not there": {"type": "options", "id": 1, "stream": "test", "library": 9, "options": {}},
    "a library before the first": {"type": "options", "id": 1, "stream": "test", "library": -1, "options": {}},
    "a huge library": {"type": "options", "id": 1, "stream": "test", "library": 10**300, "options": {}},
    "a library that is a text": {"type": "options", "id": 1, "stream": "test", "library": "0", "options": {}},
    "a library that is true": {"type": "options", "id": 1, "stream": "test", "library": True, "options": {}},
    "no stream": {"type": "options", "id": 1, "library": 0, "options": {}},
    "a stream that is not there": {"type": "options", "id": 1, "stream": "nobody", "library": 0, "options": {}},
}


def test_options_that_nobody_has_are_refused_with_a_sentence(studio: Start, client: Connect, library: Any) -> None:
    served = studio("test", "--lib", library(COUNTS))
    one = client(served)
    one.until_stream(lambda found: found["frames"] > 5, "frames")
    name = one.hello["streams"][0]
    for what, message in OPTIONS.items():
        one.send(**{**message, **({"stream": name} if message.get("stream") == "test" else {})})
        answer = one.until(lambda found: isinstance(found, dict) and found["type"] == "reply", f"an answer to {what}")
        assert answer["id"] == 1
        assert len(answer["error"]) > 10, what
    for key, value in (
        ("a", 10**400),
        ("a", "x" * 100_000),
        ("ä\x00\u2028", [None, {"b": []}]),
        ("constructor", {"__proto__": 1}),
    ):
        assert one.set_options({key: value}) is None
        assert one.until_stream(lambda found, key=key, value=value: found["libraries"][0]["options"] == {key: value}, "options")
    assert "Traceback" not in served.output


def test_ids_come_back_as_they_are(studio: Start, client: Connect, library: Any) -> None:
    served = studio("test", "--lib", library(COUNTS))
    one = client(served)
    one.until_stream(lambda found: found["frames"] > 5, "frames")
    for number in (0, -1, 2**53, 10**30, "a", "<b>", None, [1], {"a": 1}):
        one.send(type="options", id=number, stream=one.hello["streams"][0], library=0, options={})
        answer = one.until(lambda found: isinstance(found, dict) and found["type"] == "reply", "the reply")
        assert answer["id"] == number


def test_one_that_sends_too_much_is_sent_away(studio: Start, client: Connect, library: Any) -> None:
    served = studio("test", "--lib", library(COUNTS))
    other, flood = client(served), client(served)
    other.watch()
    for _ in range(30):  # it has all that it needs to play, and to show it
        other.frame()
    before = rss_mib(served)
    with suppress(ConnectionClosed):
        for _ in range(200_000):
            flood.send(type="ready")
    with pytest.raises(ConnectionClosed):
        flood.until(lambda _: False, "the end")
    assert rss_mib(served) - before < 20
    assert other.frame().number < other.frame().number


def test_options_that_are_set_again_and_again_do_not_pile_up(studio: Start, client: Connect, library: Any) -> None:
    """It is sent away, or gets an answer to each."""
    served = studio("test", "--lib", library(COUNTS))
    other, flood = client(served), client(served)
    other.watch()
    other.frame()
    before = rss_mib(served)
    name = flood.hello["streams"][0]
    with suppress(ConnectionClosed):
        for number in range(2000):
            flood.send(type="options", id=number, stream=name, library=0, options={"text": "x" * 100_000})
    assert rss_mib(served) - before < 64
    assert other.frame().number < other.frame().number


def test_half_a_handshake_or_half_a_frame_holds_nobody_up(studio: Start, client: Connect, library: Any) -> None:
    served = studio("test", "--lib", library(COUNTS))
    halves = [socket.create_connection(("127.0.0.1", served.port), 10) for _ in range(40)]
    try:
        for each in halves:
            each.sendall(b"GET /ws HTTP/1.1\r\nHost: ")
        one = client(served)
        one.socket.socket.sendall(b"\x81\xff")  # a frame whose length does not come
        other = client(served)
        other.watch()
        assert other.frame().number < other.frame().number
        assert request(served, "/").status == 200
        served.interrupt()
        assert served.end() == 130
    finally:
        for each in halves:
            each.close()


def test_connections_that_say_nothing_are_few_and_do_not_last(studio: Start, client: Connect, library: Any) -> None:
    """They would take the files that the pipeline needs."""
    served = studio("test", "--lib", library(COUNTS))
    one = client(served)
    one.until_stream(lambda found: found["frames"] > 3, "frames")
    open_before = files_of(served)
    silent = [socket.create_connection(("127.0.0.1", served.port), 10) for _ in range(300)]
    try:
        silent[0].sendall(b"GET / HTTP/1.1\r\nHo")
        one.watch()
        assert one.frame().number < one.frame().number
        wait_for(lambda: files_of(served) < open_before + 150, "the end of those that are too many")
        wait_for(lambda: files_of(served) < open_before + 10, "the end of those that say nothing")
        assert request(served, "/").status == 200
        assert one.frame().number < one.frame().number
    finally:
        for each in silent:
            each.close()


def files_of(served: Studio) -> int:
    return len(os.listdir(f"/proc/{served.pid}/fd"))
