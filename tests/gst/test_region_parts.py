"""Regions of interest that are parts of others, both ways: `parent_id` of GStreamer's is that of in_meta."""

from __future__ import annotations

import pytest

SOURCE = "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=64,height=48"
UPSTREAM = """
import gi
gi.require_version("GstVideo", "1.0")
from gi.repository import GstVideo

def process_ip(b, m, o):
    for label, number, parent in (("plate", 5, 3), ("car", 3, 0), ("wheel", 6, 3), ("tree", 0, 0), ("orphan", 8, 77)):
        region = GstVideo.buffer_add_video_region_of_interest_meta(b, label, 1, 2, 3, 4)
        region.id, region.parent_id = number, parent
"""
READER = """
import gi
gi.require_version("GstVideo", "1.0")
from gi.repository import GstVideo

def process_ip(b, m, o):
    there = {}
    for found in m["frame"][0]["object"]:
        for number in range(99):
            region = GstVideo.buffer_get_video_region_of_interest_meta_id(b, number)
            if region is not None and region.id:
                there[region.id] = region.parent_id
    return {"frame": {"parents": [[*pair] for pair in sorted(there.items())]}}
"""


@pytest.fixture
def lib(library):
    """Make an element of the text of a library."""
    made = []

    def make(text):
        made.append(text)
        return f"empycustom in-place=true custom-lib={library(text, f'lib{len(made)}.py')}"

    return make


def changing(returned):
    return f"def process_ip(b, m, o):\n    return {{'frame': [{returned}]}}\n"


def links(frame):
    return {found["obj_label"]: (found.get("unique_id"), found.get("parent_id")) for found in frame["object"]}


@pytest.mark.inline("metadata on the buffer does not go to workers")
@pytest.mark.parametrize(
    "between", ["identity", "videoscale ! video/x-raw,width=32,height=24", "videoconvert ! video/x-raw,format=I420"]
)
def test_parts_of_regions_reach_a_library(document, lib, between):
    found = links(document(f"{SOURCE} ! {lib(UPSTREAM)} ! {between} ! {lib(changing({}))}"))
    number, _ = found["car"]
    assert isinstance(number, int)
    assert found == {
        "car": (number, None),
        "plate": (None, number),
        "wheel": (None, number),
        "tree": (None, None),
        "orphan": (None, None),
    }


@pytest.mark.inline("metadata on the buffer does not go to workers")
@pytest.mark.parametrize(
    ("returned", "parents"),
    [
        ("{'changed_object': [{}, {'unique_id': 9}, {'obj_label': 'tyre'}]}", {3: 0, 5: 3, 6: 3, 8: 77}),
        ("{'changed_object': [{'parent_id': -1}]}", {3: 0, 5: 0, 6: 3, 8: 77}),
        ("{'changed_object': [{}, {'unique_id': -1}]}", {3: 0, 5: 0, 6: 0, 8: 77}),
        ("{'removed_object': [1]}", {5: 0, 6: 0, 8: 77}),
        ("{'changed_object': [{'unique_id': 4}, {'parent_id': 4}]}", {3: 5, 5: 3, 6: 3, 8: 77}),
    ],
)
def test_what_a_library_changes_is_in_the_regions(document, lib, returned, parents):
    frame = document(f"{SOURCE} ! {lib(UPSTREAM)} ! {lib(changing(returned))} ! {lib(READER)}")
    assert {number: parent for number, parent in frame["emcustom"]["parents"] if number in (3, 5, 6, 8)} == parents
