"""The way of a frame to another process and back by plain ``multiprocessing``: what the machine allows, without a pipeline."""

from __future__ import annotations

import ctypes
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from threading import Semaphore, Thread
from time import monotonic_ns

import numpy as np

LEFT, TOP, SIDE = 96, 64, 64  # as in libraries/corner.py


def answer(connection: Connection, names: list[str], shape: tuple[int, int, int]) -> None:
    """Take means of regions of frames in shared memory, and say how long that took, until there are no more."""
    memories = [SharedMemory(name) for name in names]
    frames = [np.ndarray(shape, np.uint8, memory.buf) for memory in memories]
    while (asked := connection.recv()) is not None:
        began = monotonic_ns()
        mean = frames[asked["frame"]][TOP : TOP + SIDE, LEFT : LEFT + SIDE].mean()
        connection.send({"mean": float(mean), "ns": monotonic_ns() - began})
    frames.clear()
    for memory in memories:
        memory.close()


def added_us(width: int, height: int, count: int) -> list[float]:
    """Return the whole way less the call, sorted: one frame under way at a time, while the next one is written."""
    size, context = width * height * 4, get_context("spawn")
    memories = [SharedMemory(create=True, size=size) for _ in range(2)]
    source = ctypes.create_string_buffer(b"x" * size, size)
    ours, theirs = context.Pipe()
    names = [memory.name for memory in memories]
    process = context.Process(target=answer, args=(theirs, names, (height, width, 4)), daemon=True)
    process.start()
    added: list[float] = []
    has_left, began = Semaphore(), 0

    def collect() -> None:
        for _ in range(count):
            call = ours.recv()["ns"]
            added.append((monotonic_ns() - began - call) / 1000)
            has_left.release()

    collector = Thread(target=collect)
    collector.start()
    with closing(ours):
        for number in range(count):
            target = ctypes.c_char.from_buffer(memories[number % 2].buf)
            ctypes.memmove(ctypes.addressof(target), source, size)
            del target
            has_left.acquire()
            began = monotonic_ns()
            ours.send({"frame": number % 2, "number": number, "size": (width, height)})
        collector.join()
        ours.send(None)
        process.join()
    for memory in memories:
        memory.close()
        memory.unlink()
    return sorted(added)
