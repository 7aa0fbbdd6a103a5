"""The workload ``start``: how long gst-launch-1.0 takes until one buffer has gone through."""

from __future__ import annotations

import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.contenders import Contender
from benchmarks.rounds import ContenderFailed, Report, place
from benchmarks.workloads import Workload

_LAUNCH_S = 120


def run_start(workload: Workload, contenders: Sequence[Contender], *, repeats: int, report: Report) -> dict[str, dict[str, Any]]:
    """Start each contender in turn, ``repeats`` times after one start that fills its registry; return the samples by name."""
    found: dict[str, dict[str, Any]] = {contender.name: {"notes": "", "samples": []} for contender in contenders}
    with tempfile.TemporaryDirectory() as folder:
        for contender in contenders:
            _check_package(contender, workload, Path(folder))
        for repeat in range(repeats + 1):
            for contender in contenders if repeat % 2 else reversed(contenders):
                before = _cpu_ns()
                wall_ns = _launch(contender, workload, Path(folder))
                sample = {"repeat": repeat, "wall_ns": wall_ns, "cpu_ns": _cpu_ns() - before, "buffers": 1}
                if repeat:
                    found[contender.name]["samples"].append(sample)
            report(f"{workload.name}: {f'repeat {repeat} of {repeats}' if repeat else 'warm-up'}")
    return found


def _cpu_ns() -> int:
    """Return the CPU time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((used.ru_utime + used.ru_stime) * 1e9)


def _check_package(contender: Contender, workload: Workload, folder: Path) -> None:
    """Check that Python loads ``empycustom`` from where the contender wants it. Raises ContenderFailed."""
    if contender.package:
        command = [sys.executable, "-c", "import empycustom; print(empycustom.__file__)"]
        done = subprocess.run(
            command, env=_environment(contender, folder), cwd=folder, capture_output=True, text=True, check=False
        )
        if not done.stdout.startswith(contender.package):
            raise ContenderFailed(f"{place(contender, workload)}: empycustom is loaded from {done.stdout}{done.stderr}".rstrip())


def _launch(contender: Contender, workload: Workload, folder: Path) -> int:
    template = contender.workloads[workload.name].replace("{stream}", "0")
    line = f"gst-launch-1.0 -q videotestsrc num-buffers=1 ! {workload.caps} ! {template} ! fakesink"
    before = time.perf_counter_ns()
    try:
        done = subprocess.run(
            shlex.split(line),
            env=_environment(contender, folder),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_LAUNCH_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise ContenderFailed("start needs the program gst-launch-1.0; apt install gstreamer1.0-tools.") from error
    except subprocess.TimeoutExpired as error:
        raise ContenderFailed(f"{place(contender, workload)}: no end within {_LAUNCH_S} s: {line}") from error
    wall_ns = time.perf_counter_ns() - before
    if done.returncode:
        raise ContenderFailed(f"{place(contender, workload)}: {line}\n{done.stdout}{done.stderr}".rstrip())
    return wall_ns


def _environment(contender: Contender, folder: Path) -> dict[str, str]:
    """Return the environment of a user who has activated this Python's virtual environment, with a registry of its own."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GST_", "PYTHON"))}
    env["GST_REGISTRY"] = str(folder / f"{contender.name}.registry")
    env["GST_PLUGIN_PATH"] = contender.launch_plugin_path
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    return {**env, **contender.environment}
