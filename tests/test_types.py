"""The types for authors of libraries, as a type checker sees them, beside what really comes and may go."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = """
from empycustom import map_frame
from empycustom.types import Buffer, InMeta, Options, OutMeta

def process_ip(io_buffer: Buffer, in_meta: InMeta, options: Options) -> OutMeta:
    with map_frame(io_buffer, in_meta, writable=True) as frame:
        frame.pixels[:10] = 0
        first = in_meta["frame"][0]["object"][0]
        reveal_type(first["rect_params"]["left"])
        reveal_type(first["classifier"][0]["label_info"][0]["result_label"])
        reveal_type(in_meta["buffer"]["planes"][0]["stride"])
        frame.crop(first)
    return {"frame": [{"new_object": [{"rect_params": first["rect_params"], "obj_label": "again"}]}]}
"""


@pytest.fixture
def checked(common, tmp_path):
    """Run mypy over a file beside the installed package, as its author does; return its output.

    What it knows of NumPy and the package is kept for the next one: that takes the most of its time.
    """

    def run(source, *more):
        (tmp_path / "lib.py").write_text(source)
        for number, text in enumerate(more):
            (tmp_path / f"use{number}.py").write_text(text)
        files = [path.name for path in sorted(tmp_path.glob("*.py"))]
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(common / "mypy"), *files],
            cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        return done.stdout

    return run


def test_what_is_in_the_dict_is_known(checked):
    said = checked(LIBRARY)
    assert [line.split("note: ")[1] for line in said.splitlines() if "note: Revealed" in line] == [
        'Revealed type is "float"',
        'Revealed type is "str"',
        'Revealed type is "int"',
    ]
    assert "error" not in said


def test_attributes_of_the_frame_are_accepted(checked):
    said = checked(re.sub("return .*", 'return {"frame": {"brightness": 0.5, "label": first["obj_label"]}}', LIBRARY))
    assert "error" not in said


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ('"rect_params"]["left"]', '"rect_parms"]["left"]', 'has no key "rect_parms"'),
        ('"frame": [{"new_object"', '"frames": [{"new_object"', 'expected "Sequence[Any] | OutBatch | str | None"'),
        ('"obj_label": "again"', '"obj_label": 7', 'expected "Sequence[Any] | OutBatch | str | None"'),
    ],
)
def test_mistakes_are_found(checked, right, wrong, told):
    assert told in checked(LIBRARY.replace(right, wrong, 1))


def test_a_module_is_a_library(checked):
    use = "import lib\nfrom empycustom.types import InPlaceLibrary\nfits: InPlaceLibrary = lib\n"
    assert "error" not in checked(LIBRARY, use)
    assert "error" in checked(LIBRARY.replace("def process_ip(io_buffer: Buffer, in_meta", "def process_ip(in_meta"), use)


def test_the_types_name_what_comes_and_nothing_else(play, library, regions):
    """The keys of a real in_meta are those of the typed dicts."""
    from empycustom import types
    from empycustom.gstreamer import Gst

    lib = library(
        "def process_ip(b, m, o):\n    f = m['frame'][0]\n    x = f['object'][0]\n"
        "    return {'frame': [{'meta': [list(m), list(f), list(x), list(x['rect_params']), list(m['buffer']),"
        " list(m['buffer']['planes'][0])]}]}\n"
    )
    pipeline = Gst.parse_launch(
        "videotestsrc num-buffers=1 ! video/x-raw,format=RGBA ! "
        f"empycustom in-place=true custom-lib={regions(('person', 1, 2, 3, 4))} ! empycustom name=e in-place=true custom-lib={lib} ! fakesink"
    )
    played = play(pipeline)
    assert played.ended, played.errors
    said = json.loads(pipeline.get_by_name("e").get_property("last-meta"))["frame"][0]["meta"]
    kinds = (types.InMeta, types.FrameMeta, types.ObjectMeta, types.RectParams, types.BufferInfo, types.Plane)
    for keys, kind in zip(said, kinds, strict=True):
        annotations = kind.__annotations__
        needed = {name for name, text in annotations.items() if "NotRequired" not in str(text)}
        assert needed <= set(keys) <= set(annotations)


def test_the_keys_of_out_meta_are_those_that_are_read():
    from empycustom import types
    from empycustom.model.results import read_result

    new = {"rect_params": {"left": 1, "top": 2, "width": 3, "height": 4}, "obj_label": "cat", "class_id": 1, "object_id": 2,
           "confidence": 0.5, "text_params": {"display_text": "x"}, "classifier": [], "unique_component_id": 3,
           "tracker_confidence": 0.5, "emcustom": {"a": 1}, "rotation": 0.5, "keypoints": [[1, 2, 0.5]], "keypoint_names": ["nose"],
           "skeleton": [[0, 0]], "mask": [[1, 0, 1]], "embedding": [1.0], "unique_id": 4, "parent_id": 5}  # fmt: skip
    assert set(new) == set(types.NewObject.__annotations__)
    frame = {"meta": 1, "object": [{}, {}], "new_object": [new], "changed_object": [{"object_id": 5}], "removed_object": [1]}
    assert set(frame) == set(types.OutFrame.__annotations__)
    whole = {"meta": 2, "frame": [frame]}
    assert set(whole) == set(types.OutBatch.__annotations__)
    result = read_result(whole, [2])
    assert result.ignored == ()
    assert result.frames[0].new_objects[0]["emcustom"] == {"a": 1}
