"""Views of a frame's pixels that a library returns: they end with the call, and are an invalid result like every other."""

from __future__ import annotations

import numpy as np
import pytest

from empycustom import testing
from empycustom.errors import CallbackError, CallbackOutputError

VIEW = "is a view of the frame's pixels, which is valid only during the call; return a number, or a copy: image.rgb.copy()"
BY_IMAGE = "def process_ip(a, b, c, *, image): return {}\n"
BY_BLOCK = "import empycustom\ndef process_ip(a, b, c):\n    with empycustom.map_frame(a, b) as image: return {}\n"
LINES = {BY_IMAGE: 1, BY_BLOCK: 2}
OBJECT = '{"rect_params": {"left": 1, "top": 1, "width": 2, "height": 2}}'
RETURNED = {
    '{"frame": {"x": image.rgb}}': "frame.x",
    '{"frame": {"x": [1, {"y": image.rgb[:2]}]}}': "frame.x[1].y",
    "image.rgb": "the value",
    "[image.gray if 0 else image.pixels]": "[0]",
    '{"meta": image.rgb}': "meta",
    '{"frame": image.rgb}': "frame",
    '{"frame": [image.rgb]}': "frame[0]",
    '{"frame": [{"meta": {"x": image.rgb}}]}': "frame[0].meta.x",
    '{"frame": [{"object": image.rgb}]}': "frame[0].object",
    '{"frame": [{"new_object": [{**' + OBJECT + ', "emcustom": {"x": image.rgb}}]}]}': "frame[0].new_object[0].emcustom.x",
}


@pytest.mark.parametrize("text", LINES, ids=["image", "map_frame"])
@pytest.mark.parametrize("returned", RETURNED)
def test_a_returned_view_is_an_invalid_result(library, text, returned):
    lib = library(text.replace("{}", returned))
    with pytest.raises(CallbackOutputError) as caught:
        testing.run(lib, testing.make_frame(np.zeros((4, 6, 3), np.uint8)))
    error = caught.value
    assert str(error) == f"{lib}:{LINES[text]}: what process_ip returned cannot be used: {RETURNED[returned]} {VIEW}"
    assert (error.library, error.line, error.callback) == (str(lib), LINES[text], "process_ip")


@pytest.mark.parametrize("copied", ["image.rgb.copy()", "image.rgb * 1", "float(image.rgb.mean())", "image.download()"])
def test_copies_and_numbers_are_results(library, copied):
    lib = library(BY_IMAGE.replace("{}", f'{{"frame": {{"x": {copied}}}}}'))
    assert np.all(np.asarray(testing.run(lib, testing.make_frame(np.zeros((2, 2, 3), np.uint8))).attributes["x"]) == 0)


def test_the_message_names_the_frame_and_on_error_applies(play, library):
    lib = library(BY_IMAGE.replace("{}", '{"frame": {"x": image.rgb}}'))
    pipeline = "videotestsrc num-buffers=3 ! video/x-raw,format=RGB,width=16,height=8,framerate=30/1"
    played = play(f"{pipeline} ! empycustom in-place=true custom-lib={lib} ! fakesink")
    at = "at frame 0 (0:00:00.000)"
    assert played.error == f"{lib}:1: what process_ip returned {at} cannot be used: frame.x {VIEW}"
    passed = play(f"{pipeline} ! empycustom in-place=true custom-lib={lib} on-error=pass ! fakesink")
    assert (passed.ended, passed.errors) == (True, [])
    assert f"at frame 0 (0:00:00.000) cannot be used: frame.x {VIEW}" in passed.warnings[0][0]


@pytest.mark.parametrize("write", ["image.rgb[0] = 1", "image.pixels.fill(0)", "np.add(image.rgb, 1, out=image.rgb)"])
def test_writing_to_the_image_says_how(library, write):
    how = "is read-only; to write, use empycustom.map_frame(io_buffer, in_meta, writable=True)"
    for text, view in ((BY_IMAGE, "image"), (BY_BLOCK, "a view of the frame")):
        lib = library("import numpy as np\n" + text.replace("return {}", write))
        with pytest.raises(CallbackError) as caught:
            testing.run(lib, testing.make_frame(np.zeros((2, 2, 3), np.uint8)))
        assert str(caught.value).endswith(f"is read-only; fix the library: {view} {how}")
    lib = library("import numpy as np\n" + BY_IMAGE.replace("return {}", write).replace("process_ip", "process"))
    with pytest.raises(CallbackError, match=r": a view of in_buffer is read-only; return a new frame$"):
        testing.run(lib, testing.make_frame(np.zeros((2, 2, 3), np.uint8)))


@pytest.mark.parametrize("array", ["frame.rgb", "frame.bgr", "frame.pixels[:, ::-1]"])
def test_drawing_with_opencv_into_a_view_that_it_cannot_write_says_where_to_draw(library, array):
    draw = "    with empycustom.map_frame(a, b, writable=True) as frame:\n        cv2.line({}, (0, 0), (5, 5), (255, 0, 0))\n"
    text = "import cv2\nimport empycustom\n\n\ndef process_ip(a, b, c):\n" + draw
    frame = np.zeros((8, 8, 4), np.uint8)
    with pytest.raises(CallbackError) as caught:
        testing.run(library(text.format(array)), testing.make_frame(frame))
    assert str(caught.value).endswith("; draw into frame.pixels, with a value for each of its channels")
    assert "Layout of the output array" in caught.value.details

    assert testing.run(library(text.format("frame.pixels")), testing.make_frame(frame)).pixels[3, 3, 0] == 255


def test_what_an_object_raises_while_it_is_read_names_the_library(library):
    lib = library(
        "class Late(list):\n    def __init__(self, image): self.image = image\n    def __iter__(self): return iter(self.image.pixels)\n"
        "def process_ip(a, b, c, *, image): return Late(image)\n"
    )
    with pytest.raises(
        CallbackOutputError, match=r"lib\.py:4: what process_ip returned cannot be used: it raises FrameClosedError"
    ):
        testing.run(lib, testing.make_frame(np.zeros((2, 2, 3), np.uint8)))
