"""What a node of a cluster does: Ray calls :func:`play_task` in its workers, each for one task after another.

A process of its own plays, and lives on from task to task. So a library that crashes is told from a node that goes away: the
first is the outcome of its video, at once; only the second ends Ray's worker, and Ray tries the task again.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import empycustom
from empycustom.batch import Outcome, Progress, Task
from empycustom.batch.local import LocalExecutor
from empycustom.batch.shipping import Shipment
from empycustom.batch.tables import names
from empycustom.errors import LaunchError

_LOOK_EVERY_S = 1.0
_DEVICES = "CUDA_VISIBLE_DEVICES"  # which GPUs Ray has given to the task


class Board:
    """How far tasks are: their nodes write it, and whoever has submitted them takes it. Runs as an actor of Ray."""

    def __init__(self) -> None:
        self._latest: dict[tuple[str, int], Progress] = {}

    def show(self, progress: Progress) -> None:
        """Show how far a task is."""
        self._latest[progress.task.key, progress.task.piece] = progress

    def take(self) -> list[Progress]:
        """Return what is new."""
        latest, self._latest = self._latest, {}
        return [*latest.values()]


class _Player:
    """The process that plays in a worker of Ray, and the folder in which rows lie until they are sent."""

    current: _Player | None = None

    def __init__(self, shipment: Shipment, timeout_s: float) -> None:
        self.devices = os.environ.get(_DEVICES)
        self.known: dict[str, dict[str, str]] = {}
        shipped = os.getcwd()  # Ray has unpacked it, and removes it, with what is left here by a worker that was killed
        folder = Path(tempfile.mkdtemp(prefix=".rows-", dir=shipped))
        for table in names(lines=shipment.work.lines):
            (folder / table).mkdir()
        found_in = [os.path.join(shipped, place) for place in shipment.found_in]
        os.environ["PYTHONPATH"] = os.pathsep.join([*found_in, *filter(None, [os.environ.get("PYTHONPATH")])])
        self.executor = LocalExecutor(shipment.work_at(shipped), folder, 1, self.known, timeout_s=timeout_s)

    @classmethod
    def of(cls, shipment: Shipment, timeout_s: float) -> _Player:
        """Return that of this worker. One that was started for other GPUs is replaced."""
        if cls.current and cls.current.devices != os.environ.get(_DEVICES):
            cls.current.executor.close()
            cls.current = None
        cls.current = cls.current or cls(shipment, timeout_s)
        return cls.current


def play_task(
    version: str, shipment: Shipment, timeout_s: float, task: Task, known: Mapping[str, dict[str, str]], board: Any
) -> Outcome:
    """Play a task, and return its outcome with the bytes of its files. Raises LaunchError where the node does not fit."""
    if version != empycustom.__version__:
        raise LaunchError(
            f"{platform.node()} has empycustom {empycustom.__version__}, and this machine {version}; install the same."
        )
    player = _Player.of(shipment, timeout_s)
    player.known.clear()
    player.known.update(known)
    player.executor.submit(task)
    outcome: Outcome | None = None
    while outcome is None:
        for event in player.executor.events(_LOOK_EVERY_S):
            if isinstance(event, Progress):
                board.show.remote(event)
            else:
                outcome = event
    return _sent(outcome, shipment)


def _sent(outcome: Outcome, shipment: Shipment) -> Outcome:
    """Return an outcome as it is sent: with bytes in place of files, and with paths that the user knows."""
    files = {}
    for table, file in outcome.files.items():
        files[table] = Path(file).read_bytes()
        os.unlink(file)
    location, error = outcome.task.location, shipment.as_here(outcome.error, os.getcwd())
    if error and "://" not in location and not os.path.exists(location):
        error = f"{location} is not on the node {platform.node()}; nodes read videos from shared storage, or from URLs"
    warning, details = (shipment.as_here(text, os.getcwd()) for text in (outcome.warning, outcome.details))
    return replace(outcome, files=files, error=error, warning=warning, details=details)
