"""Collecting what several threads want from something that does it for many at once, such as a network on a GPU."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class _Wish(Generic[_Item, _Result]):
    """What one thread wants. ``turn`` is set when there is an outcome, or when the thread is to make the next call."""

    def __init__(self, items: Sequence[_Item]) -> None:
        self.items = items
        self.turn = threading.Event()
        self.results: list[_Result] | None = None
        self.error: BaseException | None = None


class Batcher(Generic[_Item, _Result]):
    """Calls a function for the items of several threads at once.

    A thread that finds a call free makes it, without waiting for others, so that nobody waits who is alone. Who comes while
    all calls are under way waits; the first of those makes the next call, for all of them. A thread waits for calls alone, never
    for another thread to come.

    Parameters
    ----------
    call : function
        Returns a list with a result for each item of a list.
    most : int
        So many items at most go into a call. Nobody may want more at once.
    calls : int
        So many calls may be under way at the same time.
    """

    def __init__(self, call: Callable[[Sequence[_Item]], list[_Result]], most: int, calls: int = 1) -> None:
        self._call, self._most, self._free = call, most, calls
        self._lock = threading.Lock()
        self._waiting: deque[_Wish[_Item, _Result]] = deque()

    def __call__(self, items: Sequence[_Item]) -> list[_Result]:
        """Return the results of the items. Raises what the call raises, also where the items of others were the reason."""
        wish = _Wish[_Item, _Result](items)
        if not self._may_begin(wish):
            self._wait(wish)
        if wish.error is not None:
            raise RuntimeError(f"the call for several streams failed: {wish.error}") from wish.error
        if wish.results is not None:
            return wish.results
        return self._lead(wish)

    @property
    def waiting(self) -> int:
        """The number of threads that wait for a call to end."""
        return len(self._waiting)

    def _may_begin(self, wish: _Wish[Any, Any]) -> bool:
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            self._waiting.append(wish)
            return False

    def _wait(self, wish: _Wish[Any, Any]) -> None:
        try:
            wish.turn.wait()
        except BaseException:  # Ctrl-C, in the main thread of a program
            with self._lock:
                if wish in self._waiting:
                    self._waiting.remove(wish)
            if wish.turn.is_set() and wish.results is None and wish.error is None:
                self._hand_over()
            raise

    def _lead(self, wish: _Wish[_Item, _Result]) -> list[_Result]:
        """Make a call for a thread and for those that wait, and let the next one begin."""
        wishes = [wish, *self._others(len(wish.items))]
        try:
            results = self._call([item for each in wishes for item in each.items])
        except BaseException as error:
            for each in wishes[1:]:
                each.error = error
            raise
        else:
            for each in wishes:
                each.results, results = results[: len(each.items)], results[len(each.items) :]
        finally:
            self._hand_over()
            for each in wishes[1:]:
                each.turn.set()
        assert wish.results is not None, "it was just set"
        return wish.results

    def _others(self, count: int) -> list[_Wish[_Item, _Result]]:
        """Take those who wait, in their order, as long as there is room behind ``count`` items."""
        taken = []
        with self._lock:
            while self._waiting and count + len(self._waiting[0].items) <= self._most:
                taken.append(self._waiting.popleft())
                count += len(taken[-1].items)
        return taken

    def _hand_over(self) -> None:
        """Let the first of those who wait make the next call."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().turn.set()
            else:
                self._free += 1
