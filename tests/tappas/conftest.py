"""Hailo's metadata on buffers, read and written by a stand-in for Hailo's own module, or by that.

EMPYCUSTOM_TEST_HAILO=FOLDER tests with the module ``hailo`` in that folder instead, such as that of an installed TAPPAS.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
from tappas_stages import SOURCE, STAGE

STANDIN = Path(__file__).parent / "standin"
REAL = os.environ.get("EMPYCUSTOM_TEST_HAILO", "")


@pytest.fixture(scope="session")
def standin(tmp_path_factory):
    """Return a folder with the stand-in."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc, which compiles a stand-in for Hailo's metadata, is not installed: apt install gcc libc6-dev")
    folder = tmp_path_factory.mktemp("standin")
    shutil.copy(STANDIN / "hailo.py", folder)
    command = [
        "gcc",
        "-shared",
        "-fPIC",
        "-w",
        "-o",
        str(folder / "meta.so"),
        str(STANDIN / "meta.c"),
        "-l:libgstreamer-1.0.so.0",
    ]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture(scope="session")
def module_folder(standin):
    """Return the folder in which the module ``hailo`` is."""
    return Path(REAL) if REAL else standin


@pytest.fixture(scope="session")
def hailo(module_folder):
    """Return the module ``hailo``, which everybody in this process finds from now on."""
    sys.path.insert(0, str(module_folder))
    import hailo

    return hailo


@pytest.fixture
def launch(gst_launch, module_folder):
    """Run a gst-launch command line where the module ``hailo`` is installed."""

    def run(line, **extra):
        return gst_launch(line, **{"PYTHONPATH": str(module_folder), **extra})

    return run


@pytest.fixture
def flow(hailo, play, library, monkeypatch):
    """Play a frame through stages: functions of a buffer and in_meta, and texts of elements; return the document at the end.

    What stands before the first ``"library"`` sees Hailo's metadata alone, as Hailo's elements do.
    """
    from empycustom.gstreamer import Gst

    def run(*stages, source=SOURCE):
        monkeypatch.setitem(sys.modules, "stages", types.SimpleNamespace(do=stages))
        texts = [
            stage
            if isinstance(stage, str)
            else f"empycustom name=stage{index} in-place=true custom-lib={library(STAGE.format(index), f'upstream/stage{index}.py')}"
            for index, stage in enumerate(stages)
        ]
        pipeline = Gst.parse_launch(" ! ".join([source, *texts, "aimeta name=meta ! appsink name=out"]))
        played = play(pipeline)
        assert played.ended, played.errors
        return json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"][0]

    return run


@pytest.fixture
def found(hailo):
    """Return a function that puts a detection on a buffer, with all that Hailo's elements put into one."""

    def find(buffer, _in_meta=None):
        roi = hailo.get_roi_from_buffer(buffer)
        person = hailo.HailoDetection(hailo.HailoBBox(0.125, 0.25, 0.5, 0.5), 1, "person", 0.75)
        roi.add_object(hailo.HailoDetection(hailo.HailoBBox(0.0, 0.0, 0.25, 0.125), "car", 0.5))
        roi.add_object(person)
        person.add_object(hailo.HailoUniqueID(7, hailo.TRACKING_ID))
        person.add_object(hailo.HailoUniqueID(99, hailo.GLOBAL_ID))
        person.add_object(hailo.HailoClassification("color", 3, "red", 0.25))
        points = [hailo.HailoPoint(0.0, 0.5, 1.0), hailo.HailoPoint(0.25, 1.0, 0.5)]
        person.add_object(hailo.HailoLandmarks("pose", points, 0.125, [(0, 1)]))
        person.add_object(hailo.HailoDetection(hailo.HailoBBox(0.5, 0.0, 0.25, 0.5), 2, "face", 1.0))

    return find
