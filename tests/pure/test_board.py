"""The board that a pool and its worker share: numbers that belong together are never taken for others, and all arrive."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from empycustom.runners.board import SIZE, Board

SRC = Path(__file__).parents[2] / "src"
# A worker whose calls take no time; it begins when its stdin ends, and ends when it is not wanted any more.
WORKER = """
import sys
from empycustom.runners.board import Board
board, number = Board(int(sys.argv[1])), 0
board.set_ready()
sys.stdin.read()
while board.is_wanted(1):
    number += 1
    board.begin_call(number)
    board.end_call()
"""


@pytest.fixture
def shared():
    """A file in memory, and the board in it."""
    file = os.memfd_create("notes")
    os.truncate(file, SIZE)
    board = Board(file)
    yield file, board
    board.close()
    os.close(file)


def test_a_call_that_has_just_begun_never_looks_like_a_long_one(shared):
    file, board = shared
    command = [sys.executable, "-c", WORKER, str(file)]
    env = {**os.environ, "PYTHONPATH": str(SRC)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[file], env=env) as worker:
        try:
            until = time.monotonic() + 60
            while not board.is_ready():
                assert time.monotonic() < until, "it does not start"
            began, seen, longest = time.monotonic(), set(), 0.0
            worker.stdin.close()
            while time.monotonic() < began + 0.5 or (len(seen) < 100 and time.monotonic() < until):
                number, took = board.call()
                assert took >= 0
                seen.add(number)
                longest = max(longest, took)
            lasted = time.monotonic() - began
        finally:
            board.want_from(2)
    assert worker.returncode == 0
    assert len(seen) >= 100
    assert longest <= lasted


def test_numbers_are_the_same_on_both_sides(shared):
    file, board = shared
    other = Board(file)
    assert (other.call(), other.is_ready(), other.core, other.is_wanted(0)) == ((0, 0.0), False, 0, True)
    board.core = 7
    board.want_from(2**63)
    board.set_ready()
    assert (other.core, other.is_ready(), other.is_wanted(2**63 - 1), other.is_wanted(2**63)) == (7, True, False, True)
    board.begin_call(12)
    time.sleep(0.01)
    number, took = other.call()
    assert number == 12
    assert 0.01 <= took < 60
    board.end_call()
    assert other.call() == (0, 0.0)
    other.close()
