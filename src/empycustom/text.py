"""Text in messages, without control characters and passwords; names that may be meant; paths; files of JSON; times.

Paths are UTF-8 text, whatever the locale of the process is. Python takes the encoding of the file system from the locale, which
in the C locale of an embedded interpreter (that of gst-launch-1.0) is ASCII. A path is bytes, so the text is made bytes here, and
these a path that the functions of this Python take.
"""

from __future__ import annotations

import ast
import json
import os
import re
import select
import shlex
import stat
import sys
import threading
import time
from argparse import ArgumentTypeError
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from difflib import get_close_matches
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

from empycustom.errors import PathError

# What changes a terminal or the order of what it shows, or ends a line for some reader: control characters (C0, DEL, C1), marks
# of direction, the separators of lines and paragraphs, the byte order mark.
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_IN_LINES = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")  # but for \t and \n
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
_UNDECODED = re.compile("[\udc80-\udcff]+")  # bytes that were not text, as Python keeps them
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST_VALUE = 60  # characters of a value that a message shows
_NEAR = 0.75  # difflib's ratio from which a name is taken for a misspelt one; "interval" and "interface" have 0.71
_NEAR_SHORT = 0.65  # the same for words of up to 4 letters: "rnu" and "run" have 0.67, "fast" and "latest" 0.6
_SHORT_WORD = 4
_PREFIX = 3  # letters from which a name may be the beginning of another one
_MOST = 2  # names in one hint

# The user and the password of a URI may hold @, / and blanks, so that they end at the last @ in front of the next URI.
_USER = re.compile(r"(?i)\b(?!file:)([a-z][a-z0-9+.-]*://)(?![^:\n]*:\*\*\*@)((?:(?!://)[^\n])*)@")
_NO_SCHEME = re.compile(r"(?<![^\s\"'(=,])([\w.%+~-]+:(?!//)/?)\S+@(?=[\w\[])")
_WHOLE_NO_SCHEME = re.compile(r"(?s)\A([^:]*:)(?!\*\*\*@).*@")
_SECRET = r"[\w.%-]*(?:pass|pwd|psw|\bpw|-pw|token|secret|key|auth|sig|cred)[\w.%-]*="
_QUERY = re.compile(rf"(?i)([?&;#]{_SECRET})[^&;#\s\"']+")
_WHOLE_QUERY = re.compile(rf"(?i)([?&;#]{_SECRET})[^&;#]+")
_PROPERTY = re.compile(
    r"(?i)((?<![\w-])[\w-]*(?:password|passphrase|passwd|user-pw|proxy-pw)(?:[\"']\s?:|\s?=)\s?)(?:\"(?:[^\"\\]|\\.)*\"|[^\s\"]+)"
)


def for_people(text: str, *, lines: bool = False) -> str:
    """Return ``text`` for a terminal: without passwords, and with control characters :func:`visible`."""
    return visible(without_secrets(text), lines=lines)


def visible(text: str, *, lines: bool = False) -> str:
    """Return ``text`` with escapes for what a terminal would obey instead of show; ``lines``: line ends and tabs stay."""
    if not text.isascii():
        text = _UNDECODED.sub(lambda found: found[0].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"), text)
        text = _SURROGATE.sub(_escape, text)
    return (_IN_LINES if lines else _CONTROL).sub(_escape, text)


def visible_json(text: str) -> str:
    """Return one line of JSON with JSON's own escapes for what a terminal would obey, and for what is not UTF-8."""
    if "\x7f" not in text if text.isascii() else text.isprintable():  # quick; JSON itself escapes what is below a blank
        return text
    return _SURROGATE.sub(_escape, _CONTROL.sub(_escape, text))


def shell_word(word: str) -> str:
    """Return a word for the line of a shell, where what a terminal would obey is written as bash, zsh and others read it."""
    if visible(word) == word:
        return shlex.quote(word)
    shown = re.sub(r"[\\']", lambda found: f"\\{found[0]}", word)
    for pattern in (_CONTROL, _SURROGATE):
        shown = pattern.sub(lambda found: "".join(f"\\{byte:03o}" for byte in found[0].encode("utf-8", "surrogateescape")), shown)
    return f"$'{shown}'"


def unquoted(text: str) -> str:
    """Return ``text`` without the single quotes around it: those of ``a='x y'``, which ``Gst.parse_launch`` leaves there."""
    return text[1:-1] if len(text) > 1 and text.startswith("'") and text.endswith("'") else text


def meant(name: str, known: Iterable[str], aliases: Mapping[str, Sequence[str]] | None = None) -> str:
    """Return ``"; NAME may be meant"`` where a known name is similar, or begins with this one, or has it as a part; else ``""``.

    Dashes in front do not count. ``aliases`` are names without dashes that are known elsewhere, with what they are here.
    """
    names = {item.lstrip("-"): item for item in known}
    word = name.lstrip("-")
    for alias in (aliases or {}).get(word, ()):
        if alias in names:
            return f"; {names[alias]} may be meant"
    similar = get_close_matches(word, names, n=1, cutoff=_NEAR if len(word) > _SHORT_WORD else _NEAR_SHORT)
    if not similar and len(word) >= _PREFIX:
        similar = [item for item in names if item.startswith(word)]
    similar += [item for item in names if word in re.split("[-_]", item) and item not in similar]
    return f"; {' or '.join(names[item] for item in similar[:_MOST])} may be meant" if similar else ""


def shown(value: Any) -> str:
    """Return a value as JSON, or as Python shows it, shortened, for a message."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):  # what a callback returned may be anything
        try:
            text = repr(value)
        except Exception:  # noqa: BLE001 - it only decorates a message
            text = type(value).__name__
    text = without_secrets(text)  # before the end of a password is cut off
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return what may be meant by an unknown ``name``, and all that would have been known."""
    if not known:
        return "nothing is known here"
    return f"{meant(name, known)}; known here: {', '.join(known)}".removeprefix("; ")


def below(path: str, key: str | int) -> str:
    """Return the path of an entry of what is at ``path``."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if re.fullmatch(r"[\w-]+", key):
        return f"{path}.{key}" if path else key
    return f"{path}[{json.dumps(key, ensure_ascii=False)}]"


def _escape(found: re.Match[str]) -> str:
    return _SHORT.get(found[0]) or f"\\u{ord(found[0]):04x}"


def without_secrets(text: str, uri: str = "") -> str:
    """Return ``text`` without the passwords of URIs, and without what query strings call a password, a token or a key.

    Where a URI ends in a text can only be guessed; one that is known, ``uri``, is found as it is.
    """
    if uri and (hidden := without_password(uri)) != uri:
        return hidden.join(without_secrets(part) for part in text.split(uri))
    if "@" in text:
        text = _NO_SCHEME.sub(r"\1***@", _USER.sub(_without_user, text))
    return _PROPERTY.sub(r"\1***", _QUERY.sub(r"\1***", text))


def without_password(uri: str) -> str:
    """Return a URI, which is all of the text, without its secrets; also where its scheme was forgotten."""
    if "://" not in uri:
        uri = _WHOLE_NO_SCHEME.sub(r"\1***@", uri)
    return without_secrets(_WHOLE_QUERY.sub(r"\1***", uri))


def _without_user(found: re.Match[str]) -> str:
    user, colon, _ = found[2].partition(":")
    if colon:
        return f"{found[1]}{user}:***@"
    return found[0] if re.search(r"[\s/]", user) else f"{found[1]}***@"  # a token in place of a user, or no user at all


# A line for each object, and one for the attributes of each frame that has some.
_OBJECTS = (
    ".frame[] | .frame_num as $n | (.object[] | [$n, .obj_label, .confidence, .rect_params[]]), "
    "(.emcustom | objects | [$n, (.[] | tostring)]) | @"
)
_EVENTS = "[.[] | tostring] | @"
_TABLE = "write {lines}, and make a table of it: jq -r '{filter}{kind}' {lines} > {name}"
_COPY = "write {lines}, and make a table of it with DuckDB: COPY (FROM {table}) TO {made}"
_FRAMES = "frames are written by `empycustom run --save {name}`"
_PACK = "write {stem}, and compress it afterwards"
_OTHER = "write {lines}, and let another program make {name} of it"
_NOT_LINES = {
    **dict.fromkeys(("csv", "tsv"), _TABLE),
    "parquet": _COPY,
    **dict.fromkeys(("mp4", "mkv", "avi", "webm", "mov", "png", "jpg", "jpeg"), _FRAMES),
    **dict.fromkeys(("gz", "bz2", "xz", "zst", "zip", "7z"), _PACK),
    **dict.fromkeys(("xlsx", "xls", "ods", "xml", "yaml", "yml", "toml", "html", "pkl", "pickle"), _OTHER),
    **dict.fromkeys(("db", "sqlite", "sqlite3", "duckdb", "arrow", "feather", "avro", "npy", "npz", "h5", "hdf5"), _OTHER),
}


def not_for_lines(name: str, what: str = "documents") -> str:
    """Return why a file of this name should not be written as JSON Lines: its ending promises another format.

    ``what`` is written there: documents or events. Returns ``""`` for endings of JSON, and for those that are not known.
    """
    stem, _, kind = name.rpartition(".")
    way = _NOT_LINES.get(kind.lower()) if stem and os.sep not in kind else None
    if way is None:
        return ""
    names = {"stem": stem, "lines": f"{stem}.jsonl", "name": name}
    quoted = {key: shell_word(value) for key, value in names.items()}
    table, made = ("'{}'".format(names[key].replace("'", "''")) for key in ("lines", "name"))  # in SQL
    choice = _OBJECTS if what == "documents" else _EVENTS
    advice = way.format(**quoted, kind=kind.lower(), filter=choice, table=table, made=made)
    return f"{what} are written as JSON Lines, not as a .{kind} file; {advice}"


# Paths, and files of JSON.


def as_path(text: str) -> Path:
    """Return the path that ``text`` names, with ``~`` expanded. Raises PathError where that home folder is not known."""
    native = as_native(text)
    expanded = os.path.expanduser(native)
    if native.startswith("~") and expanded.startswith("~"):
        home = text.partition(os.sep)[0]
        advice = "write the path without ~, or begin it with ./"
        raise PathError(f"{text} does not exist: the home folder {home} is not known; {advice}")
    return Path(expanded)


def working_folder() -> str:
    """Return the working directory; "" where it is gone, or nobody may see where it is."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def absolute(path: Path) -> Path:
    """Return a path from the root on; as it is where it is relative and the working directory is gone."""
    return Path(working_folder(), path)


def as_native(text: str) -> str:
    """Return ``text`` as the file functions of this Python need it, whatever the locale."""
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))


def use_native_folders() -> None:
    """Let Python search all folders of ``sys.path``: one that it cannot encode makes each import fail from Python 3.14 on.

    GStreamer's loader puts the home folder there as text, after our elements were loaded.
    """
    for at, folder in enumerate(sys.path):
        with suppress(TypeError):  # not a path at all, which Python skips
            sys.path[at] = folder if _is_encodable(folder) else as_native(folder)


def _is_encodable(folder: str) -> bool:
    try:
        os.fsencode(folder)
    except UnicodeEncodeError:
        return False
    return True


def as_text(path: Path) -> str:
    """Return a path as text, for which :func:`as_path` returns this path; bytes that are not UTF-8 are surrogates."""
    text = from_native(str(path))
    return f"./{text}" if text.startswith(("~", "'")) else text  # marks that a property obeys


def from_native(text: str) -> str:
    """Return an argument or a path, which this Python decoded in the locale, decoded as UTF-8."""
    return os.fsencode(text).decode("utf-8", "surrogateescape")


_LARGEST = 64 << 20  # bytes of JSON
_PATIENCE_S = 10.0  # for a pipe


def read_json_text(path: Path) -> str:
    """Return the text of a file of JSON: UTF-8, or UTF-16 and UTF-32 as other systems write them; it may begin with its mark.

    A pipe, such as ``<(command)`` of a shell, is read to its end. Raises OSError, and ValueError where it is not text, a device,
    too large, or a pipe that does not end.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise ValueError("it is a device or a socket, not a file")
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
        data = b"".join(_parts(file.fileno(), is_pipe=stat.S_ISFIFO(mode)))
    return data.decode(json.detect_encoding(data))


def _parts(file: int, *, is_pipe: bool) -> Iterator[bytes]:
    waits = select.poll()
    waits.register(file, select.POLLIN)
    read, end = 0, time.monotonic() + _PATIENCE_S
    while read <= _LARGEST:
        if is_pipe and not waits.poll(max(end - time.monotonic(), 0) * 1000):
            raise ValueError(f"it is a pipe that nobody wrote to its end within {_PATIENCE_S:.0f} s")
        part = os.read(file, 1 << 20)
        if not part:
            return
        read += len(part)
        yield part
    raise ValueError(f"it has more than {_LARGEST >> 20} MiB, which no options need")


# Times in a video: ``80``, ``1:20``, ``0:01:20.5``.


_NS = 10**9  # of a second
_LONGEST_S = 10**9
_WHOLE, _FRACTION = re.compile("[0-9]+"), re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")


class Moment(NamedTuple):
    """A time in a video, in nanoseconds, and how it was typed."""

    ns: int
    text: str


def parse_time(text: str) -> Moment:
    """Read a time that was typed: seconds (12.5 or 12.5s), m:ss or h:mm:ss, with a fraction or without.

    Raises ArgumentTypeError.
    """
    *whole, last = (text if ":" in text else text.removesuffix("s")).split(":")
    if len(whole) < 3 and all(map(_WHOLE.fullmatch, whole)) and _FRACTION.fullmatch(last):
        numbers = [Decimal(part) for part in (*whole, last)]
        seconds = reduce(lambda sum, number: sum * 60 + number, numbers)
        if all(number < 60 for number in numbers[1:]) and seconds < _LONGEST_S:
            return Moment(int(seconds * _NS), text)
    raise ArgumentTypeError(f"{text} is not a time; write seconds, such as 12.5, or 1:20, or 1:00:03.5")


def parse_duration(text: str) -> Moment:
    """Read a duration, typed as :func:`parse_time` reads a time; 0 is refused."""
    read = parse_time(text)
    if not read.ns:
        raise ArgumentTypeError(f"{text} is not a duration; write one such as 12.5, or 1:20, or 1:00:03.5")
    return read


def clock(ns: int) -> str:
    """Return a time or a duration as text: 1:20.5."""
    tenths = ns * 10 // _NS
    minutes, rest = divmod(tenths, 600)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest / 10:04.1f}" if minutes >= 60 else f"{minutes}:{rest / 10:04.1f}"


_parsing = threading.RLock()
_TRIES = 100


def syntax_tree(source: Any, path: str = "<text>", mode: str = "exec") -> Any:
    """Return the syntax tree of Python code, a text or bytes. Raises SyntaxError, ValueError, RecursionError, MemoryError.

    Python 3.11 before 3.11.5, as Debian 12 has it, counts the depth of trees for all threads together, and raises SystemError
    where two make one at the same time. So one thread after another makes one here, and again where others' code makes one.
    """
    with _parsing:
        for _ in range(_TRIES):
            with suppress(SystemError):
                return compile(source, path, mode, ast.PyCF_ONLY_AST, dont_inherit=True)
        return compile(source, path, mode, ast.PyCF_ONLY_AST, dont_inherit=True)
