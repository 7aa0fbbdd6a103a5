"""What a C program reads that knows DeepStream's structures and nothing of this project: the events of real pipelines."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

import nvds
import pytest

INSTALL = "for what is written in C: apt install gcc libc6-dev libgstreamer1.0-dev pkg-config"
FLOATING = "The created element should be floating"  # of every Python element that does not help itself, PyGObject before 3.46
SMALL = "video/x-raw,format=RGBA,width=16,height=16,framerate=30/1"
END = "fakesink name=end async=false"  # of two sinks neither waits for the other
BUFFERS, OBJECTS = 3, 3

# Says something else about each frame and each object.
SPEAKS = """
def process_ip(io_buffer, in_meta, options):
    return {"frame": [
        {
            "meta": {options["name"]: [frame["source_id"], frame["frame_num"]]},
            "object": [{options["name"]: found["text_params"]["display_text"]} for found in frame["object"]],
        }
        for frame in in_meta["frame"]
    ]}
"""


class Line(NamedTuple):
    """A line of the program, ``object_id`` and ``text`` as they stand there."""

    source_id: int
    frame_num: int
    object_id: str
    text: str


class Printed(NamedTuple):
    code: int
    lines: list[Line]
    err: list[str]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("c")

    def compile_(source, *more):
        try:
            flags = subprocess.run(
                ["pkg-config", "--cflags", "--libs", "gstreamer-1.0"], capture_output=True, text=True, check=True
            )
            meta = ["-L", str(nvds.FOLDER), "-l:libnvdsgst_meta.so", f"-Wl,-rpath,{nvds.FOLDER}"]
            command = [
                "cc",
                "-std=c11",
                "-Wall",
                "-Wextra",
                str(source),
                "-o",
                str(folder / source.stem),
                *shlex.split(flags.stdout),
            ]
            return subprocess.run([*command, *meta, *more], capture_output=True, text=True, check=False)
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            pytest.skip(f"{error} - {INSTALL}")

    def build(source):
        empty = folder / "empty.c"
        empty.write_text("#include <gst/gst.h>\n#include <stddef.h>\nint main (void) { return 0; }\n")
        if compile_(empty, "-fsyntax-only").returncode != 0:
            pytest.skip(f"the headers of C or GStreamer are missing - {INSTALL}")
        done = compile_(source)
        assert done.returncode == 0, done.stderr
        return folder / source.stem

    return build


@pytest.fixture(scope="session")
def reader(compiled):
    return compiled(Path(__file__).with_name("read_other_attrs.c"))


@pytest.fixture
def read(reader, gst_env, tmp_path):
    """Let the program play a pipeline."""

    def run(line):
        done = subprocess.run(
            [reader, *shlex.split(line)],
            env=gst_env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        cells = [text.split("\t") for text in done.stdout.splitlines()]
        err = [text for text in done.stderr.splitlines() if text and FLOATING not in text]
        return Printed(done.returncode, [Line(int(source), int(number), *rest) for source, number, *rest in cells], err)

    return run


@pytest.fixture
def speaker(library):
    """An element that adds attributes to everything, under a name."""
    path = library(SPEAKS)
    return lambda name: f"empycustom in-place=true custom-lib={path} options='{json.dumps({'name': name})}'"


def source(batch_size):
    return f"videotestsrc num-buffers={BUFFERS} ! {SMALL} ! fakemux batch-size={batch_size} objects={OBJECTS}"


def expected(batch_size, *names):
    """Return the attributes of these libraries by source and number: of the frame, and of objects by label."""
    return {
        (about["source_id"], about["frame_num"]): (
            {name: [about["source_id"], about["frame_num"]] for name in names},
            {found["label"].decode(): (found, {name: found["text"].decode() for name in names}) for found in about["objects"]},
        )
        for number in range(BUFFERS)
        for about in nvds.traffic(number, batch_size=batch_size, objects=OBJECTS)
    }


def check(lines, batch_size, *names):
    """Every frame has one event of ours, with all attributes of its objects."""
    wanted = expected(batch_size, *names)
    ours = [line for line in lines if line.object_id == "empycustom"]
    assert sorted((line.source_id, line.frame_num) for line in ours) == sorted(wanted)
    for line in ours:
        words, objects = wanted[line.source_id, line.frame_num]
        told = json.loads(line.text)
        assert (told["source_id"], told["frame_num"], told["emcustom"]) == (line.source_id, line.frame_num, words)
        assert {entry["obj_label"] for entry in told["object"]} == set(objects)
        assert len(told["object"]) == OBJECTS
        for entry in told["object"]:
            found, about = objects[entry["obj_label"]]
            assert entry["emcustom"] == about
            assert list(entry["rect_params"].values()) == list(found["rect"])
            assert entry["class_id"] == found["class_id"]
            assert entry["object_id"] == (found["object_id"] if found["object_id"] != nvds.UNTRACKED else -1)


COPY = "tee name=t ! fakesink async=false t. ! fakeedit"  # that sink keeps the last buffer, so fakeedit gets a copy
ON_THE_WAY = {
    "nothing": "identity",
    "a queue": "queue",
    "a tee": "tee name=t ! queue ! fakesink t. ! queue",
    "a copy": COPY,
}


@pytest.mark.parametrize("batch_size", [1, 4, 16])
@pytest.mark.parametrize("way", ON_THE_WAY.values(), ids=ON_THE_WAY)
def test_each_frame_has_one_event_with_all_attributes(read, speaker, batch_size, way):
    printed = read(f"{source(batch_size)} ! {speaker('one')} ! {way} ! {END}")
    assert (printed.code, printed.err) == (0, [])
    assert len(printed.lines) == BUFFERS * batch_size
    check(printed.lines, batch_size, "one")


@pytest.mark.parametrize("batch_size", [1, 4, 16])
@pytest.mark.parametrize("way", ON_THE_WAY.values(), ids=ON_THE_WAY)
def test_the_attributes_of_two_elements_are_in_one_event(read, speaker, batch_size, way):
    printed = read(f"{source(batch_size)} ! {speaker('one')} ! {way} ! {speaker('two')} ! {END}")
    assert (printed.code, printed.err) == (0, [])
    assert len(printed.lines) == BUFFERS * batch_size
    check(printed.lines, batch_size, "one", "two")


def test_a_branch_does_not_get_the_attributes_of_the_other_one(read, speaker):
    printed = read(
        f"{source(4)} ! {speaker('one')} ! tee name=t t. ! queue ! {speaker('here')} ! {END} "
        f"t. ! queue ! {speaker('there')} ! fakesink"
    )
    assert (printed.code, printed.err) == (0, [])
    check(printed.lines, 4, "one", "here")


def test_a_new_buffer_of_process_has_the_events_too(read, library):
    path = library("def process(b, m, o):\n    return b.copy_deep(), [{'n': f['frame_num']} for f in m['frame']]\n")
    printed = read(f"{source(1).replace('objects=3', 'objects=0')} ! empycustom custom-lib={path} ! {END}")
    assert (printed.code, printed.err) == (0, [])
    assert [json.loads(line.text)["emcustom"] for line in printed.lines] == [{"n": number} for number in range(BUFFERS)]


# otherAttrs that is not JSON, and not even text; an objectId that begins like ours; none.
STRANGERS = [("other", "hello"), ("other", '{"emcustom":{"mine":1}}'), ("empycustom2", "{}"), ("", "")]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(("object_id", "text"), STRANGERS)
def test_events_of_others_stay_as_they_are(read, speaker, object_id, text, count):
    """Before ours and behind it, and whether ours is new or takes the place of an earlier one."""
    properties = " ".join([f"object-id={object_id}"] * bool(object_id) + [f"text='{text}'"] * bool(text))
    ours = " ! ".join(speaker(str(number)) for number in range(count))
    printed = read(f"{source(4)} ! fakeevent {properties} ! {ours} ! fakeevent object-id=late text=behind ! {END}")
    assert (printed.code, printed.err) == (0, [])
    check(printed.lines, 4, *map(str, range(count)))
    frames = sorted(expected(4))
    for stranger, said in ((object_id or "-", text), ("late", "behind")):
        theirs = [(line.source_id, line.frame_num, line.text) for line in printed.lines if line.object_id == stranger]
        assert sorted(theirs) == [(*frame, said) for frame in frames]
    assert len(printed.lines) == 3 * len(frames)


def test_an_event_of_ours_that_was_replaced_is_as_new_to_others(read, speaker):
    """The next one who takes user metadata from the pool gets it. One who counts on zeros must not get our functions with it."""
    printed = read(f"{source(1)} ! {speaker('one')} ! {speaker('two')} ! fakeevent careless=true text=hello ! {COPY} ! {END}")
    assert (printed.code, printed.err) == (0, [])
    assert [line.object_id for line in printed.lines] == ["empycustom"] * BUFFERS  # what has no copy_func is not in a copy


def test_a_frame_without_attributes_has_no_event(read, library):
    path = library("def process_ip(b, m, o):\n    return {'frame': [{}, {'meta': 'second'}]}\n")
    printed = read(f"{source(3)} ! empycustom in-place=true custom-lib={path} ! {END}")
    assert (printed.code, printed.err) == (0, [])
    assert {line.source_id: line.object_id for line in printed.lines} == {10: "-", 11: "empycustom", 12: "-"}
    assert len(printed.lines) == BUFFERS * 3


def test_attributes_in_any_script_arrive_as_utf_8(read, library):
    path = library("def process_ip(b, m, o):\n    return {'frame': [{'meta': 'Grüße, 你好 \\t\\n\\0 \\\\'}]}\n")
    printed = read(f"{source(1)} ! empycustom in-place=true custom-lib={path} ! {END}")
    assert (printed.code, printed.err) == (0, [])
    assert [json.loads(line.text)["emcustom"] for line in printed.lines] == ["Grüße, 你好 \t\n\0 \\"] * BUFFERS


def test_the_program_itself_fails_where_the_pipeline_does(read, library):
    path = library("def process_ip(b, m, o):\n    1 // 0\n")
    printed = read(f"{source(1)} ! empycustom in-place=true custom-lib={path} ! {END}")
    assert printed.code == 1
    assert "ZeroDivisionError" in printed.err[0]
    assert read(f"{source(1)} ! fakesink").code == 2
    printed = read(f"videotestsrc num-buffers={BUFFERS} ! {SMALL} ! {END}")
    assert (printed.code, printed.err) == (3, ["3 buffers have no batch"])


def test_an_event_of_somebody_else_under_our_id_is_merged_and_not_freed_as_ours(read, speaker):
    foreign = """fakeevent object-id=empycustom text='{"emcustom":{"x":1}}'"""
    printed = read(f"{source(1)} ! {foreign} ! {speaker('one')} ! {END}")
    assert (printed.code, printed.err) == (0, [])
    assert [json.loads(line.text)["emcustom"]["x"] for line in printed.lines] == [1] * BUFFERS
