"""Compiled libraries on batches of DeepStream: objects as JSON, results, and the batch of the second version of the interface."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "emcustom"))

from compiling import WHY_NOT, build

import empycustom
from empycustom.native.deepstream import layout_of

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
SOURCE = "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=64,height=48,framerate=30/1 ! fakemux objects=3"


@pytest.mark.parametrize("interface", [2, 3])
def test_the_batch_and_its_objects(play, tmp_path, interface):
    path = build("echo", tmp_path / "lib.so", f"-DINTERFACE={interface}")
    played = play(f"{SOURCE} ! empycustom custom-lib={path} interface={interface} ! appsink name=out")
    assert played.errors == []
    sample = played.samples[-1]
    found = empycustom.document(sample)["frame"][0]["emcustom"]

    assert len(found["in_meta"]["frame"][0]["object"]) == 3
    if interface == 2:
        assert layout_of(found["last"])  # a MetadataError where that is not a batch
    else:
        assert found["last"] == hash(sample.get_buffer())


def test_entries_of_a_list_go_to_objects(play, tmp_path):
    path = build("fixed", tmp_path / "lib.so", r'-DRESULT="[{\"n\": 1}, {}, {\"n\": 3}]"')
    played = play(f"{SOURCE} ! empycustom custom-lib={path} ! appsink name=out")
    objects = empycustom.document(played.samples[-1])["frame"][0]["object"]
    assert [each.get("emcustom") for each in objects] == [{"n": 1}, None, {"n": 3}]
