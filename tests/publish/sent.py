"""What tests publish, and what they look at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from servers import Server

from empycustom.outputs.queued import Patient
from empycustom.publish.publisher import Publisher

HERE = [str(folder) for folder in Path(__file__).parents[:2]]  # where programs find what the tests import
WAITS = Patient()
NUMBER = """
def process_ip(io_buffer, in_meta, options):
    n = in_meta["frame"][0]["frame_num"]
    box = {"left": n % 50, "top": 2, "width": 30, "height": 40}
    found = {"obj_label": "person", "object_id": n // 5, "class_id": 3, "confidence": 0.5, "rect_params": box}
    return {"frame": [{"meta": {"n": n}, "new_object": [found]}]}
"""


def document(n: int, label: str = "person", **more: Any) -> bytes:
    """Return the document of a frame with an object; ``more`` are attributes of the frame."""
    found = {"obj_label": label, "object_id": n // 5, "class_id": 3, "confidence": 0.5, "classifier": []}
    found["rect_params"] = {"left": 1.5, "top": 2, "width": 30, "height": 40}
    frame = {
        "frame_num": n,
        "buf_pts": n * 10,
        "stream_time": n * 10,
        "timestamp": "2026-01-02T03:04:05.678+0000",
        "source_id": 7,
    }
    frame |= {"source": "gate.mp4", "source_frame_width": 64, "source_frame_height": 48}
    frame |= {"object": [found], "emcustom": {"n": n, **more}}
    return json.dumps({"schema_version": 1, "frame": [frame]}, separators=(",", ":")).encode() + b"\n"


class Told(list[Any]):
    """What a publisher says."""

    def publisher(self, uri: str, **given: Any) -> Publisher:
        settings = {name.replace("_", "-"): value for name, value in given.items()}
        return Publisher(uri, settings, on_state=lambda *said: self.append(said), on_warning=self.append, on_error=self.append)

    @property
    def states(self) -> list[str]:
        return [said[0] for said in self if isinstance(said, tuple)]

    @property
    def warnings(self) -> list[str]:
        return [str(said) for said in self if not isinstance(said, tuple)]


def numbers(server: Server) -> list[int]:
    return [message["frame"][0]["frame_num"] for message in server.received()]


def put(publisher: Publisher, first: int, last: int) -> None:
    for n in range(first, last):
        assert publisher.put(document(n), WAITS)


def once(found: list[int]) -> list[int]:
    """Return what came, each at its first arrival."""
    return list(dict.fromkeys(found))


def with_query(uri: str, query: str) -> str:
    return f"{uri}{'&' if '?' in uri else '?'}{query}"
