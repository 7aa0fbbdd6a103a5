"""The end of an object of a gvapython class: its ``__del__`` runs at the stop, also after one of its calls has raised."""

from __future__ import annotations

import pytest

from empycustom.gstreamer import Gst

KEEPS = """\
class Keeps:
    def __init__(self, path):
        self.file, self.calls = open(path, "w"), 0
    def process_frame(self, frame):
        self.calls += 1
        self.file.write(f"{self.calls}\\n")
        if self.calls == 2:
            raise ValueError("two")
        return True
    def __del__(self):
        self.file.write("closed\\n")
        self.file.close()
"""
SOURCE = "videotestsrc num-buffers=4 ! video/x-raw,format=BGR,width=64,height=48"


def line(library, written, more=""):
    return f"{SOURCE} ! gvapython name=e module={library(KEEPS)} class=Keeps arg='[\"{written}\"]' {more} ! fakesink"


@pytest.mark.parametrize("workers", [0, 1])
def test_the_object_is_freed_after_an_exception(library, gst_launch, tmp_path, workers):
    written = tmp_path / "written.txt"
    launched = gst_launch(line(library, written, f"workers={workers}"))
    assert "lib.py:8: process_frame raised ValueError: two" in launched.text
    first, second, *_under_way, last = written.read_text().split()
    assert (first, second, last) == ("1", "2", "closed")


def test_it_is_freed_in_a_program_that_keeps_the_element_whose_error_keeps_its_texts(library, play, tmp_path):
    written = tmp_path / "written.txt"
    pipeline = Gst.parse_launch(line(library, written))
    element = pipeline.get_by_name("e")
    play(pipeline)
    assert written.read_text() == "1\n2\nclosed\n"
    assert "process_frame raised ValueError: two at frame 1" in str(element.error)
    assert (element.error.line, element.error.callback) == (8, "process_frame")
    assert element.error.details.endswith("ValueError: two")
