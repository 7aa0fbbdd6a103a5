"""The parts of tools/container.py that need no root file system: what it reads, and what it refuses. `make container` does the rest."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


@pytest.fixture
def tool(tmp_path):
    """tools/container.py as a module, which reads a copy of packaging/."""
    spec = importlib.util.spec_from_file_location("container", ROOT / "tools/container.py")
    module = sys.modules["container"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.PACKAGING = Path(shutil.copytree(ROOT / "packaging", tmp_path / "packaging"))
    return module


@pytest.mark.parametrize("which", ["kept", "rest"])
def test_the_instructions_are_a_shell_script(tool, which):
    subprocess.run(["sh", "-n"], input=tool.script(which), text=True, check=True)


def test_the_script_has_each_instruction_once(tool):
    both = tool.script("kept") + tool.script("rest")
    runs = [text for name, text in tool.instructions() if name == "RUN"]
    assert len(runs) == 3
    assert [both.count(text) for text in runs] == [1, 1, 1]
    assert "cp -r /.context/src/. /src/src" in both


def test_the_image_has_the_packages_of_the_set_up(tool):
    """All but those for windows, which nobody sees there."""
    setup = (ROOT / "tools/setup.sh").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^packages=\((.*?)\)$", setup, re.MULTILINE | re.DOTALL)
    assert {*listed.split(), "libpython3-dev"} - {"gstreamer1.0-x"} <= set(tool.script("kept").split())


def test_programs_run_without_rights(tool):
    made = tool.image()
    assert made.user not in ("", "root", "0")
    assert made.entrypoint == ["empycustom"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ARG VERSION", "ARG is not known"),
        ("USER root\nRUN true", "RUN and COPY behind USER"),
        ("VOLUME /data", "VOLUME is not known"),
    ],
)
def test_what_it_does_not_know_is_refused(tool, line, told):
    with (tool.PACKAGING / "Containerfile").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(tool.ContainerError, match=told):
        tool.script("kept")


def test_only_the_page_is_reached_and_from_this_machine_alone(tool):
    services = yaml.safe_load((ROOT / "packaging/compose/compose.yaml").read_text(encoding="utf-8"))["services"]
    tool.check_ports(services)
    for ports in (["8000:8000"], ["0.0.0.0:8000:8000"]):
        with pytest.raises(tool.ContainerError, match="127"):
            tool.check_ports({**services, "page": {**services["page"], "ports": ports}})
    with pytest.raises(tool.ContainerError, match="127"):
        tool.check_ports({**services, "broker": {**services["broker"], "ports": ["127.0.0.1:1883:1883"]}})
