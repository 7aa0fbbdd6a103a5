"""Which DeepStream runs, where the sizes of its structures do not tell: numbers in its enums move between minor versions."""

from __future__ import annotations

import re
from functools import lru_cache

from empycustom.errors import DeepStreamError
from empycustom.native.declarations import gst, text
from empycustom.native.deepstream.layouts import Layout
from empycustom.native.deepstream.library import nvds_path

# NVDS_CUSTOM_MSG_BLOB from a version on. 6.4 to 7.1 are inferred: no header of theirs was at hand.
_BLOBS = (((8, 0), 29), ((6, 4), 28), ((6, 3), 22), ((6, 0), 20))
_CONVERTER = b"nvdsgst_msgconv"  # the plugin of nvmsgconv, which alone reads blobs


@lru_cache(maxsize=4)
def blob_type(layout: Layout) -> int:
    """Return the NvDsMetaType of a message for nvmsgconv. Raises DeepStreamError where this version has none, or is not known."""
    version = layout.since if layout.since >= (8, 0) or layout.since < (6, 0) else _version()
    for since, number in _BLOBS:
        if version >= since:
            return number
    raise DeepStreamError(f"DeepStream {layout.versions} has no NVDS_CUSTOM_MSG_BLOB, which came with 6.0; set msg-blob=false")


def _version() -> tuple[int, int]:
    plugin = gst.gst_registry_find_plugin(gst.gst_registry_get(), _CONVERTER)
    said = text(gst.gst_plugin_get_version(plugin)) if plugin else ""
    found = re.search(r"^(\d+)\.(\d+)", said) or re.search(r"deepstream-(\d+)\.(\d+)", nvds_path())
    if found:
        return int(found[1]), int(found[2])
    raise DeepStreamError(
        "msg-blob=true has to know which DeepStream from 6.0 to 7.1 this is, but nvmsgconv is not installed and "
        f"{nvds_path()} is in no folder like deepstream-6.3; set msg-blob=false"
    )
