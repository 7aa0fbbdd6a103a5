"""What ``--metrics`` serves of a run: ``/metrics`` and ``/healthz``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email.message import Message
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from empycustom.errors import LaunchError
from empycustom.metrics import Address
from empycustom.metrics.health import Pulse, state_of_all
from empycustom.metrics.server import Answer, Server
from empycustom.metrics.table import Collector, Watched, distinct
from empycustom.model.serialize import dumps

if TYPE_CHECKING:
    from empycustom.outputs.queued import QueuedOutput
    from empycustom.session.branch import Branch


class Metrics:
    """The metrics and the health of a run, served from now on. Raises LaunchError."""

    def __init__(self, address: Address) -> None:
        self._client = _client()
        self._collector, self._pulses = Collector(), dict[str, Pulse]()
        self._lock = threading.Lock()
        self._client.REGISTRY.register(self._collector)  # where metrics of libraries are, and those of the process
        try:
            self._server = Server(address, {"/metrics": self._metrics, "/healthz": self._health}, self._look)
        except BaseException:
            self._client.REGISTRY.unregister(self._collector)
            raise
        self.place = Address(address.host, self._server.port).text

    def close(self) -> None:
        """End. Nobody is waited for."""
        self._server.close()
        self._client.REGISTRY.unregister(self._collector)

    def watch(self, branches: Sequence[Branch], outputs: Callable[[], Sequence[QueuedOutput]]) -> None:
        """Serve the metrics of streams, which may not have any elements yet, and of outputs that they share."""
        labels = list(distinct(branch.label for branch in branches))
        self._pulses = {label: Pulse(branch) for label, branch in zip(labels, branches, strict=True)}
        self._collector.outputs = outputs
        self._collector.watched = [
            Watched(label, branch, lambda pulse=self._pulses[label]: pulse.health().is_good)  # type: ignore[misc]  # mypy infers no type of such a default
            for label, branch in zip(labels, branches, strict=True)
        ]

    # In threads of the server.

    def _look(self) -> None:
        for pulse in self._pulses.values():
            pulse.look()

    def _metrics(self, headers: Message) -> Answer:
        from prometheus_client.exposition import choose_encoder

        try:
            encode, kind = choose_encoder(headers.get("Accept", ""))
        except ValueError:  # a version that is not a number
            encode, kind = choose_encoder("")
        with self._lock:
            body = encode(self._client.REGISTRY)
        return Answer(HTTPStatus.OK, kind, body)

    def _health(self, _headers: Message) -> Answer:
        found = {label: pulse.health() for label, pulse in self._pulses.items()}
        state = state_of_all(iter(found.values()))
        streams = [{"stream": label, "status": each.state, "why": each.why} for label, each in found.items()]
        status = HTTPStatus.OK if state == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
        return Answer(status, "application/json", f"{dumps({'status': state, 'streams': streams})}\n".encode())


def _client() -> Any:
    try:
        import prometheus_client
    except ImportError as error:
        text = f'--metrics needs the Python package prometheus-client ({error}): pip install "empycustom[metrics]"'
        raise LaunchError(text) from error
    return prometheus_client


@contextmanager
def served(address: Address | None) -> Iterator[Metrics | None]:
    """Serve metrics at an address, None: nowhere. Raises LaunchError."""
    if address is None:
        yield None
        return
    metrics = Metrics(address)
    try:
        yield metrics
    finally:
        metrics.close()
