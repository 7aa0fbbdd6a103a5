"""The process of one contender: reads requests as lines of JSON from stdin, answers each with a line on stdout.

What libraries and elements print goes to stderr, so that it cannot be taken for an answer.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from typing import IO, Any

from benchmarks.contenders import Contender, ContenderError
from benchmarks.workloads import WORKLOADS, Workload, memory_marks

TURNS, QUICK_TURNS = 5, 1
_MODULES = {"workers": "processes", "publish": "publishing", "studio": "watching"}  # of what is measured in turns


class Worker:
    """One contender at one workload."""

    def __init__(self, contender: Contender, workload: Workload, *, quick: bool) -> None:
        from benchmarks import pipelines  # GStreamer is loaded here, where an error of it becomes an answer

        self._pipelines = pipelines
        self._contender = contender
        self._workload = workload
        self._quick = quick
        self._template = contender.workloads[workload.name]
        if contender.setup:
            function(contender.setup)()

    def round(self) -> dict[str, Any]:
        """Play one round and return what it took."""
        pipeline = self._pipelines.parse(self._pipelines.stream_text(self._workload, self._template))
        if self._contender.wire:
            function(self._contender.wire)(pipeline, self._workload)
        played = self._pipelines.play_round(pipeline, self._workload, self._workload.per_stream(self._quick))
        return {**asdict(played), "rss_kib": self._pipelines.resident_kib(), "peak_kib": self._pipelines.peak_kib()}

    def memory(self) -> dict[str, Any]:
        """Play one long stream and return the resident memory on the way."""
        marks = memory_marks(self._workload, self._quick)
        return {"marks": self._pipelines.play_long(self._template, self._workload, marks)}

    def inside(self) -> dict[str, Any]:
        """Return what the pieces cost that a library is made of."""
        from benchmarks.inside import measure

        return {"pieces": measure(self._template, self._workload, quick=self._quick)}

    def turns(self) -> dict[str, Any]:
        """Return what was measured in each round, by name; a name ends with its unit in brackets."""
        module = _MODULES[self._workload.name.partition("-")[0]]
        measure = import_module(f"benchmarks.{module}").MEASURED[self._workload.name]
        frames = self._workload.quick if self._quick else self._workload.buffers
        found: dict[str, list[float]] = {}
        for _ in range(QUICK_TURNS if self._quick else TURNS):
            for name, value in measure(self._workload, frames).items():
                found.setdefault(name, []).append(float(value))
        return {"measured": found}

    def notes(self) -> dict[str, Any]:
        """Describe this contender for a reader of the results."""
        return {"notes": notes_of(self._contender)}


def notes_of(contender: Contender) -> str:
    """Describe this project, where the contender is it: version, and way into the element. Raises ContenderError."""
    if contender.setup != "empycustom:register":
        return ""
    import empycustom

    file = str(empycustom.__file__)
    if not file.startswith(contender.package):
        raise ContenderError(f"empycustom is loaded from {file}, not from {contender.package}: correct PYTHONPATH.")
    # Whichever module has it: an older commit has another one.
    slow = next(vars(module)["SLOW_BECAUSE"] for module in list(sys.modules.values()) if "SLOW_BECAUSE" in vars(module))
    way = f"no fast path ({slow})" if slow else "fast path"
    return f"version {empycustom.__version__}, {way}" + (f", {file}" if contender.package else "")


def function(name: str) -> Callable[..., Any]:
    """Return the function that ``module:function`` names. Raises ContenderError."""
    module, _, attribute = name.partition(":")
    try:
        found: Callable[..., Any] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        fix = "let PYTHONPATH name the folder of the module, or correct the name"
        raise ContenderError(f"there is no function {name!r} ({error}): {fix}.") from error
    return found


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Answer requests until they end. The first one describes contender and workload."""
    worker: Worker | None = None
    for line in requests:
        request = json.loads(line)
        try:
            if worker is None:
                worker = Worker(Contender(**request["contender"]), WORKLOADS[request["workload"]], quick=request["quick"])
                answer = worker.notes()
            else:
                answer = getattr(worker, request["do"])()
        except Exception as error:  # noqa: BLE001 - the parent shows it, with the contender's name
            traceback.print_exc()
            answer = {"error": str(error) or type(error).__name__}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def main() -> None:
    """Keep the real stdout for the answers."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
