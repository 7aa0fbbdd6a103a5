"""NVIDIA's driver and surfaces: what CUDA needs to work on a GPU, and where the pixels of a frame lie on it.

The driver is opened when it is first needed. No package of CUDA is.

The driver works in a context, and a thread has a stack of them. Others use the device's *primary* context, as CUDA's own runtime
does: so do PyTorch, CuPy and DeepStream, and so is done here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

from empycustom.errors import FrameError
from empycustom.native.loading import FLAGS, ffi, has, reader, text
from empycustom.native.unwind import path_of

_LIBRARY = "libcuda.so.1"
_BEFORE = ffi.new("void **")  # gets the context that is taken off a thread's stack; several threads may write it, none reads it


@lru_cache(maxsize=1)
def driver() -> Any:
    """Return the library, ready to be used. Raises FrameError where it is missing or finds no GPU."""
    try:
        library = ffi.dlopen(_LIBRARY, ffi.RTLD_NOW | ffi.RTLD_NODELETE)
    except OSError as error:
        raise FrameError(
            f"This takes NVIDIA's driver, and {_LIBRARY} cannot be loaded ({error}): install the driver; start a container with "
            "the GPU (--gpus all)."
        ) from error
    check(library, library.cuInit(0), "NVIDIA's driver cannot be used")
    return library


def check(library: Any, code: int, what: str) -> None:
    """Raise a FrameError where a function of the driver returned an error; ``what`` is the beginning of its sentence."""
    if code:
        raise FrameError(f"{what}: {_error(library, code)}.")


def _error(library: Any, code: int) -> str:
    name, description = ffi.new("const char **"), ffi.new("const char **")
    library.cuGetErrorName(code, name)
    library.cuGetErrorString(code, description)
    return f"{text(name[0]) or f'CUDA error {code}'} ({text(description[0]) or 'no description'})"


@lru_cache(maxsize=64)
def _context(gpu: int) -> Any:
    """Return the primary context of a GPU; it stays for as long as the process does."""
    library, device, context = driver(), ffi.new("int *"), ffi.new("void **")
    check(library, library.cuDeviceGet(device, gpu), f"There is no GPU {gpu}")
    check(library, library.cuDevicePrimaryCtxRetain(context, device[0]), f"GPU {gpu} cannot be used")
    return context[0]


@contextmanager
def use_gpu(gpu: int) -> Iterator[Any]:
    """Make the context of a GPU that of this thread for a block, which gets the driver."""
    library = driver()
    check(library, library.cuCtxPushCurrent_v2(_context(gpu)), f"GPU {gpu} cannot be used")
    try:
        yield library
    finally:
        library.cuCtxPopCurrent_v2(_BEFORE)


# The GPUs of this machine. The driver is called without a context, so that it takes nothing of a GPU's memory.


_NAME_BYTES = 256


def cuda_version() -> str:
    """Return the newest version of CUDA that the driver serves, such as ``13.0``. Raises FrameError where there is no driver."""
    library, number = driver(), ffi.new("int *")
    check(library, library.cuDriverGetVersion(number), "The driver does not report its version")
    return f"{number[0] // 1000}.{number[0] % 1000 // 10}"


def gpus() -> list[tuple[str, int]]:
    """Return the name of each GPU and the bytes of its memory. Raises FrameError where the driver fails or finds none."""
    library, count = driver(), ffi.new("int *")
    check(library, library.cuDeviceGetCount(count), "The driver does not count its GPUs")
    return [_gpu(library, number) for number in range(count[0])]


def _gpu(library: Any, number: int) -> tuple[str, int]:
    device, name, memory = ffi.new("int *"), ffi.new("char[]", _NAME_BYTES), ffi.new("size_t *")
    check(library, library.cuDeviceGet(device, number), f"There is no GPU {number}")
    check(library, library.cuDeviceGetName(name, _NAME_BYTES, device[0]), f"GPU {number} does not report its name")
    check(library, library.cuDeviceTotalMem_v2(memory, device[0]), f"GPU {number} does not report how much memory it has")
    return text(name), int(memory[0])


def load_failure(name: str) -> str:
    """Load a library and return why that failed; the empty text if it is loaded from now on."""
    try:
        ffi.dlopen(name, ffi.RTLD_LAZY | ffi.RTLD_NODELETE)
    except OSError as error:
        return str(error)
    return ""


# NVIDIA's NvBufSurface, the content of a buffer in NVMM memory: read as nvbufsurface.h of DeepStream 5.0 to 9.1 has it.
#
# A NvBufSurface is a batch of surfaces, one for each frame. The versions differ in the size of a surface alone, so that the first
# one is found in all, and the others where the second one is seen to lie.


SIZES = (384, 416)  # of NvBufSurfaceParams: up to DeepStream 7.1, from 8.0

DEFAULT, PINNED, DEVICE, UNIFIED, SURFACE_ARRAY = range(5)  # NvBufSurfaceMemType
_MEMORY_TYPES, _COLOR_FORMATS = 16, 256  # more than there are
_LARGEST_BATCH = 4096
_HEAD_SIZE: int = ffi.sizeof("NvBufSurface")

_head = reader("NvBufSurface", "gpuId", "batchSize", "numFilled", "memType", "surfaceList")
_params = reader("NvBufSurfaceParams", "width", "height", "colorFormat", "layout", "dataSize", "dataPtr", "planeParams")
_cuda_buffer = reader("NvBufSurfaceParams", "cudaBuffer")  # came with 8.0; reserved and 0 before
_cuda_data = reader("NvBufSurfaceCudaBuffer", "dataPtr")
_egl_image = reader("NvBufSurfaceParams", "eglImage")


class Surface(NamedTuple):
    """One surface of a batch. Sizes are in pixels, the rest in bytes; ``address`` is that of its NvBufSurfaceParams."""

    address: int
    gpu: int
    memory_type: int
    width: int
    height: int
    color_format: int
    block_linear: bool
    size: int
    data: int
    pitches: tuple[int, ...]
    offsets: tuple[int, ...]


# A surface as it lies in memory: its address, the GPU, its memType, where its pixels lie, and its fields as _params reads them.
FoundSurface = tuple[int, int, int, int, tuple[int, ...]]


def found_at(address: int, size: int, batch_id: int) -> FoundSurface:
    """Return a surface of the NvBufSurface at an address, which has so many bytes. Raises FrameError where there is none.

    It is read for every block, and not looked into: a pool has few buffers, so that its Surface was made before.
    """
    gpu, batch_size, filled, memory_type, surfaces = _head(address) if address and size >= _HEAD_SIZE else (0,) * 5
    sane = 1 <= batch_size <= _LARGEST_BATCH and filled <= batch_size and memory_type < _MEMORY_TYPES
    if not (sane and surfaces and surfaces % 8 == 0):
        raise FrameError(
            "By its caps the buffer is in NVMM memory, but it has no NvBufSurface of NVIDIA's: put nvvideoconvert before the "
            "element; its buffers do."
        )
    filled = filled or 1  # some elements that know no batches leave it 0
    if not 0 <= batch_id < filled:
        raise FrameError(f"The buffer has {filled} frame{'s' if filled > 1 else ''}, and batch_id={batch_id} is none of them.")
    place = surfaces + batch_id * _stride(surfaces) if batch_id else surfaces
    params = _params(place)
    data = params[5]
    if not data and memory_type != SURFACE_ARRAY:
        (buffer,) = _cuda_buffer(place)
        (data,) = _cuda_data(buffer) if buffer else (0,)
    return place, gpu, memory_type, data, params


def surface_of(found: FoundSurface) -> Surface:
    """Return the description that a surface has of itself. Raises FrameError where it is damaged."""
    place, gpu, memory_type, data, params = found
    width, height, color_format, layout, size, _, count, *planes = params
    if not 1 <= count <= 4:
        raise FrameError(f"The NvBufSurface of the buffer has a frame of {count} planes: it is damaged.")
    pitches, offsets = tuple(planes[8 : 8 + count]), tuple(planes[12 : 12 + count])
    return Surface(place, gpu, memory_type, width, height, color_format, bool(layout), size, data, pitches, offsets)


def _stride(surfaces: int) -> int:
    """Return the bytes from a surface to the next one.

    What would be the second surface lies in the first one's reserved fields, which are 0, or 32 bytes behind its beginning for
    every size but the right one: only there do size and pitch agree with those of the first plane.
    """
    sizes = [size for size in SIZES if _is_surface(surfaces + size)]
    if len(sizes) == 1:
        return sizes[0]
    raise FrameError(
        "The buffer has several frames, and it is not known where the second one is described: this version of DeepStream is "
        "not known. The first one (batch_id=0) can be mapped; nvstreamdemux makes a buffer of each."
    )


def _is_surface(place: int) -> bool:
    """Return whether something that is consistent as a NvBufSurfaceParams lies at an address."""
    width, height, color_format, layout, _, _, count, *planes = _params(place)
    return (
        width > 0
        and height > 0
        and 0 < color_format < _COLOR_FORMATS
        and layout in (0, 1)
        and 1 <= count <= 4
        and (planes[0], planes[4]) == (width, height)
    )


# Surface arrays of a Jetson: NVIDIA's library makes an EGL image of a surface, and CUDA has the place of its pixels.


_EGL_LIBRARY = "libnvbufsurface.so"
_ARRAY, _PITCH = 0, 1  # CUeglFrameType
_INSTEAD = "put nvvideoconvert ! 'video/x-raw,format=RGBA' before the element, which brings frames into system memory"


@lru_cache(maxsize=1)
def _nvbufsurface() -> Any:
    """Return NVIDIA's library of surfaces, which is in the process where there are surface arrays."""
    path = path_of(_EGL_LIBRARY)
    library = ffi.dlopen(path, FLAGS) if path else None
    if library is None or not has(library, "NvBufSurfaceMapEglImage"):
        raise FrameError(
            "The frame is in a surface array, and "
            + (f"{path} has no NvBufSurfaceMapEglImage" if path else f"{_EGL_LIBRARY} is not in the process")
            + f": {_INSTEAD}."
        )
    return library


class EglMap:
    """A surface that CUDA may read and write until ``unmap()``. ``planes`` are the addresses of its planes.

    ``address`` is that of the NvBufSurface, which outlives the map.
    """

    __slots__ = ("_address", "_batch_id", "_made", "_resource", "_surface", "planes")

    def __init__(self, address: int, surface: Surface, batch_id: int) -> None:
        self._address, self._surface, self._batch_id = address, surface, batch_id
        self._resource, self._made = ffi.new("address *"), False
        try:
            self.planes = self._planes(self._image())
        except BaseException:
            self.unmap()
            raise

    def _image(self) -> int:
        """Return the surface's EGL image. Some elements have made it already, and keep it."""
        (image,) = _egl_image(self._surface.address)
        if not image:
            failed = _nvbufsurface().NvBufSurfaceMapEglImage(self._address, self._batch_id)
            self._made = not failed
            (image,) = (0,) if failed else _egl_image(self._surface.address)
        if not image:
            raise FrameError(f"NVIDIA's library could not make an EGL image of the frame (is there an EGL display?): {_INSTEAD}.")
        return int(image)

    def _planes(self, image: int) -> tuple[int, ...]:
        frame = ffi.new("CUeglFrame *")
        with use_gpu(self._surface.gpu) as library:
            if not has(library, "cuGraphicsEGLRegisterImage"):
                raise FrameError(
                    f"This driver of CUDA does not take EGL images, which frames in surface arrays need: {_INSTEAD}."
                )
            code = library.cuGraphicsEGLRegisterImage(self._resource, image, 0)
            check(library, code, f"CUDA cannot take the EGL image of the frame ({_INSTEAD})")
            code = library.cuGraphicsResourceGetMappedEglFrame(frame, self._resource[0], 0, 0)
            check(library, code, f"CUDA cannot map the EGL image of the frame ({_INSTEAD})")
        count, pitch = len(self._surface.pitches), self._surface.pitches[0]
        if frame.frameType != _PITCH or frame.planeCount != count or frame.pitch != pitch or count > len(frame.planes):
            raise FrameError(
                f"CUDA has the frame {'as an array' if frame.frameType == _ARRAY else 'in another layout than its surface has'}, "
                f"which cannot be viewed: put nvvideoconvert ! 'video/x-raw(memory:NVMM),format=RGBA' before the element."
            )
        return tuple(frame.planes[0:count])

    def unmap(self) -> None:
        """End the mapping. Once more does nothing. No error: what could be done about one is done."""
        resource, self._resource[0] = self._resource[0], 0
        if resource:
            with use_gpu(self._surface.gpu) as library:
                library.cuGraphicsUnregisterResource(resource)
        if self._made:
            self._made = False
            _nvbufsurface().NvBufSurfaceUnMapEglImage(self._address, self._batch_id)
