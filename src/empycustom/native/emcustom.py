"""Compiled libraries with emcustom's interface: loading one, and calling its functions with pixels and JSON.

A library stays loaded until the process ends, because it may have started threads and registered types. The GIL is free while one
of its functions runs.
"""

from __future__ import annotations

import os
import threading
from typing import Any, NamedTuple

from empycustom.errors import NativeError
from empycustom.native.deepstream import batch_in, is_deepstream
from empycustom.native.loading import ffi, text
from empycustom.native.memory import READ, WRITE, AddressMap, is_writable
from empycustom.native.metas import scan

FORMATS = {"I420": 0, "RGBA": 1}  # of video_format, as GStreamer names them
FRAMES, HOOKS = ("process_ip", "process"), ("start", "stop")
_PLANES = 3  # channels in a video_data

# The arguments by the version of the interface. The last one of the second is a NvDsBatchMeta, of the third a GstBuffer.
_BEGIN = {"process_ip": "video_data *, const char *, char **", "process": "video_data *, const char *, video_data *, char **"}
_REST = {1: "", 2: ", const char *, const char *, address", 3: ", const char *, const char *, address"}
INTERFACES = tuple(_REST)
WITH_HOOKS = 3  # the first interface that has start and stop

_libc: Any = ffi.dlopen(None)
_error, _free = _libc.dlerror, _libc.free  # now: looking a function up forgets the last error
_loading = threading.Lock()
_loaded: dict[str, tuple[int, tuple[int, ...]]] = {}  # by path: the library, and which file that was


class ChangedLibraryError(NativeError):
    """The file of a library is another one than when this process loaded it."""


def load(path: str) -> int:
    """Load the library in a file, and return what :func:`function` takes. Raises NativeError with what the system's loader says.

    The file is the one that was loaded before under this path, or else ChangedLibraryError is raised: the loader would go on with
    the old one.
    """
    with _loading:
        status = os.stat(path)
        identity = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
        library, known = _loaded.get(path, (0, identity))
        if known != identity:
            raise ChangedLibraryError(f"{path} has changed since this process loaded it")
        if not library:
            library = _libc.dlopen(os.fsencode(path), ffi.RTLD_NOW | ffi.RTLD_LOCAL)
            if not library:
                raise NativeError(text(_error()))
            _loaded[path] = library, identity
    return int(library)


def function(library: int, name: str) -> int:
    """Return the address of a function of a library; 0: it has none of this name."""
    return int(_libc.dlsym(library, name.encode()))


def hook(library: int, name: str) -> Any:
    """Return ``start`` or ``stop`` of a library, a function of the options (JSON, or NULL); None: it has none."""
    address = function(library, name)
    return ffi.cast("void (*)(const char *)", address) if address else None


NULL: Any = ffi.NULL


class Picture(NamedTuple):
    """How pixels lie in a buffer: the video_format, offset and stride of each plane in bytes, and the bytes that it all takes."""

    video_format: int
    width: int
    height: int
    planes: tuple[tuple[int, int], ...]
    size: int


class _VideoData:
    """A video_data, whose pointers are set for each frame."""

    def __init__(self) -> None:
        self.pointer = ffi.new("video_data *")
        self._channels = [self.pointer.channels[plane] for plane in range(_PLANES)]
        self._places: list[tuple[Any, int]] = []
        self._size = 0

    def expect(self, picture: Picture) -> None:
        """Let it be about a picture, and those that lie like it."""
        self.pointer.video_format, self.pointer.width, self.pointer.height = picture[:3]
        for channel in self._channels:
            channel.data = channel.stride = 0
        for channel, (_, stride) in zip(self._channels, picture.planes, strict=False):
            channel.stride = stride
        self._places = [(channel, offset) for channel, (offset, _) in zip(self._channels, picture.planes, strict=False)]
        self._size = picture.size

    def fill(self, mapped: AddressMap) -> None:
        """Let it be about the picture in a buffer that is mapped. Raises NativeError where the buffer is too small for it."""
        _, data, size = mapped.place
        if size < self._size:
            raise NativeError(f"the buffer has {size} bytes, but its frame needs {self._size}")
        for channel, offset in self._places:
            channel.data = data + offset


class Function:
    """``process_ip`` or ``process`` of a library, to be called for one frame after the other, in one thread at a time."""

    def __init__(self, library: int, name: str, interface: int) -> None:
        self._call = ffi.cast(f"void (*)({_BEGIN[name]}{_REST[interface]})", function(library, name))
        self.name, self._interface = name, interface
        self._source, self._made, self._out = _VideoData(), _VideoData(), ffi.new("char *[1]")

    def expect(self, picture: Picture, made: Picture | None = None) -> None:
        """Get ready for pictures that lie like this one; ``made`` is that of ``process``."""
        self._source.expect(picture)
        if made:
            self._made.expect(made)

    def process_ip(self, address: int, in_meta: bytes, options: Any, events: Any) -> bytes | None:
        """Call it with the writable buffer at an address, and return the JSON that it gives; None: nothing.

        ``options`` and ``events`` are JSON, or NULL. Raises NativeError where the buffer cannot be written or mapped.
        """
        if not is_writable(address):
            raise NativeError("others refer to its buffer, too, so that it cannot be written")
        mapped = AddressMap(address, READ | WRITE)
        try:
            self._source.fill(mapped)
            return self._called(self._source.pointer, in_meta, self._out, *self._rest(address, options, events))
        finally:
            mapped.unmap()

    def process(self, address: int, in_meta: bytes, made: int, options: Any, events: Any) -> bytes | None:
        """Call it to make a picture in the buffer at ``made`` of the one in that at ``address``; else as :meth:`process_ip`."""
        mapped = AddressMap(address, READ)
        try:
            target = AddressMap(made, WRITE)
            try:
                self._source.fill(mapped)
                self._made.fill(target)
                rest = self._rest(address, options, events)
                return self._called(self._source.pointer, in_meta, self._made.pointer, self._out, *rest)
            finally:
                target.unmap()
        finally:
            mapped.unmap()

    def _rest(self, address: int, options: Any, events: Any) -> tuple[Any, ...]:
        if self._interface == 3:
            return options, events, address
        return (options, events, _batch_on(address)) if self._interface == 2 else ()

    def _called(self, *arguments: Any) -> bytes | None:
        out = self._out
        out[0] = NULL
        self._call(*arguments)
        made = out[0]
        if not made:
            return None
        try:
            return bytes(ffi.string(made))
        finally:
            _free(made)


def _batch_on(address: int) -> int:
    """Return the address of the NvDsBatchMeta of a buffer; 0: it has none."""
    return next((batch for api, meta in scan(address) if is_deepstream(api) and (batch := batch_in(meta))), 0)
