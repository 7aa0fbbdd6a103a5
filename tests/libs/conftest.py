"""A fake GPU and NVIDIA's metadata, which have their tests elsewhere, for the libraries that read batches."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / folder) for folder in ("nvmm", "deepstream")]

_spec = importlib.util.spec_from_file_location("fake_gpu", TESTS / "nvmm" / "conftest.py")
_gpu = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_gpu)
fakes, driver = _gpu.fakes, _gpu.driver
