"""`raise empycustom.EndOfStream`: every command ends without an error, and reports who ended the stream."""

from __future__ import annotations

import json

from command_helpers import LIB, words

from ports import free_port

CALLED = [{"calls": 1}, {"calls": 2}, {"calls": 3}]
CALLBACK = """\
import empycustom


def update(signal):
    number = signal["frame"][0]["frame_num"]
    if number == 2:
        raise empycustom.EndOfStream("the second is enough")
    return [{"number": number}], ""
"""


def test_run_finishes_its_files(cli, ends, tmp_path, frames_in):
    ended = cli("run", "test", "--lib", ends(), "--save", "a.mp4", "--save", "b.webm", "--save", "c.png", "--out", "-")

    assert ended.code == 0, ended.err
    assert words(ended.documents) == CALLED
    assert [frames_in(tmp_path / name) for name in ("a.mp4", "b.webm")] == [3, 3]
    assert (tmp_path / "c.png").stat().st_size
    said = f"{tmp_path}/lib.py:10: process_ip ended the stream at frame 3 (0:00:00.100), and this frame is not passed on: enough"
    assert f"empycustom: info: {said}\n" in ended.err
    assert ended.err.count("stopped after ") == 1
    assert "3 frames in" in ended.err
    assert "Traceback" not in ended.err


def test_run_with_a_video_and_several_libraries(cli, ends, video):
    first, second = ends("first.py", when="calls >= 24"), ends("second.py")
    ended = cli("run", video, "--lib", first, "--lib", second)

    assert ended.code == 0, ended.err
    assert words(ended.documents) == CALLED
    assert ended.err.count("stopped after ") == 2


def test_launch(cli, ends, tmp_path, frames_in):
    ended = cli(
        "launch", "videotestsrc is-live=true ! video/x-raw,format=RGBA,width=64,height=64,framerate=30/1 ! tee name=tee"
        f" tee. ! queue ! empycustom custom-lib={ends()} in-place=true ! videoconvert ! jpegenc ! avimux ! filesink location=a.avi"
        " tee. ! queue ! fakesink sync=true"
    )  # fmt: skip
    assert ended.code == 0, ended.text
    assert frames_in(tmp_path / "a.avi") == 3
    assert "process_ip ended the stream at frame 3" in ended.out


def test_check_reports_it(cli, ends):
    ended = cli("check", ends())
    assert ended.code == 0, ended.text
    assert "lib.py:10: process_ip ended the stream at call 4 of 10, and this frame is not passed on: enough\n" in ended.out
    assert 'the frame: {"calls": 3}' in ended.out

    ended = cli("check", ends(), "--options", '{"frames": 0}')
    assert ended.code == 0, ended.text
    assert "process_ip ended the stream at call 1 of 10" in ended.out


def test_in_a_configuration_it_ends_its_stream_only(cli, configured, ends, video):
    streams = [{"stream_id": "endless", "location": "test"}, {"stream_id": "video", "location": video.name}]
    name = configured({"empycustom": LIB}, streams=streams)
    ends(when="in_meta['buffer']['width'] != 160 and calls > 3")
    ended = cli("run", name)

    assert ended.code == 0, ended.err
    documents = [document["stream_id"] for document in ended.documents]
    assert (documents.count("endless"), documents.count("video")) == (3, 40)
    assert "empycustom: info: endless: " in ended.err


def test_a_source_that_lasts_is_not_connected_again(cli, configured, ends, camera):
    port = free_port()
    camera(port)
    name = configured({"empycustom": LIB})
    ends()
    ended = cli("run", name, "--source", f"rtsp://127.0.0.1:{port}/ball", "--save", "a.mkv")
    assert ended.code == 0, ended.err
    assert "trying again" not in ended.err
    assert "3 frames in" in ended.err


def test_a_signal_callback_ends_its_stream(cli, configured, tmp_path):
    ended = cli("run", configured({"empycustom": LIB}, callback=CALLBACK), "--source", "test", "--out", "documents.jsonl")

    assert ended.code == 0, ended.err
    assert ended.documents == [{"number": 0}, {"number": 1}]
    documents = [json.loads(line) for line in (tmp_path / "documents.jsonl").read_text().splitlines()]
    assert [document["frame"][0]["frame_num"] for document in documents] == [0, 1, 2]
    said = "emi_signal_callback.py:7: update ended the stream at frame 2 (0:00:00.066): the second is enough\n"
    assert said in ended.err
    assert "Traceback" not in ended.err
