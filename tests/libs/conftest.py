"""How networks are called; and a fake GPU and NVIDIA's metadata, which have their tests elsewhere."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / folder) for folder in ("nvmm", "deepstream")]

_spec = importlib.util.spec_from_file_location("fake_gpu", TESTS / "nvmm" / "conftest.py")
_gpu = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_gpu)
fakes, driver = _gpu.fakes, _gpu.driver


@pytest.fixture
def calls(monkeypatch):
    """How many pictures each call of a session had, since it was asked last."""
    import onnxruntime

    made = []
    session = onnxruntime.InferenceSession

    class Counted(session):
        def run(self, names, given, *more):
            made.append(len(next(iter(given.values()))))
            return super().run(names, given, *more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Counted)
    return made
