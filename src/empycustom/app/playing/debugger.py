"""A debugger in a callback, as ``breakpoint()`` opens it: it has the terminal until it is left."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import unwrap
from types import CodeType, FrameType
from typing import Any

_prompt = threading.RLock()


def is_open() -> bool:
    """Whether pdb, or a debugger made of it, waits for what somebody types, in any thread."""
    function = getattr(getattr(sys.modules.get("pdb"), "Pdb", None), "interaction", None)
    return function is not None and any(_is_in(unwrap(function).__code__, frame) for frame in sys._current_frames().values())


def _is_in(code: CodeType, frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None


@contextmanager
def alone(prepare: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let the debuggers of several threads ask one after the other. ``prepare`` is called before each question."""
    if sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty():
        yield
        return
    from pdb import Pdb  # where somebody can type

    interaction: Any = Pdb.interaction

    @wraps(interaction)
    def one_by_one(*arguments: Any, **named: Any) -> Any:
        with _prompt:
            prepare()
            return interaction(*arguments, **named)

    Pdb.interaction = one_by_one  # type: ignore[method-assign]
    try:
        yield
    finally:
        Pdb.interaction = interaction  # type: ignore[method-assign]
