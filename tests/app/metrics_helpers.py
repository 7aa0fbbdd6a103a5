"""What the tests of ``run --metrics`` share: a client, and what it reads."""

from __future__ import annotations

import http.client
import json
from typing import Any

from command_helpers import wait_for
from prometheus_client.parser import text_string_to_metric_families

from ports import free_port

WAITS = """\
import os, time

def process_ip(io_buffer, in_meta, options):
    while in_meta["frame"][0]["frame_num"] == options["at"] and not os.path.exists("go"):
        time.sleep(0.01)
"""


class Client:
    """Asks a run that was begun with ``--metrics PORT``."""

    def __init__(self) -> None:
        self.port = free_port()

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer, answer.read().decode()
        finally:
            connection.close()

    def wait(self, running: Any) -> None:
        """Wait until a run answers, and knows its streams."""

        def answers() -> bool:
            assert running.process.poll() is None, running.end().err
            try:
                return bool(self.health()[2])
            except OSError:
                return False

        wait_for(answers, "an answer")

    def samples(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """The value of each sample of ours, by its name and its labels."""
        answer, text = self.ask("/metrics")
        assert answer.status == 200, text
        families = [family for family in text_string_to_metric_families(text) if family.name.startswith("empycustom_")]
        found: dict[Any, float] = {}
        for sample in (sample for family in families for sample in family.samples):
            key = sample.name.removeprefix("empycustom_"), frozenset(sample.labels.items())
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
        return found

    def value(self, name: str, **labels: str) -> float | None:
        return self.samples().get((name, frozenset(labels.items())))

    def of(self, **labels: str) -> dict[str, float]:
        """The values of all that has exactly these labels."""
        return {name: value for (name, found), value in self.samples().items() if found == frozenset(labels.items())}

    def health(self) -> tuple[int, str, dict[str, tuple[str, str]]]:
        """The status of /healthz, its word, and by stream word and reason."""
        answer, text = self.ask("/healthz")
        said = json.loads(text)
        return answer.status, said["status"], {each["stream"]: (each["status"], each["why"]) for each in said["streams"]}

    def wait_for_health(self, status: int, word: str) -> dict[str, tuple[str, str]]:
        found: list[Any] = []

        def is_so() -> bool:
            found[:] = self.health()
            return found[:2] == [status, word]

        wait_for(is_so, f"{status} {word}")
        return found[2]


def is_counter(name: str) -> bool:
    return name.endswith(("_total", "_bucket", "_count", "_sum"))
