"""What a stream configuration's run writes: documents, events, videos; what it prints."""

from __future__ import annotations

import json
import re

import pytest
from command_helpers import COUNTS, LIB, SAYS, documents_in, words
from PIL import Image


def test_frames_go_into_files(cli, configured, library, video, tmp_path, frames_in):
    library(
        "import empycustom\ndef process_ip(b, m, o):\n    with empycustom.map_frame(b, m, writable=True) as f:\n        f.rgb[:] = 90\n"
    )
    pipeline = {"input": {"width": 96, "height": 64}, "empycustom": {**LIB, "custom-lib": "lib.py"}}
    ended = cli("run", configured(pipeline), "--source", video, "--save", "out/a.mp4", "--save", "last.png")

    assert (ended.code, ended.out) == (0, ""), ended.err
    assert [frames_in(tmp_path / name) for name in ("out/a.mp4", "last.png")] == [40, 1]
    assert "; written: out/a.mp4, last.png\n" in ended.err
    with Image.open(tmp_path / "last.png") as picture:
        assert (picture.size, picture.convert("RGB").getpixel((50, 30))) == ((96, 64), (90, 90, 90))


def test_each_stream_has_its_files(cli, configured, video, tmp_path, frames_in):
    streams = [{"stream_id": "a b", "location": video.name}, {"stream_id": "c", "location": "test"}]
    name = configured({"empycustom": LIB}, streams=streams)
    together = cli("run", name, "--save", "out/film.mkv")
    played = cli("run", name, "--save", "{stream_id}.mkv", "--frames", 7)

    assert together.code == 1
    assert "--save out/film.mkv: several streams cannot write one file; write {stream_id} into its name" in together.err
    assert "'out/film-{stream_id}.mkv'" in together.err
    assert (played.code, played.out) == (0, ""), played.err
    assert [frames_in(tmp_path / f"{name}.mkv") for name in ("a b", "c")] == [7, 7]
    refused = cli("run", configured({}, streams=[{"stream_id": "a/b", "location": "test"}]), "--save", "{stream_id}.mkv")
    assert "the stream_id a/b has a / in it" in refused.err
    alone = cli("run", configured({}, streams=streams[:1]), "--save", "alone.mkv", "--frames", 3)
    assert (alone.code, frames_in(tmp_path / "alone.mkv")) == (0, 3), alone.err


def test_events_and_documents_go_into_files(cli, configured, tmp_path):
    name = configured({"empycustom": LIB}, callback=COUNTS, event_item_keys=[{"key": "number", "type": "number"}])
    ended = cli("run", name, "--source", "test", "--frames", 3, "--events", "out/events.jsonl", "--out", "out/meta.jsonl", "-q")

    assert (ended.code, ended.out) == (0, "")
    assert ended.err == "empycustom: warning: events have options, which event_item_keys does not declare\n"
    events = [json.loads(line) for line in (tmp_path / "out/events.jsonl").read_text().splitlines()]
    documents = [json.loads(line) for line in (tmp_path / "out/meta.jsonl").read_text().splitlines()]
    assert [event["number"] for event in events] == [0, 1, 2]
    assert words(documents) == [{"said": "hello"}] * 3


def test_outputs_do_not_overwrite_inputs(cli, configured):
    name = configured({"empycustom": LIB}, callback=COUNTS)
    for inside in ("emi_stream_config.json", "lib.py", "emi_signal_callback.py"):
        ended = cli("run", name, "--source", "test", "--events", inside)
        assert ended.code == 1
        assert f"{inside} would be overwritten while it is read" in ended.err
    assert "there are no events" in cli("run", configured({}), "--source", "test", "--events", "x").err


def test_one_file_is_one_output(cli, configured, tmp_path):
    name = configured({"empycustom": LIB}, callback=COUNTS)
    for more in (
        ["--events", "./x", "--out", "x"],
        ["--out", "x.jsonl", "--events", "x.jsonl"],
        ["--save", "a.mkv", "--save", "a.mkv"],
    ):
        ended = cli("run", name, "--source", "test", "--frames", 1, *more)
        assert ended.code == 1
        assert re.search(f"{more[-1]} is (named|there) twice", ended.err)
    assert not (tmp_path / "x").exists()
    ended = cli("run", name, "--source", "test", "--out", "{stream_id}.jsonl")
    assert "--out {stream_id}.jsonl: the lines of all streams go into one file" in ended.err


def test_aimetas_own_file_is_an_output_too(cli, configured, tmp_path):
    pipeline = {"empycustom": LIB, "aimeta": {"location": "lib.py"}}
    refused = cli("run", configured(pipeline), "--source", "test")
    assert "lib.py would be overwritten while it is read" in refused.err
    assert (tmp_path / "lib.py").read_text() == SAYS
    played = cli("run", configured({"aimeta": {"location": "a.jsonl"}}), "--source", "test", "--frames", 3, "--out", "b.jsonl")
    assert played.code == 0, played.err
    assert (tmp_path / "a.jsonl").read_text() == (tmp_path / "b.jsonl").read_text()


def test_the_source_is_not_overwritten_whatever_it_is_called(cli, configured, video):
    before = video.read_bytes()
    for option in ("--save", "--out"):
        if option == "--out":  # which takes no name of a video
            video = video.rename(video.with_suffix(""))
        ended = cli("run", configured({}), "--source", video.as_uri(), option, video.name)
        assert (ended.code, f"{video.name} would be overwritten while it is read" in ended.err) == (1, True)
    assert video.read_bytes() == before


def test_files_of_before_stay_where_the_run_cannot_be(cli, configured, tmp_path):
    (tmp_path / "events.jsonl").write_text("precious")
    name = configured({}, callback="def other(signal):\n    return []\n")

    assert cli("run", name, "--source", "test", "--events", "events.jsonl").code == 1
    assert (tmp_path / "events.jsonl").read_text() == "precious"


def test_a_recording_is_finished_although_a_library_or_the_callback_raises(cli, configured, library, tmp_path, frames_in):
    library("def process_ip(b, m, o):\n    assert m['frame'][0]['frame_num'] < 20\n", "late.py")
    in_library = cli("run", configured({"empycustom": {**LIB, "custom-lib": "late.py"}}), "--source", "test", "--save", "a.mp4")
    callback = "def update(signal):\n    assert signal['frame'][0]['frame_num'] < 20\n    return []\n"
    in_callback = cli("run", configured({}, callback=callback), "--source", "test", "--save", "b.mp4")

    for ended, says in ((in_library, "process_ip"), (in_callback, "update")):
        assert ended.code == 1
        assert f"{says} raised AssertionError" in ended.err
        assert ended.err.count("empycustom: ") == 1
    assert frames_in(tmp_path / "a.mp4") == 20
    assert frames_in(tmp_path / "b.mp4") >= 20


def test_what_cannot_be_written_is_reported_once(cli, configured):
    name = configured({}, callback=COUNTS)
    ended = cli("run", name, "--source", "test", "--events", "/dev/full")

    assert ended.code == 1
    assert ended.err.count("empycustom: error:") == 1
    assert "empycustom: error: /dev/full cannot be written (No space left on device); it is incomplete." in ended.err
    assert "Traceback" not in ended.err


def test_what_libraries_print_is_beside_the_lines(cli, configured, library):
    library("def process_ip(b, m, o):\n    print('hello', m['frame'][0]['frame_num'])\n", "prints.py")
    streams = [{"stream_id": name, "location": "test"} for name in "abcd"]
    ended = cli("run", configured({"empycustom": {**LIB, "custom-lib": "prints.py"}}, streams=streams), "--frames", 50)

    assert len(ended.documents) == 200
    assert ended.err.count("hello ") >= 200


def test_passwords_are_not_printed(cli, configured):
    ended = cli("run", configured({}), "--source", "foo://me:secret@x")

    assert "foo://me:***@x" in ended.err
    assert "secret" not in ended.err
    assert "me:secret@" in cli("run", configured({}), "--source", "rtsp://me:secret@x", "--dry-run").out


def test_a_reader_that_goes_away_ends_the_streams(begin, configured):
    child = begin("run", configured({"empycustom": LIB}), "--source", "test", "--source", "test")
    assert child.process.stdout.readline()
    child.process.stdout.close()

    assert child.process.wait(timeout=20) == 0
    assert "Traceback" not in child.process.stderr.read()


def test_documents_go_to_the_output_of_another_package(theirs, env, cli, library, tmp_path):
    env["PYTHONPATH"] += f":{theirs}"
    library(SAYS, "lib.py")
    ended = cli("run", "test", "--lib", "lib.py", "--frames", "3", "--out", "theirs://x")
    assert (ended.code, ended.out) == (0, ""), ended.err
    assert [frame["frame_num"] for frame in documents_in(tmp_path / "theirs.jsonl")] == [0, 1, 2]
    for option, name, why in (
        ("--out", "refused", "not today"),
        ("--out", "nobody", "Connection refused"),
        ("--summary-json", "nobody", "Connection refused"),
    ):
        ended = cli("run", "test", "--frames", "3", option, f"theirs://{name}")
        assert ended.code == 1
        assert f"error: theirs://{name} cannot be written ({why})." in ended.err


@pytest.mark.parametrize("option", ["--out", "--summary-json"])
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_uri_without_an_output_is_refused(cli, tmp_path, option, more):
    before = set(tmp_path.iterdir())
    ended = cli("run", "test", "--frames", "1", option, "udp://127.0.0.1:9000", *more)
    assert ended.code == (2 if more and option == "--summary-json" else 1)
    if ended.code == 1:
        assert f"error: {option} udp://127.0.0.1:9000: there is no output for udp://; give the path of a file, or" in ended.err
    assert set(tmp_path.iterdir()) == before


def test_events_and_the_location_of_a_configuration_need_an_output(cli, tmp_path):
    (tmp_path / "emi_signal_callback.py").write_text(COUNTS)
    written = {"pipeline_configuration": {"aimeta": {}}, "signal_callback_function_name": "update"}
    (tmp_path / "c.json").write_text(json.dumps(written))
    ended = cli("run", "c.json", "--source", "test", "--frames", "1", "--events", "udp://x")
    assert ended.code == 1
    assert "error: --events udp://x: there is no output for udp://" in ended.err
    written["pipeline_configuration"]["aimeta"]["location"] = "fil://x"
    (tmp_path / "c.json").write_text(json.dumps(written))
    for command in ("run", "check"):
        ended = cli(command, "c.json", "--source", "test", "--allow-outside")
        assert ended.code == 1
        assert "$.pipeline_configuration.aimeta.location: there is no output for fil://; file may be meant" in ended.err


def test_a_uri_of_a_file_is_a_file_and_frames_go_nowhere_else(cli, library, tmp_path):
    library(SAYS, "lib.py")
    to = f"file://{tmp_path}/a%20b"
    ended = cli("run", "test", "--lib", "lib.py", "--frames", "1", "--out", f"{to}.jsonl", "--save", f"{to}.png")
    assert ended.code == 0, ended.err
    assert {"a b.jsonl", "a b.png"} <= {path.name for path in tmp_path.iterdir()}
    ended = cli("run", "test", "--frames", "1", "--save", "udp://x/a.mp4")
    assert (ended.code, ended.err) == (1, "empycustom: error: --save udp://x/a.mp4 is not a file; give the path of a file.\n")
    assert cli("run", "test", "--frames", "1", "--out", "console://").documents[0]["frame"][0]["frame_num"] == 0
