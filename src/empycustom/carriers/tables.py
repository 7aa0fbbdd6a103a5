"""The carriers, and the sources of objects in plain GStreamer. Adding one is a file, and a row here.

Another package adds a source of objects by an entry point of the group ``empycustom.object_sources``: a class as
:class:`~empycustom.carriers.protocol.ObjectSource` describes it, which is made without arguments.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from empycustom.carriers.analytics import Analytics
from empycustom.carriers.deepstream import DeepStreamCarrier
from empycustom.carriers.hailo import Hailo
from empycustom.carriers.plain import PlainCarrier
from empycustom.carriers.protocol import Carrier, ObjectSource
from empycustom.carriers.regions import Regions
from empycustom.errors import MetadataError

GROUP = "empycustom.object_sources"
SOURCES: tuple[type[ObjectSource], ...] = (Analytics, Regions, Hailo)  # the first that can add objects gets the new ones
_METHODS = ("decode", "locate", "key", "claim", "add", "change")


@lru_cache(maxsize=1)
def other_sources() -> tuple[ObjectSource, ...]:
    """Return the sources of objects of other packages. Raises MetadataError where one cannot be loaded."""
    from importlib.metadata import entry_points  # it takes its time, and most processes see no metadata of others

    return tuple(map(_loaded, entry_points(group=GROUP)))


def _loaded(entry: Any) -> ObjectSource:
    try:
        source: ObjectSource = entry.load()()
    except Exception as error:
        package = f" of the package {entry.dist.name} {entry.dist.version}" if entry.dist else ""
        raise MetadataError(
            f"the source of objects {entry.name}{package} ({entry.value}) cannot be loaded: {type(error).__name__}: {error}; "
            "fix that package, or uninstall it"
        ) from error
    if missing := [name for name in _METHODS if not hasattr(source, name)]:
        raise MetadataError(
            f"the source of objects {entry.name} ({entry.value}) has no {', '.join(missing)}, which "
            "empycustom.carriers.protocol.ObjectSource describes; update its package, or uninstall it"
        )
    return source


def carriers() -> tuple[Carrier, ...]:
    """Return a carrier of each kind, in the order in which they are asked whether a buffer is theirs."""
    return DeepStreamCarrier(), PlainCarrier([source() for source in SOURCES], other_sources)
