"""How the streams and libraries of a session do, and what is wrong with them, as values for the page."""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from empycustom.config.launch import element_of, name_of
from empycustom.elements import failures
from empycustom.elements.perf import CallTimes
from empycustom.elements.properties import read_object
from empycustom.errors import (
    CallbackTooSlowError,
    EmPyCustomError,
    LaunchError,
)
from empycustom.library.declared import Option
from empycustom.library.dialects import USUAL_FORMATS
from empycustom.library.sketch import dialect_of
from empycustom.session.branch import Branch
from empycustom.session.parts import exists
from empycustom.studio.problems import is_failure, lines_around, problem_of, stamp_of, where_in
from empycustom.text import for_people, shown, without_secrets

_MOST_PROBLEMS = 20  # of one library, or of one stream
_RECENT = 60  # points of the plot of call times
_WINDOW_S = 10.0  # of percentiles
_LATELY_S = 5.0
_DEEPEST = 50
_HANGS_S = 2.0  # a call for so long, while no other begins
_NUMBER = re.compile(r"\d+")


class LibraryStatus:
    """How one library does. ``index`` is the place of its stage in the stream, ``element`` what runs it."""

    def __init__(self, index: int, element: Any, typed: str) -> None:
        self.index, self.element, self.typed = index, element, typed
        self.problems: list[dict[str, Any]] = []
        self.version, self._takes_options = 0, True
        self._facts: Any = None  # of the version that runs
        self._recent: deque[float | None] = deque(maxlen=_RECENT)
        self._before = (0, 0)
        self._windows: deque[tuple[float, CallTimes]] = deque()
        self._files: dict[str, Any] = {}  # of problems, as they were
        self._seen = 0, time.monotonic()  # calls, and when there was a new one
        self._errors = 0, 0.0  # how many, and when the last one came

    def add(self, problem: dict[str, Any]) -> None:
        """Show a problem, in the place of one that is the same."""
        if problem["line"]:
            problem["around"] = lines_around(problem["file"], problem["line"])
        kept = [each for each in self.problems if each["text"] != problem["text"]]
        self.problems = [*kept[-_MOST_PROBLEMS + 1 :], problem]
        self._files[problem["id"]] = stamp_of(problem["file"])

    def update(self) -> None:
        """Look what has changed. A new version that runs has no problems yet; one that failed is tried again once it is saved."""
        facts = self.element.library_facts
        if facts is not None and facts is not self._facts:
            if self._facts is not None:
                self.problems = []
            self.version += 1
            self._facts = facts
            given = {name: value for name, value in self.element.values.items() if value}
            self._takes_options = dialect_of(self.typed, given) not in USUAL_FORMATS  # whose functions get a frame alone
        self.problems = [
            each for each in self.problems if not each["new_version"] or stamp_of(each["file"]) == self._files.get(each["id"])
        ]
        self._files = {each["id"]: self._files[each["id"]] for each in self.problems}

    def values(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        facts, tally = self.element.library_facts, self.element.tally
        is_loaded = facts is not None
        given = self.element.get_property("options")
        workers = self.element.get_property("workers")
        hanging = self._hanging(facts, tally.processed) if is_loaded and not workers else []
        failed_s = self._since_failure(tally.errors)
        is_failing = hanging or (failed_s is not None and failed_s < _LATELY_S)
        return {
            "index": self.index,
            "name": os.path.basename(self.typed),
            "path": self.typed,
            "state": "not loaded" if not is_loaded else "failing" if is_failing else "running",
            "version": self.version,
            "calls": tally.processed,
            "passed": tally.buffers - tally.processed,
            **{name: getattr(tally, name) for name in ("dropped", "errors", "restarts", "skipped", "waited")},
            "workers": workers,
            "call_ms": self._call_ms(tally.times),
            "takes_options": self._takes_options,
            "options": showable(_options(given)),
            "declared": _declared(facts.declared.options) if is_loaded and facts.declared else None,
            "failed_s": failed_s,
            "problems": [*self.problems, *hanging],
        }

    def _since_failure(self, errors: int) -> int | None:
        """Return how many seconds ago the last call failed, None: none did."""
        now = time.monotonic()
        if errors != self._errors[0]:
            self._errors = errors, now
        return int(now - self._errors[1]) if errors else None

    def _hanging(self, facts: Any, calls: int) -> list[dict[str, Any]]:
        """Return the problem of a call that does not return, with the line where it is."""
        now = time.monotonic()
        if calls != self._seen[0]:
            self._seen = calls, now
        seconds = now - self._seen[1]
        found = where_in(facts.path, self.element._runner) if seconds > _HANGS_S else None
        if found is None:
            return []
        line, stack = found
        text = f"{facts.path}:{line}: {facts.name} has not returned for more than {_HANGS_S:g} s, and frames wait for it"
        advice = "only a new start ends it; with --workers 1 --call-timeout 2000 it would be ended by itself"
        problem = problem_of("error", f"{text}; {advice}", stack)
        place = {"file": facts.path, "line": line, "around": lines_around(facts.path, line)}
        return [{**problem, **place, "id": f"hanging-{self.index}"}]

    def _call_ms(self, times: CallTimes) -> dict[str, Any]:
        """Return percentiles of the last seconds, and the means between the last looks."""
        now = time.monotonic()
        total, calls = times.total_ns, times.calls
        if total < self._before[0]:  # it began anew
            self._before, self._windows = (0, 0), deque()
        spent, made = total - self._before[0], calls - self._before[1]
        self._before = total, calls
        if made:
            self._recent.append(round(spent / made / 1e6, 4))
        self._windows.append((now, times.copy()))
        while len(self._windows) > 2 and now - self._windows[1][0] > _WINDOW_S:
            self._windows.popleft()
        window = times.since(self._windows[0][1]) if len(self._windows) > 1 else times
        window = window if window.calls else times
        shown = {f"p{percent}": round(window.percentile_ns(percent) / 1e6, 4) for percent in (50, 95)}
        return {**(shown if calls else dict.fromkeys(shown)), "recent": list(self._recent)}


def showable(value: Any, depth: int = 0) -> Any:
    """Return a value of a library such that JSON has it: numbers that are not finite are null, others than JSON's are text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, dict) and depth < _DEEPEST:
        return {str(name): showable(each, depth + 1) for name, each in value.items()}
    if isinstance(value, (list, tuple)) and depth < _DEEPEST:
        return [showable(each, depth + 1) for each in value]
    return shown(value)


def _options(given: str | None) -> dict[str, Any]:
    try:
        return read_object("options", given)
    except (EmPyCustomError, OSError):  # which is a problem that is shown already
        return {}


def _declared(options: dict[str, Option]) -> list[dict[str, Any]]:
    return [{"name": name, "kind": option.kind, **showable(vars(option))} for name, option in options.items()]


class StreamStatus:
    """How one stream does, over all sessions that play it. ``waiting``: why it is not played."""

    def __init__(self, name: str) -> None:
        self.name, self.waiting = name, ""
        self.branch: Branch | None = None
        self.problems: list[dict[str, Any]] = []
        self.libraries: list[LibraryStatus] = []
        self._speed: deque[tuple[float, int]] = deque(maxlen=4)

    def attach(self, branch: Branch) -> None:
        """Show a stream that begins to play: nothing is wrong with it yet."""
        found = []
        for index, stage in enumerate(branch.stream.stages):
            if element_of(stage, exists) == "empycustom":
                element = branch.element(name_of(stage, index))
                found.append(LibraryStatus(index, element, str(stage.properties.get("custom-lib", ""))))
        self.libraries, self.problems, self.branch, self.waiting = found, [], branch, ""
        self._speed.clear()

    def library_of(self, element: Any) -> LibraryStatus | None:
        """Return the library that an element runs, None: it is another element."""
        return next((each for each in self.libraries if each.element == element), None)

    def add(self, problem: dict[str, Any]) -> None:
        """Show a problem of the stream, unless it is that of a library, which is shown there.

        It takes the place of one that has other numbers.
        """
        texts = {for_people(each["text"]) for library in self.libraries for each in library.problems}
        if for_people(problem["text"]) not in texts:
            kept = [each for each in self.problems if _NUMBER.sub("", each["text"]) != _NUMBER.sub("", problem["text"])]
            self.problems = [*kept[-_MOST_PROBLEMS + 1 :], problem]

    def values(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        branch = self.branch
        for library in self.libraries:
            library.update()
        frames, frame_s = (branch.frames, branch.frame_seconds) if branch else (0, None)
        self._speed.append((time.monotonic(), frames))
        (then, before), (now, after) = self._speed[0], self._speed[-1]
        dropping = "" if frames else self._dropping()
        return {
            "name": self.name,
            "state": self._state(frames, dropping),
            "text": self.waiting or dropping,
            "frames": frames,
            "rate": round((after - before) / (now - then), 1) if now > then else None,
            "frame_ms": round(float(1000 * frame_s), 3) if frame_s else None,
            "libraries": [library.values() for library in self.libraries],
            "problems": self.problems,
        }

    def _dropping(self) -> str:
        """Return which libraries have dropped frames, and how many."""
        tallies = [(os.path.basename(each.typed), each.element.tally) for each in self.libraries]
        dropped = [f"{name} drops them ({tally.dropped:,} of {tally.processed:,})" for name, tally in tallies if tally.dropped]
        return ", ".join(dropped)

    def _state(self, frames: int, dropping: str) -> str:
        branch = self.branch
        if branch is None or self.waiting:
            return "waiting" if self.waiting else "starting"
        if branch.is_reconnecting:
            return "reconnecting"
        if branch.has_ended:
            return "ended"
        return "playing" if frames else "dropping" if dropping else "starting"


class Status:
    """How all streams do. Any thread may call its methods; ``changed`` is called, in any thread, when something went wrong.

    ``hold`` is called with the stream and the number of a frame that caused an error, before the frame goes on, in its thread.
    """

    def __init__(self, changed: Callable[[], None], hold: Callable[[str, int], None]) -> None:
        self.streams: dict[str, StreamStatus] = {}
        self._changed, self._hold, self._lock = changed, hold, threading.Lock()
        self._posted: deque[tuple[Any, dict[str, Any]]] = deque(maxlen=_MOST_PROBLEMS)

    def observe(self) -> None:
        """Begin to take what goes wrong in elements."""
        failures.observers.append(self._on_error)

    def ignore(self) -> None:
        """Take nothing more from elements."""
        failures.observers.remove(self._on_error)

    def expect(self, names: list[str]) -> None:
        """Show these streams."""
        with self._lock:
            self.streams = {name: self.streams.get(name) or StreamStatus(name) for name in names}

    def attach(self, name: str, branch: Branch) -> None:
        """Show a stream that begins to play."""
        with self._lock:
            self.streams[name].attach(branch)

    def check_options(self, name: str, library: int, options: dict[str, Any]) -> None:
        """Raise OptionError where a library does not take options, LaunchError where there is no such library."""
        found = [each for each in self.streams[name].libraries if each.index == library] if name in self.streams else []
        facts = found[0].element.library_facts if found else None
        if facts is None:
            raise LaunchError("the library is not loaded now")
        facts.check_options(options)

    def report(self, name: str, kind: str, text: str, details: str) -> None:
        """Show a problem of a stream that is not one of a library."""
        with self._lock:
            self._sort()
            self.streams[name].add(problem_of(kind, text, details))
        self._changed()

    def fail(self, text: str, details: str = "", error: BaseException | None = None) -> None:
        """Show on all streams why nothing is played."""
        with self._lock:
            for stream in self.streams.values():
                stream.add(problem_of("error", text, details, error))
        self._changed()

    def wait_for(self, text: str) -> None:
        """Show what all streams wait for; ``""``: for nothing."""
        with self._lock:
            for stream in self.streams.values():
                stream.waiting = text
        self._changed()

    def values(self) -> list[dict[str, Any]]:
        """Return it as values of JSON."""
        with self._lock:
            self._sort()
            return [stream.values() for stream in self.streams.values()]

    def _sort(self) -> None:
        """Give each problem that elements have posted to its library; those of other elements come by :meth:`report`."""
        while self._posted:
            element, problem = self._posted.popleft()
            for library in filter(None, (stream.library_of(element) for stream in self.streams.values())):
                library.update()
                library.add(problem)

    def _on_error(self, element: Any, kind: str, error: BaseException) -> None:
        """Keep what an element posts, in the thread where it happens, which does not wait here."""
        if kind != "info" and not isinstance(error, CallbackTooSlowError):
            kind = "error" if is_failure(error) else kind
            text = without_secrets(failures.sentence(error))
            problem = problem_of(kind, text, failures.details(error), error)
            streams = [name for name, stream in self.streams.items() if stream.library_of(element)]
            if len(streams) > 1:  # they share the stage; whose frame it is is not known
                problem["number"] = None
            elif streams and problem["number"] is not None:
                self._hold(streams[0], problem["number"])
            self._posted.append((element, problem))
            self._changed()
