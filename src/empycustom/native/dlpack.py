"""Functions of machine code: each fetches a pointer from a field of its argument and goes on to a function of C with it.

They are for callbacks that C calls on any thread, also when Python has ended: a function written in Python ends the process then.
Each is two instructions of the processor and a jump; or a few more, for one that calls the function and goes on to another one
with the argument itself.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterable, Mapping
from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple

from empycustom.errors import DeepStreamError, FrameError, NativeError
from empycustom.native.loading import POINTER, address_of, ffi, glib
from empycustom.native.loading import gst as _gst
from empycustom.native.memory import Writer, writer

_ENDBR64 = b"\xf3\x0f\x1e\xfa"
_BTI_C = b"\x5f\x24\x03\xd5"
_PAGE = 4096
_LARGEST = 64  # bytes of a function
_READ_AND_RUN, _PRIVATE, _FAILED = 1 | 4, 2, 2**64 - 1  # of mmap


def _x86_64(place: int, function: int, then: int) -> bytes:
    fetch = b"\x48\x8b\x7f" + bytes([place])  # mov rdi, [rdi + place]
    go_on = b"\x48\xb8%b\xff\xe0"  # mov rax, function; jmp rax
    if not then:
        return _ENDBR64 + fetch + go_on % _address(function)
    keep, restore = b"\x53\x48\x89\xfb", b"\x48\x89\xdf\x5b"  # push rbx; mov rbx, rdi; and mov rdi, rbx; pop rbx
    call = b"\x48\xb8%b\xff\xd0" % _address(function)  # mov rax, function; call rax
    return _ENDBR64 + keep + fetch + call + restore + go_on % _address(then)


def _aarch64(place: int, function: int, then: int) -> bytes:
    fetch = 0xF9400000 | place // 8 << 10  # ldr x0, [x0, place]
    if not then:  # ldr x16, what lies 8 bytes on; br x16
        return _BTI_C + _words(fetch, 0x58000050, 0xD61F0200) + _address(function)
    keep, restore = (0xA9BF7BF3, 0xAA0003F3), (0xAA1303E0, 0xA8C17BF3)  # x19 and x30 onto the stack; mov x19, x0; and back
    call = (0x580000D0, 0xD63F0200)  # ldr x16, what lies 24 bytes on; blr x16
    go_on = (0x58000090, 0xD61F0200)  # ldr x16, what lies 16 bytes on; br x16
    return _BTI_C + _words(*keep, fetch, *call, *restore, *go_on) + _address(function) + _address(then)


def _address(number: int) -> bytes:
    return number.to_bytes(8, "little")


def _words(*instructions: int) -> bytes:
    return b"".join(instruction.to_bytes(4, "little") for instruction in instructions)


MACHINES = {"x86_64": _x86_64, "aarch64": _aarch64}


def machine_code(machine: str, place: int, function: int, then: int = 0) -> bytes:
    """Return what calls a function, given by its address, with the pointer at ``place`` of what the argument points to.

    It ends with that, or goes on to another one, ``then``, with the argument. ``place`` is a multiple of 8, and less than 128.
    """
    return MACHINES[machine](place, function, then)


def jumps(wanted: Iterable[tuple[int, ...]]) -> list[int]:
    """Return the addresses of such functions, for (place, function) or (place, function, then) each; 64 at most.

    They stay where they are until the process is gone. A NativeError says why they cannot be, as the second half of a sentence.
    """
    machine = platform.machine()
    if machine not in MACHINES:
        raise NativeError(f"there is no machine code for {machine}, only for {', '.join(MACHINES)}")
    codes = [machine_code(machine, *jump) for jump in wanted]
    start = _runnable(b"".join(code.ljust(_LARGEST, b"\0") for code in codes))
    return [start + _LARGEST * index for index in range(len(codes))]


def _runnable(page: bytes) -> int:
    """Return where in memory the instructions of a page lie, ready to be run."""
    try:
        file = os.memfd_create("empycustom")
        try:
            os.write(file, page)
            start: int = glib.mmap(0, _PAGE, _READ_AND_RUN, _PRIVATE, file, 0)
        finally:
            os.close(file)
    except OSError as error:
        raise NativeError(f"no file in memory can be made ({error})") from error
    if start == _FAILED:
        raise NativeError(
            "this system does not let a process run code that it made (SELinux: deny_execmem); allow it for this program"
        )
    return start


# Values that C copies and frees without Python.
#
# DeepStream copies and frees user metadata through two functions that lie beside it, ``copy_func`` and ``release_func``; both get
# the NvDsUserMeta. They are called on whatever thread drops the buffer, also when Python has ended, and a function written in
# Python ends the process then. So none is: GLib has a block of memory that counts its references, a *box* here, and the right
# pair
# of functions for it, except that they take the box itself, which lies in the last field of the NvDsUserMeta. Two jumps of
# :mod:`empycustom.native.dlpack` fetch it from there and go on to GLib's.
#
# A copy shares the box. So nothing in it changes once it is attached; whoever has something new to say attaches another box.


_DATA = 40  # where in a NvDsUserMeta the box lies


@lru_cache(maxsize=1)
def copy_and_release() -> tuple[int, int]:
    """Return the addresses of the two functions for metadata whose ``user_meta_data`` is a box.

    They stay where they are until the process is gone. Raises DeepStreamError where the system does not let them be.
    """
    machine = platform.machine()
    if machine not in MACHINES:
        raise DeepStreamError(
            f"words cannot be attached to DeepStream metadata on {machine}; DeepStream runs on {', '.join(MACHINES)}"
        )
    functions = [address_of(ffi.addressof(glib, name)) for name in ("g_atomic_rc_box_acquire", "g_atomic_rc_box_release")]
    try:
        copy, release = jumps((_DATA, function) for function in functions)
    except NativeError as error:
        raise DeepStreamError(f"words cannot be attached to DeepStream metadata: {error}") from error
    return copy, release


_pointer, _number = Struct("=Q"), Struct("=I")


def new_box(size: int, texts: Mapping[int, bytes], numbers: Mapping[int, int]) -> int:
    """Return the address of a new box: a structure of ``size`` bytes, zeros but for what is given by its place in it.

    ``texts`` are put behind the structure, each with a NUL at its end, and pointed to; ``numbers`` are ints of 32 bits, with a
    sign or without.
    """
    total = size + sum(len(text) + 1 for text in texts.values())
    box: int = glib.g_atomic_rc_box_alloc0(total)
    memory, end = ffi.buffer(ffi.cast("char *", box), total), size
    for place, number in numbers.items():
        _number.pack_into(memory, place, number % 2**32)
    for place, text in texts.items():
        _pointer.pack_into(memory, place, box + end)
        memory[end : end + len(text)] = text
        end += len(text) + 1
    return box


# DLPack: descriptions of memory that another library takes over, in a PyCapsule, and gives back when it likes.
#
# It does so by calling the description's ``deleter``, on any thread, with or without the interpreter's lock, also when Python has
# ended. So nothing of that is Python. A description lies in a block of GLib's heap, and has a reference to the GstMemory that it
# describes, which is its ``manager_ctx``; its ``deleter`` is machine code that calls ``gst_mini_object_unref`` with that, and
# goes
# on to ``g_free`` with the block.
#
# A capsule has no destructor either: whoever made one asks in the end, by :meth:`Capsule.revoke`, whether it was taken.


_UNSIGNED = 1  # DLDataTypeCode
_READ_ONLY = 1  # flag of a versioned tensor
_VERSION = (1, 0)

# DLTensor: data, device type and id, ndim, type (code, bits, lanes), shape, strides (in elements), byte_offset
_TENSOR = "QiiiBBHQQQ"
_LEGACY = f"={_TENSOR}QQ"  # DLManagedTensor: dl_tensor, manager_ctx, deleter
_VERSIONED = f"=IIQQQ{_TENSOR}"  # DLManagedTensorVersioned: version (major, minor), manager_ctx, deleter, flags, dl_tensor
_OWNERS = {False: 48, True: 8}  # where manager_ctx lies

_UNREF: int = address_of(ffi.addressof(_gst, "gst_mini_object_unref"))
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
        found = jumps((_OWNERS[versioned], _UNREF, _FREE) for versioned in (False, True))
    except NativeError as error:
        raise FrameError(
            f"The frame cannot be handed over by DLPack: {error}. cupy.asarray(view) and view.download() work without; so does "
            "torch.as_tensor(view), if the frame is mapped with writable=True."
        ) from error
    return dict(zip((False, True), found, strict=True))


class _Form(NamedTuple):
    """How tensors of some dimensions are written: the bytes they take, where their shape and their strides lie, and by what."""

    size: int
    shape: int
    strides: int
    write: Writer


@lru_cache(maxsize=16)
def _form(versioned: bool, count: int) -> _Form:
    head = _VERSIONED if versioned else _LEGACY
    shape, both = Struct(head).size, f"{2 * count}q"
    return _Form(shape + 16 * count, shape, shape + 8 * count, writer(head + both))


class Capsule:
    """A tensor of unsigned integers, ready to be taken: ``object`` is the PyCapsule.

    ``memory`` is the address of the GstMemory that the tensor keeps a reference to, ``data`` that of its first element. Shape and
    strides are in elements, ``bits`` are those of an element, ``device`` is (type, id) in DLPack's numbers. A versioned tensor
    says whether it may be written; others cannot.
    """

    __slots__ = ("_memory", "_name", "_tensor", "_used", "object")

    def __init__(
        self,
        memory: int,
        data: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        bits: int,
        device: tuple[int, int],
        *,
        readonly: bool,
        versioned: bool,
    ) -> None:
        deleter, count = _deleters()[versioned], len(shape)
        form = _form(versioned, count)
        self._memory = _gst.gst_mini_object_ref(ffi.cast(POINTER, memory))
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
        """Whether nobody has taken it yet."""
        return bool(_is_capsule(self.object, self._name))

    def revoke(self) -> None:
        """Take it back where nobody has taken it, for good: it cannot be taken from now on."""
        if _is_capsule(self.object, self._name):
            _rename(self.object, self._used)
            _gst.gst_mini_object_unref(self._memory)
            glib.g_free(ffi.cast(POINTER, self._tensor))
