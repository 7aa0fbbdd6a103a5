"""A pool of workers that a newer one replaces between two frames: the versions of a library that runs elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from empycustom.errors import CallbackError
from empycustom.runners.inline import Turn
from empycustom.runners.messages import Wakeup
from empycustom.runners.opening import Opening
from empycustom.runners.protocol import Job, Pool, Woken
from empycustom.runners.versions import Owner, VersionsOf

_SETTINGS = ("options", "events", "call_timeout_ms", "target")  # a new pool gets those of the old one


class Generation:
    """One pool of several that replace each other. ``submitted`` and ``completed`` are the numbers of its frames so far.

    ``is_watched``: somebody waits for its workers.
    """

    submitted = completed = 0
    is_watched = False

    def __init__(self, pool: Pool) -> None:
        self.pool = pool


class ReplaceablePool:
    """A :class:`~empycustom.runners.protocol.Pool` that another one may replace between two frames.

    What is under way comes from the pool that has it, so that the order remains. ``open_pool`` makes a pool, which is not started
    yet; its argument is whether that is for a new version.
    """

    def __init__(self, open_pool: Callable[[bool], Pool]) -> None:
        self.open_pool = open_pool
        self.generation = Generation(open_pool(False))
        self._turn = Turn()
        self._restarts = 0

    # All but frames is that of the pool that runs.

    def __getattr__(self, name: str) -> Any:
        return getattr(self.generation.pool, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _SETTINGS:
            setattr(self.generation.pool, name, value)
        else:
            object.__setattr__(self, name, value)

    @property
    def restarts(self) -> int:
        """The number of workers that took the place of another one that died."""
        return self._restarts + self.generation.pool.restarts

    def before_next(self, change: Callable[[], None]) -> None:
        """Let ``change`` be called once, by :meth:`submit`, before the next frame."""
        self._turn.give(change)

    def take_back(self) -> bool:
        """Return whether what was handed to :meth:`before_next` has not begun, and never will."""
        return self._turn.take() is not None

    def replace(self, new: Generation) -> Generation:
        """Let frames from now on go to another pool, and return the one before."""
        old = self.generation
        for name in _SETTINGS:
            setattr(new.pool, name, getattr(old.pool, name))
        self._restarts += old.pool.restarts
        self.generation = new
        old.pool.poke()  # who waits goes on with the new one
        return old

    def submit(self, job: Job, *, queue: bool) -> bool:
        """Hand a frame to a worker, without waiting; return whether one had room."""
        if self._turn and (change := self._turn.take()):
            change()
        generation = self.generation
        if not generation.pool.submit(job, queue=queue):
            return False
        job.generation = generation
        generation.submitted += 1
        return True

    def collect(self, job: Job, wake_fd: int) -> Any:
        """Wait for a frame, and return what the library made of it. Raises LibraryError, WorkerError, Woken."""
        generation: Generation = job.generation
        try:
            result = generation.pool.collect(job, wake_fd)
        except Woken:
            raise
        except BaseException:
            generation.completed += 1
            raise
        generation.completed += 1
        return result

    def wait(self, wake_fd: int) -> None:
        """Wait until a worker has said something, or ``poke`` was called. Raises Woken."""
        generation = self.generation
        generation.is_watched = True  # from here on it is not stopped, if it is still the one that runs
        try:
            if generation is self.generation:
                generation.pool.wait(wake_fd)
        finally:
            generation.is_watched = False

    def has_answer(self, job: Job) -> bool:
        """Return whether there is an answer already, or the answer comes from a pool that nobody may be waiting for."""
        generation: Generation = job.generation
        return generation is not self.generation or generation.pool.has_answer(job)

    def is_done(self, job: Job) -> bool:
        """Return whether ``collect`` would return, or raise, at once."""
        done: bool = job.generation.pool.is_done(job)
        return done

    def forget(self, job: Job) -> None:
        """Take back a frame that was submitted, and is not wanted any more."""
        job.generation.pool.forget(job)
        job.generation.completed += 1


class PoolVersions(VersionsOf[Generation]):
    """The versions of a library that runs in workers. They are in processes of their own, so that ``reloaded`` is not called.

    ``wake_fd`` can be read while the stream is interrupted.
    """

    def __init__(self, pool: ReplaceablePool, owner: Owner, wake_fd: int) -> None:
        super().__init__(owner)
        self._pool, self._wake_fd = pool, wake_fd
        self._end, self._is_over = Wakeup(), False

    def running(self) -> Generation:
        """Return the one that runs."""
        return self._pool.generation

    def sources(self) -> Mapping[str, bytes]:
        """Return the files of the newest version; they grow with what functions import in the workers."""
        return self.newest.pool.sources

    def open(self, sources: dict[str, bytes]) -> Generation:
        """Load and start a new version in fresh workers. Raises LibraryError."""
        pool = self._pool.open_pool(True)
        pool.call_timeout_ms = self._pool.call_timeout_ms
        try:
            pool.start(self._pool.options, self._pool.events, self._end.file)
        finally:
            sources.update(pool.sources)
        for error in pool.hints:
            self._owner.warn(error)
        return Generation(pool)

    def cancel(self, opening: Opening[Generation]) -> None:
        """End the start of a version, and wait until its processes have ended."""
        self._end.set()
        opening.join()
        self._end.clear()
        if self._is_over:
            self._end.set()

    def interrupt(self) -> None:
        """End the start of versions, from any thread."""
        self._is_over = True
        self._end.set()

    def close(self) -> None:
        """Withdraw what is offered, and stop all but the version that runs."""
        super().close()
        self._end.close()

    def facts(self, version: Generation) -> Any:
        """Return what the pool says of its library."""
        return version.pool.library

    def replace(self, new: Generation) -> Generation:
        """Let frames go to the new version."""
        return self._pool.replace(new)

    def is_idle(self, version: Generation) -> bool:
        """Return whether all its frames have come back, and nobody waits for more."""
        return version.submitted == version.completed and not version.is_watched

    def output_caps(self, version: Generation, caps: Any, _options: dict[str, Any]) -> Any:
        """Call the ``output_caps`` of a version in a worker. Raises LibraryError."""
        try:
            return version.pool.output_caps(caps, self._wake_fd)
        except Woken:
            facts, name = version.pool.library, "output_caps"
            what = f"{name} had not returned when the stream was flushed or stopped"
            raise facts.error(CallbackError, what, callback=name) from None

    def stop(self, version: Generation) -> None:
        """Stop its workers."""
        version.pool.stop()
