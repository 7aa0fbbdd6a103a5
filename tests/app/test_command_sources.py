"""What SOURCE can be besides a file: devices and files below /dev, pipes, stdin."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from command_helpers import LIB, SAYS, TIMEOUT_S, play, wait_for, words

from empycustom.gstreamer import Gst

READS_STDIN = """\
import sys

def process_ip(io_buffer, in_meta, options):
    return [{"read": sys.stdin.readline()}]
"""
NAMES_SOURCE = "def process_ip(b, m, o):\n    return [{'second': m['frame'][0]['source']}]\n"
TERMINAL = "empycustom: error: - reads the video from stdin, which is a terminal; pipe one in: cat video.mp4 | empycustom run - …"


JPEG = "jpegenc quality=100"
KINDS = {
    "mkv": f"{JPEG} ! matroskamux",
    "mov": f"{JPEG} ! qtmux",
    "avi": f"{JPEG} ! avimux",
    "ts": "x264enc ! h264parse ! mpegtsmux",
}


def make(path, *, pattern="ball", size=(64, 48), count=20):
    """Write a video of the kind of its name; return its path."""
    width, height = size
    test = f"videotestsrc num-buffers={count} pattern={pattern} ! video/x-raw,format=I420,width={width},height={height},framerate=10/1"
    play(f'{test} ! {KINDS[path.suffix[1:]]} ! filesink location="{path}"')
    return path


@pytest.fixture
def shell(env, tmp_path):
    """Run a line of bash; return what ended. ``empycustom`` in it is this checkout's."""

    def run(line, **more):
        command = f'empycustom() {{ {shlex.quote(sys.executable)} -m empycustom "$@"; }}; set -o pipefail; {line}'
        return subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=env, timeout=TIMEOUT_S, capture_output=True, text=True, **more
        )

    return run


@pytest.fixture
def shm():
    """A path below /dev, of a file that is gone at the end."""
    path = Path(f"/dev/shm/{uuid.uuid4().hex}.avi")
    if not path.parent.is_dir():
        pytest.skip("there is no /dev/shm here")
    yield path
    path.unlink(missing_ok=True)


def test_a_file_below_dev_is_a_file(cli, library, video, shm):
    shm.write_bytes(video.read_bytes())
    for source in (shm, shm.as_uri()):
        ended = cli("run", source, "--lib", library(SAYS), "-q")

        assert (ended.code, ended.err, len(ended.documents)) == (0, "", 40)


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero", "/dev/tty", "file:///dev/null"])
def test_a_device_that_is_not_of_video_is_refused(cli, library, device):
    ended = cli("run", device, "--lib", library(SAYS), "-q")

    assert ended.code == 1
    assert ended.err.startswith(f"empycustom: error: {device.removeprefix('file://')} is not a video device; cameras here: ")


def test_a_video_device_is_a_camera_wherever_it_lies(cli, library, tmp_path):
    try:
        os.mknod(tmp_path / "eye", 0o600 | 0o020000, os.makedev(81, 250))
    except OSError:
        pytest.skip("only root makes devices")
    ended = cli("run", "eye", "--lib", library(SAYS), "--dry-run")

    assert ended.code == 0, ended.err
    assert "v4l2src name=source-input device=eye ! decodebin" in ended.out


def test_a_socket_is_refused(cli, library, tmp_path):
    import socket

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "door"))
        ended = cli("run", "door", "--lib", library(SAYS), "-q")

    assert ended.code == 1
    assert ended.err == "empycustom: error: door is a socket, from which no video is read; give a file, a FIFO, or a URI.\n"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("line", ["cat {} | empycustom run -", "empycustom run - < {}", "empycustom run <(cat {})"])
def test_what_comes_by_a_pipe_is_played(shell, library, tmp_path, kind, line):
    path = make(tmp_path / f"video.{kind}")
    ended = shell(f"{line.format(path)} --lib {library(SAYS)} -q")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(ended.stdout.splitlines()) == 20


def test_an_index_at_the_end_is_too_far_in_a_pipe(shell, library, tmp_path):
    make(tmp_path / "late.mov", pattern="snow", size=(640, 480), count=24)
    assert (tmp_path / "late.mov").stat().st_size > 10_000_000
    ended = shell(f"cat late.mov | empycustom run - --lib {library(SAYS)} -q")
    read = shell("empycustom run - --lib lib.py -q < late.mov")

    assert ended.returncode == 1
    assert ended.stderr.startswith("empycustom: error: stdin: the index of this .mp4 or .mov, without which nothing can be ")
    assert (read.returncode, len(read.stdout.splitlines())) == (0, 24)


def test_a_fifo_waits_for_whoever_writes_it(begin, library, video, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    running = begin("run", "fifo", "--lib", library(SAYS), "-q")
    with (tmp_path / "fifo").open("wb") as fifo:  # waits for a reader
        fifo.write(video.read_bytes())
    ended = running.end()

    assert (ended.code, ended.err, len(ended.documents)) == (0, "", 40)


@pytest.mark.parametrize("source", ["-", "fifo"])
def test_ctrl_c_ends_the_waiting_for_a_pipe(begin, library, tmp_path, source):
    os.mkfifo(tmp_path / "fifo")
    lib = library(f"def start(options):\n    open('started', 'w').close()\n{SAYS}")
    running = begin("run", source, "--lib", lib, "-q", "--grace", 60)
    wait_for((tmp_path / "started").exists, "the start")
    running.interrupt(signal.SIGINT)
    running.process.wait(TIMEOUT_S / 2)  # its stdin is still open

    assert running.end().code == 130


def test_a_terminal_as_stdin_is_refused_at_once(env, library, tmp_path):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "empycustom", "run", "-", "--lib", library(SAYS), "-q"]
    ended = subprocess.run(command, cwd=tmp_path, env=env, stdin=theirs, timeout=TIMEOUT_S, capture_output=True, text=True)
    os.close(ours)
    os.close(theirs)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"{TERMINAL}\n"


def test_libraries_do_not_read_the_video(shell, library, video):
    ended = shell(f"cat {video} | empycustom run - --lib {library(READS_STDIN)} -q")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert words(map(json.loads, ended.stdout.splitlines())) == [{"read": ""}] * 40


def test_documents_and_libraries_know_the_source(cli, shell, library, video, tmp_path):
    first = library("def process_ip(b, m, o):\n    return [{'first': m['frame'][0]['source']}]\n", "first.py")
    second = library(NAMES_SOURCE, "second.py")
    names = ["video.avi", "./video.avi", str(video), video.as_uri(), "test"]
    (tmp_path / "größe 1.avi").write_bytes(video.read_bytes())
    for name in [*names, "größe 1.avi"]:
        ended = cli("run", name, "--lib", first, "--lib", second, "--frames", 3, "-q")

        assert [document["frame"][0]["source"] for document in ended.documents] == [name] * 3, ended.err
        assert words(ended.documents) == [{"first": name, "second": name}] * 3
    piped = shell("cat video.avi | empycustom run - --lib first.py --frames 1 -q")
    assert json.loads(piped.stdout)["frame"][0]["source"] == "-"


def test_the_source_of_a_uri_is_without_secrets(cli, library, video):
    import functools
    import http.server
    import threading

    if not Gst.uri_protocol_is_supported(Gst.URIType.SRC, "http"):
        pytest.skip("this GStreamer has no element that reads http")
    files = functools.partial(http.server.SimpleHTTPRequestHandler, directory=video.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{server.server_port}/video.avi"
        ended = cli("run", f"http://me:SECRET@{host}?token=SECRET", "--lib", library(SAYS), "--frames", 1, "-q")
        server.shutdown()

    assert [document["frame"][0]["source"] for document in ended.documents] == [f"http://me:***@{host}?token=***"], ended.err


def test_a_name_that_is_not_utf_8_is_a_source(cli, library, video, tmp_path):
    name = os.fsdecode(b"caf\xe9.avi")
    (tmp_path / name).write_bytes(video.read_bytes())
    ended = cli("run", name, "--lib", library(SAYS), "--frames", 1, "-q")

    assert [document["frame"][0]["source"] for document in ended.documents] == ["caf\\xe9.avi"], ended.err


def test_the_source_of_a_stream_is_its_stream_id(cli, configured, video):
    streams = [{"stream_id": "entrance", "location": "video.avi"}, {"stream_id": "garden", "location": "test"}]
    ended = cli("run", configured({"empycustom": LIB}, streams=streams), "--frames", 3, "-q")
    alone = cli("run", configured({"empycustom": LIB}, application_name="alone"), "--frames", 1, "-q", "--source", "test")

    assert len(ended.documents) == 6, ended.err
    assert all(document["frame"][0]["source"] == document["stream_id"] for document in ended.documents)
    assert alone.documents[0]["frame"][0]["source"] == "alone"


def test_pipes_are_printed_for_gst_launch(cli, library, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    lib = library(SAYS)

    assert cli("run", "-", "--lib", lib, "--dry-run").out.startswith("gst-launch-1.0 fdsrc fd=0 name=source-input ! decodebin ")
    assert cli("run", "fifo", "--lib", lib, "--dry-run").out.startswith(
        "gst-launch-1.0 filesrc location=fifo name=source-input ! "
    )


def test_a_stream_of_a_configuration_reads_stdin(shell, configured, video):
    name = configured({"empycustom": LIB}, streams=[{"stream_id": "piped", "location": "-"}, {"location": "test"}])
    alone = configured({"empycustom": LIB}, streams=[{"stream_id": "piped", "location": "-"}])
    ended = shell(f"cat {video} | empycustom run {alone} -q")
    again = shell(f"cat {video} | empycustom run {name} -q --source - ")

    for each in (ended, again):
        assert (each.returncode, each.stderr) == (0, "")
        assert len(each.stdout.splitlines()) == 40


def test_two_cannot_read_stdin(cli, configured):
    name = configured(
        {"empycustom": LIB}, streams=[{"stream_id": "a", "location": "-"}, {"stream_id": "b", "location": "/dev/stdin"}]
    )
    both = cli("run", name, "-q")
    typed = cli("run", name, "-q", "--source", "test", "--source", "-", "--set", "-")

    text = "b would read stdin, as {} does; give it another source\n"
    assert both.code == typed.code == 1
    assert both.err.endswith(f"$.streams[1].location: {text.format('a')}")
    assert typed.err.endswith(text.format("--set -"))


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_a_server_that_is_not_there_is_one_error(scheme, cli, library):
    with socket.socket() as taken:  # nobody listens
        taken.bind(("127.0.0.1", 0))
        uri = f"{scheme}://127.0.0.1:{taken.getsockname()[1]}/x"
        ended = cli("run", uri, "--lib", library(SAYS), "--quiet")
    assert ended.code == 1
    assert ended.err.startswith(f"empycustom: error: {uri} cannot be reached; check its name, its port, and that its server is")
    assert ended.err.count("empycustom: error: ") == 1
