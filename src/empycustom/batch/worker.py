"""A process of :class:`~empycustom.batch.local.LocalExecutor`: it plays the tasks that come on stdin, and answers on stdout."""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from empycustom.batch import Outcome, Progress, Task, Work


def main() -> None:
    """Play until there is nothing more on stdin."""
    from empycustom.runners.worker import end_with_parent

    end_with_parent(int(sys.argv[1]))
    answers = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no answer
    faulthandler.enable()
    tasks = open(0, "rb", closefd=False)  # noqa: SIM115 - until the end of the process
    setup = json.loads(tasks.readline())
    work, folder = Work(**setup["work"]), Path(setup["folder"])

    def say(kind: str, values: Any) -> None:
        left = memoryview(json.dumps({"kind": kind, "values": values}).encode() + b"\n")
        while left:
            left = left[os.write(answers, left) :]

    from empycustom.batch.play import play

    def report(progress: Progress) -> None:
        say("progress", (progress.frames, progress.expected, progress.per_second))

    for line in tasks:
        message = json.loads(line)
        outcome: Outcome = play(work, Task(**message["task"]), folder, message["known"], report)
        say("outcome", {key: value for key, value in asdict(outcome).items() if key != "task"})


if __name__ == "__main__":
    main()
