"""--save: sizes that encoders do not take, frames that change on their way, times that stand still, and what is left behind."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from command_helpers import LIB, SAYS, SLOW, decode, documents_in, lines_in, wait_for
from PIL import Image

from empycustom.gstreamer import Gst, GstVideo

VIDEOS = ["a.mp4", "a.mkv", "a.avi", "a.webm"]
SAVES = [word for name in VIDEOS for word in ("--save", name)]
RED, GREEN = (200, 40, 40), (40, 160, 40)
# Plugins that are not there, and what encodes instead.
ENCODERS = {
    "x264enc": ([], dict.fromkeys(VIDEOS[:3], "x264enc")),
    "openh264enc": (["x264"], dict.fromkeys(VIDEOS[:3], "openh264enc")),
    "vp8enc": (["x264", "openh264"], {"a.mkv": "vp8enc", "a.avi": "avenc_mpeg4"}),
}
SAME_TIMES = """\
def process_ip(io_buffer, in_meta, options):
    number = in_meta["frame"][0]["frame_num"]
    if 4 <= number < 16:
        io_buffer.pts = %s
"""


@pytest.fixture
def picture(tmp_path):
    """Write a picture that is red, and green in its last column and row; tiny ones have special pixels."""

    def write(width, height, name="odd.png"):
        image = Image.new("RGB", (width, height), RED)
        image.paste(GREEN, (width - width // 8, 0, width, height))
        image.paste(GREEN, (0, height - height // 8, width, height))
        image.save(tmp_path / name, quality=95)
        return tmp_path / name

    return write


@pytest.fixture
def decoded():
    """Decode a video; return its frames as pictures."""

    def pictures_of(path: Path) -> list[Image.Image]:
        found = []

        def look(pad, buffer):
            video = GstVideo.VideoInfo.new_from_caps(pad.get_current_caps())
            data = buffer.extract_dup(0, buffer.get_size())
            found.append(Image.frombytes("RGB", (video.width, video.height), data, "raw", "RGB", video.stride[0]))

        decode(path, look, caps="video/x-raw,format=RGB")
        return found

    return pictures_of


@pytest.fixture
def without(tmp_path):
    """An environment in which GStreamer has all its plugins but some."""

    def leave_out(plugins):
        system = Path(Gst.Registry.get().find_plugin("coreelements").get_filename()).parent
        folder = tmp_path / "plugins"
        folder.mkdir()
        for plugin in system.iterdir():
            if plugin.stem.removeprefix("libgst") not in plugins:
                (folder / plugin.name).symlink_to(plugin)
        return {"GST_PLUGIN_SYSTEM_PATH": str(folder), "GST_REGISTRY": str(tmp_path / "registry")}

    return leave_out


def near(colour, other):
    return all(abs(one - two) < 40 for one, two in zip(colour, other, strict=True))


@pytest.mark.parametrize(
    ("size", "saved"), [((321, 241), (322, 242)), ((1, 1), (16, 16)), ((17, 16), (18, 16)), ((64, 9), (64, 16))]
)
def test_odd_and_tiny_sizes_are_padded(size, saved, cli, library, picture, decoded, tmp_path):
    source = picture(*size)
    ended = cli("run", source, "--lib", library(SAYS), "--out", "meta.jsonl", *SAVES, "--save", "a.png")

    assert ended.code == 0, ended.err
    assert "empycustom: " not in ended.err
    (document,) = documents_in(tmp_path / "meta.jsonl")
    assert (document["source_frame_width"], document["source_frame_height"]) == size
    with Image.open(tmp_path / "a.png") as last:
        assert last.size == size
    for name in VIDEOS:
        (frame,) = decoded(tmp_path / name)
        assert frame.size == saved
        if size == (321, 241):  # nothing is scaled, nothing is cut off, and what is added is black
            assert near(frame.getpixel((100, 100)), RED)
            assert near(frame.getpixel((276, 100)), RED)
            assert near(frame.getpixel((284, 100)), GREEN)
            assert near(frame.getpixel((319, 239)), GREEN)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_encoder_saves_odd_sizes_and_irregular_times(encoder, cli, library, picture, decoded, without, tmp_path):
    """The last frame of a video with a variable frame rate is in the .mp4, too."""
    missing, wanted = ENCODERS[encoder]
    if lacks := [name for name in wanted.values() if not Gst.ElementFactory.find(name)]:
        pytest.skip(f"there is no {lacks[0]} here")
    saves = [word for name in wanted for word in ("--save", name)]
    extra = without(missing)
    printed = cli("run", "test", "--lib", library(SAYS), *saves, "--dry-run", **extra).out
    assert re.findall(r"! (\w+) name=encoder", printed) == list(wanted.values())
    assert cli("run", picture(321, 241), "--lib", "lib.py", *saves, **extra).code == 0
    assert [frame.size for name in wanted for frame in decoded(tmp_path / name)] == [(322, 242)] * len(wanted)

    uneven = "def process_ip(b, m, o):\n    n = m['frame'][0]['frame_num']\n    b.pts = n * n * 10_000_000\n"
    ended = cli("run", "test", "--frames", 12, "--lib", library(uneven, "uneven.py"), "-q", *saves, **extra)

    assert ended.code == 0, ended.err
    assert [len(decoded(tmp_path / name)) for name in wanted] == [12] * len(wanted)


def test_without_an_encoder_the_packages_are_named(cli, library, without):
    ended = cli("run", "test", "--lib", library(SAYS), "--save", "a.mp4", **without(["x264", "openh264"]))

    assert ended.code == 1
    assert "--save a.mp4 needs one of the elements x264enc, openh264enc, and none is here; install it with: apt " in ended.err


def test_frames_that_change_their_size_are_scaled_to_the_first(cli, library, picture, decoded, tmp_path):
    sizes = [(321, 241), (640, 480), (100, 400), (321, 241)]
    paths = [picture(*size, f"{number}.jpg") for number, size in enumerate(sizes)]
    (tmp_path / "all.mjpeg").write_bytes(b"".join(path.read_bytes() for path in paths))
    for source in (["all.mjpeg"], paths):
        ended = cli("run", *source, "--lib", library(SAYS), "--out", "meta.jsonl", *SAVES, "--save", "a.png")

        assert ended.code == 0, ended.err
        told = "The size of the frames changes from 321x241 to 640x480, and a video has one size: in a.mp4, a.mkv, a.avi, a.webm "
        assert ended.err.count(f"{told}frames of other sizes are scaled to the first, with black borders.") == 1
        frames = documents_in(tmp_path / "meta.jsonl")
        assert [(frame["source_frame_width"], frame["source_frame_height"]) for frame in frames] == sizes
        for name in VIDEOS:
            found = decoded(tmp_path / name)
            assert [frame.size for frame in found] == [(322, 242)] * 4
            assert near(found[1].getpixel((10, 100)), RED)
            assert near(found[2].getpixel((10, 100)), (0, 0, 0))  # beside what is high and narrow
            assert near(found[2].getpixel((160, 100)), RED)
            assert near(found[3].getpixel((319, 100)), GREEN)


def test_videos_of_other_rates_and_colours_follow_each_other(cli, library, picture, tmp_path, frames_in):
    for name, rate, size, colours in (("1.avi", "10/1", (64, 48), "bt601"), ("2.avi", "30000/1001", (96, 48), "bt709")):
        raw = f"video/x-raw,format=I420,width={size[0]},height={size[1]},framerate={rate},colorimetry={colours}"
        line = f"videotestsrc num-buffers=6 ! {raw} ! jpegenc ! avimux ! filesink location={tmp_path / name}"
        subprocess.run(["gst-launch-1.0", "-q", *line.split()], check=True)
    ended = cli("run", "1.avi", picture(50, 50), "2.avi", "--lib", library(SAYS), "--out", "meta.jsonl", *SAVES)

    assert ended.code == 0, ended.err
    assert len(documents_in(tmp_path / "meta.jsonl")) == 13
    assert [frames_in(tmp_path / name) for name in VIDEOS] == [13] * 4


@pytest.mark.parametrize("times", ["4 * 33_333_333", "4 * 33_333_333 + number * 100_000"], ids=["equal", "hardly apart"])
@pytest.mark.parametrize("name", VIDEOS)
def test_frames_with_equal_times_are_all_saved(name, times, cli, library, tmp_path, frames_in):
    ended = cli("run", "test", "--lib", library(SAME_TIMES % times), "--frames", 20, "--out", "meta.jsonl", "--save", name)

    assert ended.code == 0, ended.err
    assert len(documents_in(tmp_path / "meta.jsonl")) == 20
    assert frames_in(tmp_path / name) == 20


def test_the_printed_line_saves_odd_sizes(cli, gst_launch, library, picture, decoded, tmp_path):
    printed = cli("run", picture(321, 241), "--lib", library(SAYS), "--save", "a.mp4", "--dry-run").out
    launched = gst_launch(printed.removeprefix("gst-launch-1.0"))

    assert launched.code == 0, launched.text
    (frame,) = decoded(tmp_path / "a.mp4")
    assert frame.size == (320, 240)
    assert near(frame.getpixel((100, 100)), RED)


def test_videos_that_nothing_was_written_to_do_not_stay(cli, configured, library, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    config = configured({"empycustom": LIB, "aimeta": {}})
    for words in (["broken.mp4", "--lib", library(SAYS)], [config, "--source", "broken.mp4"]):
        ended = cli("run", *words, *SAVES)

        assert ended.code == 1
        assert "written" not in ended.err
        assert sorted(path.name for path in tmp_path.glob("a.*")) == []


def test_what_is_ignored_stays_so(begin, library, tmp_path):
    """nohup lets SIGHUP be ignored."""
    child = begin("run", "test", "--lib", library(SLOW), "--out", "meta.jsonl", ignored=(signal.SIGHUP,))
    wait_for(lambda: lines_in(tmp_path / "meta.jsonl") > 3, "documents")
    child.interrupt(signal.SIGHUP)
    before = lines_in(tmp_path / "meta.jsonl")
    wait_for(lambda: lines_in(tmp_path / "meta.jsonl") > before + 20, "documents afterwards")
    child.interrupt()

    assert child.end().code == 130


@pytest.mark.parametrize("command", ["run", "launch"])
def test_a_terminal_that_goes_away_ends_the_stream_and_finishes_its_file(command, env, library, tmp_path, frames_in):
    lib, video = library(SLOW), tmp_path / "a.avi"
    source = f"videotestsrc is-live=true ! empycustom custom-lib={lib} in-place=true ! videoconvert"
    words, said = {
        "run": (["run", "test", "--lib", lib, "--save", video, "--out", "-"], rb'"frame_num": ?9\b'),
        "launch": (["launch", "-e", f"{source} ! jpegenc ! avimux ! filesink location={video}"], rb"Playing"),
    }[command]

    def begin_session():
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    master, terminal = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "empycustom", *map(str, words)],
        env=env,
        cwd=tmp_path,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=begin_session,
    )
    os.close(terminal)
    shown = b""
    while not re.search(said, shown):
        shown += os.read(master, 65536)
    if command == "launch":
        wait_for(lambda: video.exists() and video.stat().st_size > 30_000, "frames")
    os.close(master)  # the kernel sends SIGHUP
    try:
        code = child.wait(30)
    finally:
        child.kill()
        child.wait()

    assert code in (130, 1)  # 1 where a document could not be written any more
    assert frames_in(video) > 5
