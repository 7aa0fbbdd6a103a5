"""Elements as programs ask for them: a library, and arguments that are properties by other names."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from empycustom.elements.dialects import call_texts
from empycustom.elements.empycustom import PROPERTIES
from empycustom.elements.properties import options_text
from empycustom.errors import EmPyCustomError
from empycustom.gstreamer import Gst
from empycustom.text import as_text

if TYPE_CHECKING:
    from typing_extensions import Self

_PROPERTIES = {item.name.replace("-", "_"): item for item in PROPERTIES}


def texts_of(argument: str, value: Any) -> dict[str, str | None]:
    """Return the properties that an argument sets, as texts as GStreamer reads them; None: not set. Raises PropertyError."""
    if argument == "call":
        return {**call_texts(value)}
    return {argument: options_text(value) if argument == "options" else _PROPERTIES[argument].text_of(argument, value)}


def library_of(given: Any) -> Any:
    """Return a library as elements take it: paths are texts."""
    return as_text(Path(given)) if isinstance(given, PathLike) else given


def configure(element: Any, library: Any, texts: Mapping[str, str | None], *, in_place: bool) -> None:
    """Set the properties with which an element runs a library."""
    element.set_property("in-place", in_place)
    if isinstance(library, str):
        element.set_property("custom-lib", library)
    else:
        element.library = library
    for argument, text in texts.items():
        if text is not None:
            Gst.util_set_object_arg(element, argument.replace("_", "-"), text)


class Closing:
    """What is closed at the end of a ``with`` block. An error of the block is the one that is raised, not that of closing."""

    def close(self) -> None:
        """End it."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        try:
            self.close()
        except EmPyCustomError:
            if error is None:
                raise
