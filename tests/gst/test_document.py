"""`empycustom.document`: the document of the very buffer that a program has in its hands."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import pytest

import empycustom
from empycustom.errors import FrameError
from empycustom.gstreamer import Gst

empycustom.register()

# Finds an object in every frame, at a place that depends on the number of the frame, and writes that number into the pixels.
LIBRARY = """\
import empycustom


def process_ip(io_buffer, in_meta, options):
    number = in_meta["frame"][0]["frame_num"]
    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
        frame.pixels[0, 0, 0] = number
    box = {"left": number, "top": 8, "width": 4, "height": 4}
    new = {"obj_label": "ball", "rect_params": box, "confidence": 0.5, "emcustom": {"number": number}}
    return {"meta": {"batch": number}, "frame": [{"meta": {"number": number}, "new_object": [new]}]}
"""
NOTHING = "def process_ip(io_buffer, in_meta, options):\n    return None\n"
SOURCE = "videotestsrc num-buffers={} ! video/x-raw,format=RGBA,width=64,height=48,framerate=30/1"


@pytest.fixture
def lib(library):
    return f"empycustom in-place=true custom-lib={library(LIBRARY)}"


def read_by_a_probe(pipeline, name, pad_name, read):
    """Play a pipeline, and read each buffer at a pad while it passes."""
    documents = []
    pad = pipeline.get_by_name(name).get_static_pad(pad_name)
    pad.add_probe(Gst.PadProbeType.BUFFER, lambda pad, info: documents.append(read(pad, info)) or Gst.PadProbeReturn.OK)
    pipeline.set_state(Gst.State.PLAYING)
    found = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    assert found is not None, "the pipeline hangs"
    assert found.type == Gst.MessageType.EOS, found.parse_error()
    return documents


@pytest.mark.parametrize("pad", ["sink", "src"])
def test_it_is_what_aimeta_makes(pad, lib):
    pipeline = Gst.parse_launch(f"{SOURCE.format(5)} ! {lib} ! aimeta name=aimeta ! identity name=here ! fakesink")
    texts = []
    pipeline.get_by_name("aimeta").connect("new-meta", lambda _, text: texts.append(text))
    read = read_by_a_probe(pipeline, "here", pad, lambda pad, info: empycustom.document(info.get_buffer(), pad))

    assert len(read) == 5
    assert read == [json.loads(text) for text in texts]
    assert [document["frame"][0]["emcustom"]["number"] for document in read] == [0, 1, 2, 3, 4]
    assert [document["emcustom"] for document in read] == [{"batch": number} for number in range(5)]


def test_without_aimeta_and_with_samples_of_an_appsink(lib, play):
    samples = play(f"{SOURCE.format(5)} ! {lib} ! queue ! videoconvert ! video/x-raw,format=NV12 ! appsink name=out").samples
    frames = [empycustom.document(sample)["frame"][0] for sample in samples]

    assert [frame["frame_num"] for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame["object"][0]["rect_params"]["left"] for frame in frames] == [0, 1, 2, 3, 4]
    assert [(frame["source_frame_width"], frame["source_frame_height"]) for frame in frames] == [(64, 48)] * 5
    assert [frame["stream_time"] for frame in frames] == [frame["buf_pts"] for frame in frames]
    assert frames[1]["buf_pts"] == 33333333


def test_pairs_stay_right_where_frames_are_dropped(lib):
    pipeline = Gst.parse_launch(
        f"{SOURCE.format(200)} ! {lib} ! aimeta ! appsink name=out sync=false max-buffers=1 drop=true wait-on-eos=false"
    )
    sink = pipeline.get_by_name("out")
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    assert message.type == Gst.MessageType.EOS
    sample = sink.emit("pull-sample")  # of 200 the last one is left
    frame = empycustom.document(sample)["frame"][0]
    written = sample.get_buffer().extract_dup(0, 1)[0]
    pipeline.set_state(Gst.State.NULL)

    assert written == 199
    assert frame["frame_num"] == frame["emcustom"]["number"] == frame["object"][0]["emcustom"]["number"] == 199
    assert frame["buf_pts"] == sample.get_buffer().pts


@pytest.mark.parametrize(
    "elements", ["empycustom in-place=true custom-lib={}", "aimeta", "empycustom process-interval=9 in-place=true custom-lib={}"]
)
def test_frames_without_attributes_have_their_numbers(elements, library, play):
    element = elements.format(library(NOTHING))
    samples = play(f"{SOURCE.format(4)} ! {element} ! queue ! appsink name=out").samples
    assert [empycustom.document(sample)["frame"][0]["frame_num"] for sample in samples] == [0, 1, 2, 3]


def test_a_frame_without_a_number_has_minus_1(play):
    (sample, _) = play(f"{SOURCE.format(2)} ! appsink name=out").samples
    frame = empycustom.document(sample)["frame"][0]
    assert (frame["frame_num"], frame["buf_pts"], frame["object"]) == (-1, 0, [])
    assert frame == {
        **empycustom.document(sample.get_buffer(), sample.get_caps())["frame"][0],
        "stream_time": 0,
        "timestamp": frame["timestamp"],
    }


def test_a_tee_before_aimeta_is_left_alone(play):
    played = play(f"{SOURCE.format(3)} ! tee name=tee tee. ! queue ! aimeta ! fakesink tee. ! queue ! aimeta ! appsink name=out")
    assert played.ended
    assert not played.warnings
    assert [empycustom.document(sample)["frame"][0]["buf_pts"] for sample in played.samples] == [0, 33333333, 66666666]


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (lambda sample: ("text",), "document needs a Gst.Sample or a Gst.Buffer, not a str"),
        (lambda sample: (None,), "not a NoneType"),
        (lambda sample: (sample.get_buffer(),), "give it the Gst.Sample of an appsink"),
        (lambda sample: (sample.get_buffer(), "video/x-raw"), "document needs the caps of the frame"),
        (lambda sample: (sample.get_buffer(), Gst.Caps.from_string("video/x-raw")), "document needs the caps of the frame"),
        (lambda sample: (sample.get_buffer(), Gst.Pad.new("src", Gst.PadDirection.SRC)), "document needs the caps of the frame"),
    ],
    ids=["text", "None", "no caps", "caps as a text", "caps with a choice", "a pad without caps"],
)
def test_missing_arguments_are_errors(given, what, play):
    (sample,) = play(f"{SOURCE.format(1)} ! appsink name=out").samples
    with pytest.raises(FrameError, match=what):
        empycustom.document(*given(sample))


def test_several_threads_read_at_once(lib, play):
    samples = play(f"{SOURCE.format(40)} ! {lib} ! appsink name=out").samples
    barrier = threading.Barrier(4)
    read = [[], [], [], []]

    def work(index):
        barrier.wait()
        read[index] += [empycustom.document(sample) for sample in samples]

    threads = [threading.Thread(target=work, args=[index]) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [document["frame"][0]["emcustom"]["number"] for document in read[0]] == list(range(40))
    assert read[1:] == read[:1] * 3


def test_the_buffer_may_outlive_the_pipeline_and_stays_as_it_is(lib, play):
    samples = play(f"{SOURCE.format(2)} ! {lib} ! appsink name=out").samples
    once = [empycustom.document(sample) for sample in samples]
    once[0]["frame"][0]["object"].clear()
    assert len(empycustom.document(samples[0])["frame"][0]["object"]) == 1


def test_importing_the_package_still_loads_nothing():
    code = "import sys, empycustom; print('gi' in sys.modules, 'document' in dir(empycustom))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
