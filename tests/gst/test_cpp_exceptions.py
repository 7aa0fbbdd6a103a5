"""An exception of C++ in a library is an error like any other, in any order of imports; each in its own process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from empycustom.gstreamer import Gst
from empycustom.native.unwind import path_of

RAISES = {
    "cv2": "import numpy as np, cv2\ndef process_ip(b, m, o):\n    cv2.resize(np.zeros((0, 0, 3), np.uint8), (3, 3))\n",
    "onnxruntime": "import onnxruntime\ndef process_ip(b, m, o):\n    onnxruntime.InferenceSession(b'no model')\n",
}
RAISED = {"cv2": "process_ip raised error: OpenCV", "onnxruntime": "process_ip raised InvalidProtobuf"}
GI = "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst; Gst.init(None); "
PLAY = """
import sys, empycustom
empycustom.register()
from empycustom.gstreamer import Gst
for lib in sys.argv[1:]:
    pipeline = Gst.parse_launch(f"videotestsrc num-buffers=1 ! video/x-raw,format=RGBA,width=8,height=8 ! "
                                f"empycustom in-place=true custom-lib={lib} ! fakesink")
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    print(message.parse_error()[0].message)
    pipeline.set_state(Gst.State.NULL)
"""
ORDERS = [
    "",
    "import numpy; ",
    "import cv2; ",
    "import onnxruntime; ",
    f"import empycustom, numpy; {GI}",
    f"import numpy, empycustom; {GI}",
    f"{GI} import numpy; ",
    f"{GI} import onnxruntime; ",
]


@pytest.fixture
def raising(library):
    for name in RAISES:
        pytest.importorskip(name)
    return {name: library(source, f"{name}_raises.py") for name, source in RAISES.items()}


def played(head, *libraries, **environment):
    return subprocess.run(
        [sys.executable, "-c", head + PLAY, *map(str, libraries)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("head", ORDERS)
def test_whatever_was_imported_before(raising, head):
    done = played(head, *raising.values())
    assert done.returncode == 0, done.stderr
    for line, name in zip(done.stdout.splitlines(), raising, strict=True):
        assert RAISED[name] in line


@pytest.mark.parametrize("name", RAISES)
def test_by_gst_launch(gst_launch, raising, name):
    source = "videotestsrc is-live=true num-buffers=1 ! video/x-raw,format=RGBA,width=8,height=8"
    launched = gst_launch(f"{source} ! empycustom in-place=true custom-lib={raising[name]} ! fakesink")
    assert launched.code == 1, launched.text
    assert RAISED[name] in launched.err
    assert "Traceback (most recent call last)" in launched.err


@pytest.mark.parametrize("name", RAISES)
@pytest.mark.parametrize("words", [["check"], ["run", "test", "--frames", "1", "--lib"]], ids=["check", "run"])
def test_by_the_commands(raising, name, words):
    done = subprocess.run(
        [sys.executable, "-m", "empycustom", *words, str(raising[name])], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1, done.stderr
    assert RAISED[name] in done.stderr
    assert "Traceback (most recent call last)" in done.stderr


def test_when_it_is_too_late_the_log_has_a_warning(library):
    """NumPy, then GStreamer, then this package. Whether it would end the process depends on how GStreamer was built."""
    lib = library("def process_ip(b, m, o):\n    1 / 0\n")
    done = played(f"import numpy; {GI}", lib, GST_DEBUG="*empycustom*:2")
    assert "process_ip raised ZeroDivisionError" in done.stdout
    assert Gst.is_initialized()
    assert ("may end the process" in done.stderr) is (path_of("libunwind.so") is not None)
    assert "may end the process" not in played("import numpy; ", lib, GST_DEBUG="*empycustom*:2").stderr


def test_the_way_out_that_the_log_names_works(raising):
    done = played(f"import numpy; {GI}", *raising.values(), LD_PRELOAD="libgcc_s.so.1", GST_DEBUG="*empycustom*:2")
    assert done.returncode == 0, done.stderr
    assert all(text in done.stdout for text in RAISED.values())
    assert "may end the process" not in done.stderr


LOOKS = """
import _ctypes, ctypes, shutil, sys, threading
from empycustom.native.unwind import is_mixed

paths = [shutil.copy(_ctypes.__file__, f"{sys.argv[1]}/{number}.so") for number in range(200)]
barrier = threading.Barrier(4)

def load():
    barrier.wait()
    for path in paths:
        ctypes.CDLL(path)

def look():
    barrier.wait()
    for _ in range(300):
        is_mixed.__wrapped__()

threads = [threading.Thread(target=work) for work in (load, look, look, look)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("done")
"""


def test_elements_that_start_do_not_wait_for_libraries_that_load(tmp_path, gst_env):
    """Who loads a library holds the GIL or waits for it, and the loader's lock."""
    program = [sys.executable, "-c", LOOKS, str(tmp_path)]
    done = subprocess.run(program, env=gst_env, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "done\n", done.stderr
