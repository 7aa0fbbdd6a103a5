"""NVIDIA's library of metadata, in the place where the process has it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from empycustom.errors import DeepStreamError
from empycustom.native.declarations import FLAGS, TEXT, ffi, glib, gst
from empycustom.native.loaded import path_of

_LIBRARY = "libnvds_meta.so"
_TAG: int = glib.g_quark_from_string(b"nvdsmeta")  # by which NVIDIA's own elements find their metadata
_KEY_TYPE: int = glib.g_intern_string(b"EMPYCUSTOM.OBJECT.KEY")  # the library keeps the pointer


@lru_cache(maxsize=64)
def is_deepstream(api: int) -> bool:
    """Whether a meta of an API type, as :func:`empycustom.native.metas.scan` returns it, is DeepStream's."""
    return bool(gst.gst_meta_api_type_has_tag(api, _TAG))


@lru_cache(maxsize=1)
def nvds() -> Any:
    """Return the library. Only to be asked for where there is DeepStream metadata: whoever made it has loaded the library."""
    return ffi.dlopen(nvds_path(), FLAGS)


@lru_cache(maxsize=16)
def keeping_the_gil(function: str, arguments: int = 2) -> Callable[..., None]:
    """Return a function of the library, of so many addresses, which does not let go of the GIL: for what has the lock already."""
    kind = ctypes.PYFUNCTYPE(None, *[ctypes.c_size_t] * arguments)
    return kind((function, ctypes.PyDLL(nvds_path(), ffi.RTLD_NOW | ffi.RTLD_NODELETE)))


@lru_cache(maxsize=1)
def nvds_path() -> str:
    """Return where the library lies. Raises DeepStreamError where the process has none."""
    path = path_of(_LIBRARY)
    if path is None:
        raise DeepStreamError(f"DeepStream metadata is on a buffer, but {_LIBRARY} is not in the process")
    return path


def acquired(function: str, batch: int) -> int:
    """Return the address of metadata from a pool of the batch, which belongs to nothing yet; ``function`` is NVIDIA's for it."""
    address = getattr(nvds(), function)(batch)
    if not address:
        raise DeepStreamError(f"DeepStream has no more metadata for this batch: {function} returned NULL")
    return int(address)


@lru_cache(maxsize=1)
def key_type() -> int:
    """Return the NvDsMetaType of the user metadata by which an object has a number of ours."""
    return int(nvds().nvds_get_user_meta_type(ffi.cast(TEXT, _KEY_TYPE)))
