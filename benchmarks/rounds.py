"""The parent's side: a worker for each contender, asked in turn, so that noise of the machine hits all alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Timer
from typing import IO, Any, cast

from benchmarks.contenders import Contender
from benchmarks.workloads import Workload

ROOT = Path(__file__).parents[1]
ANSWER_S = 900  # a million buffers, or as long as a pipeline is given to end
END_S = 10

Report = Callable[[str], None]


class ContenderFailed(RuntimeError):  # noqa: N818 - a contender fails, the benchmark does not err
    """A contender could not do its work; the message says which, at what, and what it printed."""


class Worker:
    """The process of one contender at one workload. Use it in a ``with`` statement."""

    def __init__(self, contender: Contender, workload: Workload, *, quick: bool) -> None:
        self.name = contender.name
        self._place = place(contender, workload)
        self._stderr: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - see __exit__
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            cwd=ROOT,
            env={**os.environ, **contender.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )
        # Both are pipes, and so they are there.
        self._requests, self._answers = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        self._send({"contender": contender.to_json(), "workload": workload.name, "quick": quick})

    def __enter__(self) -> Worker:
        return self

    def begin(self) -> str:
        """Wait until the worker is there, and return what it reports about itself. Raises ContenderFailed."""
        notes: str = self._answer()["notes"]
        return notes

    def __exit__(self, *_: object) -> None:
        with suppress(BrokenPipeError):  # something was not sent to a dead process
            self._requests.close()  # the worker's requests end, and so does it
        try:
            self._process.wait(timeout=END_S)
        except subprocess.TimeoutExpired:  # it hangs in a pipeline: it gives no answer any more
            self._process.kill()
            self._process.wait()
        self._answers.close()
        self._stderr.close()

    def ask(self, what: str) -> dict[str, Any]:
        """Let the worker do something: a ``round``, or what another kind of workload is called. Raises ContenderFailed."""
        self._send({"do": what})
        return self._answer()

    def _send(self, request: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):  # the process is dead: that there is no answer is reported
            self._requests.write(json.dumps(request) + "\n")
            self._requests.flush()

    def _answer(self) -> dict[str, Any]:
        too_long = Timer(ANSWER_S, self._process.kill)
        too_long.daemon = True  # an interrupt may come before the way to cancel(), and must not wait for it
        too_long.start()
        try:
            line = self._answers.readline()
            hangs = not too_long.is_alive()
        finally:
            too_long.cancel()
        if not line:
            raise self._failed(f"it gave no answer within {ANSWER_S} s" if hangs else self._death())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise self._failed(answer["error"])
        return answer

    def _death(self) -> str:
        return f"its process ended with exit code {self._process.wait(timeout=END_S)}"

    def _failed(self, what: str) -> ContenderFailed:
        self._stderr.seek(0)
        return ContenderFailed(f"{self._place}: {what}\n{self._stderr.read()}".rstrip())


def run_stream(
    workload: Workload, contenders: Sequence[Contender], *, repeats: int, quick: bool, report: Report
) -> dict[str, dict[str, Any]]:
    """Play a warm-up round and ``repeats`` rounds of each contender, in another order each time; return the samples by name."""
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(contender, workload, quick=quick)) for contender in contenders]
        found: dict[str, dict[str, Any]] = {worker.name: {"notes": worker.begin(), "samples": []} for worker in workers}
        for repeat in range(repeats + 1):
            for worker in _rotated(workers, repeat):
                sample = worker.ask("round")
                if repeat:
                    found[worker.name]["samples"].append({"repeat": repeat, **sample})
            report(f"{workload.name}: {f'repeat {repeat} of {repeats}' if repeat else 'warm-up'}")
    return found


def run_once(workload: Workload, contenders: Sequence[Contender], *, quick: bool, report: Report) -> dict[str, dict[str, Any]]:
    """Ask each contender once for what a workload of another kind finds: ``memory``, ``inside`` or ``turns``."""
    found: dict[str, dict[str, Any]] = {}
    for contender in contenders:
        report(f"{workload.name}: {contender.name}")
        with Worker(contender, workload, quick=quick) as worker:
            found[contender.name] = {"notes": worker.begin(), **worker.ask(workload.kind)}
    return found


def place(contender: Contender, workload: Workload) -> str:
    """Return the beginning of the message about a failure: who failed, at what, and where that is written."""
    return f"{contender.name} failed at {workload.name} ({contender.path}, [workloads], {workload.name})"


def _rotated(workers: Sequence[Worker], repeat: int) -> list[Worker]:
    """Return the workers beginning with another one in each repeat, and backwards in every second: all neighbours occur."""
    start = repeat % len(workers)
    turned = [*workers[start:], *workers[:start]]
    return turned[::-1] if repeat % 2 else turned
