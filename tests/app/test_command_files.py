"""Several files as SOURCE: a folder, a glob, a pattern, names; one after the other, in one pipeline."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
from itertools import groupby, pairwise

import pytest
from command_helpers import LIB, SAYS, SLOW, TIMEOUT_S, decode, play, wait_for, words

from empycustom.gstreamer import Gst

COUNTS = """\
started = []

def start(options):
    started.append(1)
    print("START")

def process_ip(io_buffer, in_meta, options):
    frame = in_meta["frame"][0]
    size = [frame["source_frame_width"], frame["source_frame_height"]]
    return [{"source": frame["source"], "number": frame["frame_num"], "size": size, "starts": len(started)}]

def stop(options):
    print("STOP")
"""
WATCHES = """\
import os

def process_ip(io_buffer, in_meta, options):
    return [{name: len(os.listdir(f"/proc/self/{name}")) for name in ("fd", "task")}]
"""
GIF = bytes.fromhex(  # one pixel
    "4749463839610100010080000000000000ffffff2c00000000010001000002024401003b"
)
RAISES = "def process_ip(b, m, o):\n    if m['frame'][0]['frame_num'] == 3:\n        raise KeyError('missing')\n"


def picture(path, *, size=(64, 48), kind="jpegenc"):
    caps = f"video/x-raw,width={size[0]},height={size[1]}"
    play(f'videotestsrc num-buffers=1 pattern=ball ! {caps} ! videoconvert ! {kind} ! filesink location="{path}"')
    return path


def film(path, *, count=10, size=(96, 80), encoder="jpegenc ! avimux"):
    caps = f"video/x-raw,format=I420,width={size[0]},height={size[1]},framerate=10/1"
    play(f'videotestsrc num-buffers={count} pattern=ball ! {caps} ! {encoder} ! filesink location="{path}"')
    return path


def sources(ended):
    """The sources of all documents, in their order, each with how many it has."""
    names = (document["frame"][0]["source"] for document in ended.documents)
    return [(name, len(list(group))) for name, group in groupby(names)]


def numbers(ended):
    return [document["frame"][0]["frame_num"] for document in ended.documents]


@pytest.fixture
def mixed(tmp_path):
    """A folder: pictures of several sizes and kinds, with a video between them."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    picture(folder / "1.jpg", size=(64, 48))
    picture(folder / "10.png", size=(32, 100), kind="pngenc")
    picture(folder / "9.JPG", size=(128, 72))
    film(folder / "2.avi")
    return folder


@pytest.fixture
def pictures(tmp_path):
    """A folder of pictures; the numbers are those of their names."""
    folder = tmp_path / "frames"
    folder.mkdir()
    first = picture(folder / "00001.jpg").read_bytes()

    def make(*given):
        for number in given:
            (folder / f"{number:05d}.jpg").write_bytes(first)
        return folder

    return make


def test_a_folder_plays_in_natural_order_in_one_pipeline(cli, library, mixed):
    ended = cli("run", "mixed", "--lib", library(COUNTS), "-q")

    assert ended.code == 0, ended.err
    assert sources(ended) == [("mixed/1.jpg", 1), ("mixed/2.avi", 10), ("mixed/9.JPG", 1), ("mixed/10.png", 1)]
    assert numbers(ended) == list(range(13))
    said = words(ended.documents)
    assert [said[index]["size"] for index in (0, 1, 10, 11, 12)] == [[64, 48], [96, 80], [96, 80], [128, 72], [32, 100]]
    assert [(each["source"], each["number"]) for each in said] == [
        (document["frame"][0]["source"], number) for number, document in enumerate(ended.documents)
    ]
    assert {each["starts"] for each in said} == {1}
    assert ended.err == "START\nSTOP\n"


def test_times_are_of_each_file(cli, library, mixed):
    film(mixed.parent / "a.ts", encoder="x264enc tune=zerolatency ! h264parse ! mpegtsmux")  # its first pts is not 0
    ended = cli("run", "a.ts", "mixed/1.jpg", "a.ts", "mixed/2.avi", "--lib", library(SAYS), "-q")

    step = Gst.SECOND // 10
    ten = [index * step for index in range(10)]
    assert ended.code == 0, ended.err
    times = [document["frame"][0]["stream_time"] for document in ended.documents]
    assert [round(time / step) * step for time in times] == [*ten, 0, *ten, *ten]
    assert all(abs(time - round(time / step) * step) < Gst.MSECOND for time in times)


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "PPM", "WEBP"])
def test_pictures_of_other_kinds(cli, library, tmp_path, kind):
    from PIL import Image

    if not Gst.ElementFactory.find("gdkpixbufdec" if kind != "WEBP" else "webpdec"):
        pytest.skip("this GStreamer has no decoder for them")
    for index in range(2):
        Image.new("RGB", (64, 48), (200, 40, 40)).save(tmp_path / f"{index}.{kind.lower()}", kind)
    ended = cli("run", f"*.{kind.lower()}", "--lib", library(COUNTS), "-q")

    assert (ended.code, ended.err) == (0, "START\nSTOP\n")
    assert [each["size"] for each in words(ended.documents)] == [[64, 48]] * 2


@pytest.mark.parametrize(
    "typed", [["frames/*.jpg"], ["frames"], ["frames/%05d.jpg"], ["frames/00001.jpg", "frames/00002.jpg", "frames/00011.jpg"]]
)
def test_ways_to_name_pictures(cli, library, pictures, typed):
    pictures(2, 11)
    ended = cli("run", *typed, "--lib", library(SAYS), "-q")

    assert (ended.code, ended.err) == (0, "")
    assert sources(ended) == [("frames/00001.jpg", 1), ("frames/00002.jpg", 1), ("frames/00011.jpg", 1)]


def test_several_files_play_in_the_order_in_which_they_are_named(cli, library, video, mixed):
    ended = cli("run", "mixed/9.JPG", "video.avi", "mixed/1.jpg", "video.avi", "--lib", library(SAYS), "-q")

    assert (ended.code, ended.err) == (0, "")
    assert sources(ended) == [("mixed/9.JPG", 1), ("video.avi", 40), ("mixed/1.jpg", 1), ("video.avi", 40)]


def test_a_file_with_such_a_name_is_that_file(cli, library, pictures, tmp_path):
    for name in ("a[1].jpg", "b%03d.jpg"):
        (tmp_path / name).write_bytes((pictures() / "00001.jpg").read_bytes())
        ended = cli("run", name, "--lib", library(SAYS), "-q")

        assert (ended.code, sources(ended)) == (0, [(name, 1)]), ended.err


def test_files_of_a_folder_that_are_skipped_are_reported(cli, library, pictures):
    folder = pictures(1, 2)
    (folder / "notes.txt").write_text("")
    (folder / ".hidden").write_text("")
    (folder / "more").mkdir()
    ended = cli("run", "frames/", "--lib", library(SAYS), "-q")

    assert ended.code == 0
    assert sources(ended) == [("frames/00001.jpg", 1), ("frames/00002.jpg", 1)]
    why = "because their names do not end as those of pictures or videos"
    assert ended.err == f"empycustom: warning: left out of frames, {why}: notes.txt\n"


def test_nothing_to_play_is_refused(cli, library, tmp_path):
    folder = tmp_path / "words"
    (folder / "deeper").mkdir(parents=True)
    for index in range(7):
        (folder / f"{index}.txt").write_text("")
    lib = library(SAYS)

    def said(source):
        ended = cli("run", source, "--lib", lib, "-q")
        assert (ended.code, ended.out) == (1, "")
        return ended.err.removeprefix("empycustom: error: ").rstrip("\n")

    there = "deeper/, 0.txt, 1.txt, 2.txt, 3.txt and 3 more"
    assert (
        said("words")
        == f"words has no pictures or videos, what it has is {there}; a glob names files of any kind: 'words/*/*.jpg'."
    )
    assert said("words/deeper").startswith("words/deeper has no pictures or videos, it is empty.")
    assert said("words/*.jpg") == "There is no file that words/*.jpg matches."
    assert said("words/%05d.jpg") == "There is no file words/%05d.jpg with a number in the place of %05d."


def test_a_broken_file_is_named_and_the_others_are_played(cli, library, pictures, video, tmp_path):
    folder = pictures(1, 2, 3, 4, 5, 6)
    (folder / "00002.jpg").write_text("not a picture")
    (folder / "00004.jpg").write_bytes(b"")
    (folder / "00006.jpg").write_text("the last one, too")
    ended = cli("run", "frames", "video.avi", "frames/00002.jpg", "--lib", library(COUNTS), "--out", "d.jsonl", "-q")
    documents = [json.loads(line) for line in (tmp_path / "d.jsonl").read_text().splitlines()]

    assert ended.code == 1
    assert [document["frame"][0]["frame_num"] for document in documents] == list(range(43))
    errors = [line.split(": ")[2] for line in ended.err.splitlines() if line.startswith("empycustom: error: ")]
    assert sorted(errors) == ["frames/00002.jpg", "frames/00002.jpg", "frames/00004.jpg", "frames/00006.jpg"], ended.err
    assert ended.err.startswith("START\n")
    assert ended.err.count("STOP\n") == 1


@pytest.mark.parametrize("save", [[], ["--save", "a.mp4"]])
def test_files_that_are_all_broken_end(cli, library, tmp_path, save):
    for name in ("a.jpg", "b.mp4", "c.png"):
        (tmp_path / name).write_text("not that")
    ended = cli("run", "a.jpg", "b.mp4", "c.png", "--lib", library(SAYS), "-q", *save)

    assert (ended.code, ended.out) == (1, "")
    assert sorted(line.split(": ")[2] for line in ended.err.splitlines() if line.startswith("empycustom: error")) == [
        "a.jpg", "b.mp4", "c.png",
    ]  # fmt: skip


# An animated picture: GStreamer 1.22 finds the stream in it, and decodes no frame.
ANIMATED = """
UklGRvQBAABXRUJQVlA4WAoAAAACAAAAnwAAdwAAQU5JTQYAAAAAAAAAAABBTk1GmgAAAAAAAAAAAJ8AAHcAAMgAAAJWUDggggAAADAKAJ0BKqAAeAA+bTaa
SaQjIqEgaACADYlpbt/wL0C8AfoBI+00B+AAJzQdSTQAFT+Oou5DuDE+OmnNTJv0Oh0Oh0Oh0Oh0Oh0Oh0Oh0Oh0Oh0Oh0Oh0OhzAAD+8KIv//kFywuuRr//
8gP+QH/ID/+PxaS9A991CLqEXUIhkwgAAABBTk1GjgAAAAAAAAAAAJ8AAHcAAMgAAABWUDggdgAAAJQJAJ0BKqAAeAA+bTSTSYIGAADYlpbt/wL0C8AfoBI+
00B+AAJuYcqvBAhFJJEheI9bLfsLj+OQVL62W/YXH8cgqX1st+wuP45BUvrZb9hcfxyCpSAA/vC27//5BcsLrka//+bArmufoeTH1GeUWPysfkQAAABBTk1G
kAAAAAAAAAAAAJ8AAHcAAMgAAABWUDggeAAAAFQJAJ0BKqAAeAA+bTSTSYIGAADYlpbt/wL0C8AfoBI+00ACYmnKrwQIRSSRIXiPWy37C4/jkFS+tlv2Fx/H
IKl9bLfsLj+OQVL62W/YXH8cgqUgAP75Ji//+QH/+QH/+QH/8gP/+IXeyGY/DelExnnAf5KAFiQAAA==
"""


def test_a_file_whose_frames_cannot_be_decoded_is_named_or_played(cli, library, pictures, tmp_path):
    pictures(1, 2)
    (tmp_path / "moving.webp").write_bytes(base64.b64decode(ANIMATED))
    ended = cli("run", "frames/00001.jpg", "moving.webp", "frames/00002.jpg", "--lib", library(SAYS), "-q")

    assert numbers(ended) == list(range(len(ended.documents)))
    played = [name for name, _ in sources(ended)]
    assert played in (["frames/00001.jpg", "frames/00002.jpg"], ["frames/00001.jpg", "moving.webp", "frames/00002.jpg"])
    assert (ended.code, "error: moving.webp: " in ended.err) == ((1, True) if "moving.webp" not in played else (0, False))


def test_a_file_without_video_is_named(cli, library, video, tmp_path):
    play(f'audiotestsrc num-buffers=5 ! wavenc ! filesink location="{tmp_path / "sound.wav"}"')
    ended = cli("run", "sound.wav", "video.avi", "--lib", library(SAYS), "-q")

    assert (ended.code, sources(ended)) == (1, [("video.avi", 40)])
    assert "empycustom: error: sound.wav: " in ended.err


def test_frames_counts_over_all(cli, library, pictures, video):
    pictures(1, 2, 3)
    ended = cli("run", "frames", "video.avi", "frames", "--lib", library(COUNTS), "-q", "--frames", 13)

    assert ended.code == 0
    assert sources(ended)[-1] == ("video.avi", 10)
    assert numbers(ended) == list(range(13))
    assert ended.err == "START\nSTOP\n"


def times_in(path):
    """The times of the frames that a video decodes to, in ms."""
    times = []

    def see(pad, buffer):
        segment = pad.get_sticky_event(Gst.EventType.SEGMENT, 0).parse_segment()
        times.append(segment.to_running_time(Gst.Format.TIME, buffer.pts) / Gst.MSECOND)

    decode(path, see)
    return times


def test_a_saved_video_goes_on_without_gaps(cli, library, tmp_path, pictures):
    """Pictures are shown for 1/25 s each; videos for as long as they last."""
    pictures(1, 2, 3, 4, 5)
    film(tmp_path / "a.avi", size=(64, 48))
    played = ["frames", "a.avi", "frames/00001.jpg", "a.avi"]
    ended = cli("run", *played, "--lib", library(SAYS), "-q", "--out", "d.jsonl", "--save", "saved.mp4")

    assert (ended.code, ended.err) == (0, "")
    steps = [*[40] * 5, *[100] * 10, 40, *[100] * 9]
    found = [after - before for before, after in pairwise(times_in(tmp_path / "saved.mp4"))]
    assert [round(each) for each in found] == steps


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi", "webm"])
def test_videos_are_saved_as_one(cli, library, tmp_path, ending):
    film(tmp_path / "a.avi")
    film(tmp_path / "b.avi", count=5)
    ended = cli("run", "a.avi", "b.avi", "a.avi", "--lib", library(SAYS), "-q", "--out", "d.jsonl", "--save", f"saved.{ending}")

    assert (ended.code, ended.err) == (0, "")
    assert [round(time) for time in times_in(tmp_path / f"saved.{ending}")] == [100 * index for index in range(25)]


def test_ctrl_c_ends_all(begin, library, pictures, tmp_path):
    pictures(*range(1, 200))
    slow = SLOW.replace("0.02", "1 if in_meta['frame'][0]['frame_num'] > 5 else 0")
    lib = library(f"{slow}\ndef stop(options):\n    print('STOP')\n")
    running = begin("run", "frames", "--lib", lib, "-q", "--out", "d.jsonl")
    wait_for(lambda: (tmp_path / "d.jsonl").exists() and (tmp_path / "d.jsonl").read_text().count("\n") > 3, "some documents")
    running.interrupt(signal.SIGINT)
    ended = running.end()

    assert (ended.code, ended.err) == (130, "STOP\n")
    assert (tmp_path / "d.jsonl").read_text().count("\n") < 199


def test_an_error_of_a_library_ends_all(cli, library, pictures):
    pictures(*range(1, 20))
    ended = cli("run", "frames", "--lib", library(RAISES), "-q")

    assert ended.code == 1
    assert numbers(ended) == [0, 1, 2]
    assert "process_ip raised KeyError: 'missing' at frame 3" in ended.err
    assert ended.err.count("empycustom: ") == 1


def test_files_and_threads_stay_few(cli, library, pictures):
    pictures(*range(1, 300))
    ended = cli("run", "frames", "--lib", library(WATCHES), "-q")
    said = words(ended.documents)

    assert (ended.code, len(said)) == (0, 299)
    assert max(each["fd"] for each in said) < 60
    assert max(each["task"] for each in said) < 60


@pytest.mark.parametrize("other", ["test", "-", "rtsp://camera/1"])
def test_what_is_no_file_plays_alone(cli, library, video, other):
    if other.startswith("rtsp") and not Gst.uri_protocol_is_supported(Gst.URIType.SRC, "rtsp"):
        pytest.skip("this GStreamer has no element that reads rtsp")
    ended = cli("run", "video.avi", other, "--lib", library(SAYS), "-q")

    assert ended.code == 1
    assert ended.err == f"empycustom: error: {other} is not a file, as each of several SOURCEs has to be; play it alone.\n"


def test_a_configuration_plays_alone(cli, configured, video):
    name = configured({"empycustom": LIB}, streams=[{"location": "test"}])
    ended = cli("run", "video.avi", name)

    assert ended.code == 2
    assert f"{name} is a stream configuration, which plays alone; name one SOURCE" in ended.err


def test_the_line_for_gst_launch_plays_the_same(cli, library, gst_env, mixed, tmp_path):
    ended = cli("run", "mixed/1.jpg", "mixed/2.avi", "mixed/9.JPG", "--lib", library(SAYS), "--dry-run", "--out", "d.jsonl")
    assert ended.code == 0, ended.err
    played = subprocess.run(["bash", "-c", ended.out], cwd=tmp_path, env=gst_env, timeout=TIMEOUT_S, check=False)

    assert played.returncode == 0
    assert (tmp_path / "d.jsonl").read_text().count("\n") == 12


def test_too_many_files_for_a_line(cli, library, pictures):
    pictures(*range(1, 102))
    ended = cli("run", "frames", "--lib", library(SAYS), "--dry-run")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("empycustom: error: --dry-run: gst-launch-1.0 opens all files at once, and there are 101. ")


@pytest.mark.skipif(Gst.version() >= (1, 26), reason="such files end there")
def test_a_gif_which_would_never_end_is_refused_before_anything_is_played_and_left_out_of_folders(
    cli, library, pictures, tmp_path
):
    lib, folder = library(SAYS), pictures(1)
    why = f"GStreamer 1.{Gst.version().minor} does not end"
    for path in (tmp_path / "a b.gif", tmp_path / "hidden.jpg", folder / "x.GIF"):
        path.write_bytes(GIF)

    for named in ("a b.gif", "hidden.jpg"):
        for sources_ in ([named], ["frames/00001.jpg", named]):
            ended = cli("run", *sources_, "--lib", lib, "--out", "out.jsonl")
            assert ended.code == 1
            assert ended.err.startswith(f"empycustom: error: {named}: {why} a GIF; convert it: ffmpeg -i ")
            assert not (tmp_path / "out.jsonl").exists()
    assert "ffmpeg -i 'a b.gif' 'a b.mp4'" in cli("run", "a b.gif").err

    ended = cli("run", "frames", "--lib", lib, "-q")
    assert (ended.code, sources(ended)) == (0, [("frames/00001.jpg", 1)])
    assert ended.err == f"empycustom: warning: left out of frames, because {why} GIFs and NUTs: x.GIF\n"
    (folder / "00001.jpg").unlink()
    assert f"frames/x.GIF: {why} a GIF" in cli("run", "frames", "--lib", lib, "-q").err
