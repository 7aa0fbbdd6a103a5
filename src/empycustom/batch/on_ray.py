"""The executor on a cluster: each task is one of Ray's, which schedules it, ships what it needs, and tries it again.

Ray's own retries are for workers and nodes that go away: see :mod:`empycustom.batch.on_node` for libraries that crash.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import empycustom
from empycustom.batch import Outcome, Progress, Task, Work
from empycustom.batch.on_node import Board, play_task
from empycustom.batch.shipping import ship
from empycustom.errors import EmPyCustomError, LaunchError

INSTALL = "pip install 'empycustom[ray]'"
_RETRIES = 3  # of tasks whose worker or node has gone away
_REACHED_S = 5.0  # Ray itself tries for minutes
_COUNT_EVERY_S = 10.0  # nodes come and go
_ASK_EVERY_S = 0.5
_LISTED = 8  # nodes in a message
_LOST = ("WorkerCrashedError", "NodeDiedError", "OutOfMemoryError", "ObjectLostError")  # that cost their video alone
_HOST_PORT = re.compile(r"(?:ray://)?\[?([^/\]]+)\]?:(\d+)")


def ray_module() -> Any:
    """Return the module ray, which then sends no usage statistics. Raises EmPyCustomError with what to install."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_COLOR_PREFIX", "1" if sys.stderr.isatty() else "0")
    try:
        return import_module("ray")
    except ImportError as error:
        raise EmPyCustomError(f"--ray needs the package ray ({error}); install it: {INSTALL}") from error


class Cluster:
    """A cluster that is connected, with the libraries on their way to it.

    ``address`` is None for the one that runs, or one that Ray starts here. ``cpus`` and ``gpus`` are what each video gets;
    ``without``, what of the libraries' folders stays here.
    """

    def __init__(self, work: Work, address: str | None, *, cpus: float, gpus: float, without: Collection[str]) -> None:
        """Connect. Raises LaunchError where there is no such cluster, or no node has what a video gets."""
        self.ray, self.needs = ray_module(), {"CPU": cpus, "GPU": gpus}
        _check_reached(address or os.environ.get("RAY_ADDRESS"))
        with tempfile.TemporaryDirectory(prefix="empycustom-") as folder:
            self.shipment = ship(work, Path(folder), without)
            (Path(folder) / "README").write_text("The libraries of a batch of empycustom.\n")  # Ray sends no empty folder
            try:
                self.ray.init(address, runtime_env={"working_dir": folder}, include_dashboard=False, logging_level="ERROR")
            except Exception as error:  # Ray raises errors of many classes
                reason = str(error).strip().partition("\n")[0].rstrip(".")
                raise LaunchError(
                    f"--ray: Ray cannot be used: {reason or type(error).__name__}; its messages are above."
                ) from error
        self._check_needs()

    def _nodes(self) -> list[Mapping[str, Any]]:
        return [node for node in self.ray.nodes() if node["Alive"]]

    def room(self) -> int:
        """Return how many videos all nodes play at once."""
        return sum(_fits(node["Resources"], self.needs) for node in self._nodes())

    def _check_needs(self) -> None:
        if self.room():
            return
        nodes = self._nodes()
        own = [f"{_number(each, 'CPU')} CPUs and {_number(each, 'GPU')} GPUs" for each in nodes]
        named = [f"{node['NodeManagerAddress']} has {has}" for node, has in zip(nodes, own, strict=True)][:_LISTED]
        more = f" and {len(nodes) - _LISTED} more" if len(nodes) > _LISTED else ""
        self.close()
        raise LaunchError(
            f"No node of the cluster can give a video {self.needs['CPU']:g} CPUs and {self.needs['GPU']:g} GPUs: "
            f"{', '.join(named)}{more}. Lower --cpus-per-video or --gpus-per-video, or add a node."
        )

    def describe(self) -> str:
        """Return where it is, and how large."""
        count = len(self._nodes())
        where = self.ray.get_runtime_context().gcs_address
        return f"Ray at {where}: {count} node{'' if count == 1 else 's'}, {self.room()} videos at once"

    def start_here(self, kind: type) -> Any:
        """Return an actor on this machine, which takes no CPU from videos, and is started again when it ends."""
        here = self.ray.get_runtime_context().get_node_id()
        only = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy(here, soft=False)
        return self.ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1, scheduling_strategy=only)(kind).remote()

    def close(self) -> None:
        """Leave it; one that was started here ends. What is played for us ends in both cases."""
        self.ray.shutdown()


class RayExecutor:
    """Plays tasks on a cluster. ``known`` and ``timeout_s`` are as for :class:`~empycustom.batch.local.LocalExecutor`."""

    def __init__(self, cluster: Cluster, known: dict[str, dict[str, str]], timeout_s: float = 0) -> None:
        self._cluster, self._known, self._ray = cluster, known, cluster.ray
        cpus, gpus = cluster.needs["CPU"], cluster.needs["GPU"]
        self._play = self._ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=_RETRIES)(play_task)
        self._given = empycustom.__version__, self._ray.put(cluster.shipment), timeout_s
        self._board = cluster.start_here(Board)
        self._under_way: dict[Any, Task] = {}
        self._asked: Any = None
        self._last_asked = self._last_counted = time.monotonic()
        self.slots = cluster.room()

    def submit(self, task: Task) -> None:
        """Play a task, as soon as there is room."""
        known = {table: dict(types) for table, types in self._known.items()}
        self._under_way[self._play.remote(*self._given, task, known, self._board)] = task

    def events(self, timeout_s: float) -> Iterator[Progress | Outcome]:
        """Yield what has happened, and wait for something for so long at most."""
        refs = [*self._under_way]
        if refs and self._ray.wait(refs, timeout=timeout_s)[0]:
            for ref in self._ray.wait(refs, num_returns=len(refs), timeout=0)[0]:
                yield self._outcome(ref, self._under_way.pop(ref))
        yield from self._progress()
        now = time.monotonic()
        if now - self._last_counted > _COUNT_EVERY_S:
            self._last_counted = now
            self.slots = max(1, self._cluster.room())

    def _outcome(self, ref: Any, task: Task) -> Outcome:
        try:
            outcome: Outcome = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            return _lost(task, error)
        return outcome

    def _progress(self) -> Iterator[Progress]:
        """Yield how far tasks are, without waiting for it. Raises LaunchError where Ray cannot run our code on this machine."""
        if self._asked and self._ray.wait([self._asked], timeout=0)[0]:
            asked, self._asked = self._asked, None
            try:
                latest = self._ray.get(asked)
            except self._ray.exceptions.RayError as error:
                raise LaunchError(_unusable(error)) from error
            yield from (progress for progress in latest if progress.task in self._under_way.values())
        now = time.monotonic()
        if self._asked is None and now - self._last_asked > _ASK_EVERY_S:
            self._asked, self._last_asked = self._board.take.remote(), now

    def close(self) -> str:
        """End all that is played, at once, and leave the cluster. Return ``""``: Ray ends its processes as it likes."""
        self._under_way.clear()
        self._cluster.close()
        return ""


def _lost(task: Task, error: Any) -> Outcome:
    """Return the outcome of a task that Ray has given up."""
    if {each.__name__ for each in type(error).__mro__} & {*_LOST}:
        first, _, more = str(error).strip().partition("\n")
        return Outcome(task, error=f"Ray has given it up after {_RETRIES + 1} tries: {first}", details=more)
    return Outcome(task, error=_unusable(error).removesuffix("."), details=str(error).strip(), is_fatal=True)


def _unusable(error: Any) -> str:
    """Return why Ray cannot run our code."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, EmPyCustomError):
        return str(cause)
    reason = str(error).strip().splitlines()[-1]
    return f"Ray cannot play on its nodes: {reason}. Each needs empycustom {empycustom.__version__} in the Python that runs Ray."


def _fits(has: Mapping[str, float], needs: Mapping[str, float]) -> int:
    return min(int(has.get(name, 0) / count + 1e-6) for name, count in needs.items() if count)


def _number(node: Mapping[str, Any], name: str) -> str:
    return f"{node['Resources'].get(name, 0):g}"


def _check_reached(address: str | None) -> None:
    """Raise LaunchError where nobody listens at an address."""
    found = _HOST_PORT.fullmatch(address or "")
    if not found:
        return
    try:
        socket.create_connection((found[1], int(found[2])), _REACHED_S).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise LaunchError(
            f"--ray {address} cannot be reached ({reason}); give the address that `ray start --head` has printed on its machine."
        ) from error
