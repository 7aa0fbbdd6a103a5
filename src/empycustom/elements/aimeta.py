"""``aimeta``: gathers what the carriers on a buffer say into one JSON document, and tells the application."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import IO, Any

from empycustom.elements.base import FLOW_OK, LOG, VIDEO_CAPS, VideoTransform, always_templates, install_fast_path
from empycustom.elements.properties import Property, gproperties, install
from empycustom.errors import PathError, PropertyError
from empycustom.gstreamer import GObject
from empycustom.model.serialize import dumps
from empycustom.model.values import NOTHING
from empycustom.native.metas import is_writable
from empycustom.native.objects import DebugCategory
from empycustom.text import as_path, not_for_lines, write_json

PROPERTIES = (
    Property(
        name="silent",
        kind=bool,
        default=True,
        live=True,
        blurb="With false, each document is also printed to the console and written to the debug log",
    ),
    Property(name="last-meta", kind=str, writable=False, blurb="The last document, as JSON"),
    Property(name="signal-aimetas", kind=bool, default=True, live=True, blurb="Emit the signals"),
    Property(
        name="signal-interval",
        kind=int,
        default=1,
        limits=(1, 2**31 - 1),
        live=True,
        blurb="Emit the signals for every n-th buffer",
    ),
    Property(name="location", kind=str, blurb="File that gets every document, one JSON text a line; an old one is replaced"),
)


class AIMeta(VideoTransform):
    """The element. It changes nothing in the stream."""

    __gtype_name__ = "GstAIMeta"
    __gstmetadata__ = (
        "AI metadata",
        "Filter/Analyzer/Video",
        "Gathers the metadata of each frame, and what empycustom's libraries said, into a JSON document",
        "The empycustom developers",
    )
    __gsttemplates__ = always_templates(VIDEO_CAPS)
    __gproperties__ = gproperties(PROPERTIES, __gtype_name__)
    __gsignals__ = {  # noqa: RUF012 - read by PyGObject when the class is made
        "aimeta": (GObject.SignalFlags.RUN_LAST, None, ()),
        "new-meta": (GObject.SignalFlags.RUN_LAST, None, (str,)),
    }
    properties = PROPERTIES
    signal = "aimeta"
    category = DebugCategory("python-aimeta", "AI metadata")

    def __init__(self) -> None:
        self._file: IO[str] | None = None
        super().__init__()

    def begin(self) -> None:
        """Open the file, if one is asked for."""
        super().begin()
        self.work = self._gather
        self.set_passthrough(True)
        location = self.values["location"]
        if not self.values["silent"]:
            _console()
        if location:
            self._file = _open(location)

    def end(self) -> None:
        """Close the file."""
        super().end()
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def changed(self, name: str, value: Any) -> None:
        """Let what may change while playing take effect."""
        if name == "signal-interval":
            self.every.interval = value
        elif name == "location" and self.started:
            raise PropertyError("location cannot change while the element runs; set it in state NULL or READY", name=name)

    def _gather(self, address: int, given: Any = None) -> int:  # noqa: ARG002 - nothing needs it
        self.last_meta = self._document(address)
        if self._file is not None or not self.values["silent"]:
            self._show(dumps(self.last_meta))
        if self.values["signal-aimetas"] and self.every.due():
            self.tell()
        return FLOW_OK

    def _show(self, document: str) -> None:
        if self._file is not None:
            self._write(self._file, document)
        if not self.values["silent"]:
            self.log(LOG, document)
            _print(document)

    def _write(self, file: IO[str], document: str) -> None:
        try:
            write_json(file, document)  # at once, for those who follow the file
        except OSError as error:
            self._file = None
            with suppress(OSError):  # the same error again: what could not be written is still in its buffer
                file.close()
            location = self.values["location"]
            raise PropertyError(
                f"location={location} cannot be written ({error.strerror}); the file is incomplete", name="location"
            ) from error

    def _document(self, address: int) -> dict[str, Any]:
        self.frames.number += 1
        reading = self.frames.read(address)
        if reading.complaints or reading.reshaped:
            self.heed(reading, address)
        if not reading.numbered and is_writable(address):  # as it is, unless another branch of a tee has it, too
            self.frames.stamp(address, reading)
        document: dict[str, Any] = {"frame": reading.frames}
        if reading.words is not NOTHING:
            document["emcustom"] = reading.words
        return document


def _console() -> Any:
    if sys.stdout is None:
        raise PropertyError("silent=false: the console cannot be written (stdout is closed); set silent=true", name="silent")
    return sys.stdout


def _print(text: str) -> None:
    try:
        write_json(_console(), text)
    except OSError as error:
        raise PropertyError(
            f"silent=false: the console cannot be written ({error.strerror}); set silent=true", name="silent"
        ) from error


def _open(location: str) -> IO[str]:
    if why := not_for_lines(location):
        raise PropertyError(f"location={location}: {why}", name="location")
    try:
        path = as_path(location).absolute()
    except PathError as error:
        raise PropertyError(f"location={error}", name="location") from error
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise PropertyError(
            f"location={location}: {path} cannot be written ({error.strerror}); give another file", name="location"
        ) from error


install(PROPERTIES, AIMeta)
install_fast_path(AIMeta, "transform_ip")
