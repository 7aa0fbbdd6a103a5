"""Elements that are made and never played are freed, and so is what is made only to be asked about."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PRELUDE = """
import gc, sys
import empycustom
from empycustom.elements import ELEMENTS
from gi.repository import Gst
empycustom.register()
COUNT = 100

def left():
    gc.collect()
    return sum(isinstance(each, tuple(ELEMENTS.values())) for each in gc.get_objects())
"""


@pytest.fixture
def python(gst_env, tmp_path):
    """Run a program, with the prelude before it, in its own process; return its output and its warnings."""

    def run(program, *arguments):
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + program, *arguments],
            env={**gst_env, "G_DEBUG": "fatal-criticals"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout.splitlines()

    return run


LINES = [
    "fakesrc ! aimeta ! fakesink",
    "fakesrc ! perf ! fakesink",
    "fakesrc ! empycustom ! fakesink",
    "fakesrc ! empycustom in-place=true custom-lib=no.py ! queue ! aimeta ! perf ! fakesink",
    "( aimeta )",
    "( empycustom perf )",
]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("look", ["", "[each.get_name() for each in made.children]", "made.get_by_name('it')"])
def test_pipelines_that_are_never_played_are_freed(python, line, look):
    program = f"""
for _ in range(COUNT):
    made = Gst.parse_launch(sys.argv[1])
    {look or "pass"}
    del made
print(left())
"""
    assert python(program, line.replace("aimeta", "aimeta name=it", 1)) == ["0"]


def test_an_element_that_was_taken_out_of_its_pipeline_is_freed(python):
    program = """
for _ in range(COUNT):
    for name in ELEMENTS:
        pipeline, element = Gst.Pipeline(), Gst.ElementFactory.make(name)
        pipeline.add(element)
        pipeline.remove(element)
        assert element.get_name().startswith(name)  # it lives for as long as somebody has it
        del element
print(left())
"""
    assert python(program) == ["0"]


def test_a_description_that_is_refused_leaves_nothing(python):
    program = """
from empycustom.session.parts import build
from empycustom.errors import LaunchError
for line in ("fakesrc ! empycustom ! aimeta ! nosuchelement", "fakesrc ! perf ! aimeta silent=maybe", "( empycustom nosuch=1 )"):
    for _ in range(COUNT):
        try:
            build(line)
        except LaunchError:
            continue
        raise AssertionError(line)
print(left())
"""
    assert python(program) == ["0"]


def test_the_checks_of_a_configuration_leave_nothing(python, tmp_path):
    stages = {"empycustom": {"custom-lib": "lib.py", "in-place": True, "process-interval": 2, "silent": True}, "aimeta": {}}
    (tmp_path / "lib.py").write_text("def process_ip(io_buffer, in_meta, options):\n    pass\n")
    for name, pipeline in {"good": stages, "bad": {**stages, "perf": {"no-such": 1}}}.items():
        streams = [{"stream_id": "one", "location": "test"}]
        (tmp_path / f"{name}.json").write_text(json.dumps({"pipeline_configuration": pipeline, "streams": streams}))
    program = """
from pathlib import Path
from empycustom.session.checks import check_stages
from empycustom.errors import ConfigurationError
from empycustom.config.streams import read
refused = 0
for name in ("good", "bad"):
    for _ in range(COUNT):
        try:
            check_stages(read(Path(f"{name}.json"), sources=[], settings=[]))
        except ConfigurationError:
            refused += 1
print(refused, left())
"""
    assert python(program) == ["100 0"]
