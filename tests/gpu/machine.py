"""Whether this machine has a GPU and NVIDIA's decoder, and how pipelines find them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from pathlib import Path

DEEPSTREAM = Path(__file__).parents[1] / "deepstream"
sys.path.insert(0, str(DEEPSTREAM))

import nvds  # noqa: E402 - found by the line above

# Where pip puts the CUDA libraries that NVIDIA's decoder depends on; it does not look there itself.
CUDA = nvds.FOLDER.parents[1] / "cu13" / "lib" if nvds.FOLDER else None
WIDTH, HEIGHT, FRAMES = 322, 242, 60  # of the video; neither is a multiple of what decoders and pitches are
INSTALL = "make test-gpu installs it"


def _why_not() -> str:
    if nvds.WHY_NOT:
        return nvds.WHY_NOT
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no GPU: NVIDIA's driver (libcuda.so.1) is not here"
    count = ctypes.c_int()
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return "no GPU: the driver is here, and finds none"
    with contextlib.suppress(OSError):  # what is missing is told below
        for name in ("libcudart.so.13", "libnppc.so.13", "libnppig.so.13", "libnppidei.so.13"):
            ctypes.CDLL(str(CUDA / name), mode=ctypes.RTLD_GLOBAL)
    try:
        ctypes.CDLL(str(nvds.FOLDER / "libnvbufsurftransform.so"))
    except OSError as error:
        return f"NVIDIA's converter lacks a library ({error}); {INSTALL}"
    return ""


WHY_NOT = _why_not()


def printed(out: str) -> list[str]:
    """Return the lines that a library printed, without the one that NVIDIA's decoder prints on stdout."""
    return [line for line in out.splitlines() if line.strip() != "Opening in BLOCKING MODE"]


def environment(env: dict[str, str]) -> dict[str, str]:
    """Return an environment in which GStreamer finds NVIDIA's decoder and converter, and these their libraries."""
    paths = [env["GST_PLUGIN_PATH"], str(DEEPSTREAM / "plugins"), str(nvds.FOLDER)]
    libraries = [str(nvds.FOLDER), str(CUDA), *filter(None, [env.get("LD_LIBRARY_PATH")])]
    return {
        **env,
        "GST_PLUGIN_PATH": os.pathsep.join(paths),
        "LIBV4L2_PLUGIN_DIR": str(nvds.FOLDER / "v4l_plugins"),
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
    }
