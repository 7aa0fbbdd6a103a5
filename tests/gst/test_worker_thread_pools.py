"""Libraries in workers that compute in threads of OpenCV and onnxruntime find what they find in the streaming thread."""

from __future__ import annotations

import json

import pytest
from driven import numbers

pytestmark = pytest.mark.usefixtures("nothing_is_left")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")

SIZE = 256
SOURCE = f"videotestsrc num-buffers=24 pattern=snow ! video/x-raw,format=RGBA,width={SIZE},height={SIZE},framerate=1/10"  # no call is longer than a frame
# Each counts the threads that there are when it has worked.
HEAD = f"""\
import os
import numpy as np
import empycustom

def found(image, options):
    with empycustom.map_frame(image[0], image[1]) as frame:
        number = compute(frame, options)
    return {{"frame": {{"found": number, "pid": os.getpid(), "threads": len(os.listdir("/proc/self/task"))}}}}

def process_ip(io_buffer, in_meta, options):
    return found((io_buffer, in_meta), options)

def process(in_buffer, in_meta, options):
    result = found((in_buffer, in_meta), options)
    return np.full(({SIZE}, {SIZE}, 4), result["frame"]["found"] % 256, np.uint8), result
"""
LIBRARIES = {
    "OpenCV": """
import cv2

cv2.setNumThreads(4)

def compute(frame, options):
    hog = cv2.HOGDescriptor((64, 64), (16, 16), (8, 8), (8, 8), 9)
    made = hog.compute(cv2.GaussianBlur(frame.rgb, (31, 31), 0), winStride=(8, 8))
    edges = cv2.Canny(cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2GRAY), 50, 150)
    return int(np.count_nonzero(edges)) + int(1000 * made.mean())
""",
    "onnxruntime": """
import onnxruntime

session = None

def start(options):
    global session
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = 4, 2
    settings.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
    session = onnxruntime.InferenceSession(options["model"], settings, providers=["CPUExecutionProvider"])

def compute(frame, options):
    picture = np.ascontiguousarray(frame.rgb.transpose(2, 0, 1)[None], np.float32)
    return int(session.run(None, {"picture": picture})[0].ravel()[0])
""",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model that is large enough for threads: a convolution, of which it returns the brightest value."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.linspace(-1, 1, 16 * 3 * 9, dtype=np.float32).reshape(16, 3, 3, 3), "weights")
    nodes = [
        helper.make_node("Conv", ["picture", "weights"], ["made"]),
        helper.make_node("GlobalMaxPool", ["made"], ["brightest"]),
    ]
    graph = helper.make_graph(
        nodes,
        "brightest",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("brightest", TensorProto.FLOAT, [1, 16, 1, 1])],
        [weights],
    )
    path = tmp_path_factory.mktemp("models") / "brightest.onnx"
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(made.SerializeToString())
    return path


@pytest.fixture
def played(library, gst_launch, model, tmp_path):
    """Play a pipeline by gst-launch; return what a library found on each frame, and what was printed."""

    def run(name, properties):
        library(HEAD + LIBRARIES[name])
        (tmp_path / "options.json").write_text(json.dumps({"model": str(model)}))
        launched = gst_launch(
            f"-q {SOURCE} ! empycustom custom-lib=lib.py options=@options.json {properties} ! aimeta location=meta.jsonl ! fakesink"
        )
        assert launched.code == 0, launched.text
        frames = [json.loads(line)["frame"][0] for line in (tmp_path / "meta.jsonl").read_text().splitlines()]
        assert numbers(frames) == [*range(24)]
        return [frame["emcustom"] for frame in frames], launched.text

    return run


@pytest.mark.parametrize("in_place", ["true", "false"], ids=["process_ip", "process"])
@pytest.mark.parametrize("name", LIBRARIES)
def test_threads_of_a_library_work_in_workers(played, name, in_place):
    inline, said = played(name, f"in-place={in_place}")
    for workers in (1, 2):
        elsewhere, its = played(name, f"in-place={in_place} workers={workers} call-timeout=30000")
        assert [each["found"] for each in elsewhere] == [each["found"] for each in inline]
        assert len({each["pid"] for each in elsewhere}) == workers
        assert max(each["threads"] for each in elsewhere) >= 4, "its own three besides the main one"
        assert its == said
    assert len({each["found"] for each in inline}) > 12, "it depends on the frame"
