"""``empycustom studio``: plays a session again and again, until Ctrl-C, and shows it on a page."""

from __future__ import annotations

import gc
import os
import secrets
import time
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from empycustom.config.streams import Configuration, Stream
from empycustom.errors import ConfigurationError, EmPyCustomError
from empycustom.outputs.queued import Waiter
from empycustom.session import PlayOptions
from empycustom.session.branch import Branch
from empycustom.session.console import DONE, INTERRUPTED, print_error, show
from empycustom.session.outputs import LineWriter
from empycustom.session.play import Session
from empycustom.session.player import Interrupts
from empycustom.studio.access import is_local, listen
from empycustom.studio.clip import make_clip
from empycustom.studio.controls import Controls, name_of
from empycustom.studio.preview import Preview
from empycustom.studio.problems import problem_of
from empycustom.studio.server import Server
from empycustom.studio.status import Status
from empycustom.text import as_path

_LOOK_EVERY_S = 0.3
_QUIET_S = 0.3  # after a change, until an editor has written all


@dataclass(frozen=True)
class Address:
    """Where the page is served. ``opens``: a browser is opened."""

    host: str = "127.0.0.1"
    port: int = 0
    opens: bool = False


class Studio:
    """One ``empycustom studio``. ``read`` returns what is to be played, None after Ctrl-C; ``command`` is what was typed.

    It is the source of the server, whose threads call it.
    """

    def __init__(self, read: Callable[[], Configuration | None], options: PlayOptions, address: Address, command: str) -> None:
        self.command = command
        self._read, self._options, self._address = read, options, address
        self._status = Status(lambda: self._server.tell(), self._hold)
        self._previews: dict[str, Preview] = {}
        self._controls = Controls()
        self._sessions = 0
        self._configuration: Configuration | None = None
        self._writer: LineWriter | None = None

    def play(self) -> int:
        """Play until Ctrl-C; return the exit code. Raises EmPyCustomError where it cannot begin."""
        configuration = self._read()
        if configuration is None:
            return INTERRUPTED
        bound = listen(self._address.host, self._address.port)
        token = "" if is_local(bound) else secrets.token_urlsafe(24)
        self._server = Server(self, bound, token=token)
        self._expect(configuration)
        self._server.start()
        self._status.observe()
        try:
            self._print_address()
            return self._play_on(configuration)
        finally:
            self._status.ignore()
            self._server.stop()
            for preview in self._previews.values():
                preview.close()
            self._close_writer()

    def _print_address(self) -> None:
        address = self._server.address
        show(f"Studio: {address}")
        if self._address.opens and not webbrowser.open(address):
            print_error("no browser can be opened here; open the address yourself", kind="warning")

    def _play_on(self, configuration: Configuration) -> int:
        interrupts = Interrupts()
        while True:
            seen = self._files()  # what is saved from now on counts, also before this session has ended
            if (code := self._play_once(configuration)) is not None:
                return code
            with interrupts.counted():
                found = self._read_once_saved(interrupts, seen)
            if found is None:
                return INTERRUPTED
            configuration = found

    def _read_once_saved(self, interrupts: Interrupts, seen: Mapping[str, int]) -> Configuration | None:
        """Return what is to be played when files are not as they were ``seen``, None after Ctrl-C."""
        while True:
            seen = self._wait_for_change(interrupts, seen)
            if interrupts.count:
                return None
            try:
                found = self._read_again()
            except (EmPyCustomError, OSError) as error:
                self._fail(error)
                continue
            if found:
                self._expect(found)
            return found

    def _read_again(self) -> Configuration | None:
        """Return what is to be played, with what was set on the page."""
        found = self._read()
        for setting in self._controls.settings if found else ():
            try:
                found = found and found.changed(setting)
            except ConfigurationError as error:  # noqa: PERF203 - each may be right; it was for the file as it was before
                print_error(f"{error}; what was set on the page is left out", kind="warning", lines=True)
        return found

    def _play_once(self, configuration: Configuration) -> int | None:
        """Play one session to its end; return the exit code after Ctrl-C, else None."""
        try:
            session = Session(
                configuration,
                self._options_of_next(),
                self._open,
                notify=self._notify,
                attached=self._attach,
                adapt=self._controls.adapted,
            )
        except (EmPyCustomError, OSError) as error:
            self._fail(error)
            return None
        self._controls.session = session
        try:
            code = session.play()
        finally:
            self._controls.session = None
            for preview in self._previews.values():
                preview.attach(None)
            gc.collect()  # pipelines are in cycles, and have open files
        if session.interrupts.count:
            return INTERRUPTED
        self._status.wait_for(f"It has ended. {self._again()}" if code == DONE else self._again())
        return None

    def _options_of_next(self) -> PlayOptions:
        """Return the options of the next session, whose videos and pictures overwrite no earlier ones."""
        self._sessions += 1
        if self._sessions == 1:
            return self._options
        named = (os.path.splitext(name) for name in self._options.save)
        return replace(self._options, save=[f"{stem}-{self._sessions}{ending}" for stem, ending in named])

    def _expect(self, configuration: Configuration) -> None:
        self._configuration = configuration
        names = [name_of(stream) for stream in configuration.streams]
        for gone in set(self._previews) - set(names):
            self._previews.pop(gone).close()
        self._status.expect(names)
        for name in names:
            if name not in self._previews:
                self._previews[name] = Preview(name, self._server.deliver)

    def _fail(self, error: EmPyCustomError | OSError) -> None:
        if isinstance(error, EmPyCustomError):
            text, details = error.reported, error.details
        else:
            text, details = f"{error.filename}: {error.strerror}.", ""
        print_error(text, details)
        self._status.fail(text, details, error)
        self._status.wait_for(self._again())

    def _again(self) -> str:
        configuration = self._configuration
        assert configuration, "it was read"
        stages = (stage for stream in configuration.streams for stage in stream.stages)
        libraries = dict.fromkeys(os.path.basename(str(stage.properties.get("custom-lib", ""))) for stage in stages)
        files = [name for name in libraries if name.endswith(".py")]
        files += [configuration.file.name] if configuration.file else []
        return f"Save {' or '.join(files)}, and it is played again." if files else "Start the program again to play it again."

    def _wait_for_change(self, interrupts: Interrupts, seen: Mapping[str, int]) -> Mapping[str, int]:
        """Wait until a file of what is played was saved, or Ctrl-C; return when each was changed."""
        now: Mapping[str, int] = seen
        while not interrupts.count and now == seen and not self._controls.has_changed():
            time.sleep(_LOOK_EVERY_S)
            now = self._files()
        before = None
        while not interrupts.count and before != now:
            time.sleep(_QUIET_S)
            before, now = now, self._files()
        return now

    def _files(self) -> dict[str, int]:
        """Return when the Python files beside libraries, and the configuration, were changed."""
        configuration = self._configuration
        assert configuration, "it was read"
        files = [stage.properties.get("custom-lib", "") for stream in configuration.streams for stage in stream.stages]
        paths = {as_path(str(file)) for file in files if str(file).endswith(".py")}
        found = {path for library in paths for path in _beside(library)}
        if configuration.file:
            found |= {configuration.file, *_beside(configuration.file.absolute())}
        stamps: dict[str, int] = {}
        for path in found:
            with suppress(OSError):
                stamps[str(path)] = os.stat(path).st_mtime_ns
        return stamps

    # For the session: in its threads.

    def _open(self, session: Session) -> LineWriter:
        if self._writer is None:  # else the files of the last session go on
            self._writer = _Writer(session.configuration, self._options, self._previews)
        return self._writer

    def _close_writer(self) -> None:
        if self._writer:
            for error in self._writer.close(lambda: False):
                print_error(str(error))

    def _attach(self, branch: Branch) -> None:
        name = name_of(branch.stream)
        self._status.attach(name, branch)
        self._previews[name].attach(branch)

    def _hold(self, stream: str, frame_num: int) -> None:
        if preview := self._previews.get(stream):
            preview.hold(frame_num)

    def _notify(self, stream: Stream, kind: str, text: str, details: str) -> None:
        if kind == "debug":
            return
        print_error(text, details, kind=kind)
        if kind in ("error", "warning"):
            self._status.report(name_of(stream), kind, text, details)

    # For the server.

    def names(self) -> Sequence[str]:
        """Return the names of all streams."""
        return list(self._previews)

    def status(self) -> list[dict[str, Any]]:
        """Return how the streams do, as values of JSON."""
        return [self._completed(values) for values in self._status.values()]

    def _completed(self, values: dict[str, Any]) -> dict[str, Any]:
        name = values["name"]
        preview = self._previews.get(name)  # None: it was renamed just now
        why = preview.problem if preview else ""  # there are no pictures
        unseen = [{**problem_of("error", why), "id": "preview"}] if why else []
        return {**values, "settings": self._controls.values(name), "problems": [*values["problems"], *unseen]}

    def want(self, stream: str) -> None:
        """Let one picture of a stream be made."""
        if preview := self._previews.get(stream):  # else it was renamed since the page asked for it
            preview.want()

    def clip(self, stream: str) -> tuple[str, bytes]:
        """Return name and content of a video of the last seconds. Raises LaunchError."""
        ending, content = make_clip(self._previews[stream].recent())
        return f"{stream}-{time.strftime('%Y%m%d-%H%M%S')}{ending}", content

    def set_options(self, stream: str, library: int, options: dict[str, Any]) -> None:
        """Set all options of a library. Raises EmPyCustomError."""
        if self._controls.session:  # else the next one is started with them
            self._status.check_options(stream, library, options)
        self._controls.set_options(stream, library, options)

    def set(self, stream: str, name: str, value: Any) -> None:
        """Set an option of the configuration file. Raises EmPyCustomError, OSError."""
        self._controls.set(stream, name, value)


class _Writer(LineWriter):
    """Writes documents as a run does, and lets the previews have them."""

    def __init__(self, configuration: Configuration, options: PlayOptions, previews: dict[str, Preview]) -> None:
        super().__init__(configuration, options, on_closed=lambda: None)
        self._previews = previews

    def document(self, stream: Stream, document: str, waiter: Waiter) -> bool:
        """Queue a document, and keep it for its picture."""
        self._previews[name_of(stream)].note(document)
        return super().document(stream, document, waiter)


def _beside(path: Path) -> list[Path]:
    """Return the Python files in the folder of a file."""
    with suppress(OSError):
        return [Path(entry.path) for entry in os.scandir(path.absolute().parent) if entry.name.endswith(".py")]
    return []
