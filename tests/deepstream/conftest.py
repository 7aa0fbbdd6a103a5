"""Pipelines with NVIDIA's real metadata libraries, no GPU; nothing here runs without their package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from empycustom.app.commands import plugin_path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import nvds  # noqa: E402 - found by the line above
from fakes import PLUGINS, register_fakes  # noqa: E402 - found by the line above


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if nvds.WHY_NOT:
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=nvds.WHY_NOT))


@pytest.fixture(scope="session", autouse=True)
def fakes():
    """Register the tests' own elements, ``fakemux`` and ``fakeedit``, in this process."""
    if not nvds.WHY_NOT:
        register_fakes()


@pytest.fixture(scope="session")
def gst_env(env_with):
    """The environment of the command line, with the tests' own elements."""
    return env_with(plugin_path(), PLUGINS)
