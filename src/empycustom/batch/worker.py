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

    lifeline, notes = map(int, sys.argv[1:])
    end_with_parent(lifeline)
    tasks, answers = os.fdopen(os.dup(0), "rb"), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)  # what libraries read is no task
    os.close(null)
    os.dup2(2, 1)  # what they print is no answer
    for file in (lifeline, notes):
        os.set_inheritable(file, False)
    faulthandler.enable(notes)
    here = os.open(".", os.O_PATH)
    setup = json.loads(tasks.readline())
    work, folder = Work(**setup["work"]), Path(setup["folder"])

    def say(kind: str, values: Any) -> None:
        left = memoryview(json.dumps({"kind": kind, "values": values}).encode() + b"\n")
        while left:
            left = left[os.write(answers, left) :]

    from empycustom.batch.play import play
    from empycustom.library.shared import keep

    def report(progress: Progress) -> None:
        say("progress", (progress.frames, progress.expected, progress.per_second))

    say("ready", None)
    with keep():  # models, which take longer to load than short videos to play
        for line in tasks:
            message = json.loads(line)
            os.fchdir(here)  # a library may have gone elsewhere
            outcome: Outcome = play(work, Task(**message["task"]), folder, message["known"], report)
            say("outcome", {key: value for key, value in asdict(outcome).items() if key != "task"})
    say("closed", None)  # what ends it from here on costs nothing


if __name__ == "__main__":
    main()
