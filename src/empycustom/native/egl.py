"""Surface arrays of a Jetson: NVIDIA's library makes an EGL image of a surface, and CUDA tells where the pixels of one lie."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from empycustom.errors import FrameError
from empycustom.native.cuda import check, on
from empycustom.native.declarations import FLAGS, ffi, has
from empycustom.native.loaded import path_of
from empycustom.native.surfaces import Surface, egl_image

_LIBRARY = "libnvbufsurface.so"
_ARRAY, _PITCH = 0, 1  # CUeglFrameType
_INSTEAD = "put nvvideoconvert ! 'video/x-raw,format=RGBA' before the element, which brings frames into system memory"


@lru_cache(maxsize=1)
def _nvbufsurface() -> Any:
    """Return NVIDIA's library of surfaces, which is in the process where there are surface arrays."""
    path = path_of(_LIBRARY)
    library = ffi.dlopen(path, FLAGS) if path else None
    if library is None or not has(library, "NvBufSurfaceMapEglImage"):
        raise FrameError(
            "The frame is in a surface array, and "
            + (f"{path} has no NvBufSurfaceMapEglImage" if path else f"{_LIBRARY} is not in the process")
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
        (image,) = egl_image(self._surface.address)
        if not image:
            failed = _nvbufsurface().NvBufSurfaceMapEglImage(self._address, self._batch_id)
            self._made = not failed
            (image,) = (0,) if failed else egl_image(self._surface.address)
        if not image:
            raise FrameError(f"NVIDIA's library could make no EGL image of the frame (is there an EGL display?): {_INSTEAD}.")
        return int(image)

    def _planes(self, image: int) -> tuple[int, ...]:
        frame = ffi.new("CUeglFrame *")
        with on(self._surface.gpu) as library:
            if not has(library, "cuGraphicsEGLRegisterImage"):
                raise FrameError(f"This driver of CUDA takes no EGL images, which frames in surface arrays need: {_INSTEAD}.")
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
            with on(self._surface.gpu) as library:
                library.cuGraphicsUnregisterResource(resource)
        if self._made:
            self._made = False
            _nvbufsurface().NvBufSurfaceUnMapEglImage(self._address, self._batch_id)
