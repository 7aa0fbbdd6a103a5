"""Libraries that declare STATEFUL: several processes, each with a part of the frames, are refused."""

from __future__ import annotations

import pytest

COUNTS = """
STATEFUL = True
seen = 0


def process_ip(b, m, o):
    global seen
    seen += 1
    return {"frame": {"seen": seen}}
"""
# The first call of a process does not return before another process is called.
TOGETHER = (
    COUNTS.replace("STATEFUL = True", "import glob, os, time\n\nSTATEFUL = False")
    + """
count = process_ip


def process_ip(b, m, o):
    open(f"called {os.getpid()}", "w").close()
    while len(glob.glob("called *")) < 2:
        time.sleep(0.002)
    return count(b, m, o)
"""
)
LINE = "videotestsrc num-buffers=6 ! video/x-raw,format=RGBA,width=16,height=16 ! empycustom in-place=true custom-lib={} {}"


def test_several_processes_are_refused(gst_launch, library):
    path = library(COUNTS)
    ended = gst_launch(f"{LINE.format(path, 'workers=2')} ! aimeta silent=false ! fakesink")
    assert ended.code != 0
    assert (
        f"workers=2 gives each process a part of the frames, and {path} declares STATEFUL: it needs all of them in their order; "
        "set workers=1" in ended.err
    )
    assert ended.documents == []


@pytest.mark.parametrize(("source", "more"), [(COUNTS, "workers=1"), (COUNTS, ""), (TOGETHER, "workers=2")])
def test_all_else_is_taken(gst_launch, library, source, more):
    ended = gst_launch(f"{LINE.format(library(source), more)} ! aimeta silent=false ! fakesink")
    seen = [each["frame"][0]["emcustom"]["seen"] for each in ended.documents]
    assert ended.code == 0
    if "True" in source:
        assert seen == [1, 2, 3, 4, 5, 6]
    else:
        assert sorted(seen) != [1, 2, 3, 4, 5, 6]  # why it is declared


def test_what_is_neither_true_nor_false_is_an_error(library, play):
    path = library("\nSTATEFUL = 1\n\n\ndef process_ip(b, m, o):\n    pass\n")
    error = play(LINE.format(path, "") + " ! fakesink").error
    assert (
        error == f"{path}:2: STATEFUL is 1; write STATEFUL = True where this library needs all frames of a video in their order"
    )
