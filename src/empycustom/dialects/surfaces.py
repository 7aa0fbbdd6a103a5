"""What there is of the packages that libraries of other projects import, for ``empycustom check``: by dialect, as it is here."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from enum import EnumMeta
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from empycustom.library.surface import Surface

_GVA_GIVES = {
    "regions": "[RegionOfInterest]",
    "add_region": "RegionOfInterest",
    "tensors": "[Tensor]",
    "get_gst_roi_params": "[Tensor]",
    "add_tensor": "Tensor",
    "detection": "Tensor",
    "messages": "[GVAJSONMetaStr]",
}
_AUDIO = "audio is left out"
_JSON_META = "frame.messages(), add_message and remove_message do what it does"
_MADE = "the element makes it; other buffers are read with empycustom.document and empycustom.map_frame"


def gvapython() -> Surface | None:
    """Return what ``gstgva`` has, None: DL Streamer's is installed."""
    if find_spec("gstgva") is not None:
        return None
    from empycustom.dialects import gstgva

    left_out = {"audio": _AUDIO, "AudioFrame": _AUDIO, "GVAJSONMeta": _JSON_META}
    return _surface("gstgva", gstgva, "process_frame", _GVA_GIVES, left_out=left_out, unmade={"VideoFrame": _MADE})


def hailopython() -> Surface:
    """Return what ``gsthailo`` has, which is ours also where Hailo's is installed."""
    from empycustom.dialects import gsthailo

    return _surface("gsthailo", gsthailo, "run", {})


def _surface(package: str, module: ModuleType, function: str, gives: Mapping[str, str], **more: Any) -> Surface:
    classes = [value for value in vars(module).values() if isinstance(value, type)]
    parts = {name: value for name, value in vars(module).items() if isinstance(value, ModuleType)}
    return Surface(
        package=package,
        modules={name: frozenset(vars(value)) for name, value in {"": module, **parts}.items()},
        members={each.__name__: frozenset({*dir(each), *vars(each).get("__annotations__", ())}) for each in classes},
        gives=gives,
        texts=frozenset({"GVAJSONMetaStr"}),
        keywords={(each.__name__, name): keywords for each in classes for name, keywords in _keywords(each)},
        enums={
            name: frozenset(value.__members__)
            for each in classes
            for name, value in vars(each).items()
            if isinstance(value, EnumMeta)
        },
        given="VideoFrame",
        function=function,
        **{"left_out": {}, "unmade": {}, **more},
    )


def _keywords(made: type) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the methods of a class with the names of their arguments, where they take no others."""
    for name, value in vars(made).items():
        if inspect.isfunction(value) and not name.startswith("_"):
            arguments = inspect.signature(value).parameters.values()
            if not any(each.kind is each.VAR_KEYWORD for each in arguments):
                yield name, frozenset(each.name for each in arguments if each.kind is not each.POSITIONAL_ONLY)
