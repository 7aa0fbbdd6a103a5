"""``empycustom doctor``: run every check, and print each finding as soon as it is known, or all as JSON.

The checks of GStreamer and of NVIDIA's software are here, those of Python in ``doctor_python``, and those of the loader of
Python elements in ``doctor_loader``. It must work where anything else is missing: gi, NumPy and cffi are not imported at
the top.
"""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import empycustom
from empycustom.app import doctor_python as python
from empycustom.app.commands import plugin_path
from empycustom.app.doctor_fix import check_again, fix
from empycustom.app.doctor_loader import check_loader
from empycustom.errors import DeepStreamError, EmPyCustomError
from empycustom.native.unwind import path_of
from empycustom.packages import ESSENTIAL, OK, PROBLEM, WARNING, WINDOWS, Finding, apt, how_to_get, run
from empycustom.session.console import reserve_stdout, show
from empycustom.text import for_people


def main(args: Namespace) -> int:
    """Print the findings, and fix what can be fixed if that is wanted; return 1 if there is a problem, else 0."""
    reserve_stdout()
    counts = {OK: 0, WARNING: 0, PROBLEM: 0}
    found, listed = [], []
    for check in CHECKS:
        for finding in check():
            found.append(finding)
            counts[finding.level] += 1
            if args.json:
                listed.append({"check": check.__name__.removeprefix("check_"), **_fit(asdict(finding))})
            else:
                show(for_people(_shown(finding), lines=True))
    if args.json:
        whole = {"empycustom": empycustom.__version__, "problems": counts[PROBLEM], "warnings": counts[WARNING]}
        show(json.dumps({**whole, "findings": listed}, indent=2, ensure_ascii=False))
    else:
        show(f"\n{_plural(counts[PROBLEM], 'problem')}, {_plural(counts[WARNING], 'warning')}.")
    if args.fix and fix(found, yes=args.yes):
        return check_again()
    return 1 if counts[PROBLEM] else 0


def _fit(texts: dict[str, str]) -> dict[str, str]:
    return {key: for_people(text, lines=True) for key, text in texts.items()}


def _shown(finding: Finding) -> str:
    fix = [f"-> {line}" for line in finding.fix.splitlines()]
    more = [f"   {line}" for line in finding.details.splitlines()]
    first = f"{finding.level:8} {finding.text}"
    return "\n".join([first, *(f"{'':8} {line}" for line in [*fix, *more])])


def _plural(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


# Checks of GStreamer as this Python finds it.


_OLDEST = (1, 20)  # custom metas
_INTROSPECTION = {
    "Gst": "gir1.2-gstreamer-1.0",
    "GstBase": "gir1.2-gstreamer-1.0",
    "GstVideo": "gir1.2-gst-plugins-base-1.0",
}


def _namespace(name: str) -> Any:
    """Return a namespace of GObject introspection. Raises ImportError."""
    try:
        import_module("gi").require_version(name, "1.0")
    except ValueError as error:
        raise ImportError(str(error)) from error
    return import_module(f"gi.repository.{name}")


def _lack(name: str) -> str:
    """Return why a namespace cannot be used, ``""`` if it can."""
    try:
        _namespace(name)
    except ImportError as error:
        return str(error)
    return ""


def _gstreamer() -> Any:
    """Return ``Gst``, initialised, or None if it is not available."""
    if _lack("Gst"):
        return None
    gst = _namespace("Gst")
    gst.init(None)
    return gst


def check_bindings() -> Iterator[Finding]:
    """Check that the introspection data is installed, and GStreamer new enough."""
    if find_spec("gi") is None:
        return  # reported by the checks of Python
    lacks = {name: lack for name in _INTROSPECTION if (lack := _lack(name))}
    for name, lack in lacks.items():
        yield Finding(PROBLEM, f"{name} cannot be used from Python: {lack}.", apt(_INTROSPECTION[name]))
    if lacks:
        return
    version = _gstreamer().version()
    text = f"GStreamer {'.'.join(map(str, version[:3]))}"
    if version[:2] < _OLDEST:
        yield Finding(
            PROBLEM, f"{text} is too old; 1.20 is the oldest that works.", "use a newer system, Ubuntu 22.04 or Debian 12"
        )
    else:
        yield Finding(OK, text)


def check_overrides() -> Iterator[Finding]:
    """Check that ``Gst.Buffer.map`` gives writable memory, as with python3-gst-1.0."""
    if (gst := _gstreamer()) is None:
        return
    # Only with the override is the mapped data a view of the buffer instead of a copy.
    mapped = gst.Buffer.new_allocate(None, 4, None).map(gst.MapFlags.READ)
    data = mapped.data if hasattr(mapped, "data") else mapped[1].data
    if isinstance(data, memoryview):
        yield Finding(OK, "Gst.Buffer.map gives views of the memory (python3-gst-1.0).")
    else:
        text = f"Gst.Buffer.map gives a copy ({type(data).__name__}), because GStreamer's Python overrides are missing."
        yield Finding(PROBLEM, text, apt("python3-gst-1.0"))


def check_exceptions() -> Iterator[Finding]:
    """Check whether GStreamer loads libunwind, with which exceptions of C++ may end a process."""
    if _gstreamer() is None or path_of("libunwind.so") is None:
        return
    yield Finding(
        OK,
        "This GStreamer uses libunwind. The commands of empycustom and gst-launch-1.0 are safe. Your own Python program should "
        "import empycustom before gi, or be started with LD_PRELOAD=libgcc_s.so.1; otherwise, if it imports NumPy first, an "
        "exception in C++ code (OpenCV, onnxruntime, PyTorch) ends the program.",
    )


_NOTHING = "def process_ip(io_buffer, in_meta, options):\n    pass\n"
_WORKER = {"in-place": True, "workers": 1, "call-timeout": 0}


def check_workers() -> Iterator[Finding]:
    """Check that a library can run in a process of its own, by letting one do it."""
    try:
        start_pool = import_module("empycustom.elements.workers").start_pool
    except (ImportError, ValueError, OSError):  # what is missing or broken is reported by the other checks
        return
    with TemporaryDirectory() as folder:
        library = Path(folder, "nothing.py")
        library.write_text(_NOTHING, encoding="utf-8")
        try:
            start_pool(str(library), _WORKER, {}, None).stop()
        except (EmPyCustomError, OSError) as error:
            text = f"A library cannot run in a process of its own: {error}."
            yield Finding(WARNING, text, "use workers=0, the default", getattr(error, "details", ""))
        else:
            yield Finding(OK, "A library can run in a process of its own (workers=1).")


def check_analytics() -> Iterator[Finding]:
    """Check whether GstAnalytics is installed, the metadata of newer detectors."""
    if (gst := _gstreamer()) is None:
        return
    if gst.version()[:2] < (1, 24):
        yield Finding(OK, "No GstAnalytics before GStreamer 1.24; objects are region-of-interest metas.")
        return
    if lack := _lack("GstAnalytics"):
        yield Finding(WARNING, f"GstAnalytics cannot be used from Python: {lack}.", apt("gir1.2-gst-plugins-bad-1.0"))
    else:
        yield Finding(OK, "GstAnalytics")


def check_elements() -> Iterator[Finding]:
    """Check that the elements of the pipelines of `empycustom run` are installed."""
    if (gst := _gstreamer()) is None:
        return
    missing = [name for name in ESSENTIAL if gst.ElementFactory.find(name) is None]
    for name in missing:
        yield Finding(PROBLEM, f"GStreamer has no element {name}.", how_to_get([name]))
    if not missing:
        yield Finding(OK, f"GStreamer's elements that `empycustom run` needs: {', '.join(ESSENTIAL)}")


def check_windows() -> Iterator[Finding]:
    """Check that there is an element for the window of `empycustom run --show`."""
    if (gst := _gstreamer()) is None:
        return
    displays = [name for name in WINDOWS if os.environ.get(name)] or list(WINDOWS)[:1]
    sinks = list(dict.fromkeys(sink for name in displays for sink in WINDOWS[name]))
    found = [sink for sink in sinks if gst.ElementFactory.find(sink)]
    if found:
        yield Finding(OK, f"`empycustom run --show` has elements that show frames: {', '.join(found)}")
    else:
        yield Finding(WARNING, "`empycustom run --show` has no element that shows frames in a window.", how_to_get(sinks[:1]))


def check_deepstream() -> Iterator[Finding]:
    """Check that attributes can be attached to DeepStream's metadata, if DeepStream is installed."""
    if (gst := _gstreamer()) is None or (muxer := gst.ElementFactory.find("nvstreammux")) is None:
        return
    text = f"DeepStream {muxer.get_plugin().get_version()}"
    if find_spec("_cffi_backend") is None:
        return  # reported by the checks of Python
    try:
        import_module("empycustom.native.trampolines").rc_blob_functions()
    except DeepStreamError as error:
        yield Finding(PROBLEM, f"{text}: {error}.", "allow it, or run where it is allowed; reading metadata works without it")
    else:
        yield Finding(OK, text)


# Checks of what frames in GPU memory (NVMM) need: NVIDIA's driver, a GPU, DeepStream's elements and libraries. A child process
# does them, because a broken driver can end the process that calls it.


ELEMENTS = ("nvvideoconvert", "nvv4l2decoder")
LIBRARIES = ("libnvds_meta.so", "libnvbufsurface.so")
_DRIVER, _NOT_FOUND = "libcuda.so.1", "GStreamer does not find it"
# The elements come first: they load libraries that are beside them.
_QUESTION = f"""\
import json, sys
sys.path.append({str(plugin_path().parents[1])!r})
from empycustom.errors import FrameError
from empycustom.gstreamer import Gst
from empycustom.native import cuda as gpus
answer = {{"driver": gpus.load_failure({_DRIVER!r}), "failed": "", "cuda": "", "gpus": []}}
try:
    if not answer["driver"]:
        answer["cuda"], answer["gpus"] = gpus.cuda_version(), gpus.gpus()
except FrameError as error:
    answer["failed"] = str(error)
factories = {{name: Gst.ElementFactory.find(name) for name in {ELEMENTS}}}
lacks = {{name: "" if factory and factory.load() else {_NOT_FOUND!r} for name, factory in factories.items()}}
answer["lacks"] = {{**lacks, **{{name: gpus.load_failure(name) for name in {LIBRARIES}}}}}
print(json.dumps(answer))
"""
_INSTALL_DRIVER = "install NVIDIA's driver, which has nvidia-smi; start a container with --gpus all"
# One of these exists if there is a GPU, even if its driver does not work.
_DEVICES = ("/proc/driver/nvidia", "/dev/nvidia0", "/dev/nvgpu", "/etc/nv_tegra_release")
_PCI = ("0x10de", "0x03")  # NVIDIA; class of display controllers


def check_nvidia() -> Iterator[Finding]:
    """Check NVIDIA's driver, GPUs and libraries; one line if there is nothing."""
    if find_spec("_cffi_backend") is None or find_spec("gi") is None:
        return  # reported by the checks of Python
    child = run(sys.executable, "-c", _QUESTION)
    if child.code is None or child.code < 0:
        how = f"by signal {-child.code}" if child.code else "without an answer"
        text = f"A process that called NVIDIA's driver and loaded NVIDIA's libraries ended {how}: one of them is broken."
        yield Finding(WARNING, text, _INSTALL_DRIVER, child.stderr)
    elif child.code == 0:  # else the checks of GStreamer report what is missing
        yield from _about(json.loads(child.stdout.splitlines()[-1]))


def _about(answer: dict[str, Any]) -> Iterator[Finding]:
    lacks = {name: why for name, why in answer["lacks"].items() if why}
    is_here = any(not _is_absent(name, why) for name, why in answer["lacks"].items())
    if not is_here and _is_absent(_DRIVER, answer["driver"]) and not _has_gpu():
        yield Finding(OK, "No NVIDIA software; frames in GPU memory (NVMM) need an NVIDIA GPU.")
        return
    if answer["driver"]:
        yield Finding(WARNING, f"NVIDIA's driver is not available: {answer['driver']}.", _INSTALL_DRIVER)
    else:
        yield from _about_gpus(answer)
    yield _about_deepstream(lacks, is_here=is_here)


def _is_absent(name: str, why: str) -> bool:
    """Return whether something is not installed, from the reason why it cannot be loaded."""
    return why == _NOT_FOUND or f"{name}: cannot open shared object file" in why


def _about_gpus(answer: dict[str, Any]) -> Iterator[Finding]:
    if answer["failed"]:
        yield Finding(WARNING, answer["failed"], _INSTALL_DRIVER)
        return
    yield Finding(OK, f"NVIDIA's driver{_version()}, for CUDA up to {answer['cuda']}")
    for number, (name, memory) in enumerate(answer["gpus"]):
        yield Finding(OK, f"GPU {number}: {name}, {memory / 2**30:.1f} GiB")


def _version() -> str:
    """Return the version of the driver with a blank before it, ``""`` if it is unknown."""
    with suppress(OSError):
        return f" {Path('/sys/module/nvidia/version').read_text(encoding='ascii').strip()}"
    return ""


def _about_deepstream(lacks: dict[str, str], *, is_here: bool) -> Finding:
    names = ", ".join((*ELEMENTS, *LIBRARIES))
    if not lacks:
        return Finding(OK, f"DeepStream: {names}")
    if not is_here:
        return Finding(OK, f"No DeepStream ({names}), which makes frames in GPU memory (NVMM).")
    fix = "set GST_PLUGIN_PATH to the folder of its elements, and LD_LIBRARY_PATH to those of its libraries and of CUDA's"
    missing = "\n".join(f"{name}: {why}" for name, why in lacks.items())
    return Finding(WARNING, f"DeepStream is incomplete; {', '.join(lacks)} cannot be used.", fix, missing)


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


CHECKS: tuple[Callable[[], Iterable[Finding]], ...] = (
    *python.PYTHON_CHECKS,
    check_bindings,
    check_overrides,
    check_exceptions,
    check_workers,
    check_analytics,
    check_elements,
    check_windows,
    check_deepstream,
    check_nvidia,
    check_loader,
)
