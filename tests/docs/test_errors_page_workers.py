"""docs/errors.md: each message about workers is provoked, and each that is provoked stands there."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from error_rows import compare

from empycustom.gstreamer import Gst

VIDEO = "video/x-raw,format=RGBA,width=64,height=48"
HEAD = "import ctypes, os, signal, time\n\n\n"
GOOD = "def process_ip(b, m, o):\n    pass\n"
BOTH = f"{GOOD}\n\ndef process(b, m, o):\n    return b, None\n"


def doing(deed, where="process_ip(b, m, o)"):
    return f"{HEAD}def {where}:\n    {deed}\n" + ("" if "process_ip" in where else GOOD)


@pytest.fixture
def said(play, library):
    """Play a library, and return all messages on the bus."""

    def run(library_text, properties="workers=1", source=f"videotestsrc num-buffers=2 ! {VIDEO}"):
        in_place = "" if "in-place" in properties else "in-place=true"
        lib = f"custom-lib={library(library_text)}"
        played = play(f"{source} ! empycustom {lib} {in_place} {properties} ! fakesink")
        return [text for text, _ in [*played.errors, *played.warnings]]

    return run


def test_workers_that_end_and_what_they_refuse(said, monkeypatch, library, tmp_path):
    from empycustom.runners import supervisor

    deeds = ["ctypes.string_at(0)", "os._exit(3)"]
    deeds += [f"os.kill(os.getpid(), signal.{name}); time.sleep(60)" for name in ("SIGKILL", "SIGTERM")]
    messages = [said(doing(deed))[0] for deed in deeds]
    messages.append(said(doing("ctypes.string_at(0)", "start(o)"))[0])
    messages.append(said("import os\n\nos._exit(3)\n")[0])
    messages.append(said(doing("time.sleep(60)"), "workers=1 call-timeout=100")[0])
    with monkeypatch.context() as patched:
        patched.setattr(supervisor, "STOP_S", 0.2)
        messages.append(said(doing("time.sleep(60)", "stop(o)"))[0])
    with monkeypatch.context() as patched:
        messages += waited_for(
            said, tmp_path / "crashed", lambda seconds: patched.setattr(supervisor.Supervisor, "hang_s", seconds)
        )
    messages += lost(said)
    compare("A worker ends, or is refused", [*messages, *refused(said), stopped_in_a_call(library, tmp_path / "begun")])


REGION = "GstVideo.buffer_add_video_region_of_interest_meta({}, 'found', 1, 2, 3, 4)"
FULL = """
import resource


def start(o):
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def process_ip(b, m, o):
    try:
        while True:
            o.setdefault("kept", []).append(open("/dev/null"))
    except OSError:
        pass
"""


LATE = f"import pathlib\n{HEAD}marker = pathlib.Path({{!r}})\n\n\ndef start(o):\n    time.sleep(600 * marker.exists())\n"
CRASH = "\n\ndef process_ip(b, m, o):\n    marker.touch()\n    os._exit(3)\n"


def waited_for(said, marker, report_after):
    """Play libraries that take long to load, in a call, and in the start of a second worker; return what is said about that."""
    report_after(0.5)
    messages = said(f"{doing('time.sleep(0.8)')}\n\ntime.sleep(0.8)\n")
    report_after(2.0)
    messages += said(f"{LATE.format(str(marker))}{CRASH}", "workers=1 call-timeout=100 on-error=pass")
    return [text for text in messages if re.search("has not returned|is not loaded|is not ready", text)]


def lost(said):
    """Play libraries that do what stays in the worker, or is not seen; return the first message of each."""
    head = "from gi.repository import Gst, GstVideo\n\n\ndef {}(b, m, o):\n    {}\n"
    bodies = [REGION.format("b"), "o['kept'] = b.map(Gst.MapFlags.READ)\n    b.fill(0, b'12')"]
    messages = [said(head.format("process_ip", body))[0] for body in bodies]
    new = f"made = b.copy_deep()\n    {REGION.format('made')}\n    return made, None"
    messages.append(said(head.format("process", new), "workers=1 in-place=false")[0])
    messages += [said(head.format("process_ip", body), "workers=1 pace=latest")[0] for body in ("b.fill(0, b'12')", "b.pts += 1")]
    return [*messages, said(FULL)[0]]


def refused(said):
    """Play what workers do not do; return the first message of each."""
    from empycustom.carriers.deepstream import DeepStreamCarrier
    from empycustom.elements.limits import check_format, check_frame, check_library
    from empycustom.errors import PropertyError

    class Other:
        memory = "NVMM"
        carrier = DeepStreamCarrier

    messages = [said(GOOD, properties)[0] for properties in ("call-timeout=500", "pace=skip")]
    messages.append(said(BOTH, "in-place=false workers=1 pace=latest")[0])
    messages.append(said(f"{GOOD}\n\ndef reloaded(old):\n    pass\n", "workers=1 reload=true")[0])
    empty = "fakesrc sizetype=empty num-buffers=1 ! video/x-raw,format=RGBA,width=4,height=4,framerate=30/1"
    messages.append(said(GOOD, source=empty)[0])
    for check, wrong in ((check_library, len), (check_format, Other), (check_frame, Other)):
        with pytest.raises(PropertyError) as caught:
            check(wrong)
        messages.append(str(caught.value))
    return messages


def stopped_in_a_call(library, begun):
    """Stop a pipeline while a call goes on; return the message."""
    path = library(doing(f"open({str(begun)!r}, 'w').close(); time.sleep(60)"))
    pipeline = Gst.parse_launch(f"videotestsrc ! {VIDEO} ! empycustom in-place=true workers=1 custom-lib={path} ! fakesink")
    pipeline.set_state(Gst.State.PLAYING)
    while not begun.exists():
        time.sleep(0.01)
    pipeline.set_state(Gst.State.READY)
    message = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    return message.parse_error()[0].message
