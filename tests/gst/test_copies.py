"""A frame that others hold too is copied once when it is written, and never otherwise."""

from __future__ import annotations

import pytest

from empycustom.gstreamer import Gst

LOOKS = "import empycustom\ndef process_ip(b, m, o):\n    with empycustom.map_frame(b, m) as frame:\n        return [{'mean': frame.pixels.mean()}]\n"
WRITES = "import empycustom\ndef process_ip(b, m, o):\n    with empycustom.map_frame(b, m, writable=True) as frame:\n        frame.pixels[:] = 7\n"
SPEAKS = "def process_ip(b, m, o):\n    return {'frame': [{'new_object': [{'rect_params': dict(left=0, top=0, width=4, height=4)}]}]}\n"
BY_HAND = "from gi.repository import Gst\ndef process_ip(b, m, o):\n    ok, info = b.map(Gst.MapFlags.READ)\n    b.unmap(info)\n"


@pytest.fixture
def branches(play):
    """Play two branches behind a tee; return, for each frame, (memory, first byte) as each branch has it at its end."""

    def run(one, other):
        pipeline = Gst.parse_launch(
            "videotestsrc num-buffers=4 pattern=white ! video/x-raw,format=RGBA,width=64,height=48 ! tee name=t "
            f"t. ! queue ! {one} ! identity name=a signal-handoffs=true ! fakesink "
            f"t. ! queue ! {other} ! identity name=b signal-handoffs=true ! fakesink"
        )
        seen = {name: [] for name in "abc" if pipeline.get_by_name(name)}
        kept = []

        def look(identity, buffer):
            if identity.get_name() != "c":  # on whose way nothing else may hold the frame
                kept.append(buffer.copy())  # so that no address is used again
            seen[identity.get_name()].append((hash(buffer.peek_memory(0)), buffer.extract_dup(0, 1)))

        for name in seen:
            pipeline.get_by_name(name).connect("handoff", look)
        assert play(pipeline).ended
        return [[memory for memory, _ in found] for found in seen.values()], [{byte for _, byte in seen[name]} for name in "ab"]

    return run


def element(library, source, name="lib.py"):
    return f"empycustom in-place=true custom-lib={library(source, name)}"


@pytest.mark.parametrize("source", [LOOKS, SPEAKS, BY_HAND], ids=["looks", "speaks", "by hand"])
def test_a_library_that_does_not_write_gets_what_the_other_branch_gets(branches, library, source):
    (one, other), values = branches("identity", element(library, source))
    assert one == other
    assert values == [{b"\xff"}, {b"\xff"}]


def test_a_library_that_writes_gets_a_copy_and_the_other_branch_keeps_the_frame(branches, library):
    (one, other), values = branches("identity", element(library, WRITES))
    assert not set(one) & set(other)
    assert values == [{b"\xff"}, {b"\x07"}]


def test_the_copy_is_written_again_and_not_copied_again(branches, library):
    again = WRITES.replace("= 7", "+= 1")
    first, second = element(library, WRITES), element(library, again, "again.py")
    (one, other, between), values = branches("identity", f"{first} ! identity name=c signal-handoffs=true ! {second}")
    assert values == [{b"\xff"}, {b"\x08"}]
    assert other == between
    assert not set(one) & set(other)


def test_a_frame_of_ones_own_is_not_copied_when_it_is_written(play, library):
    pipeline = Gst.parse_launch(
        "videotestsrc num-buffers=4 ! video/x-raw,format=RGBA,width=64,height=48 ! identity name=a signal-handoffs=true ! "
        f"{element(library, WRITES)} ! identity name=b signal-handoffs=true ! fakesink"
    )
    seen = {"a": [], "b": []}
    for name, found in seen.items():
        pipeline.get_by_name(name).connect("handoff", lambda _, buffer, found=found: found.append(hash(buffer.peek_memory(0))))
    assert play(pipeline).ended
    assert seen["a"] == seen["b"]
