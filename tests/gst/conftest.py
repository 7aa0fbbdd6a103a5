"""What tests of elements need."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from attaching import pad_of
from programs import PRELUDE, SWITCH

import empycustom
from empycustom.gstreamer import Gst


@pytest.fixture
def python(env_with, tmp_path):
    """Run a program, with the prelude before it, in its own process."""

    def run(code, way="on", *, before="", code_expected=0, timeout_s=120):
        path = tmp_path / "program.py"
        path.write_text(before + PRELUDE + code)
        done = subprocess.run(
            [sys.executable, str(path)],
            env={**env_with(), SWITCH: way, "G_DEBUG": "fatal-criticals"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == code_expected, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture
def nothing_is_left():
    """No process and no thread of ours may be left."""
    from edited import children, our_threads

    before = children()
    yield
    assert children() <= before
    assert our_threads() == []


@pytest.fixture
def frames():
    """Frames for pools of workers."""
    import pooled

    made = pooled.Frames()
    yield made
    made.close()


DETECTOR = """
def process_ip(b, m, o):
    return {"frame": [{"new_object": [
        {"class_id": 2, "obj_label": "person", "confidence": 0.75, "object_id": 41,
         "rect_params": {"left": 8, "top": 4, "width": 16.5, "height": 20}},
        {"class_id": 0, "obj_label": "car", "confidence": 0.5,
         "rect_params": {"left": 40, "top": 20, "width": 10, "height": 6},
         "text_params": {"display_text": "Car!"},
         "classifier": [{"unique_component_id": 3, "label_info": [{"result_label": "red", "result_prob": 0.25}]}]},
    ]}]}
"""


NAMER = "def process_ip(b, m, o):\n    return [{'name': found['obj_label']} for found in m['frame'][0]['object']] + [{'frame': True}]\n"


@pytest.fixture
def document(play):
    """Play a pipeline with an aimeta at its end and return its last document's frame."""

    def run(description):
        pipeline = Gst.parse_launch(f"{description} ! aimeta name=meta ! fakesink")
        played = play(pipeline)
        assert played.ended, played.errors
        return json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"][0]

    return run


@pytest.fixture
def detector(library):
    return f"empycustom in-place=true custom-lib={library(DETECTOR, 'detector.py')}"


@pytest.fixture
def namer(library):
    return f"empycustom in-place=true custom-lib={library(NAMER, 'namer.py')}"


@pytest.fixture
def watched(play):
    """Play a pipeline with probes of the test's own: the attributes of each frame at each ``name.pad``. Return what was watched."""

    def run(description, *places):
        pipeline = Gst.parse_launch(description) if isinstance(description, str) else description
        seen = {place: [] for place in places}
        for place in seen:

            def look(pad, info, place=place):
                seen[place].append(empycustom.document(info.get_buffer(), pad)["frame"][0])
                return Gst.PadProbeReturn.OK

            pad_of(pipeline, place).add_probe(Gst.PadProbeType.BUFFER, look)
        done = play(pipeline)
        done.seen = seen
        return done

    return run


@pytest.fixture
def nothing_stays_attached():
    """What a test attaches it closes, or lets go of."""
    yield
    from empycustom.session import attach

    until_closed = [attachment.element.get_name() for attachment in attach._open]
    for attachment in list(attach._open):
        attachment.close()
    assert until_closed == []
