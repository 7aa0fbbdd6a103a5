"""The board: memory in which a pool and its worker leave numbers for each other, without a message."""

from __future__ import annotations

import mmap
from time import monotonic_ns

SIZE = 4096  # of the board, at the beginning of a worker's notes; behind it is what the faulthandler has written
_WANTED, _CALL, _BEGAN, _CORE, _READY = range(5)  # places of the numbers; each is written by one of the two alone


class Board:
    """The numbers of one worker. ``notes`` is a file in memory, which both have. Each number is written and read at once."""

    def __init__(self, notes: int) -> None:
        self._memory = mmap.mmap(notes, SIZE)
        self._numbers = memoryview(self._memory).cast("Q")

    # What the pool writes.

    def want_from(self, number: int) -> None:
        """Let frames with lower numbers be left out, if their call has not begun."""
        self._numbers[_WANTED] = number

    def is_wanted(self, number: int) -> bool:
        """Return whether a frame is still wanted."""
        return number >= self._numbers[_WANTED]

    @property
    def core(self) -> int:
        """The core that the last message was sent from."""
        return self._numbers[_CORE]

    @core.setter
    def core(self, core: int) -> None:
        self._numbers[_CORE] = core

    # What the worker writes.

    def begin_call(self, number: int) -> None:
        """Note that the call for a frame begins. The number comes last: whoever sees it finds no time of an earlier call."""
        self._numbers[_BEGAN] = monotonic_ns()
        self._numbers[_CALL] = number

    def end_call(self) -> None:
        """Note that no call goes on."""
        self._numbers[_CALL] = 0

    def call(self) -> tuple[int, float]:
        """Return the number of the frame whose call goes on, 0: none, and for how many seconds it has."""
        # In this order: the time may be that of a later call, never of an earlier one.
        number, began = self._numbers[_CALL], self._numbers[_BEGAN]
        return number, (monotonic_ns() - began) / 1e9 if number else 0.0

    def set_ready(self) -> None:
        """Note that the library is started."""
        self._numbers[_READY] = 1

    def is_ready(self) -> bool:
        """Return whether the library is started."""
        return bool(self._numbers[_READY])

    def close(self) -> None:
        """Give the memory back."""
        self._numbers.release()
        self._memory.close()
