"""docs/stream-configuration.md is true: its example runs, its messages are those printed, its tables those of the schema."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from empycustom.config import schema
from empycustom.model.schema import Object

PAGE = (Path(__file__).parents[1] / "docs" / "stream-configuration.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
RECORDS = {
    "the file": schema.CONFIGURATION,
    "pipeline_configuration": schema.PIPELINE,
    "input": Object(schema.INPUT),
    "empycustom, emcustom": schema.CUSTOM,
    "primary, secondary: nvinfer": schema.NVINFER,
    "tracker: nvtracker": schema.NVTRACKER,
    "overlay: nvdsosd": schema.OVERLAY,
    "publish": schema.PUBLISH,
    "aimeta": schema.AIMETA,
    "event_item_keys": schema.EVENT_ITEM,
    "options": schema.OPTION,
    "streams": schema.STREAM,
}


@pytest.fixture
def shell(gst_env, tmp_path):
    """Run a line of the page in a folder with the files of the page."""
    (_, configuration), (_, library), (_, callback) = BLOCKS[1:4]
    (tmp_path / "emi_stream_config.json").write_text(configuration)
    (tmp_path / "light.py").write_text(library)
    (tmp_path / "emi_signal_callback.py").write_text(callback)
    env = {**gst_env, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{gst_env['PATH']}"}

    def run(line):
        return subprocess.run(
            ["bash", "-ec", line], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def test_the_example_prints_what_is_shown(shell):
    done = shell(re.search(r"^What `(.*)` prints", PAGE, re.MULTILINE)[1])

    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == BLOCKS[4][1].splitlines()
    assert done.stderr == ""


def test_options_are_set_as_shown(shell):
    line = next(text for kind, text in BLOCKS if "--set" in text).strip()
    done = shell(f"{line} --frames 10 --source test --source test")

    assert done.returncode == 0, done.stderr
    assert {json.loads(event)["frame"] for event in done.stdout.splitlines()} == {0, 5}


def test_the_messages_are_those_printed(shell, tmp_path):
    configuration = json.loads(BLOCKS[1][1])
    configuration["pipeline_configuration"]["empycustom"] |= {"in-place": "yes", "process-intervall": 3}
    (tmp_path / "emi_stream_config.json").write_text(json.dumps(configuration))
    shown = next(text for kind, text in BLOCKS if text.startswith("empycustom: error"))

    assert shell("empycustom run emi_stream_config.json").stderr == shown


def test_the_tables_are_those_of_the_schema():
    for title, record in RECORDS.items():
        section = PAGE.split(f"### {title}\n")[1].split("\n#")[0]
        rows = re.findall(r"^\| `.*\|$", section, re.MULTILINE)
        assert rows == [
            f"| `{name}` | {its.schema.expected}{', needed' if its.required else ''} | {its.description} |"
            for name, its in record.fields.items()
        ]
        assert ("Other properties" in section) == (record.others is not None)


def test_no_record_of_the_schema_lacks_a_table():
    assert len(re.findall("^### ", PAGE, re.MULTILINE)) == len(RECORDS)


def test_the_order_is_the_one_of_the_schema():
    order = [name for name in schema.PIPELINE.fields if f"`{name}`" in PAGE]
    assert f"source, {', '.join(f'`{name}`' for name in order)}." in PAGE
    assert order == list(schema.PIPELINE.fields)
