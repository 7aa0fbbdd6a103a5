"""Checks of what frames in GPU memory (NVMM) take: NVIDIA's driver, a GPU, DeepStream's elements and libraries.

A child process looks: a broken driver can end whoever asks it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from empycustom.app.health.report import OK, WARNING, Finding, run
from empycustom.app.plugin_path import plugin_path

ELEMENTS = ("nvvideoconvert", "nvv4l2decoder")
LIBRARIES = ("libnvds_meta.so", "libnvbufsurface.so")
_DRIVER, _NOT_FOUND = "libcuda.so.1", "GStreamer does not find it"
# The elements come first: they bring libraries that lie beside them.
_QUESTION = f"""\
import json, sys
sys.path.append({str(plugin_path().parents[1])!r})
from empycustom.errors import FrameError
from empycustom.gstreamer import Gst
from empycustom.native import gpus
answer = {{"driver": gpus.why_not({_DRIVER!r}), "failed": "", "cuda": "", "gpus": []}}
try:
    if not answer["driver"]:
        answer["cuda"], answer["gpus"] = gpus.cuda_version(), gpus.gpus()
except FrameError as error:
    answer["failed"] = str(error)
factories = {{name: Gst.ElementFactory.find(name) for name in {ELEMENTS}}}
lacks = {{name: "" if factory and factory.load() else {_NOT_FOUND!r} for name, factory in factories.items()}}
answer["lacks"] = {{**lacks, **{{name: gpus.why_not(name) for name in {LIBRARIES}}}}}
print(json.dumps(answer))
"""
_INSTALL_DRIVER = "install NVIDIA's driver, which nvidia-smi belongs to; start a container with --gpus all"
# A GPU shows itself as one of these, whether its driver works or not.
_DEVICES = ("/proc/driver/nvidia", "/dev/nvidia0", "/dev/nvgpu", "/etc/nv_tegra_release")
_PCI = ("0x10de", "0x03")  # NVIDIA; class of display controllers


def check_nvidia() -> Iterator[Finding]:
    """What there is of NVIDIA's; one line where there is nothing."""
    if find_spec("_cffi_backend") is None or find_spec("gi") is None:
        return  # reported by the checks of Python
    child = run(sys.executable, "-c", _QUESTION)
    if child.code is None or child.code < 0:
        how = f"by signal {-child.code}" if child.code else "and did not answer"
        text = f"A process that asked NVIDIA's driver and loaded NVIDIA's libraries ended {how}: one of them is broken."
        yield Finding(WARNING, text, _INSTALL_DRIVER, child.stderr)
    elif child.code == 0:  # else the checks of GStreamer say what is missing
        yield from _about(json.loads(child.stdout.splitlines()[-1]))


def _about(answer: dict[str, Any]) -> Iterator[Finding]:
    lacks = {name: why for name, why in answer["lacks"].items() if why}
    is_here = any(not _is_absent(name, why) for name, why in answer["lacks"].items())
    if not is_here and _is_absent(_DRIVER, answer["driver"]) and not _has_gpu():
        yield Finding(OK, "Nothing of NVIDIA's is here; frames in GPU memory (NVMM) need a GPU of NVIDIA's.")
        return
    if answer["driver"]:
        yield Finding(WARNING, f"NVIDIA's driver is not to be had: {answer['driver']}.", _INSTALL_DRIVER)
    else:
        yield from _about_gpus(answer)
    yield _about_deepstream(lacks, is_here=is_here)


def _is_absent(name: str, why: str) -> bool:
    """Whether there is no such thing, going by why it cannot be loaded. What lacks something itself is there."""
    return why == _NOT_FOUND or f"{name}: cannot open shared object file" in why


def _about_gpus(answer: dict[str, Any]) -> Iterator[Finding]:
    if answer["failed"]:
        yield Finding(WARNING, answer["failed"], _INSTALL_DRIVER)
        return
    yield Finding(OK, f"NVIDIA's driver{_version()}, for CUDA up to {answer['cuda']}")
    for number, (name, memory) in enumerate(answer["gpus"]):
        yield Finding(OK, f"GPU {number}: {name}, {memory / 2**30:.1f} GiB")


def _version() -> str:
    """Return the version of the driver with a blank before it, ``""`` where the system does not tell it."""
    with suppress(OSError):
        return f" {Path('/sys/module/nvidia/version').read_text(encoding='ascii').strip()}"
    return ""


def _about_deepstream(lacks: dict[str, str], *, is_here: bool) -> Finding:
    names = ", ".join((*ELEMENTS, *LIBRARIES))
    if not lacks:
        return Finding(OK, f"DeepStream: {names}")
    if not is_here:
        return Finding(OK, f"No DeepStream ({names}), which makes frames in GPU memory (NVMM).")
    fix = "let GST_PLUGIN_PATH name the folder of its elements, and LD_LIBRARY_PATH those of its libraries and of CUDA's"
    missing = "\n".join(f"{name}: {why}" for name, why in lacks.items())
    return Finding(WARNING, f"DeepStream is here only in part; {', '.join(lacks)} cannot be used.", fix, missing)


def _has_gpu() -> bool:
    if any(Path(path).exists() for path in _DEVICES):
        return True
    return any(_starts(folder / "vendor", _PCI[0]) and _starts(folder / "class", _PCI[1]) for folder in _pci_devices())


def _pci_devices() -> Iterator[Path]:
    with suppress(OSError):
        yield from Path("/sys/bus/pci/devices").iterdir()


def _starts(file: Path, text: str) -> bool:
    with suppress(OSError):
        return file.read_text(encoding="ascii").startswith(text)
    return False


CHECKS: tuple[Callable[[], Iterable[Finding]], ...] = (check_nvidia,)
