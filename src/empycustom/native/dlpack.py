"""Memory on a GPU that a GstMemory has: exported by DLPack, copied from, waited for.

DLPack is a description of memory that another library takes over, in a PyCapsule, and gives back when it likes: by calling the
description's ``deleter``, on any thread, with or without the interpreter's lock, also when Python has ended. So nothing of that
is Python. A description lies in a block of GLib's heap, and has a reference to the GstMemory that it describes, which is its
``manager_ctx``; its ``deleter`` is a trampoline that calls ``gst_mini_object_unref`` with that, and goes on to ``g_free`` with
the block.

A capsule has no destructor either: whoever made one asks in the end, by :meth:`Capsule.revoke`, whether it was taken. So does
:class:`DeviceMemory`, which makes them and belongs to one ``with`` block.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from struct import calcsize
from typing import Any, NamedTuple

from empycustom.errors import FrameError, NativeError
from empycustom.native.cuda import check, use_gpu
from empycustom.native.loading import POINTER, Writer, address_of, ffi, glib, gst, offset_of, packer, pattern_of
from empycustom.native.memory import reference
from empycustom.native.trampolines import make_trampolines

_UNSIGNED = 1  # DLDataTypeCode
_READ_ONLY = 1  # flag of a versioned tensor
_VERSION = (1, 0)

_STRUCTURES = {False: "DLManagedTensor", True: "DLManagedTensorVersioned"}

_UNREF: int = address_of(ffi.addressof(gst, "gst_mini_object_unref"))
_FREE: int = address_of(ffi.addressof(glib, "g_free"))
_NAMES: dict[bool, tuple[int, int]] = {  # of a capsule: before and after it was taken
    versioned: (glib.g_intern_string(name), glib.g_intern_string(b"used_" + name))
    for versioned, name in ((False, b"dltensor"), (True, b"dltensor_versioned"))
}

_text = ctypes.c_void_p  # a const char * that outlives the capsule
_new_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, _text, ctypes.c_void_p)(("PyCapsule_New", ctypes.pythonapi))
_is_capsule = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, _text)(("PyCapsule_IsValid", ctypes.pythonapi))
_rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, _text)(("PyCapsule_SetName", ctypes.pythonapi))


@lru_cache(maxsize=1)
def _deleters() -> dict[bool, int]:
    """Return the addresses of the deleters of legacy and of versioned tensors."""
    try:
        found = make_trampolines((offset_of(_STRUCTURES[versioned], "manager_ctx"), _UNREF, _FREE) for versioned in (False, True))
    except NativeError as error:
        raise FrameError(
            f"The frame cannot be exported by DLPack: {error}. cupy.asarray(view) and view.download() work without; so does "
            "torch.as_tensor(view), if the frame is mapped with writable=True."
        ) from error
    return dict(zip((False, True), found, strict=True))


class _Form(NamedTuple):
    """The layout of a tensor of some dimensions: its size, where shape and strides lie in it, and a function that writes it."""

    size: int
    shape: int
    strides: int
    write: Writer


@lru_cache(maxsize=16)
def _form(versioned: bool, count: int) -> _Form:
    head = pattern_of(_STRUCTURES[versioned])
    shape = calcsize(head)
    return _Form(shape + 16 * count, shape, shape + 8 * count, packer(f"{head}{2 * count}q"))


# What a tensor of unsigned integers is, in DLPack's terms: the address of its first element, its shape and its strides (in
# elements), the bits of an element, the device (type, id), and whether it must not be written.
Tensor = tuple[int, tuple[int, ...], tuple[int, ...], int, tuple[int, int], bool]


class Capsule:
    """Make a tensor ready to be taken: ``object`` is the PyCapsule.

    ``memory`` is the address of the GstMemory that the tensor keeps a reference to. A versioned tensor has a flag for whether it
    may be written; others have none.
    """

    __slots__ = ("_memory", "_name", "_tensor", "_used", "object")

    def __init__(self, memory: int, described: Tensor, *, versioned: bool) -> None:
        data, shape, strides, bits, device, readonly = described
        deleter, count = _deleters()[versioned], len(shape)
        form = _form(versioned, count)
        self._memory = gst.gst_mini_object_ref(ffi.cast(POINTER, memory))
        self._tensor = tensor = glib.g_malloc(form.size)
        about = (data, *device, count, _UNSIGNED, bits, 1, tensor + form.shape, tensor + form.strides, 0)
        if versioned:
            form.write(tensor, *_VERSION, memory, deleter, _READ_ONLY if readonly else 0, *about, *shape, *strides)
        else:
            form.write(tensor, *about, memory, deleter, *shape, *strides)
        self._name, self._used = _NAMES[versioned]
        self.object: Any = _new_capsule(tensor, self._name, None)

    @property
    def waits(self) -> bool:
        """True as long as it was not taken."""
        return bool(_is_capsule(self.object, self._name))

    def revoke(self) -> None:
        """Revoke a capsule that was not taken: it cannot be taken from now on."""
        if _is_capsule(self.object, self._name):
            _rename(self.object, self._used)
            gst.gst_mini_object_unref(self._memory)
            glib.g_free(ffi.cast(POINTER, self._tensor))


_CUDA_HOST = 3  # DLDeviceType
_HOST, _DEVICE = 1, 2  # CUmemorytype; memory that is managed for both is of the second
_LEGACY_STREAM = 1
_FEW = 16  # capsules, among which those that were taken are not looked for


class DeviceMemory:
    """A GstMemory, by its address, on a GPU. ``device`` is its kind and the number of the GPU, as DLPack has them.

    Whoever makes one keeps the memory there until ``close()``.
    """

    __slots__ = ("_address", "_capsules", "_enough", "_keeper", "device")

    def __init__(self, address: int, device: tuple[int, int]) -> None:
        self._address, self.device = address, device
        self._capsules: list[Capsule] = []  # some were taken meanwhile
        self._enough = _FEW  # so many that those that were taken are dropped
        self._keeper: object = None

    def export(self, tensor: Tensor, *, versioned: bool) -> object:
        """Return a new DLPack capsule. Raises FrameError where this machine can make none."""
        capsule = Capsule(self._address, tensor, versioned=versioned)
        if len(self._capsules) >= self._enough:
            self._capsules = [other for other in self._capsules if other.waits]
            self._enough = max(_FEW, 2 * len(self._capsules))
        self._capsules.append(capsule)
        return capsule.object

    def read(self, address: int, pitch: int, into: Any) -> None:
        """Copy rows of bytes into an array of (rows, bytes of a row) that lies without gaps, and wait until it is done.

        Rows begin ``pitch`` bytes apart, from ``address`` on, and do not overlap. Raises FrameError where it fails.
        """
        (kind, gpu), (rows, row_bytes) = self.device, into.shape
        copy = ffi.new("CUDA_MEMCPY2D *")
        copy.srcMemoryType, copy.dstMemoryType = _HOST if kind == _CUDA_HOST else _DEVICE, _HOST
        copy.srcHost = copy.srcDevice = address  # the type decides which one counts
        copy.srcPitch = max(pitch, row_bytes)
        copy.dstHost, copy.dstPitch = into.ctypes.data, row_bytes
        copy.WidthInBytes, copy.Height = row_bytes, rows
        with use_gpu(gpu) as library:
            check(library, library.cuMemcpy2D_v2(copy), "The frame cannot be copied from the GPU")

    def wait(self, *, everything: bool) -> None:
        """Wait for all work on the GPU, on all streams of its primary context; or for that on the legacy default stream alone.

        A FrameError has what went wrong on the GPU since somebody last waited.
        """
        with use_gpu(self.device[1]) as library:
            code = library.cuCtxSynchronize() if everything else library.cuStreamSynchronize(_LEGACY_STREAM)
        check(
            library,
            code,
            "The work that this block started on the GPU failed (CUDA_LAUNCH_BLOCKING=1 shows where it was started)",
        )

    def hold(self) -> None:
        """Keep the memory for as long as this object lives, after ``close()`` too."""
        self._keeper = self._keeper or reference(self._address)

    def close(self) -> None:
        """Revoke the capsules that were not taken."""
        for capsule in self._capsules:
            capsule.revoke()
        self._capsules.clear()
