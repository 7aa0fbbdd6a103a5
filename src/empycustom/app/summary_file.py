"""``--summary-json``: what a run did, for programs, however it ended."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from empycustom.app.endings import FAILED, complain, exit_code_of
from empycustom.app.playing.lines import Lines
from empycustom.app.playing.summary import Work
from empycustom.errors import LaunchError
from empycustom.meta.compact import dumps
from empycustom.paths import as_path

STDOUT = "-"
_BEGIN = '{"exit_code":'  # of every summary


def summarized(asked: Namespace, play: Callable[[dict[str, Any]], int]) -> int:
    """Call ``play``, which fills a dict; write this and the exit code where ``--summary-json`` says, and return the exit code.

    Raises LaunchError, and plays nothing, where the file is another output, or is there and not a summary: it may be the video.
    """
    name = asked.summary_json
    done = Work().summary()
    if name is None:
        return play(done)
    path = None if name == STDOUT else as_path(name)
    if path and path.is_file() and not _may_be_replaced(path):
        raise LaunchError(f"--summary-json {path} is there, and is not the summary of a run; choose another name, or remove it.")
    if path and any(_is_same(path, as_path(other)) for other in (asked.out, asked.events) if other):
        raise LaunchError(f"{path} is named twice; every output needs a file of its own.")
    lines = Lines(path, on_closed=lambda: None)
    try:
        code = play(done)
    except BaseException as error:
        _write(lines, exit_code_of(error), done)
        raise
    return _write(lines, code, done)


def refuse_stdout(name: str | None) -> None:
    """Raise LaunchError if the summary would go to stdout; documents or events are there."""
    if name == STDOUT:
        raise LaunchError("--summary-json -: stdout is for documents and events here; name a file, or give them one with --out.")


def _is_same(path: Path, other: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(other) and (path.is_file() or not path.exists())  # not /dev/null


def _may_be_replaced(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_BEGIN)) in (b"", _BEGIN.encode())


def _write(lines: Lines, code: int, done: Mapping[str, Any]) -> int:
    try:
        lines.write(dumps({"exit_code": code, **done}))
    except LaunchError as error:
        complain(str(error))
        code = code or FAILED
    lines.close()
    return code
