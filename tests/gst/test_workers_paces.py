"""The property ``pace``: what becomes of frames while all workers are busy; and what workers refuse."""

from __future__ import annotations

import json
import time

import pytest
from driven import WAITS, Driven, numbers, results

from empycustom.gstreamer import Gst


@pytest.fixture
def gate(tmp_path):
    return tmp_path / "gate"


def waiting(library, gate, properties, *wait, **more):
    """Return a pipeline with a library whose calls about some frames wait for the gate."""
    return Driven(library(WAITS), properties, options={"wait": wait, "gate": str(gate)}, **more)


def test_every_due_frame_is_worked_on(library, gate):
    with waiting(library, gate, "workers=1 process-interval=3", 0) as driven:
        driven.push(9)
        driven.wait_for(lambda: driven.stats("waited") == (1,))
        assert driven.stats("buffers", "processed") == (7, 2), "the third one waits, and upstream with it"
        gate.touch()
        frames = [driven.pull() for _ in range(9)]
        assert driven.stats("buffers", "processed", "skipped", "waited") == (9, 3, 0, 1)
    assert numbers(frames) == [*range(9)]
    assert results(frames) == [0, None, None, 3, None, None, 6, None, None]


def test_skip_lets_frames_pass_that_find_no_worker(library, gate):
    with waiting(library, gate, "workers=1 pace=skip", 0) as driven:
        driven.push(6)
        driven.wait_for(lambda: driven.stats("buffers") == (6,))
        assert driven.stats("processed", "skipped", "passed") == (1, 5, 5)
        assert not any(isinstance(entry, int) for entry in driven.log), "all of them are behind the first one"
        gate.touch()
        frames = [driven.pull() for _ in range(6)]
        driven.push()
        frames.append(driven.pull())
    assert numbers(frames) == [*range(7)]
    assert results(frames) == [0, *[None] * 5, 6]


def test_with_skip_another_worker_goes_on_while_one_is_busy(library, gate):
    with waiting(library, gate, "workers=2 pace=skip", 0) as driven:
        driven.push()
        pause_s = 0.05
        while driven.stats("processed")[0] < 4:
            assert driven.pushed < 25, "the others found no worker"
            before = driven.stats("skipped")
            driven.push()
            time.sleep(pause_s)
            if driven.stats("skipped") != before:  # on a busy machine a call takes longer, and may take up to a minute
                pause_s *= 1.4
        gate.touch()
        found = results([driven.pull() for _ in range(driven.pushed)])
    assert found[0] == 0
    assert len([result for result in found if result is not None]) >= 4


def test_so_many_frames_may_be_behind_one_that_is_worked_on(library, gate):
    with waiting(library, gate, "workers=1 pace=skip", 0, rate="12/1") as driven:
        driven.push(20)
        driven.wait_for(lambda: driven.stats("buffers") == (13,))
        gate.touch()
        frames = [driven.pull() for _ in range(20)]
    assert numbers(frames) == [*range(20)]


def test_latest_keeps_no_frame_waiting(library, gate):
    with waiting(library, gate, "workers=1 pace=latest", 0) as driven:
        driven.push(5)
        before = [driven.pull() for _ in range(5)]
        assert driven.stats("processed", "skipped") == (1, 4)
        gate.touch()
        after = []
        while not after or "emcustom" not in after[-1]:
            driven.push()
            after.append(driven.pull())
    assert results(before) == [None] * 5
    assert after[-1]["emcustom"]["n"] == after[-1]["from_frame"]  # 0, or a later one where this test was slower than the worker
    assert all("from_frame" not in frame for frame in before)


def newest(driven, number):
    """Push frames until one carries a result about a frame not before ``number``; return all of them."""
    frames = []
    while not frames or frames[-1].get("from_frame", -1) < number:
        driven.push()
        frames.append(driven.pull())
    return frames


def test_latest_says_which_frame_a_result_is_about(library):
    with Driven(library(WAITS), "workers=2 pace=latest") as driven:
        frames = newest(driven, 20)
    about = [frame for frame in frames if "emcustom" in frame]
    assert all(frame["emcustom"]["n"] == frame["from_frame"] < frame["frame_num"] for frame in about)
    shown = [frame["from_frame"] for frame in about]
    assert shown == sorted(shown), "the newest result is never replaced by an older one"


ABOUT = """
import time

def process_ip(b, m, o):
    time.sleep({seconds})
    return {{"frame": {{"{name}": m["frame"][0]["frame_num"]}}}}
"""


@pytest.mark.parametrize("slow", [0, 1, 2])
def test_behind_several_libraries_no_attribute_is_older_than_from_frame(library, slow):
    libs = [library(ABOUT.format(name=n, seconds=0.05 if n == slow else 0.002), f"lib{n}.py") for n in range(3)]
    latest = "in-place=true workers=1 pace=latest custom-lib="
    behind = f"! empycustom {latest}{libs[1]} ! empycustom in-place=true custom-lib={libs[2]}"
    with Driven(libs[0], "workers=1 pace=latest", behind=behind) as driven:
        frames = newest(driven, 20)
        while slow != 2 and not any(len({*about(frame)}) > 1 for frame in frames):  # on a busy machine it takes more of them
            frames += newest(driven, frames[-1]["frame_num"])
    for frame in frames:
        assert frame["emcustom"]["2"] == frame["frame_num"]
        assert frame.get("from_frame") == min(about(frame), default=None)


def about(frame):
    """Return the numbers of the frames that the results of the first two libraries are about."""
    return [frame["emcustom"][name] for name in "01" if name in frame["emcustom"]]


FINDS = """
def process_ip(b, m, o):
    number = m["frame"][0]["frame_num"]
    box = {"left": number % 8, "top": 1, "width": 4, "height": 3}
    return {"frame": [{"meta": {"n": number}, "new_object": [{"obj_label": f"found {number}", "rect_params": box}]}]}
"""


def test_latest_shows_what_was_found_until_something_newer_is(library):
    with Driven(library(FINDS), "workers=1 pace=latest") as driven:
        frames = newest(driven, 10)
    for frame in frames:
        labels = [each["obj_label"] for each in frame["object"]]
        assert labels == ([f"found {frame['from_frame']}"] if "from_frame" in frame else [])


NOTHING_LATER = """
def process_ip(b, m, o):
    number = m["frame"][0]["frame_num"]
    return {"frame": {"n": number}} if number < 1 else None
"""


def test_a_newer_result_may_be_nothing(library):
    with Driven(library(NOTHING_LATER), "workers=1 pace=latest") as driven:
        newest(driven, 0)
        frame = {"from_frame": 0}
        while "from_frame" in frame:
            driven.push()
            frame = driven.pull()
    assert "emcustom" not in frame


def test_latest_does_not_change_pixels(library):
    writes = """
import empycustom
def process_ip(b, m, o):
    with empycustom.map_frame(b, m, writable=True) as image:
        image.pixels[:] = 255
    return {"frame": {"n": m["frame"][0]["frame_num"]}}
"""
    with Driven(library(writes), "workers=1 pace=latest") as driven:
        frames = newest(driven, 5)
    assert all(frame["buffer"].extract_dup(0, 1)[0] == frame["frame_num"] % 256 for frame in frames)


BY_TRACK = """
def process_ip(b, m, o):
    return [{"seen": f"{found['obj_label']} {m['frame'][0]['frame_num']}"} for found in m["frame"][0]["object"]]
"""
TRACKED = """
def process_ip(b, m, o):
    number = m["frame"][0]["frame_num"]
    boxes = {"a": number % 5, "b": 5 + number % 5}
    order = ["a", "b"] if number % 2 else ["b", "a"]
    return {"frame": [{"new_object": [
        {"obj_label": name, "object_id": ord(name), "rect_params": {"left": boxes[name], "top": 1, "width": 4, "height": 3}}
        for name in order]}]}
"""


def test_latest_knows_objects_again_by_their_track_ids(library):
    behind = f"! empycustom in-place=true workers=1 pace=latest custom-lib={library(BY_TRACK, 'names.py')}"
    with Driven(library(TRACKED), "", behind=behind) as driven:
        frames = newest(driven, 10)
    assert all({found["obj_label"] for found in frame["object"]} == {"a", "b"} for frame in frames)
    for frame in frames:
        for found in frame["object"] if "from_frame" in frame else ():
            assert found["emcustom"] == {"seen": f"{found['obj_label']} {frame['from_frame']}"}


CHANGES = """
def process_ip(b, m, o):
    number, objects = m["frame"][0]["frame_num"], m["frame"][0]["object"]
    changed = [{} if found["obj_label"] == "b" else {"obj_label": "A", "confidence": number % 8 / 8} for found in objects]
    return {"frame": [{"changed_object": changed, "removed_object": [n for n, found in enumerate(objects) if found["obj_label"] == "b"]}]}
"""


def test_latest_changes_and_removes_objects_by_their_track_ids(library):
    behind = f"! empycustom in-place=true workers=1 pace=latest custom-lib={library(CHANGES, 'changes.py')}"
    with Driven(library(TRACKED), "", behind=behind) as driven:
        frames = newest(driven, 10)
    for frame in frames:
        found = [(each["obj_label"], each["confidence"]) for each in frame["object"]]
        if "from_frame" in frame:
            assert found == [("A", frame["from_frame"] % 8 / 8)]
        else:
            assert sorted(found) == [("a", 1), ("b", 1)]


def test_latest_ignores_changes_of_objects_that_are_not_tracked(library):
    """In a later frame they could be any, and nothing is guessed."""
    behind = f"! empycustom in-place=true workers=1 pace=latest custom-lib={library(CHANGES, 'changes.py')}"
    untracked = TRACKED.replace('"object_id": ord(name), ', "")
    with Driven(library(untracked), "", behind=behind) as driven:
        frames = newest(driven, 5)
    assert all(sorted(each["obj_label"] for each in frame["object"]) == ["a", "b"] for frame in frames)


def test_the_pace_may_change_while_frames_flow(library, gate):
    with waiting(library, gate, "workers=1", 0) as driven:
        driven.push(4)
        driven.wait_for(lambda: driven.stats("waited") == (1,))
        driven.element.set_property("pace", "skip")
        driven.wait_for(lambda: driven.stats("buffers", "skipped") == (4, 2))
        gate.touch()
        frames = [driven.pull() for _ in range(4)]
        driven.element.set_property("pace", "latest")
        frames += newest(driven, 4)
        driven.element.set_property("pace", "every")
        driven.push(2)
        last = [driven.pull(), driven.pull()]
    assert results(frames[:4]) == [0, 1, None, None]
    assert results(last) == numbers(last)
    assert all("from_frame" not in frame for frame in last)


def test_latest_takes_frames_of_a_pool_while_a_worker_has_one_of_them(library, play):
    path = library(
        "import time\n\ndef process_ip(buffer, in_meta, options):\n    time.sleep(0.05)\n    return {'frame': {'n': 1}}\n"
    )
    element = f"empycustom in-place=true workers=1 pace=latest custom-lib={path}"
    played = play(
        f"videotestsrc is-live=true num-buffers=15 ! video/x-raw,format=RGBA,framerate=100/1 ! {element} ! appsink name=out"
    )
    assert played.ended, played.errors
    assert len(played.samples) == 15


@pytest.mark.parametrize("pace", ["every", "latest"])
def test_signals_come_for_each_result(library, pace):
    heard = []
    with Driven(library(WAITS), f"workers=1 pace={pace}") as driven:
        driven.element.connect("new-meta", lambda _element, text: heard.append(text))
        driven.element.connect("emcustom", lambda element: heard.append(element.get_property("last-meta")))
        frames = newest(driven, 3) if pace == "latest" else [driven.push() or driven.pull() for _ in range(4)]
    shown = {frame["emcustom"]["n"] for frame in frames if "emcustom" in frame}
    assert [json.loads(text)["frame"]["n"] for text in heard] == sorted([*shown, *shown])


REFUSED = {
    "call-timeout=500": "call-timeout=500 ends the process of a call, and the library runs in the streaming thread; set workers=1",
    "pace=skip": "pace=skip needs workers, and the library runs in the streaming thread; set workers=1",
    "pace=latest": "pace=latest needs workers",
    "workers=65": "workers=65 is out of range; give a whole number from 0 to 64",
    "workers=1 pace=latest in-place=false": "with pace=latest results go with later frames, and new frames cannot; use process_ip (in-place=true), or pace=skip",
}


@pytest.mark.parametrize(("properties", "message"), REFUSED.items(), ids=REFUSED)
def test_what_does_not_go_together_is_refused_at_the_start(library, gst_launch, properties, message):
    library("def process_ip(b, m, o):\n    pass\n\ndef process(b, m, o):\n    return b, None\n")
    in_place = "" if "in-place" in properties else "in-place=true"
    launched = gst_launch(f"videotestsrc num-buffers=1 ! empycustom custom-lib=lib.py {in_place} {properties} ! fakesink")
    assert launched.code != 0
    assert message in launched.err


def test_what_does_not_go_together_is_refused_while_it_plays(library):
    with Driven(library("def process_ip(b, m, o):\n    pass\n")) as driven:
        driven.push()
        driven.pull()
        for name, value in (("call-timeout", 500), ("pace", "latest")):
            driven.element.set_property(name, value)
            text = driven.message(Gst.MessageType.ERROR).parse_error()[0].message
            assert text.startswith(f"{name}={value} ")
            assert driven.element.get_property(name) in (0, "every")


def test_a_function_of_the_program_is_refused():
    import empycustom

    empycustom.register()
    element = Gst.ElementFactory.make("empycustom")
    element.set_property("in-place", True)
    element.set_property("workers", 1)
    element.library = lambda io_buffer, in_meta, options: None
    assert element.set_state(Gst.State.PAUSED) == Gst.StateChangeReturn.FAILURE
    element.set_state(Gst.State.NULL)
    assert "put it into a file, and give the name of the file as the library; or set workers=0" in str(element.error)


def test_frames_in_other_memory_are_refused_once(library):
    with Driven(library("def process_ip(b, m, o):\n    pass\n"), "workers=1") as driven:
        caps = "video/x-raw(memory:NVMM),format=RGBA,width=16,height=16,framerate=30/1"
        driven.source.set_property("caps", Gst.Caps.from_string(caps))
        driven.push(2)
        messages = [driven.message(Gst.MessageType.ERROR)]
        while messages[-1].src != driven.source:  # which ends when the element has refused
            messages.append(driven.message(Gst.MessageType.ERROR))
    (text,) = [each.parse_error()[0].message for each in messages if each.src == driven.element]
    assert text.startswith("frames in NVMM memory cannot go to workers; set workers=0, or put nvvideoconvert ! video/x-raw")
