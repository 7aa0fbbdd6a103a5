"""Names that a library may have misspelt: its callbacks, and keys of ``in_meta``."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher, get_close_matches
from types import FunctionType, ModuleType
from typing import NamedTuple

# How others call what is called start and stop here.
_OTHERS = {
    "start": ("init", "initialize", "initialise", "setup", "set_up", "load", "begin", "open"),
    "stop": ("close", "teardown", "tear_down", "cleanup", "finish", "finalize", "shutdown", "end", "deinit"),
}
_PREFIXES = ("on_", "do_", "handle_")
_SURE, _LIKELY = 0.8, 0.65  # how similar names are, from 0 to 1
_LONGEST = 40  # of a key that is looked for
# The keys of in_meta and of what is in it.
KEYS = (
    *("frame", "buffer", "emcustom", "format", "width", "height", "memory", "planes", "offset", "stride", "interlace_mode"),
    *("frame_num", "buf_pts", "stream_time", "timestamp", "source_id", "source", "source_frame_width", "source_frame_height"),
    *("stream_width", "stream_height", "batch_id", "pad_index", "ntp_timestamp", "object"),
    *("class_id", "object_id", "confidence", "obj_label", "rect_params", "text_params", "classifier", "display_text"),
    *("left", "top", "unique_component_id", "tracker_confidence", "num_labels", "label_info"),
    *("num_classes", "result_label", "result_class_id", "label_id", "result_prob"),
)


class Misspelt(NamedTuple):
    """A function of a library that nobody calls, and the callback that it may be meant to be."""

    name: str
    line: int
    callback: str

    def __str__(self) -> str:
        return f"{self.name} in line {self.line} is never called; {self.callback} may be meant"


def misspelt_process(module: ModuleType, path: str, wanted: str) -> Misspelt | None:
    """Return the function that may be meant to be ``wanted``, a callback that sees buffers and that the library lacks."""
    best, found = _LIKELY, None
    for function in _functions(module, path):
        code = function.__code__
        alike = 1.0 if "in_meta" in code.co_varnames[: code.co_argcount] else _alike(function.__name__, wanted)
        if alike >= best:
            best, found = alike, Misspelt(function.__name__, code.co_firstlineno, wanted)
    return found


def misspelt_others(module: ModuleType, path: str, lacking: Sequence[str]) -> Iterator[Misspelt]:
    """Yield functions that may be meant to be ``lacking``, callbacks that get ``options``: those that nothing in the file uses.

    Raises OSError, SyntaxError where the file is not the one any more that was loaded.
    """
    for function in _functions(module, path):
        name = function.__name__
        for callback in lacking:
            similar = name in _OTHERS[callback] or _is_slip(_plain(name), callback)
            if similar and function.__code__.co_argcount == 1 and _is_idle(path, name):
                yield Misspelt(name, function.__code__.co_firstlineno, callback)
                break


def key_meant(error: KeyError) -> str:
    """Return the key of ``in_meta`` that is like the one that is missing, or ``""``."""
    key = error.args[0] if len(error.args) == 1 else None
    if type(key) is not str or len(key) > _LONGEST or key in KEYS:
        return ""
    return next(iter(get_close_matches(key, KEYS, n=1, cutoff=_SURE)), "")


def _functions(module: ModuleType, path: str) -> list[FunctionType]:
    """The functions that a library itself defines and that may be called by others, without its callbacks."""
    return [
        value
        for name, value in [*vars(module).items()]
        if type(value) is FunctionType
        and value.__code__.co_filename == path
        and value.__name__ == name
        and not name.startswith("_")
        and name not in ("start", "stop", "output_caps", "process", "process_ip")
    ]


def _alike(name: str, callback: str) -> float:
    return SequenceMatcher(None, _plain(name), callback).ratio()


def _plain(name: str) -> str:
    plain = name.lower().strip("_")
    return next((plain.removeprefix(prefix) for prefix in _PREFIXES if plain.startswith(prefix)), plain)


def _is_slip(name: str, callback: str) -> bool:
    """Say whether a name differs by one letter, or by their order: not ``started`` or ``restart``, which are words."""
    close = sorted(name) == sorted(callback) or SequenceMatcher(None, name, callback).ratio() > _SURE
    return close and abs(len(name) - len(callback)) < 2


def _is_idle(path: str, name: str) -> bool:
    """Say whether nothing in the file names the function, which stands there without a decorator, at the outermost level."""
    with open(path, "rb") as file:
        tree = ast.parse(file.read())
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not defined or defined[-1].decorator_list:
        return False
    return not any(
        name in (getattr(node, "id", None), getattr(node, "attr", None), getattr(node, "value", None), getattr(node, "arg", None))
        for node in ast.walk(tree)
    )
