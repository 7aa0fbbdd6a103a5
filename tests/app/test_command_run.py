"""`empycustom run`: sources, libraries, files."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest
from command_helpers import SAYS, SLOW, all_of, words

NEW_BUFFER = """\
from gi.repository import Gst

def process(in_buffer, in_meta, options):
    return Gst.Buffer.new_wrapped(bytes(in_buffer.get_size())), [{"made": in_meta["frame"][0]["frame_num"]}]
"""
PAINTS = """\
import empycustom

def process_ip(io_buffer, in_meta, options):
    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
        frame.rgb[:] = options["rgb"]
"""


def test_documents_are_printed_where_nothing_else_is_asked(cli, library):
    ended = cli("run", "test", "--lib", library(SAYS), "--frames", 5)

    assert ended.code == 0
    assert words(ended.documents) == [{"said": "hello"}] * 5
    assert [document["frame"][0]["frame_num"] for document in ended.documents] == [0, 1, 2, 3, 4]
    assert ended.err.startswith("5 frames in ")
    assert "5 documents" in ended.err


def test_libraries_run_in_order_with_their_own_options_and_interval(cli, library):
    first = library("def process_ip(b, m, o):\n    return [{'a': o['n'], 'same': 1}]\n", "first.py")
    second = library("def process_ip(b, m, o):\n    return [{'b': sorted(o), 'same': 2}]\n", "second.py")
    ended = cli("run", "test", "--frames", 4, "--lib", first, "--options", '{"n": "x y"}', "--lib", second, "--every", 2, "-q")

    both, alone = {"a": "x y", "b": [], "same": 2}, {"a": "x y", "same": 1}
    assert words(ended.documents) == [both, alone, both, alone]
    assert ended.err == ""


def test_a_library_with_process_alone_makes_new_frames(cli, library):
    ended = cli("run", "test", "--lib", library(NEW_BUFFER), "--frames", 3)

    assert ended.code == 0, ended.err
    assert words(ended.documents) == [{"made": 0}, {"made": 1}, {"made": 2}]


def test_options_come_from_a_file(cli, library, tmp_path):
    (tmp_path / "options.json").write_text('{"word": "from a file"}')
    ended = cli("run", "test", "--lib", library(SAYS), "--options", "@options.json", "--frames", 1)

    assert words(ended.documents) == [{"said": "from a file"}]


def test_a_file_with_sound_goes_to_every_kind_of_file(cli, library, video, tmp_path, frames_in):
    names = ["people.mp4", "people.mkv", "people.avi", "people.webm", "last.png", "last.jpg"]
    saves = [word for name in names for word in ("--save", f"out/{name}")]
    red = ["--lib", library(PAINTS), "--options", '{"rgb": [200, 40, 40]}']
    ended = cli("run", video, *red, "--out", "out/meta.jsonl", *saves)

    assert ended.code == 0, ended.err
    assert ended.out == ""
    assert "40 frames in" in ended.err
    assert all(f"out/{name}" in ended.err for name in [*names, "meta.jsonl"])
    assert len((tmp_path / "out/meta.jsonl").read_text().splitlines()) == 40
    assert [frames_in(tmp_path / "out" / name) for name in names] == [40, 40, 40, 40, 1, 1]


def test_the_picture_is_the_last_frame_as_the_libraries_left_it(cli, library, video, tmp_path):
    from PIL import Image

    source = "import empycustom\ncount = [0]\ndef process_ip(b, m, o):\n    count[0] += 1\n"
    source += "    with empycustom.map_frame(b, m, writable=True) as frame:\n        frame.rgb[:] = count[0] * 5\n"
    assert cli("run", video, "--lib", library(source), "--save", "last.png").code == 0

    with Image.open(tmp_path / "last.png") as picture:
        assert picture.size == (160, 120)
        assert picture.convert("RGB").getpixel((80, 60)) == (200, 200, 200)


def test_frames_limits_a_file(cli, library, video):
    ended = cli("run", video, "--lib", library(SAYS), "--frames", 7)

    assert [document["frame"][0]["buf_pts"] for document in ended.documents] == [n * 50_000_000 for n in range(7)]


def test_another_format(cli, library):
    source = "def process_ip(b, m, o):\n    return [{'format': m['buffer']['format']}]\n"
    ended = cli("run", "test", "--lib", library(source), "--format", "NV12", "--frames", 1)

    assert words(ended.documents) == [{"format": "NV12"}]


def test_a_file_uri_is_a_source(cli, library, video):
    assert len(cli("run", video.as_uri(), "--lib", library(SAYS)).documents) == 40


def test_a_reader_that_goes_away_ends_the_run_quietly(begin, library):
    child = begin("run", "test", "--lib", library(SAYS))
    assert json.loads(child.process.stdout.readline())
    child.process.stdout.close()
    err = child.process.stderr.read()

    assert child.process.wait(30) == 0
    assert "Traceback" not in err
    assert "Exception" not in err


def test_progress_is_a_bar_on_a_terminal(env, library, video, tmp_path):
    master, terminal = pty.openpty()
    command = [sys.executable, "-m", "empycustom", "run", video, "--lib", library(SAYS), "--out", "meta.jsonl"]
    with subprocess.Popen(command, env=env, cwd=tmp_path, stderr=terminal) as process:
        os.close(terminal)
        shown = all_of(master)
    os.close(master)

    assert process.returncode == 0
    assert "100%" in shown
    assert "40/40" in shown
    assert "40 frames in" in shown


def test_progress_is_a_line_now_and_then_where_stderr_is_no_terminal(cli, library):
    slow = library(SLOW.replace("0.02", "0.5"))
    ended = cli("run", "test", "--lib", slow, "--frames", 8)

    assert "of 8 (" in ended.err
    assert " fps" in ended.err.splitlines()[0]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nope.mp4"], "nope.mp4 does not exist. SOURCE is a file, a URI, a camera"),
        (["."], ". has no pictures or videos, what it has is lib.py; a glob names files of any kind"),
        (["/dev/video77"], "There is no camera at /dev/video77"),
        (["camera:77"], "There is no camera at /dev/video77"),
        (["foo://bar"], "GStreamer has no element here that reads foo://"),
        (["file:///nope.mp4"], "/nope.mp4 does not exist"),
        (["test", "--save", "x.gif"], "the ending .gif is not known; it may be .mp4 .mkv .avi .webm .png .jpg"),
        (["test", "--format", "ARGB64"], '--format "ARGB64" must be one of RGBA, '),
        (["test", "--lib", "nope.py"], "nope.py does not exist"),
        (["test", "--lib", "lib.py", "--options", "[1]"], "options is not a JSON object"),
        (["test", "--out", "lib.py/meta.jsonl"], "lib.py"),
    ],
)
def test_what_cannot_work_is_one_clear_line(words, complaint, cli, library):
    library(SAYS)
    ended = cli("run", *words[:1], "--lib", "lib.py", *words[1:])

    assert ended.code == 1
    assert ended.out == ""
    assert ended.err.startswith("empycustom: error: ")
    assert complaint in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("option", ["--save", "--out"])
def test_the_source_is_not_overwritten(option, cli, library, video):
    before = video.read_bytes()
    if option == "--out":  # which takes no name of a video
        video = video.rename(video.with_suffix(""))
    for source in (video, video.as_uri()):
        ended = cli("run", source, "--lib", library(SAYS), option, video.name)
        assert ended.code == 1
        assert f"{video.name} would be overwritten while it is read" in ended.err
    assert video.read_bytes() == before


def test_a_window_needs_a_display(cli, library, env):
    ended = cli("run", "test", "--lib", library(SAYS), "--show", DISPLAY="", WAYLAND_DISPLAY="")

    assert ended.code == 1
    assert "neither DISPLAY nor WAYLAND_DISPLAY is set" in ended.err


def test_a_file_without_video_is_an_error(cli, library, tmp_path):
    made = subprocess.run(
        ["gst-launch-1.0", "-q", *["audiotestsrc", "num-buffers=10", "!", "wavenc", "!", "filesink", "location=sound.wav"]],
        cwd=tmp_path,
        check=False,
    )
    ended = cli("run", "sound.wav", "--lib", library(SAYS))

    assert made.returncode == 0
    assert ended.code == 1
    assert "sound.wav: " in ended.err
    assert "no video" in ended.err


@pytest.mark.parametrize("callback", ["start", "process_ip", "stop"])
def test_an_exception_in_a_callback_is_reported_once_with_the_traceback(callback, cli, library):
    source = "def process_ip(b, m, o): pass\n" if callback != "process_ip" else ""
    path = library(f"{source}def {callback}(*arguments):\n    raise RuntimeError('sorry')\n")
    ended = cli("run", "test", "--lib", path, "--frames", 3)
    line = 3 if source else 2

    assert ended.code == 1
    assert ended.err.count(f"empycustom: error: {path}:{line}: {callback} raised RuntimeError: sorry") == 1
    assert ended.err.count("empycustom: error:") == 1
    assert ended.err.count("Traceback (most recent call last)") == 1
    assert "raise RuntimeError('sorry')" in ended.err


def test_a_recording_is_finished_although_a_library_raises(cli, library, tmp_path, frames_in):
    path = library("def process_ip(b, m, o):\n    assert m['frame'][0]['frame_num'] < 20\n")
    ended = cli("run", "test", "--lib", path, "--save", "a.mp4", "--save", "last.png")

    assert ended.code == 1
    assert ended.err.count("empycustom: ") == 1, ended.err
    assert "written: a.mp4, last.png" in ended.err
    assert [frames_in(tmp_path / name) for name in ("a.mp4", "last.png")] == [20, 1]


def test_a_disk_that_is_full_ends_it_at_once(env, library, tmp_path):
    library(SAYS)
    command = f"{sys.executable} -m empycustom run test --lib lib.py >/dev/full"
    ended = subprocess.run(
        ["bash", "-c", command], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith("empycustom: error: stdout cannot be written (No space left on device); it is incomplete.")
    assert ended.stderr.count("empycustom: error:") == 1
    assert "Traceback" not in ended.stderr


def test_what_libraries_print_is_beside_the_documents(cli, library):
    ended = cli("run", "test", "--lib", library("def process_ip(b, m, o):\n    print('hello')\n"), "--frames", 3)

    assert len(ended.documents) == 3
    assert ended.err.count("hello\n") == 3


def test_a_library_that_cannot_be_loaded_is_an_error(cli, library):
    ended = cli("run", "test", "--lib", library("import nothing_of_this_name\n"))

    assert ended.code == 1
    assert "nothing_of_this_name" in ended.err
    assert "Traceback (most recent call last)" in ended.err


def test_missing_elements_name_their_package():
    code = (
        "from empycustom.session import sinks\n"
        "from pathlib import Path\n"
        "sinks._MUXERS['.mp4'] = ('mp4mux', [('x264enc_not_here', [], [])])\n"
        "from empycustom.packages import PACKAGES\n"
        "PACKAGES['x264enc_not_here'] = 'a-package'\n"
        "sinks.Sinks([Path('a.mp4')]).check()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert (
        "--save a.mp4 needs one of the elements x264enc_not_here, and none is here; install it with: apt install a-package"
        in ended.stderr
    )


def test_the_printed_line_does_the_same_in_gst_launch(cli, library, video, gst_launch, tmp_path, frames_in):
    red = ["--lib", library(PAINTS), "--options", '{"rgb": [200, 40, 40], "why": "it\'s \\"so\\""}', "--every", 2]
    saves = ["--save", "red film.mp4", "--save", "last.png", "--out", "meta.jsonl"]
    printed = cli("run", video, *red, *saves, "--dry-run")
    assert (printed.code, printed.err, list(tmp_path.glob("red*"))) == (0, "", [])
    launched = gst_launch(printed.out.removeprefix("gst-launch-1.0"))

    assert launched.complaints() == []
    assert [frames_in(tmp_path / name) for name in ("red film.mp4", "last.png")] == [40, 1]
    assert len((tmp_path / "meta.jsonl").read_text().splitlines()) == 40
    assert cli("run", "test", "--lib", library(SAYS), "--dry-run", "--frames", 3).out.startswith(
        "gst-launch-1.0 videotestsrc name=source pattern=ball num-buffers=3 ! "
    )


def test_published_documents_are_printed_only_where_that_is_asked_for(cli, library, tmp_path):
    run = [
        "run",
        "test",
        "--lib",
        library(SAYS),
        "--frames",
        3,
        "--quiet",
        "--publish",
        f"file://{tmp_path}/a.jsonl?spool={tmp_path}",
    ]
    ended = cli(*run)

    assert (ended.code, ended.out) == (0, "")
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [json.loads(line)["frame"][0]["frame_num"] for line in lines] == [0, 1, 2]
    assert len(cli(*run, "--out", "-").documents) == 3


@pytest.mark.parametrize(("muxer", "suffix"), [("mp4mux", "mp4"), ("matroskamux", "mkv"), ("avimux", "avi"), ("flvmux", "flv")])
def test_a_file_that_is_cut_off_is_one_error_with_its_name(cli, library, tmp_path, muxer, suffix):
    file = tmp_path / f"cut.{suffix}"
    caps = "video/x-raw,width=64,height=48"
    line = f"videotestsrc num-buffers=30 ! {caps} ! x264enc ! {muxer} ! filesink location={file}"
    subprocess.run(["gst-launch-1.0", "-q", *line.split()], check=True)
    os.truncate(file, 300)
    ended = cli("run", file, "--lib", library(SAYS), "--quiet")

    assert ended.code == 1
    (error,) = [text for text in ended.err.splitlines() if text.startswith("empycustom: ")]
    assert error.startswith(f"empycustom: error: {file}: ")
