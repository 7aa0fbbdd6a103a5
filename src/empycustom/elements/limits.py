"""The properties of workers, and what an element, its library and workers cannot do: each refusal says what to do instead."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from empycustom.buffers.callback import VIEWS
from empycustom.carriers.protocol import Frame
from empycustom.elements.dialects import as_written, settings_of
from empycustom.elements.frames import FrameFormat
from empycustom.elements.properties import Property
from empycustom.errors import CallbackMissingError, PropertyError
from empycustom.gstreamer import GObject
from empycustom.library.callbacks import Library, LibraryFacts, works_in_place
from empycustom.library.compiled import is_compiled
from empycustom.library.dialects import AUTO

OF_WORKERS = (
    Property(
        name="workers",
        kind=GObject.TYPE_UINT,
        default=0,
        limits=(0, 64),
        blurb="Run the library in so many processes, each with its own copy of it; 0: in the streaming thread",
    ),
    Property(
        name="pace",
        kind="enum",
        default="every",
        live=True,
        choices=(
            ("every", "A due frame waits for a worker, and upstream with it"),
            ("skip", "A due frame that finds no worker passes without being worked on"),
            ("latest", "No frame waits: a free worker gets the newest one, and each frame carries the newest result"),
        ),
        blurb="What becomes of frames while all workers are busy",
    ),
    Property(
        name="call-timeout",
        kind=GObject.TYPE_UINT,
        default=0,
        limits=(0, 2**31 - 1),
        live=True,
        blurb="Milliseconds that a call may take; then its worker is ended, and on-error applies to the frame. 0: no limit",
    ),
)


def check_properties(values: Mapping[str, Any]) -> None:
    """Raise PropertyError where properties of an element that are about workers do not go together with the others."""
    pace, timeout = values["pace"], values["call-timeout"]
    if timeout and not values["workers"]:
        raise PropertyError(
            f"call-timeout={timeout} ends the process of a call, and the library runs in the streaming thread; set workers=1",
            name="call-timeout",
        )
    if pace != "every" and not values["workers"]:
        raise PropertyError(
            f"pace={pace} needs workers, and the library runs in the streaming thread; set workers=1", name="pace"
        )
    if pace == "latest" and not values["in-place"]:
        raise PropertyError(
            "with pace=latest results go with later frames, and new frames cannot; use process_ip (in-place=true), or pace=skip",
            name="pace",
        )


_PASSES = "lets frames go on that {} has not worked on, and it declares MANDATORY"
_SPREADS = "gives each process a part of the frames, and {} declares STATEFUL: it needs all of them in their order"
_DECLARED = (  # what is declared, a property, its values that go together with that, what others do, and what to set
    ("mandatory", "process-interval", (1,), _PASSES, "process-interval=1"),
    ("mandatory", "pace", ("every",), _PASSES, "pace=every"),
    ("mandatory", "on-error", ("fail", "drop"), _PASSES, "on-error=fail, or on-error=drop"),
    ("stateful", "workers", (0, 1), _SPREADS, "workers=1"),
)


def check_declared(values: Mapping[str, Any], library: LibraryFacts) -> None:
    """Raise PropertyError where properties of an element do not go together with what the library declares."""
    for declared, name, safe, why, advice in _DECLARED:
        if getattr(library, declared) and values.get(name, safe[0]) not in safe:
            raise PropertyError(f"{name}={values[name]} {why.format(library.path)}; set {advice}", name=name)


def about_state(library: Any, workers: Any) -> CallbackMissingError | None:
    """Return the warning that a library would hand state over by ``reloaded``, and that nobody calls it with workers."""
    if not workers or "reloaded" not in library.lines:
        return None
    what = f"reloaded is not called with workers={workers}"
    why = ": the version before is in other processes, and a new one begins without its state; set workers=0 if that has to go on"
    return CallbackMissingError.at(library.path, library.line_of("reloaded"), what, why, callback="reloaded")


def called(values: Mapping[str, Any], given: Collection[str] = ()) -> dict[str, Any]:
    """Return how a library is called as properties say it: arguments of :meth:`Library.open`. ``given``: those that were set."""
    settings = {**settings_of(values), **{name: values[name] for name in ("options", "events") if values.get(name)}}
    if "in-place" in given and not values["in-place"]:
        settings["in-place"] = False
    return {"in_place": values["in-place"], "dialect": values.get("dialect", AUTO), "settings": settings}


def usual_in_place(library: Any, *, default: bool = False) -> bool:
    """Return what in-place is where it is not set: true for a compiled library that has process_ip, as for emcustom.

    Raises LibraryError.
    """
    return works_in_place(library, elsewhere=True) if is_compiled(library) else default


def is_in_place(properties: Mapping[str, Any]) -> bool:
    """Return what in-place is among properties of an element that are set. Raises LibraryError."""
    given = properties.get("in-place")
    return usual_in_place(properties["custom-lib"]) if given is None else given is True


def open_library(custom_lib: Any, values: Mapping[str, Any], given: Collection[str] = ()) -> Library:
    """Load and check a library for an element in whose thread it runs. Raises LibraryError, PropertyError."""
    with as_written(values):
        library = Library.open(custom_lib, **called(values, given), views=VIEWS)
    try:
        check_declared(values, library)
    except PropertyError:
        library.close()
        raise
    return library


def check_library(custom_lib: Any) -> None:
    """Raise PropertyError unless a library can be loaded by another process."""
    if not isinstance(custom_lib, str):
        raise PropertyError(
            "workers are other processes, and a function or an object of this program cannot go there; put it into a file, and "
            "give the name of the file as the library; or set workers=0",
            name="workers",
        )


def check_format(frame_format: FrameFormat) -> None:
    """Raise PropertyError unless other processes can have frames of a format."""
    check_memory(frame_format.memory)


def check_memory(memory: str) -> None:
    """Raise PropertyError unless other processes can have frames in a memory."""
    if memory != "CPU":
        raise PropertyError(
            f"frames in {memory} memory cannot go to workers; set workers=0, or put "
            "nvvideoconvert ! video/x-raw,format=RGBA before the element",
            name="workers",
        )


def check_frame(frame: Frame) -> None:
    """Raise PropertyError unless other processes can have a frame."""
    if not frame.carrier.is_portable:
        raise PropertyError("batches of DeepStream cannot go to workers; set workers=0", name="workers")
