"""``--log-level``: the log of libraries (Python's ``logging``) and of our elements (GStreamer's) on stderr."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from empycustom.library.modules import without_package
from empycustom.session.console import write_stderr
from empycustom.text import for_people

# Python's levels, as the thresholds of GStreamer's log.
LEVELS = {"error": 1, "warning": 2, "info": 4, "debug": 6}
_OF_GSTREAMER = {1: logging.ERROR, 2: logging.WARNING, 3: logging.WARNING, 4: logging.INFO}


def add_log_level(command: argparse.ArgumentParser) -> None:
    """Add the option."""
    text = "show what libraries log with `logging`, and our elements, from this level on: error, warning, info or debug"
    command.add_argument("--log-level", choices=list(LEVELS), metavar="LEVEL", help=text)


@contextmanager
def shown(level: str | None) -> Iterator[None]:
    """Show log records from ``level`` on, each line with its level and its logger.

    Without a level Python's defaults apply: warnings are shown, unless a library changes the settings.
    """
    with ExitStack() as after:

        def replace(name: str, value: Any) -> None:
            after.callback(setattr, logging, name, getattr(logging, name))
            setattr(logging, name, value)

        after.callback(logging.setLogRecordFactory, logging.getLogRecordFactory())
        logging.setLogRecordFactory(partial(_record, logging.getLogRecordFactory()))
        if level is None:
            replace("lastResort", _Lines(logging.WARNING))
            replace("basicConfig", partial(_configured, logging.basicConfig))
        else:
            _show_all(level, after)
        yield


def _record(made: Callable[..., logging.LogRecord], *given: Any, **named: Any) -> logging.LogRecord:
    """Make a record in which the module of a library has the name that its author gave it."""
    record = made(*given, **named)
    record.name = without_package(record.name)
    return record


def _configured(configure: Callable[..., None], **settings: Any) -> None:
    """Call ``logging.basicConfig``, except without settings, as ``logging.info`` does."""
    if settings:
        configure(**settings)


def _show_all(level: str, after: ExitStack) -> None:
    root, handler = logging.getLogger(), _Lines()
    after.callback(root.setLevel, root.level)
    after.callback(root.removeHandler, handler)
    root.setLevel(level.upper())
    root.addHandler(handler)
    if "GST_DEBUG" not in os.environ:  # which has more detailed settings
        after.callback(_show_elements(LEVELS[level]))


class _Lines(logging.Handler):
    """Writes lines on stderr without damage to a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            write_stderr(for_people(self.format(record), lines=True))
        except Exception:  # noqa: BLE001 - as every handler of Python's: the arguments are a library's
            self.handleError(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return ``WARNING my_lib: the text``, and the traceback if there is one."""
        name = record.module if record.name == "root" else record.name
        return f"{record.levelname} {name}: {super().format(record)}"


def _show_elements(level: int) -> Callable[[], None]:
    """Forward the log of our elements to ``logging``; return the function that ends it."""
    from empycustom.elements.aimeta import AIMeta
    from empycustom.elements.base import listeners
    from empycustom.elements.empycustom import EmPyCustom
    from empycustom.elements.perf import Perf

    categories = [element.category for element in (AIMeta, EmPyCustom, Perf)]
    before = [category.threshold for category in categories]
    for category in categories:
        category.threshold = level
    listeners.append(_forward)

    def end() -> None:
        listeners.remove(_forward)
        for category, threshold in zip(categories, before, strict=True):
            category.threshold = threshold

    return end


def _forward(level: int, element: str, text: str) -> None:
    # An error is on the bus as well, with its traceback.
    shown_text = text.partition("\n")[0] if level == LEVELS["error"] else text
    logging.getLogger(element).log(_OF_GSTREAMER.get(level, logging.DEBUG), "%s", shown_text)
