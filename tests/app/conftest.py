"""The command line as a user types it: in its own process, in the folder of a test."""

from __future__ import annotations

import gc
import http.server
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_helpers import SAYS, SRC, TIMEOUT_S, decode, play, wait_for

SERVER = Path(__file__).with_name("rtsp_server.py")


class Ended:
    """How a process ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def documents(self) -> list[dict[str, Any]]:
        """Every line of stdout, which must hold nothing but documents."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def env(env_with) -> dict[str, str]:
    """A user's environment without GST_PLUGIN_PATH; the package comes from this checkout."""
    return env_with() | {"PYTHONPATH": str(SRC)}


class Child:
    """A command that runs; it is killed at the end of the test if it still does."""

    def __init__(self, words: list[str], env: dict[str, str], folder: Path, python: str, ignored: tuple[int, ...]) -> None:
        def set_signals() -> None:
            # Whoever runs the tests in the background of a shell, or by nohup, has these ignored, and children inherit that.
            for number in (signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

        self.process = subprocess.Popen(
            [python, "-m", "empycustom", *words],
            cwd=folder,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=set_signals,
        )
        self._said = b""

    def end(self, timeout_s: float = TIMEOUT_S) -> Ended:
        """Wait for the end."""
        out, err = self.process.communicate(timeout=timeout_s)
        return Ended(self.process.returncode, out, self._said.decode() + err)

    def hear(self, text: str, count: int = 1) -> None:
        """Wait until it has said a text on stderr so many times, from its start on."""
        stderr, until = self.process.stderr.fileno(), time.monotonic() + TIMEOUT_S
        readable = select.poll()
        readable.register(stderr, select.POLLIN)
        while self._said.count(text.encode()) < count:
            assert time.monotonic() < until, f"{text!r} does not come: {self._said.decode()}"
            if readable.poll(1000):
                said = os.read(stderr, 65536)
                assert said, f"{text!r} did not come: {self._said.decode()}"
                self._said += said

    def type(self, line: str) -> None:
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def interrupt(self, number: int = signal.SIGINT) -> None:
        self.process.send_signal(number)


@pytest.fixture
def begin(env: dict[str, str], tmp_path: Path):
    """Start a command and go on."""
    children: list[Child] = []

    def start(*words: Any, python: str = sys.executable, ignored: tuple[int, ...] = (), **extra: str) -> Child:
        children.append(Child([str(word) for word in words], {**env, **extra}, tmp_path, python, ignored))
        return children[-1]

    yield start
    for child in children:
        if child.process.poll() is None:
            child.process.kill()
            child.process.wait()
        for stream in (child.process.stdin, child.process.stdout, child.process.stderr):
            stream.close()


@pytest.fixture
def cli(begin: Callable[..., Child]):
    """Run a command to its end."""

    def run(*words: Any, **extra: str) -> Ended:
        return begin(*words, **extra).end()

    return run


@pytest.fixture
def frames_in(env: dict[str, str]):
    """Count the frames that a file decodes to."""

    def count(path: Path) -> int:
        frames: list[Any] = []
        decode(path, lambda pad, _buffer: frames.append(pad))
        return len(frames)

    return count


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A small file with 40 frames and with sound."""
    path = tmp_path / "video.avi"
    play(
        f'avimux name=mux ! filesink location="{path}" '
        "videotestsrc num-buffers=40 pattern=ball ! video/x-raw,width=160,height=120,framerate=20/1 ! jpegenc ! queue ! mux. "
        "audiotestsrc num-buffers=80 ! queue ! mux."
    )
    return path


@pytest.fixture
def configured(tmp_path):
    """Write a configuration, with SAYS in lib.py and, if wanted, a callback beside it; return its name."""
    (tmp_path / "lib.py").write_text(SAYS)

    def write(pipeline, *, callback=None, **more):
        if callback:
            (tmp_path / "emi_signal_callback.py").write_text(callback)
            more["signal_callback_function_name"] = "update"
        (tmp_path / "emi_stream_config.json").write_text(json.dumps({"pipeline_configuration": pipeline, **more}))
        return "emi_stream_config.json"

    return write


@pytest.fixture
def camera():
    """Start RTSP servers, each on a port; they are killed at the end."""
    servers = []

    def start(port):
        servers.append(subprocess.Popen([sys.executable, SERVER, str(port)], stdout=subprocess.PIPE, text=True))
        if servers[-1].stdout.readline() != "serving\n":
            pytest.skip("GStreamer's RTSP server is not here: apt install gir1.2-gst-rtsp-server-1.0")
        return servers[-1]

    yield start
    for server in servers:
        server.kill()
        server.wait()
        server.stdout.close()


@pytest.fixture
def pictures(tmp_path):
    """Make JPEG files, numbered from 000; return their paths."""
    folder = tmp_path / "pictures"
    folder.mkdir()

    def make(count):
        test = f"videotestsrc num-buffers={count} pattern=ball ! video/x-raw,width=64,height=48,framerate=10/1"
        play(f'{test} ! jpegenc ! multifilesink location="{folder}/%03d.jpg"')
        return sorted(folder.iterdir())

    return make


@pytest.fixture
def serve():
    """Serve pictures as a camera does, as multipart/x-mixed-replace; return the URI.

    After each that ``pauses`` names by its index, the camera waits until ``is_seen()``, and for a second; ``lasts``: it never ends.
    """
    from empycustom.gstreamer import Gst

    if not Gst.uri_protocol_is_supported(Gst.URIType.SRC, "http"):
        pytest.skip("this GStreamer has no element that reads http")
    over, servers = threading.Event(), []

    def start(paths, *, pauses=(), is_seen=lambda: True, lasts=False):
        class Camera(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=b")
                self.end_headers()
                for index, path in enumerate(paths):
                    data = path.read_bytes()
                    head = f"--b\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                    self.wfile.write(head.encode() + data + b"\r\n")
                    if index in pauses:
                        wait_for(lambda: over.is_set() or is_seen(), "that what was sent is seen")
                    over.wait(1.0 if index in pauses else 0.01)
                if lasts:
                    over.wait()

            def log_message(self, *_):
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}/"

    yield start
    over.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread is not threading.main_thread()}


@pytest.fixture
def nothing_is_left() -> Iterator[None]:
    """Check that no thread stays."""
    before = _threads()
    yield
    gc.collect()
    until = time.monotonic() + TIMEOUT_S
    while _threads() - before and time.monotonic() < until:
        time.sleep(0.01)
    assert not _threads() - before
