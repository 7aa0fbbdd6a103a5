"""Each row of the tables in the page for those who come from gvapython is what happens."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from empycustom.frames.formats import FORMATS
from empycustom.gstreamer import Gst

PAGE = (Path(__file__).parents[2] / "docs" / "moving-gvapython.md").read_text()
_TABLE = PAGE.partition("## Theirs and ours")[2].partition("\n## ")[0]
ROWS = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", _TABLE, re.MULTILINE)[1:])
TRUE = "    return True\n"
COUNTER = "class Counter:\n    def __init__(self, *names, **more):\n        print('made', names, more)\n"
COUNTER += "    def process_frame(self, frame):\n        return True\n    def __del__(self):\n        print('gone')\n"
BOX = "frame.add_region(2, 4, 8, 16, 'car', 0.5)"


def of(*lines, last=TRUE):
    """Return a module whose function does something with a frame."""
    body = "".join(f"    {line}\n" for line in lines)
    return f"from gi.repository import Gst\ndef process_frame(frame):\n{body}{last}"


def shapes(text, caps):
    return ("gvapython module=MODULE", of(*PIXELS), 2, text, caps)


PIXELS = ("with frame.data() as pixels:", "    print('shape', *pixels.shape)")
WRITES = ("with frame.data(Gst.MapFlags.WRITE) as pixels:", "    pixels[:] = 77")
READS = ("with frame.data() as pixels:", "    print('seen', int(pixels.min()), int(pixels.max()))")
# By the beginning of the first cell: the elements, the module, how many documents come (None: it fails), what is printed, or ("!"
# before it) is not, and the format of the frames where it is another one than BGR. Rows without cases have tests of their own.
CASES = {
    "`gvapython module=lib.py`": [
        ("gvapython module=MODULE", of(), 2, ""),
        ("gvapython module=lib", of(), 2, ""),
        ("empycustom module=MODULE", of(), 2, ""),
        ("empycustom custom-lib=MODULE", of(), 2, ""),
    ],
    "`function=work`": [("gvapython module=MODULE function=work", of().replace("process_frame", "work"), 2, "")],
    "`class=Counter`": [("gvapython module=MODULE class=Counter", COUNTER, 2, "gone")],
    "`arg=": [
        (
            """gvapython module=MODULE class=Counter arg='["a", 1]' arg=2 kwarg='{"line": 3}' kwarg='{"b": 4}'""",
            COUNTER,
            2,
            "made ('a', 1, 2) {'line': 3, 'b': 4}",
        ),
        ("gvapython module=MODULE class=Counter kwarg=@kwarg.json", COUNTER, 2, "made () {'line': 5}"),
    ],
    "`arg` or `kwarg` without": [("gvapython module=MODULE arg=1", of(), 2, "WARNING: from element")],
    "from NULL to PLAYING": [],  # tests/gst/test_gvapython_errors.py
    "two modules of one name": [
        ("gvapython module=MODULE ! gvapython module=a/lib.py ! gvapython module=a/json.py", of(), 2, "helper of a"),
    ],
    "returns `True`": [("gvapython module=MODULE", of(last="    return 'yes'\n"), 2, "")],
    "returns `False`": [
        ("gvapython module=MODULE", of(last="    return False\n"), 0, "!WARNING"),
        ("gvapython module=MODULE", of(last="    return 0\n"), 0, "!WARNING"),
        (
            "gvapython module=MODULE",
            of(last="    pass\n"),
            0,
            "process_frame returned None, so frames are dropped, as gvapython does",
        ),
    ],
    "an exception": [
        (
            "gvapython module=MODULE",
            of("1 / 0"),
            None,
            "lib.py:3: process_frame raised ZeroDivisionError: division by zero at frame 0",
        ),
        ("gvapython module=MODULE", of("1 / 0"), None, "Traceback (most recent call last)"),
        ("gvapython module=MODULE on-error=pass", of("1 / 0"), 2, "WARNING"),
    ],
    "`Error creating Python callback`": [("gvapython module=MODULE function=work", of(), None, "lib.py has no work")],
    "`from gstgva import": [
        ("gvapython module=MODULE", f"from gstgva import VideoFrame, RegionOfInterest, Tensor, util\n{of()}", 2, ""),
    ],
    "`frame.regions()`": [
        (
            "FINDS ! gvapython module=MODULE",
            of("(r,) = frame.regions()", "print(*r.rect(), *r.normalized_rect(), r.label(), r.confidence(), r.object_id())"),
            2,
            "4 6 16 12 0.0625 0.125 0.25 0.25 bus 0.25 9",
        )
    ],
    "`frame.add_region(": [("gvapython module=MODULE", of(BOX), 2, '"obj_label":"car"')],
    "`frame.remove_region(": [
        (
            "FINDS ! gvapython module=MODULE",
            of("frame.remove_region(next(frame.regions()))"),
            2,
            '"object":[]',
        )
    ],
    "`region.add_tensor(": [
        (
            "gvapython module=MODULE",
            of(f"t = {BOX}.add_tensor('ocr')", "t.set_label('AB')", "t['lines'] = 2"),
            2,
            '"emcustom":{"tensors":[{"name":"ocr","label":"AB","lines":2}]}',
        ),
        ("gvapython module=MODULE", of(f"{BOX}.add_tensor('ocr').set_label('AB')"), 2, '"result_label":"AB"'),
    ],
    "`region.tensors()`": [
        (
            "FINDS ! gvapython module=MODULE",
            of("print([t.label() for r in frame.regions() for t in r.tensors() if not t.is_detection()], list(frame.tensors()))"),
            2,
            "['red'] []",
        )
    ],
    "`frame.add_message(": [("gvapython module=MODULE", of("frame.add_message('a')"), 2, '"emcustom":{"messages":["a"]}')],
    "`frame.messages()`": [
        (
            "FINDS ! gvapython module=MODULE",
            of("frame.add_message('a')", "print(*frame.messages())"),
            2,
            '"roi_type":"bus"',
        )
    ],
    "`frame.remove_message(": [
        ("gvapython module=MODULE", of("frame.add_message('a')", "frame.remove_message('a')"), 2, '!"messages":["a"]')
    ],
    "`frame.data()`: BGR": [
        shapes("shape 48 64 4", "RGBA,width=64"),
        shapes("shape 48 64 1", "GRAY8,width=64"),
        shapes("shape 72 64 1", "NV12,width=64"),
    ],
    "`frame.data()` of packed": [shapes("shape 48 63 3", "BGR,width=63")],
    "`frame.data()` of NV12": [
        shapes("shape 72 62 1", "NV12,width=62"),
        ("gvapython module=MODULE ! gvapython module=reads.py", of(*WRITES), 2, "seen 77 77", "I420,width=62"),
    ],
    "`frame.data(Gst.MapFlags.WRITE)`": [
        ("gvapython module=MODULE ! gvapython module=reads.py", of(*WRITES), 2, "seen 77 77"),
        ("gvapython module=MODULE ! gvapython module=reads.py", of(*WRITES).replace("Gst.MapFlags.WRITE", ""), 2, "seen 77 77"),
    ],
    "arrays that are kept": [
        ("gvapython module=MODULE", of(*PIXELS, last="    return pixels.sum()\n"), None, "used after its with block"),
    ],
    "`frame.video_info()`": [
        ("gvapython module=MODULE", of("print(frame.video_info().width, frame.video_meta())"), 2, "64 None"),
    ],
    "`VideoFrame(buffer": [
        (
            "gvapython module=MODULE",
            f"from gstgva import VideoFrame\n{of('VideoFrame(None, caps=None)')}",
            None,
            "empycustom.document(buffer, caps) and empycustom.map_frame",
        )
    ],
    "audio:": [("gvapython module=MODULE", f"from gstgva import AudioFrame\n{of()}", None, "cannot import name 'AudioFrame'")],
    "`gvametaconvert ! gvametapublish": [
        ("FINDS ! aimeta format=gva location=meta.jsonl ! gvapython module=MODULE", of(), 2, ""),
    ],
    "`gvametaconvert source=": [
        (
            "TAGS ! gvapython module=MODULE",
            of("import json", "(m,) = frame.messages()", "print('tags', json.loads(m)['tags'], 'source' in json.loads(m))"),
            2,
            "tags {'site': 4} False",
        ),
    ],
    "`gvametapublish method=mqtt": [],  # tests/publish has servers
    "`gvametapublish method=kafka": [],
    "`max-connect-attempts`": [],
    "`gvadetect`, `gvaclassify`": [],  # tests/libs has them
    "`gvafpscounter`": [("perf", of(), 2, "")],
}
FINDS = """
def process_ip(io_buffer, in_meta, options):
    label = [{"label_info": [{"result_label": "red", "result_prob": 0.5}]}]
    box = {"left": 4, "top": 6, "width": 16, "height": 12}
    bus = {"obj_label": "bus", "confidence": 0.25, "object_id": 9, "rect_params": box, "classifier": label}
    return {"frame": [{"new_object": [bus]}]}
"""
TAGS = "def process_ip(io_buffer, in_meta, options):\n    return {'frame': [{'meta': {'tags': {'site': 4}}}]}\n"


def test_each_row_has_a_case():
    assert len(ROWS) == len(CASES)
    for row in ROWS:
        assert [begin for begin in CASES if row.startswith(begin)], row
    assert f"[{len(FORMATS)} formats]" in PAGE


@pytest.mark.parametrize(("row", "index"), [(row, index) for row, cases in CASES.items() for index in range(len(cases))])
def test_a_row_is_what_happens(gst_launch, library, row, index):
    elements, text, documents, printed, *caps = CASES[row][index]
    file, finds = library(text), library(FINDS, "finds.py")
    tags = library(TAGS, "tags.py")
    library(of(*READS), "reads.py")
    library('{"line": 5}', "kwarg.json")
    library("print('helper of a')\n", "a/helper.py")
    library(f"import helper\n{of()}", "a/lib.py")
    library(of(), "a/json.py")
    line = elements.replace("MODULE", str(file)).replace("FINDS", f"empycustom custom-lib={finds} in-place=true")
    line = line.replace("TAGS", f"empycustom custom-lib={tags} in-place=true")
    source = f"videotestsrc num-buffers=2 ! video/x-raw,format={caps[0] if caps else 'BGR,width=64'},height=48,framerate=30/1"
    done = gst_launch(f"{source} ! {line} ! aimeta silent=false ! fakesink async=false")  # see test_gvapython_errors.py
    assert (done.code == 0) == (documents is not None), done.text
    if documents is not None:
        assert len(done.documents) == documents
    if printed:
        text = "\n".join(done.complaints()) if "WARNING" in printed else done.text
        assert (printed.lstrip("!") in text) != printed.startswith("!"), done.text


def test_messages_are_written_as_gvametapublish_writes_them(gst_launch, library, tmp_path):
    finds = f"empycustom custom-lib={library(FINDS, 'finds.py')} in-place=true"
    gst_launch(
        f"videotestsrc num-buffers=2 ! video/x-raw,format=BGR ! {finds} ! aimeta format=gva location=meta.jsonl ! fakesink"
    )
    lines = (tmp_path / "meta.jsonl").read_text().splitlines()
    assert [json.loads(line)["objects"][0]["roi_type"] for line in lines] == ["bus", "bus"]


@pytest.mark.parametrize("uri", ["mqtt://host/people", "kafka://host:9092/people"])
def test_the_addresses_of_the_table_are_taken(uri):
    import empycustom
    from empycustom.publish.destinations import check_uri

    empycustom.register()
    assert f"`metapublish uri={uri}`" in PAGE
    check_uri(uri)
    element = Gst.parse_launch(f"metapublish uri={uri} select=gva")
    assert element.get_property("uri") == uri


def test_the_library_does_what_the_module_did(library):
    """The section about libraries: both say the same of a frame."""
    from empycustom import testing

    module, ours = re.findall(r"```python\n(.*?)```", PAGE.partition("## From a module to a library")[2], re.DOTALL)
    frame = testing.make_frame(np.full((48, 64, 3), 90, np.uint8), objects=2)
    theirs = testing.run(library(module, "theirs.py"), frame, call={"class": "Brightness", "kwarg": {"least": 20}})
    same = testing.run(library(ours, "ours.py"), frame, options={"least": 20})
    assert [each["mean"] for each in theirs.attributes["messages"]] == [90.0, 90.0]
    assert [each["emcustom"]["mean"] for each in same.objects] == [90.0, 90.0]
    assert testing.run(library(ours, "ours.py"), frame, options={"least": 91}).objects[0].get("emcustom", {}) == {}


def test_attach_runs_a_module_at_a_pad(library, play):
    import empycustom

    file = library(
        "class Counter:\n    def __init__(self, n):\n        self.n = n\n    def process_frame(self, frame):\n"
        "        frame.add_message(str(self.n))\n        return self.n > 0\n"
    )
    pipeline = Gst.parse_launch("videotestsrc num-buffers=2 ! video/x-raw,format=BGR ! identity name=i ! fakesink")
    call = {"dialect": "gvapython", "class": "Counter", "kwarg": {"n": 3}}
    with empycustom.attach(pipeline.get_by_name("i").get_static_pad("src"), str(file), call=call) as attached:
        assert play(pipeline).ended
        assert '"messages":["3"]' in attached.element.get_property("last-meta")
