"""What the numbers were measured on. As a program it prints that as JSON.

The benchmark asks in a process of its own: the one that asks the workers, and draws, loads no GStreamer.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


class MachineError(RuntimeError):
    """GStreamer, its Python bindings or NumPy cannot be loaded; the message quotes Python."""


def ask() -> dict[str, Any]:
    """Return the facts, found out by another process. Raises MachineError."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.machine"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MachineError(f"GStreamer or NumPy cannot be loaded by {sys.executable}; run make setup.\n{done.stderr}".rstrip())
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def facts() -> dict[str, Any]:
    """Return processor, versions, load and date."""
    import gi
    import numpy as np

    from benchmarks.gstreamer import Gst

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "gstreamer": Gst.version_string().removeprefix("GStreamer "),
        "pygobject": gi.__version__,
        "numpy": np.__version__,
        "load_average_before": round(os.getloadavg()[0], 2),
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    print(json.dumps(facts()))
