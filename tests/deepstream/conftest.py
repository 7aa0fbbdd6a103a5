"""Pipelines with NVIDIA's real metadata libraries, no GPU; nothing here runs without their package."""

from __future__ import annotations

import sys
import types
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


STAGE = "import stages\ndef process_ip(b, m, o):\n    return stages.do[{}](m)\n"
SOURCE = "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=64,height=48,framerate=30/1 ! fakemux batch-size=2 objects=3"


@pytest.fixture
def flow(play, library, monkeypatch):
    """Play a batch through stages: functions of a batch or, marked by ``says``, of in_meta, and texts. Return what was played."""

    def run(*stages, source=SOURCE):
        monkeypatch.setitem(sys.modules, "stages", types.SimpleNamespace(do=stages))
        wrong, texts = [], []
        for index, stage in enumerate(stages):
            element = f"empycustom in-place=true custom-lib={library(STAGE.format(index), f'stage{index}.py')}"
            edits = f"identity name=stage{index} signal-handoffs=true"
            texts.append(stage if isinstance(stage, str) else element if getattr(stage, "says", False) else edits)
        from empycustom.gstreamer import Gst

        pipeline = Gst.parse_launch(" ! ".join([source, *texts, "aimeta name=meta ! appsink name=out"]))

        def edit(identity, buffer):
            try:
                stages[int(identity.get_name().removeprefix("stage"))](nvds.batch_of(buffer))
            except Exception as error:  # noqa: BLE001 - PyGObject would only print it
                wrong.append(error)

        for index, stage in enumerate(stages):
            identity = pipeline.get_by_name(f"stage{index}")
            if identity and not isinstance(stage, str):
                identity.connect("handoff", edit)
        played = play(pipeline)
        assert not wrong, wrong
        assert played.ended, played.errors
        return played

    return run


@pytest.fixture
def said(capfd):
    """Return what stands in the debug log since the last call."""
    from empycustom.gstreamer import Gst

    Gst.debug_set_threshold_for_name("python-empycustom", Gst.DebugLevel.WARNING)
    yield lambda: capfd.readouterr().err
    Gst.debug_unset_threshold_for_name("python-empycustom")
