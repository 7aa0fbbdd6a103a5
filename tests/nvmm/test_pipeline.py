"""Frames in GPU memory through the elements, as a library has them."""

from __future__ import annotations

import gc
import json

import pytest
from surfaces import PINNED, Surfaces

from empycustom.gstreamer import Gst

LIBRARY = """
import numpy as np
import empycustom

def process_ip(io_buffer, in_meta, options):
    with empycustom.map_frame(io_buffer, in_meta, writable=True, batch_id=BATCH_ID) as frame:
        pixels = np.from_dlpack(frame.planes[0], device="cpu")
        pixels[1] = 200
        said = {"kind": type(frame.planes[0]).__name__, "shapes": [plane.shape for plane in frame.planes],
                "mean": frame.planes[0][:1].download().mean(), "memory": in_meta["buffer"]["memory"]}
    return [said]
"""


@pytest.fixture
def through(play, library):
    """Play buffers through the element; return the results of the library and the buffers that came out, or the error."""

    def run(buffers, caps, batch_id=0, line="identity"):
        lib = library(LIBRARY.replace("BATCH_ID", str(batch_id)))
        pipeline = Gst.parse_launch(
            f"appsrc name=in caps={caps},width=6,height=4,framerate=30/1 format=time ! {line} ! "
            f"empycustom name=e in-place=true custom-lib={lib} ! appsink name=out"
        )
        source = pipeline.get_by_name("in")
        while buffers:
            source.emit("push-buffer", buffers.pop(0))
        source.emit("end-of-stream")
        played = play(pipeline)
        if played.errors:
            return played.error
        return json.loads(pipeline.get_by_name("e").get_property("last-meta")), [out.get_buffer() for out in played.samples]

    return run


@pytest.mark.parametrize("video_format", ["RGBA", "NV12"])
def test_a_library_writes_to_frames_on_the_gpu(driver, through, video_format):
    made = [Surfaces(video_format, memory_type=PINNED) for _ in range(3)]
    shapes = [list(made[0].pixels(number).shape) for number in range(len(made[0].pixel_offsets[0]))]
    mean = made[-1].pixels()[0].mean()
    buffers = [one.buffer for one in made]
    for one in made:
        one.let_go()
    said, out = through(buffers, f"video/x-raw(memory:NVMM),format={video_format}")
    assert said == [{"kind": "DeviceView", "shapes": shapes, "mean": mean, "memory": "NVMM"}]
    assert len(out) == 3
    for one, buffer in zip(made, out, strict=True):
        assert hash(buffer.peek_memory(0)) == one.memory
        assert (one.pixels()[1] == 200).all()
        assert not (one.pixels()[2] == 200).all()
    del out, buffer
    assert [one.freed for one in made] == [[True]] * 3


def test_a_library_chooses_a_frame_of_a_batch(driver, through):
    made = Surfaces("RGBA", batch=3, memory_type=PINNED)
    buffers = [made.buffer]
    made.let_go()
    _said, out = through(buffers, "video/x-raw(memory:NVMM),format=RGBA", batch_id=2)
    assert len(out) == 1
    assert [bool((made.pixels(0, index)[1] == 200).all()) for index in range(3)] == [False, False, True]


def test_a_library_that_writes_behind_a_tee_gets_an_error(driver, through):
    """Each branch gets its own buffer there, and both the same memory."""
    made = Surfaces("RGBA", memory_type=PINNED)
    buffers = [made.buffer]
    made.let_go()
    line = "tee name=t ! queue ! fakesink async=false enable-last-sample=true t. ! queue"
    error = through(buffers, "video/x-raw(memory:NVMM),format=RGBA", line=line)
    assert "another one has the same GPU memory, behind a tee" in error


def test_the_same_library_runs_on_system_memory(play, library):
    lib = library(
        "import empycustom\n"
        "def process_ip(b, m, o):\n"
        "    with empycustom.map_frame(b, m) as frame:\n"
        "        return [frame.crop({'rect_params': {'left': 0, 'top': 0, 'width': 2, 'height': 1}}).download().tolist()]\n"
    )
    pipeline = Gst.parse_launch(
        "videotestsrc num-buffers=1 pattern=red ! video/x-raw,format=RGBA,width=6,height=4 ! "
        f"empycustom name=e in-place=true custom-lib={lib} ! fakesink"
    )
    assert play(pipeline).ended
    assert json.loads(pipeline.get_by_name("e").get_property("last-meta")) == [[[[255, 0, 0, 255]] * 2]]


def test_process_makes_frames_in_system_memory_of_those_on_the_gpu(driver, play, library):
    """``output_caps`` changes the memory, too; and without it an array is refused, since GPU memory cannot be made of one."""
    source = """
import empycustom
def process(in_buffer, in_meta, options):
    with empycustom.map_frame(in_buffer, in_meta) as frame:
        return frame.download(), [in_meta["buffer"]["memory"]]
"""
    said = "def output_caps(caps, options):\n    return 'video/x-raw'\n"
    made = Surfaces("RGBA", memory_type=PINNED)

    def played(text):
        pipeline = Gst.parse_launch(
            "appsrc name=in format=time caps=video/x-raw(memory:NVMM),format=RGBA,width=6,height=4,framerate=30/1 ! "
            f"empycustom custom-lib={library(text)} ! aimeta name=m ! appsink name=out"
        )
        pipeline.get_by_name("in").emit("push-buffer", made.buffer)
        pipeline.get_by_name("in").emit("end-of-stream")
        return play(pipeline), pipeline

    done, pipeline = played(source + said)
    assert done.ended, done.errors
    (sample,) = done.samples
    assert "memory:" not in sample.get_caps().to_string()
    assert sample.get_buffer().extract_dup(0, 6 * 4 * 4) == made.pixels().tobytes()
    assert json.loads(pipeline.get_by_name("m").get_property("last-meta"))["frame"][0]["emcustom"] == "NVMM"
    done, _ = played(source)
    assert "an array cannot become a frame in NVMM memory; return a Gst.Buffer" in done.error


@pytest.mark.parametrize("interval", [1, 2])
def test_pixels_stay_while_a_frame_is_downstream_that_process_passed_on(driver, play, library, interval):
    """GStreamer copies the description of such a frame, which refers to the pixels of the original; that stays as long."""
    lib = library("def process(in_buffer, in_meta, options):\n    return in_buffer, None\n")
    made = [Surfaces("RGBA", memory_type=PINNED) for _ in range(2)]
    pipeline = Gst.parse_launch(
        "appsrc name=in format=time caps=video/x-raw(memory:NVMM),format=RGBA,width=6,height=4,framerate=30/1 ! "
        f"empycustom custom-lib={lib} process-interval={interval} ! appsink name=out"
    )
    for one in made:
        pipeline.get_by_name("in").emit("push-buffer", one.buffer)
        one.let_go()
    pipeline.get_by_name("in").emit("end-of-stream")
    played = play(pipeline)
    assert len(played.samples) == 2
    assert [one.freed for one in made] == [[], []]
    played.samples.clear()
    del pipeline
    gc.collect()
    assert [one.freed for one in made] == [[True], [True]]
