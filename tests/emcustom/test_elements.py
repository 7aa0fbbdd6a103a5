"""Compiled libraries in real pipelines: pixels in and out, JSON in and out, options, and where they run."""

from __future__ import annotations

import json
import time

import pytest

import empycustom
from empycustom.errors import CallbackMissingError
from empycustom.gstreamer import Gst

SOURCE = "videotestsrc num-buffers={} pattern={} ! video/x-raw,format={},width={},height={},framerate=30/1"
IN_PYTHON = """
import json
import empycustom


def process_ip(io_buffer, in_meta, options):
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        means = [float(plane.mean()) for plane in frame.planes]
    return {"frame": {"in_python": means + [0.0] * (3 - len(means))}}
"""
RUNS = pytest.mark.parametrize("workers", ["", "workers=1"])


@pytest.fixture
def played(play):
    """Play an element behind a source, and return the documents behind it, with the samples."""

    def run(elements, *, count=1, pattern="smpte", video="RGBA", size=(64, 48), fails=False):
        source = SOURCE.format(count, pattern, video, *size)
        result = play(f"{source} ! {elements} ! appsink name=out")
        if not fails:
            assert (result.errors, result.warnings) == ([], [])
        result.documents = [empycustom.document(sample) for sample in result.samples]
        return result

    return run


def of_frame(result, index=0):
    return result.documents[index]["frame"][0]["emcustom"]


def test_one_at_a_pad(play, compiled):
    """By `empycustom.attach`, which refuses one that makes new frames."""
    pipeline = Gst.parse_launch(f"{SOURCE.format(2, 'white', 'RGBA', 64, 48)} ! identity name=i ! appsink name=out")
    pad = pipeline.get_by_name("i").get_static_pad("src")
    with pytest.raises(
        CallbackMissingError, match=r"lib1\.so has process, which makes new frames, but no process_ip, and at a pad"
    ):
        empycustom.attach(pad, compiled("invert"))
    with empycustom.attach(pad, compiled("average")):
        done = play(pipeline)
    assert [empycustom.document(each)["frame"][0]["emcustom"]["width"] for each in done.samples] == [64, 64]


@RUNS
@pytest.mark.parametrize("video", ["RGBA", "I420"])
def test_pixels_are_those_that_python_gets(played, compiled, library, video, workers):
    """322 and 46 are odd numbers of pixels for chroma, and rows of I420 have padding."""
    result = played(
        f"empycustom custom-lib={library(IN_PYTHON)} in-place=true ! empycustom custom-lib={compiled('average')} {workers}",
        video=video,
        size=(322, 45),
    )

    found = of_frame(result)
    assert (found["width"], found["height"], found["format"]) == (322, 45, {"I420": 0, "RGBA": 1}[video])
    assert found["planes"] == pytest.approx(found["in_python"], abs=0.001)
    assert found["planes"][0] > 20


@RUNS
def test_a_converter_makes_what_the_library_takes(played, compiled, workers):
    for properties in ("", "in-place=false"):
        lib = compiled("invert" if properties else "average")
        element = f"empycustom custom-lib={lib} {properties} {workers}"
        result = played(f"videoconvert ! {element} ! videoconvert ! video/x-raw,format=NV12", video="NV12", count=2)
        assert len(result.documents) == 2
        assert of_frame(result).get("width", 64) == 64


@RUNS
def test_what_process_ip_writes_goes_downstream(played, compiled, workers):
    result = played(f"empycustom custom-lib={compiled('paint')} {workers}", pattern="black", size=(8, 4))

    content = result.samples[0].get_buffer().extract_dup(0, 128)
    assert content == (b"\xff" * 16 + b"\0\0\0\xff" * 4) * 4
    assert "emcustom" not in result.documents[0]["frame"][0]  # it left out_meta NULL


@RUNS
@pytest.mark.parametrize("video", ["RGBA", "I420"])
def test_process_makes_a_new_frame_of_the_same_caps(played, compiled, video, workers):
    before = played("identity", count=3, video=video, size=(322, 45))
    after = played(f"empycustom custom-lib={compiled('invert')} in-place=false {workers}", count=3, video=video, size=(322, 45))

    assert of_frame(after) == {"inverted": True, "size": [{"I420": 0, "RGBA": 1}[video], 322, 45]}
    for old, new in zip(before.samples, after.samples, strict=True):
        assert old.get_caps().is_equal(new.get_caps())
        old, new = old.get_buffer(), new.get_buffer()
        assert (old.pts, old.duration, old.get_size()) == (new.pts, new.duration, new.get_size())
        pairs = zip(rows_of(old, video), rows_of(new, video), strict=True)
        assert all(bytes(255 - value for value in one) == other for one, other in pairs)


def rows_of(buffer, video):
    """Return the rows of all planes of a frame of 322x45, without the padding that GStreamer's layout has."""
    content = buffer.extract_dup(0, buffer.get_size())
    planes = [(1288, 1288, 45)] if video == "RGBA" else [(324, 322, 45), (164, 161, 23), (164, 161, 23)]
    place = 0
    for stride, width, height in planes:
        for row in range(height):
            yield content[place + row * stride : place + row * stride + width]
        place += stride * (46 if video == "I420" and height == 45 else height)


def test_in_place_is_true_unless_it_is_set_or_there_is_process_alone(played, compiled, tmp_path):
    both = compiled(
        '#define _GNU_SOURCE\n#include "interface.h"\n'
        "void process (const struct video_data *f, const char *m, struct video_data *n, char **out REST)"
        ' { *out = text ("{\\"called\\": \\"process\\"}"); }\n'
        'void process_ip (struct video_data *f, const char *m, char **out REST) { *out = text ("{\\"called\\": \\"process_ip\\"}"); }\n'
    )
    assert of_frame(played(f"empycustom custom-lib={both}")) == {"called": "process_ip"}
    assert of_frame(played(f"empycustom custom-lib={both} in-place=false")) == {"called": "process"}
    assert of_frame(played(f"empycustom custom-lib={compiled('invert')}"))["inverted"] is True


OBJECTS = """
import json

kept = []


def process_ip(io_buffer, in_meta, options):
    box = {"left": 1, "top": 2.5, "width": 8, "height": 9}
    points = {"keypoints": [[1, 2, 0.5], [3, 4, 1]], "obj_label": "größe \\u0001"}
    return {"frame": [{"meta": {"a": [1]}, "new_object": [{"rect_params": box, **points}]}]}
"""
KEEPS = """
import json


def process_ip(io_buffer, in_meta, options):
    in_meta["frame"][0]["object"][0]["keypoints"] = in_meta["frame"][0]["object"][0]["keypoints"].ravel().tolist()
    return {"frame": {"python": in_meta}}
"""


@RUNS
def test_in_meta_is_what_python_gets_as_json(played, compiled, library, workers):
    others = [library(OBJECTS, "objects.py"), library(KEEPS, "keeps.py")]
    upstream = " ! ".join(f"empycustom custom-lib={each} in-place=true" for each in others)
    result = played(f"{upstream} ! empycustom custom-lib={compiled('echo')} {workers}")

    found = of_frame(result)
    in_c, in_python = found["in_meta"], found["python"]
    for each in (in_c, in_python):
        each["frame"][0]["emcustom"].pop("python", None)
    assert in_c == in_python
    assert in_c["frame"][0]["object"][0]["keypoints"] == [1, 2, 0.5, 3, 4, 1]
    assert in_c["buffer"]["planes"] == [{"offset": 0, "stride": 256, "width": 64, "height": 48}]


@RUNS
def test_options_and_events_are_json_and_null_where_there_are_none(played, compiled, tmp_path, monkeypatch, workers):
    monkeypatch.setenv("STOPPED", str(tmp_path / "stopped"))
    echo = compiled("echo")
    nothing = of_frame(played(f"empycustom custom-lib={echo} {workers}"))
    assert {key: nothing[key] for key in ("options", "events", "started")} == dict.fromkeys(("options", "events", "started"))
    given = """options='{"a": [1, "ü"]}' events='[{"b": null}]'"""
    found = of_frame(played(f"empycustom custom-lib={echo} {workers} {given}"))
    assert (found["options"], found["events"], found["started"]) == ({"a": [1, "ü"]}, [{"b": None}], {"a": [1, "ü"]})
    assert (tmp_path / "stopped").read_text() == 'NULL\n{"a":[1,"ü"]}\n'


def test_options_can_change_while_it_plays(play, compiled):
    pipeline = Gst.parse_launch(
        f"{SOURCE.format(4, 'smpte', 'RGBA', 64, 48)} ! empycustom name=e custom-lib={compiled('echo')} "
        "! identity signal-handoffs=true name=i ! appsink name=out"
    )
    element = pipeline.get_by_name("e")
    pipeline.get_by_name("i").connect("handoff", lambda _, b: element.set_property("options", json.dumps({"pts": b.pts})))
    result = play(pipeline)
    options = [empycustom.document(sample)["frame"][0]["emcustom"]["options"] for sample in result.samples]
    assert [each and each["pts"] for each in options] == [None, 0, 33333333, 66666666]


@pytest.mark.parametrize("interface", [1, 2, 3])
@RUNS
def test_each_interface_gets_its_arguments(played, compiled, tmp_path, monkeypatch, interface, workers):
    monkeypatch.setenv("STOPPED", str(tmp_path / "stopped"))
    path = compiled("echo", f"-DINTERFACE={interface}")
    found = of_frame(played(f"""empycustom custom-lib={path} {workers} interface={interface} options='{{"a":1}}'"""))

    assert found["in_meta"]["frame"][0]["source_frame_width"] == 64
    assert found.get("options") == ({"a": 1} if interface > 1 else None)
    assert bool(found.get("last")) is (interface == 3)  # the batch of interface 2 is NULL outside of DeepStream
    assert found.get("started") == ({"a": 1} if interface == 3 else None)
    assert (tmp_path / "stopped").exists() is (interface == 3)


RESULTS = [
    (r"[{\"n\": 1}]", {"n": 1}),
    (r"{\"n\": 1}", {"n": 1}),  # the form of emcustom's own samples
    (r" {\"n\": 1}\n", {"n": 1}),
    (r"{\"frame\": {\"n\": 1}}", {"n": 1}),
    (r"{\"n\": 12345678901234567890123, \"x\": 0.1}", {"n": 12345678901234567890123, "x": 0.1}),
    (r"{\"n\": NaN}", {"n": None}),
    (r"{\"n\": \"\\u00fc \xc3\xbc\"}", {"n": "ü ü"}),
    (r" \n", None),
    ("{}", None),
    ("null", None),
]


@pytest.mark.parametrize(("text", "expected"), RESULTS)
def test_results_are_json(played, compiled, text, expected):
    result = played(f"""empycustom custom-lib={compiled("fixed", f'-DRESULT="{text}"')}""")
    assert result.documents[0]["frame"][0].get("emcustom") == expected


def test_a_list_belongs_to_the_objects_in_order(played, compiled, library):
    objects = library(OBJECTS)
    text = r"[{\"of\": \"object\"}, {\"of\": \"frame\"}]"
    result = played(
        f"empycustom custom-lib={objects} in-place=true ! empycustom custom-lib={compiled('fixed', f'-DRESULT={chr(34)}{text}{chr(34)}')}"
    )
    frame = result.documents[0]["frame"][0]
    assert (frame["object"][0]["emcustom"], frame["emcustom"]["of"]) == ({"of": "object"}, "frame")


def test_memory_of_the_gpu_is_refused(compiled):
    caps = "video/x-raw(memory:NVMM),format=RGBA,width=64,height=48,framerate=30/1"
    path = compiled("average")
    pipeline = Gst.parse_launch(f"appsrc name=in format=time caps={caps} ! empycustom custom-lib={path} ! fakesink")
    pipeline.set_state(Gst.State.PLAYING)
    pipeline.get_by_name("in").emit("push-buffer", Gst.Buffer.new_allocate(None, 64, None))
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    assert "in NVMM memory; put nvvideoconvert ! video/x-raw,format=RGBA before the element" in message.parse_error()[0].message


SLEEPS = """
#define _GNU_SOURCE
#include "interface.h"
#include <unistd.h>

static volatile int inside, most;

void
process_ip (struct video_data *frame, const char *in_meta, char **out_meta REST)
{
  int now = __atomic_add_fetch (&inside, 1, __ATOMIC_SEQ_CST);
  if (now > most)
    most = now;
  for (int waited = 0; most < 2 && waited < 30000; waited++)  /* until the other element is here, too */
    usleep (1000);
  usleep (200000);
  __atomic_sub_fetch (&inside, 1, __ATOMIC_SEQ_CST);
  *out_meta = text ("{\\"most\\": %d}", most);
}
"""


def test_python_goes_on_while_a_library_runs(play, compiled):
    """Two elements with one file call it at the same time, and the thread of the test runs meanwhile."""
    path = compiled(SLEEPS)
    branch = f"{SOURCE.format(2, 'smpte', 'RGBA', 64, 48)} ! empycustom custom-lib={path} ! appsink"
    pipeline = Gst.parse_launch(f"{branch} name=out {branch} name=other sync=false")
    pipeline.set_state(Gst.State.PLAYING)
    until, turns = time.monotonic() + 0.3, 0
    while time.monotonic() < until:
        turns += 1
    samples = [pipeline.get_by_name(name).emit("pull-sample") for name in ("out", "out", "other", "other")]
    pipeline.set_state(Gst.State.NULL)

    assert turns > 10_000
    assert max(empycustom.document(sample)["frame"][0]["emcustom"]["most"] for sample in samples) == 2


def test_metadata_and_signals_are_those_of_any_library(play, compiled):
    path = compiled("fixed", r'-DRESULT="{\"n\": 1}"')
    pipeline = Gst.parse_launch(
        f"{SOURCE.format(3, 'smpte', 'RGBA', 64, 48)} ! empycustom name=e custom-lib={path} ! appsink name=out"
    )
    element, texts = pipeline.get_by_name("e"), []
    element.connect("emcustom", lambda each: texts.append(each.get_property("last-meta")))
    result = play(pipeline)
    assert result.errors == []
    assert texts == ['{"frame":[{"meta":{"n":1}}]}'] * 3


@pytest.mark.parametrize("shared", [False, True])
def test_a_pad_is_attached_to(compiled, shared):
    """What a tee shares is written in a copy."""
    tee = "tee name=t ! queue ! appsink name=other sync=false t. ! queue !" if shared else ""
    pipeline = Gst.parse_launch(
        f"{SOURCE.format(1, 'black', 'RGBA', 8, 4)} ! {tee} identity name=i ! appsink name=out sync=false"
    )
    with empycustom.attach(pipeline.get_by_name("i").get_static_pad("sink"), compiled("paint")):
        pipeline.set_state(Gst.State.PLAYING)
        sample = pipeline.get_by_name("out").emit("pull-sample")
        other = pipeline.get_by_name("other").emit("pull-sample") if shared else None
    pipeline.set_state(Gst.State.NULL)
    assert sample.get_buffer().extract_dup(0, 32) == b"\xff" * 16 + b"\0\0\0\xff" * 4
    assert other is None or other.get_buffer().extract_dup(0, 16) == b"\0\0\0\xff" * 4


def test_interval_and_numbers(play, compiled):
    path = compiled("fixed", r'-DRESULT="{\"n\": 1}"')
    line = f"{SOURCE.format(5, 'smpte', 'RGBA', 64, 48)} ! empycustom process-interval=2 custom-lib={path} ! appsink name=out"
    result = play(line)
    found = [empycustom.document(sample)["frame"][0] for sample in result.samples]
    assert [("emcustom" in each, each["frame_num"]) for each in found] == [(n % 2 == 0, n) for n in range(5)]
