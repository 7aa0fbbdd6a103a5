"""The program without a page: what it prints, what it sends, when it plays again, and how it ends."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from program import Client, Frame, NeverReads, Studio, request, wait_for
from websockets.exceptions import ConnectionClosed

Start = Callable[..., Studio]
Connect = Callable[..., Client]

SAYS = """\
def process_ip(io_buffer, in_meta, options):
    return {"frame": {"said": options.get("word", "hello")}}
"""
LONG = list(range(20_000))  # takes a while to be written
DECLARES = """\
import empycustom

OPTIONS = {
    "size": empycustom.Option(5, "a size", limits=(1, 10), unit="pixels"),
    "word": empycustom.Option("a", "a word", choices=("a", "b")),
    "more": empycustom.Option({}, "anything"),
}

def process_ip(io_buffer, in_meta, options):
    return {"frame": options}
"""
BROKEN = "def process_ip(io_buffer, in_meta, options):\n    return {\n"
RAISES = "def process_ip(io_buffer, in_meta, options):\n    found = []\n    return found[3]\n"


def write_configuration(folder: Path, streams: list[dict[str, Any]], libraries: Any = None, **more: Any) -> None:
    pipeline = {"empycustom": libraries or {"custom-lib": "lib.py", "in-place": True}}
    (folder / "emi_stream_config.json").write_text(json.dumps({"pipeline_configuration": pipeline, "streams": streams, **more}))


def said(frame: Frame) -> Any:
    return frame.header["document"]["frame"][0]["emcustom"]


def test_what_is_said_at_first(studio: Start, client: Connect, library: Any) -> None:
    served = studio("test", "--lib", library(SAYS), "--options", '{"word": "hi"}')
    assert served.out == f"Studio: {served.base}/\n" or served.err == f"Studio: {served.base}/\n"
    one = client(served)
    assert one.hello["command"].startswith("empycustom studio test --lib ")
    (name,) = one.hello["streams"]
    stream = one.until_stream(lambda found: found["state"] == "playing" and found["frames"] > 10, "frames")
    assert stream["name"] == name
    assert stream["frame_ms"] == pytest.approx(1000 / 30, abs=0.01)
    (found,) = stream["libraries"]
    assert (found["name"], found["state"], found["version"], found["errors"], found["options"]) == (
        "lib.py",
        "running",
        1,
        0,
        {"word": "hi"},
    )
    assert found["calls"] > 5
    assert 0 < found["call_ms"]["p50"] <= found["call_ms"]["p95"]
    assert len(found["call_ms"]["recent"]) <= 60
    assert found["problems"] == stream["problems"] == []


def test_one_picture_comes_for_each_time_that_one_is_wanted(studio: Start, client: Connect, library: Any) -> None:
    one = client(studio("test", "--lib", library(SAYS)))

    def pictures_meanwhile() -> int:
        """Return how many pictures come while 30 frames are made."""
        until, count = one.stream()["frames"] + 30, 0
        while one.stream()["frames"] < until:
            count += isinstance(one.receive(), Frame)
        return count

    one.send(type="ready")
    assert pictures_meanwhile() == 0, "nothing is watched"
    one.watch()
    assert pictures_meanwhile() == 0, "it is not ready"
    one.frame()
    assert pictures_meanwhile() == 0
    for _ in range(3):
        one.send(type="ready")
    one.until(lambda message: isinstance(message, Frame), "a picture")
    assert pictures_meanwhile() <= 2
    one.send(type="ready")
    one.watch(None)
    pictures_meanwhile()
    one.send(type="ready")
    assert pictures_meanwhile() == 0, "nothing is watched any more"


def test_the_stream_that_is_watched_is_shown(studio: Start, client: Connect, library: Any, tmp_path: Path) -> None:
    library(SAYS)
    write_configuration(tmp_path, [{"stream_id": name, "location": "test"} for name in "abc"])
    one = client(studio("emi_stream_config.json"))
    assert one.hello["streams"] == ["a", "b", "c"]
    for name in "abcba":
        one.watch(name)
        assert [one.frame().header["stream"] for _ in range(3)] == [name] * 3


def test_each_of_all_that_change_options_at_one_time_is_heard(
    studio: Start, client: Connect, library: Any, tmp_path: Path
) -> None:
    """Eight clients, from a barrier on, each for a library of its own: in the end all have what was set last."""
    library(f"import sys\n\nsys.setswitchinterval(1e-6)\n\n{SAYS}")  # threads take turns as often as can be
    write_configuration(tmp_path, [{"stream_id": "a", "location": "test"}], [{"custom-lib": "lib.py", "in-place": True}] * 8)
    served = studio("emi_stream_config.json")
    looks = client(served)
    looks.until_stream(lambda found: found["frames"] > 3, "frames")
    barrier, errors = threading.Barrier(8), []

    def change(number: int) -> None:
        try:
            one = Client(served)
            barrier.wait(60)
            for step in range(25):
                assert one.set_options({"word": f"{number} {step}", "more": LONG}, library=number) is None
            one.close()
        except BaseException as error:  # noqa: BLE001 - it is the test's
            errors.append(repr(error))

    threads = [threading.Thread(target=change, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(120)
    assert errors == []
    wanted = [{"word": f"{number} 24", "more": LONG} for number in range(8)]
    looks = client(served)
    assert [each["options"] for each in looks.stream()["libraries"]] == wanted
    looks.watch()
    wait_for(lambda: said(looks.frame())["said"] == "7 24", "what the last library computes")


def test_options_are_refused_with_the_sentence_of_the_command_line(
    studio: Start, client: Connect, library: Any, cli: Any
) -> None:
    path = library(DECLARES)
    one = client(studio("test", "--lib", path))
    stream = one.until_stream(lambda found: found["frames"] > 3, "frames")
    declared = {each["name"]: each for each in stream["libraries"][0]["declared"]}
    assert declared["size"]["kind"] == "whole number"
    assert (declared["size"]["limits"], declared["word"]["choices"]) == ([1, 10], ["a", "b"])
    for wrong in ({"size": 11}, {"size": "5"}, {"word": "c"}, {"sise": 5}, {"size": True}, {"more": [1]}):
        error = one.set_options(wrong)
        ended = cli("run", "test", "--frames", 1, "--lib", path, "--options", json.dumps(wrong))
        assert ended.returncode == 1
        assert error
        assert error in ended.stderr, wrong
    one.watch()
    assert said(one.frame())["size"] == 5
    assert one.set_options({"size": 7, "word": "b"}) is None
    wait_for(lambda: said(one.frame()) == {"size": 7, "word": "b", "more": {}}, "what was set")


def test_a_new_version_and_one_that_cannot_be_loaded(studio: Start, client: Connect, library: Any) -> None:
    path = library(SAYS)
    served = studio("test", "--lib", path)
    one = client(served)
    one.until_stream(lambda found: found["frames"] > 3, "frames")
    one.watch()
    assert said(one.frame()) == {"said": "hello"}

    path.write_text(BROKEN)
    found = one.until_stream(lambda found: found["libraries"][0]["problems"], "the problem")["libraries"][0]
    (problem,) = found["problems"]
    assert (problem["kind"], problem["new_version"], Path(problem["file"]).name, problem["line"]) == ("error", True, "lib.py", 2)
    assert [2, "    return {"] in problem["around"]
    assert "was never closed" in problem["text"] + problem["traceback"]
    assert said(one.frame()) == {"said": "hello"}, "the version before goes on"

    path.write_text(SAYS.replace("hello", "again"))
    found = one.until_stream(lambda found: found["libraries"][0]["version"] == 2, "the new version")["libraries"][0]
    assert (found["state"], found["problems"]) == ("running", [])
    wait_for(lambda: said(one.frame()) == {"said": "again"}, "its frames")


def test_a_library_that_raises(studio: Start, client: Connect, library: Any) -> None:
    path = library(RAISES)
    one = client(studio("test", "--lib", path))
    found = one.until_stream(lambda found: found["libraries"] and found["libraries"][0]["problems"], "the problem")["libraries"][
        0
    ]
    (problem,) = found["problems"]
    assert (found["state"], problem["line"], problem["new_version"]) == ("failing", 3, False)
    assert "IndexError: list index out of range" in problem["traceback"]
    assert [3, "    return found[3]"] in problem["around"]
    assert problem["frame"]
    one.watch()
    assert one.frame().number < one.frame().number, "the video goes on"
    path.write_text(SAYS)
    one.until_stream(
        lambda found: found["libraries"][0]["state"] == "running" and not found["libraries"][0]["problems"], "its end"
    )
    wait_for(lambda: said(one.frame()) == {"said": "hello"}, "its frames")


def test_a_library_that_cannot_be_loaded_at_the_start(studio: Start, client: Connect, library: Any) -> None:
    path = library(BROKEN)
    served = studio("test", "--lib", path)
    one = client(served)
    stream = one.until_stream(lambda found: found["state"] == "waiting", "that it waits")
    problems = [*stream["problems"], *(each for found in stream["libraries"] for each in found["problems"])]
    assert ["lib.py", 2] in [[Path(each["file"]).name, each["line"]] for each in problems]
    assert stream["text"]
    assert "lib.py" in served.output
    path.write_text(SAYS)
    stream = one.until_stream(lambda found: found["state"] == "playing", "frames")
    assert stream["problems"] == stream["libraries"][0]["problems"] == []
    one.watch()
    assert said(one.frame()) == {"said": "hello"}


def test_a_source_that_fails(studio: Start, client: Connect, library: Any, tmp_path: Path) -> None:
    """It goes on once the file is there, and one that is not a video is an error that is shown."""
    video = tmp_path / "video.avi"
    video.write_bytes(b"this is not a video" * 100)
    path = library(SAYS)
    served = studio("video.avi", "--lib", path)
    one = client(served)
    stream = one.until_stream(lambda found: found["state"] in ("waiting", "ended") and found["problems"], "the problem")
    assert any("video.avi" in each["text"] for each in stream["problems"]), stream
    assert request(served, "/").status == 200
    one.watch()
    one.send(type="ready")
    served.interrupt()
    assert served.end() == 130


def test_a_configuration_that_is_broken_and_mended(studio: Start, client: Connect, library: Any, tmp_path: Path) -> None:
    """It plays on as it was read; after an end it is read again."""
    library("import empycustom\n\ndef process_ip(b, m, options):\n    raise empycustom.EndOfStream('enough')\n")
    write_configuration(tmp_path, [{"stream_id": "a", "location": "test"}])
    served = studio("emi_stream_config.json")
    one = client(served)
    one.until_stream(lambda found: found["state"] == "waiting", "the end")
    (tmp_path / "emi_stream_config.json").write_text('{"streams": [')
    stream = one.until_stream(lambda found: found["problems"], "the problem")
    assert "emi_stream_config.json" in stream["problems"][0]["text"]
    library(SAYS)
    write_configuration(tmp_path, [{"stream_id": name, "location": "test"} for name in "ab"])
    for name in "ab":
        one.until(lambda _, name=name: name in [each["name"] for each in one.state["streams"]], "the new stream")
        stream = one.until_stream(lambda found: found["state"] == "playing", "frames", name)
        assert stream["problems"] == []
        one.watch(name)
        assert one.frame().header["stream"] == name


def test_a_start_after_a_kill_knows_nothing_of_before(studio: Start, client: Connect, library: Any) -> None:
    served = studio("test", "--lib", library(SAYS))
    one = client(served)
    one.until_stream(lambda found: found["frames"] > 30, "frames")
    assert one.set_options({"word": "kept?"}) is None
    boot = one.hello["boot"]
    served.kill()
    with pytest.raises(ConnectionClosed):
        one.until(lambda _: False, "the end")
    two = client(served.start())
    assert two.hello["boot"] != boot
    stream = two.until_stream(lambda found: found["frames"] > 3, "frames")
    assert (stream["libraries"][0]["options"], stream["libraries"][0]["version"]) == ({}, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("who", ["nobody", "readers", "stuck"])
def test_it_ends_whoever_watches(studio: Start, client: Connect, library: Any, number: int, who: str) -> None:
    served = studio("test", "--lib", library(SAYS + "\n\ndef stop(options):\n    print('stopped')\n"))
    looks = client(served)
    looks.until_stream(lambda found: found["frames"] > 3, "frames")
    stuck = NeverReads(client(served)) if who == "stuck" else None
    if who == "readers":
        looks.watch()
        looks.frame()
        looks.send(type="ready")
    if who == "nobody":
        looks.close()
    if stuck:
        wait_for(lambda: stuck.sent > 40, "what it has sent")
    served.interrupt(number)
    code = served.end(30)
    assert code == (130 if number == signal.SIGINT else code)
    assert code in (130, 143, -signal.SIGTERM)
    assert "Traceback" not in served.output
    if number == signal.SIGINT:
        assert "stopped" in served.output
    if stuck:
        stuck.end()


def test_it_ends_while_it_waits_for_a_file(studio: Start, client: Connect, library: Any) -> None:
    served = studio("test", "--lib", library(BROKEN))
    client(served).until_stream(lambda found: found["state"] == "waiting", "that it waits")
    served.interrupt()
    assert served.end(30) == 130
    assert "Traceback" not in served.output


def test_a_port_that_is_taken_is_a_sentence(studio: Start, library: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        served = studio("test", "--lib", library(SAYS), port=port, is_served=False)
        assert served.end() == 1
    (line,) = [line for line in served.err.splitlines() if "port" in line]
    assert f"--port {port}" in line
    assert "--port 0" in line or "0: a free one" in line
    assert "Traceback" not in served.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--port", "70000"), "--port"), (("--port", "-1"), "--port"), (("--port", "x"), "--port"),
        (("--host", "no.such.host.invalid"), "--host no.such.host.invalid"), (("--host", "192.0.2.1"), "--host 192.0.2.1"),
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_is_a_sentence(cli: Any, library: Any, words: tuple[str, ...], expected: str) -> None:
    ended = cli("studio", "test", "--lib", library(SAYS), *words)
    assert ended.returncode in (1, 2)
    assert expected in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_free_port_is_taken_where_none_is_given(studio: Start, client: Connect, library: Any) -> None:
    served = studio("test", "--lib", library(SAYS), port=0)
    served.port = int(re.search(r":(\d+)/", served.url)[1])
    assert client(served).hello["streams"]


def test_many_starts_and_stops_leave_nothing(studio: Start, client: Connect, library: Any) -> None:
    """An interrupt at any moment ends it: while it starts, and while somebody connects."""
    path = library(SAYS)
    for number in range(6):
        served = studio("test", "--lib", path)
        if number % 2:
            client(served).watch()
        served.interrupt()
        assert served.end(30) == 130, served.output
        assert "Traceback" not in served.output
