"""``pace=latest``: no frame waits for the library, and each goes on with the newest result that there is of an earlier one."""

from __future__ import annotations

from collections.abc import Callable

from empycustom.carriers.protocol import Frame
from empycustom.elements.base import FLOW_DROPPED, FLOW_OK
from empycustom.elements.failures import post_warning
from empycustom.elements.results import LibraryTransform
from empycustom.errors import CallbackError, LibraryError, StreamEndedError
from empycustom.model.carried import moved_with_box
from empycustom.model.keys import BOX, OBJECTS, TRACK_ID
from empycustom.model.results import Result
from empycustom.model.values import NOTHING, UNTRACKED, name_frames
from empycustom.native.memory import unref
from empycustom.native.pads import twin_of
from empycustom.runners.protocol import Job, Pool

_UNSEEN = (
    ", and with pace=latest nobody sees that: it has a copy, and the frame has left. Set pace=every or pace=skip if the library "
    "draws, or else map the frame for reading (reported once)"
)
_UNTRACKED = (
    "changes of objects without an object_id of their own were ignored: with pace=latest they go to the object of a later frame "
    "that has the same one"
)


class Newest:
    """Gives free workers the newest frame, and frames the newest result. All of it in the thread of upstream."""

    def __init__(self, element: LibraryTransform, pool: Pool) -> None:
        self._element, self._pool = element, pool
        self._jobs: list[tuple[int, Job]] = []  # under way, counted
        self._count = self._newest = 0  # the last that was handed to a worker, and the newest whose result is known
        self._shown: tuple[Frame, Result] | None = None  # that result, if there was one, and the frame that it is about
        self._is_new = False  # no frame has it yet

    def forget(self) -> None:
        """Forget the frames that are under way, and the result."""
        self._shown = None
        jobs, self._jobs = self._jobs, []
        for _, job in jobs:
            self._pool.forget(job)

    @property
    def is_busy(self) -> bool:
        """True while frames are under way."""
        return bool(self._jobs)

    def look(self, collect: Callable[[Job], Result | None]) -> int:
        """Take the results of frames that are done, and return a GstFlowReturn.

        ``collect`` returns the result of a frame that is done, or raises what became of it.
        """
        for number, job in [each for each in self._jobs if self._pool.is_done(each[1])]:
            self._jobs.remove((number, job))
            flow = self._look_at(number, job, collect)
            if flow != FLOW_OK:
                return flow
        return FLOW_OK

    def add_to(self, buffer: int, frame: Frame, collect: Callable[[Job], Result | None], *, is_due: bool) -> int:
        """Add the newest result to a frame, and let a free worker work on it if it is due. Return a GstFlowReturn."""
        flow = self.look(collect)
        if flow != FLOW_OK:
            return flow
        if is_due:
            self._work_on(buffer, frame)
        if self._shown:
            then, result = self._shown
            self._element.apply(buffer, frame, carried_over(result, then, frame), is_new=self._is_new)
            self._is_new = False
        else:
            self._element.frames.stamp(buffer, frame)
        return FLOW_OK

    def _work_on(self, buffer: int, frame: Frame) -> None:
        # The twin has the same memory. So a worker gets a copy of that, and the frame goes on without waiting.
        job = Job(frame, twin_of(buffer))
        job.is_copied = True
        if self._pool.submit(job, queue=False):
            self._element.tally.processed += 1
            self._count += 1
            job.reported = self._element.reported
            self._jobs.append((self._count, job))
        else:
            self._element.tally.skipped += 1
            unref(job.buffer)

    def _look_at(self, number: int, job: Job, collect: Callable[[Job], Result | None]) -> int:
        """Take the result of a frame that is done. An error leaves the result before it, unless it ends the stream."""
        try:
            result = collect(job)
        except StreamEndedError as end:
            return self._element.end_at(end, name_frames(job.frame.frames))
        except LibraryError as error:
            error.frame = name_frames(job.frame.frames)
            flow = self._element.fail(error, job.reported)
            return FLOW_OK if flow == FLOW_DROPPED else flow  # that frame has left long ago
        finally:
            unref(job.buffer)
        if (job.was_written or job.has_other_times) and _UNSEEN not in job.reported:
            self._warn_of_changes(job)
        if number > self._newest:  # else another worker was faster
            self._newest = number
            self._shown = (job.frame, result) if result and result.returned is not None else None
            self._is_new = True
        return FLOW_OK

    def _warn_of_changes(self, job: Job) -> None:
        job.reported.add(_UNSEEN)
        library = self._element.library_facts
        did = "mapped the frame for writing" if job.was_written else "changed times or flags of the frame"
        error = library.error(CallbackError, f"{library.name} {did}", _UNSEEN)
        error.frame = name_frames(job.frame.frames)
        post_warning(self._element, error)


def carried_over(result: Result, then: Frame, now: Frame) -> Result:
    """Return a result about the frame ``then`` for another one: what is about objects that came with it goes by track ids."""
    moved = Result([len(handles) for handles in now.handles], result.returned)
    moved.attributes, moved.ignored, moved.from_frame = result.attributes, result.ignored, then.frame_num
    for its, other, (was, is_now) in zip(result.frames, moved.frames, zip(then.frames, now.frames, strict=True), strict=True):
        other.attributes, other.new_objects = its.attributes, its.new_objects
        by_track = {found[TRACK_ID]: index for index, found in enumerate(was[OBJECTS]) if found[TRACK_ID] != UNTRACKED}
        indices = [by_track.get(found[TRACK_ID], -1) for found in is_now[OBJECTS]]
        other.objects[:] = [NOTHING if index < 0 else its.objects[index] for index in indices]
        if its.changed or its.removed:
            other.changed = {
                place: moved_with_box(its.changed[index], was[OBJECTS][index][BOX], is_now[OBJECTS][place][BOX])
                for place, index in enumerate(indices)
                if index in its.changed
            }
            other.removed = [place for place, index in enumerate(indices) if index in its.removed]
            if not {*its.changed, *its.removed} <= {*by_track.values()}:
                moved.ignored = (*moved.ignored, _UNTRACKED)
    return moved
