"""Frames in GPU memory without a GPU: a fake driver of a few lines of C, whose GPU is the memory of the process."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


@pytest.fixture(scope="session")
def fakes(tmp_path_factory) -> Path:
    """The folder with the fake libraries, under the names of the real ones."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc, which compiles the fake driver, is not installed")
    folder = tmp_path_factory.mktemp("fakes")
    for source, name in (("fake_cuda.c", "libcuda.so.1"), ("fake_nvbufsurface.c", "libnvbufsurface.so.1.0.0")):
        command = ["gcc", "-shared", "-fPIC", "-w", "-o", str(folder / name), str(HERE / source)]
        subprocess.run(command, check=True)
    return folder


class Driver:
    """The fake driver: what was called, and what should fail."""

    def __init__(self, path: Path) -> None:
        self.library = ctypes.CDLL(str(path))
        self.library.fake_calls.restype = ctypes.c_char_p

    @property
    def calls(self) -> list[str]:
        """What was called since this was last asked; every context that was pushed must be popped by then."""
        assert self.library.fake_depth() == 0
        return self.library.fake_calls().decode().splitlines()

    def fail(self, function: str, code: int = 700) -> None:
        self.library.fake_fail(function.encode(), code)


@pytest.fixture
def driver(fakes, monkeypatch):
    """A machine with a GPU, as far as the package can see. It counts up to 4 of them."""
    from empycustom.native import cuda

    monkeypatch.setattr(cuda, "_LIBRARY", str(fakes / "libcuda.so.1"))
    cuda.driver.cache_clear()
    cuda._context.cache_clear()
    driver = Driver(fakes / "libcuda.so.1")
    driver.fail("", 0)
    driver.library.fake_frames(1, 0)
    assert driver.calls is not None
    yield driver
    cuda.driver.cache_clear()
    cuda._context.cache_clear()
