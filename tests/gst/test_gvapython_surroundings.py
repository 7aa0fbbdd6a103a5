"""Modules for gvapython beside what others have: helpers in other places, attributes of other libraries, many regions."""

from __future__ import annotations

import subprocess
import sys
from time import process_time

import pytest

from empycustom import testing

SAYING = "from gstgva import VideoFrame\ndef say(frame: VideoFrame):\n    frame.add_message('1')\n    return True\n"


def test_a_helper_beside_a_program_may_import_gstgva_too(library, tmp_path):
    """A program's own folder is one whose modules are everybody's."""
    library(SAYING, "helper.py")
    library("from helper import say\nprocess_frame = say\n", "module.py")
    program = library(
        "import sys\n"
        "import empycustom, numpy as np\n"
        "results = empycustom.process([np.zeros((4, 4, 3), np.uint8)], 'module.py', call={'dialect': 'gvapython'})\n"
        "print([result.attributes for result in results], 'helper' in sys.modules, 'gstgva' in sys.modules)\n",
        "program.py",
    )
    ended = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.stdout == "[{'messages': ['1']}] True False\n", ended.stderr


@pytest.mark.parametrize("workers", [0, 1])
def test_a_helper_in_a_folder_that_the_module_adds_may_import_gstgva_too(library, gst_launch, tmp_path, workers):
    (tmp_path / "elsewhere").mkdir()
    library(SAYING, "elsewhere/gva_helper_elsewhere.py")
    module = library(
        f"import sys\nsys.path.append({str(tmp_path / 'elsewhere')!r})\nfrom gva_helper_elsewhere import say\nprocess_frame = say\n"
    )
    source = "videotestsrc num-buffers=1 ! video/x-raw,format=BGR,width=64,height=48"
    ended = gst_launch(f"{source} ! gvapython module={module} workers={workers} ! aimeta silent=false ! fakesink")
    assert [each["frame"][0]["emcustom"] for each in ended.documents] == [{"messages": ["1"]}], ended.text


@pytest.mark.parametrize(
    ("attribute", "names"),
    [("7", []), ("'text'", []), ("[1, {'name': 5, 'a': 1}, {'name': 'mine'}]", ["", "mine"])],
)
def test_attributes_of_others_that_are_no_tensors_are_read_over(library, attribute, names, gst_launch):
    """They are called tensors, and belong to a library of another kind."""
    ours = library(
        f"def process_ip(io_buffer, in_meta, options):\n"
        f"    found = {{'rect_params': {{'left': 0, 'top': 0, 'width': 4, 'height': 4}}, 'emcustom': {{'tensors': {attribute}}}}}\n"
        f"    return {{'frame': [{{'meta': {{'tensors': {attribute}}}, 'new_object': [found]}}]}}\n",
        "ours.py",
    )
    module = library(
        "import json\n"
        "def process_frame(frame):\n"
        "    (region,) = frame.regions()\n"
        "    found = [tensor.name() for tensor in frame.tensors()], [tensor.name() for tensor in region.tensors()]\n"
        "    frame.add_message(json.dumps(found))\n"
        "    return True\n",
        "module.py",
    )
    source = "videotestsrc num-buffers=1 ! video/x-raw,format=BGR,width=64,height=48"
    ended = gst_launch(
        f"{source} ! empycustom custom-lib={ours} in-place=true ! gvapython module={module} ! aimeta silent=false ! fakesink"
    )
    assert ended.code == 0, ended.text
    (document,) = ended.documents
    assert document["frame"][0]["emcustom"]["messages"] == [[names, ["detection", *names]]]


def test_what_a_module_does_to_a_list_of_tensors_does_not_change_the_region(library):
    file = library(
        "from gstgva import Tensor\n"
        "def process_frame(frame):\n"
        "    for region in frame.regions():\n"
        "        region.detection().set_name('other')\n"
        "        region.tensors().clear()\n"
        "        assert region.detection()['confidence'] == region.confidence()\n"
        "        assert 0 <= region.normalized_rect().x <= 1\n"
        "    return True\n"
    )
    assert not testing.run(file, testing.make_frame(objects=2)).dropped


def test_the_numbers_of_many_regions_cost_little(library):
    file = library(
        "import json\n"
        "def process_frame(frame):\n"
        "    for _ in range(1000):\n"
        "        frame.add_region(0, 0, 2, 2)\n"
        "    frame.add_message(json.dumps([region.region_id() for region in frame.regions()]))\n"
        "    return True\n"
    )
    with_objects = testing.make_frame(objects=200)
    began = process_time()
    (message,) = testing.run(file, with_objects).attributes["messages"]
    assert message == [*range(1, 1201)]
    assert process_time() - began < 2  # 20 s, where each number is looked for among all regions
