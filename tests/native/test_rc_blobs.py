"""Values that C copies and frees: the machine code on this machine and, emulated, on both, and the content of a blob."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import NamedTuple

import pytest
import unicorn
from hypothesis import example, given, settings
from hypothesis import strategies as st
from unicorn import arm64_const as arm
from unicorn import x86_const as x86

from empycustom.errors import DeepStreamError
from empycustom.native import deepstream as layouts
from empycustom.native import deepstream_write, trampolines
from empycustom.native.trampolines import machine_code, new_rc_blob, rc_blob_functions

GLIB = ctypes.CDLL("libglib-2.0.so.0")
GONE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
CALL = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
SPARE = 1000  # references that keep a blob alive when the code under test gives back too many
here = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "aarch64"), reason=f"there is no machine code for {platform.machine()}"
)


def at(address, code):
    """Return the values at an address."""
    return struct.unpack(f"={code}", ctypes.string_at(address, struct.calcsize(f"={code}")))


def user_meta(blob):
    """Return a NvDsUserMeta with an event in a blob, as the bytes that hold it and their address."""
    memory = ctypes.create_string_buffer(struct.pack("=8xi28sQ", 9, b"\xa5" * 28, blob), 48)
    return memory, ctypes.addressof(memory)


def references(blob):
    """Give back every reference to a blob, and return how many there were: GLib reports when the last one is dropped."""
    last, count = [], 0
    tell = GONE(last.append)
    while not last:
        GLIB.g_atomic_rc_box_release_full(ctypes.c_void_p(blob), tell)
        count += 1
    return count


@pytest.fixture
def blob():
    made = new_rc_blob(64, {16: b"text"}, {4: 7})
    for _ in range(SPARE):
        GLIB.g_atomic_rc_box_acquire(ctypes.c_void_p(made))
    return made


# On this machine.


@here
def test_a_copy_is_the_same_box_with_one_reference_more(blob):
    copy, _ = map(CALL, rc_blob_functions())
    memory, user = user_meta(blob)
    before = memory.raw
    assert [copy(user, None) for _ in range(10)] == [blob] * 10
    assert memory.raw == before
    assert at(at(blob + 16, "Q")[0], "5s") == (b"text\0",)
    assert references(blob) == 1 + SPARE + 10


@here
def test_a_release_takes_one_reference_and_leaves_the_rest_alone(blob):
    copy, release = map(CALL, rc_blob_functions())
    memory, user = user_meta(blob)
    before, content = memory.raw, at(blob, "64s")
    for _ in range(5):
        copy(user, None)
    for _ in range(7):
        release(user, None)
    assert (memory.raw, at(blob, "64s")) == (before, content)
    assert references(blob) == 1 + SPARE + 5 - 7


@here
def test_threads_copy_and_release_at_the_same_time(blob):
    copy, release = map(CALL, rc_blob_functions())
    _memory, user = user_meta(blob)
    begin, wrong = threading.Barrier(8), []

    def work():
        begin.wait()
        for number in range(5000):
            if copy(user, None) != blob:
                wrong.append(number)
            if number % 2:
                release(user, None)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert references(blob) == 1 + SPARE + 8 * 2500


def resident():
    """Return how many bytes of memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@here
def test_200_000_boxes_leave_nothing_behind():
    copy, release = map(CALL, rc_blob_functions())
    limit = 50 << 20

    def more_blobs(count, *, freed):
        made = []
        for _ in range(count):
            made.append(new_rc_blob(14040, {128: b"now", 136: b"empycustom", 13832: b"{}" * 50}, {0: 1}))
            if freed:
                _memory, user = user_meta(made.pop())
                copy(user, None)
                release(user, None)
                release(user, None)
        return made

    more_blobs(1000, freed=True)
    start = resident()
    for _ in range(20):
        more_blobs(10_000, freed=True)
        assert resident() - start < limit
    kept = more_blobs(20_000, freed=False)  # more than earlier tests may have left free
    assert resident() - start > limit, "this would not see a leak"
    assert [references(item) for item in kept] == [1] * 20_000


@here
def test_the_code_stays_where_it_is_and_nobody_can_write_to_it():
    functions = rc_blob_functions()
    assert rc_blob_functions() == functions
    ranges = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    for function in functions:
        (rights,) = [item[1] for item in ranges if int(item[0].split("-")[0], 16) <= function < int(item[0].split("-")[1], 16)]
        assert rights == "r-xp"


@here
def test_blobs_are_freed_after_python_has_ended():
    """A function written in Python would end the process by SIGSEGV."""
    code = """
        import ctypes
        from empycustom.native.trampolines import new_rc_blob, rc_blob_functions
        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        user = libc.malloc(48)  # not Python's, which frees its own
        ctypes.memmove(user, bytes(40) + new_rc_blob(14040, {136: b"text"}, {}).to_bytes(8, "little"), 48)
        before, after = ctypes.create_string_buffer(b"before"), ctypes.create_string_buffer(b"after")
        for text in (before, after):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(text))
        copy, release = map(ctypes.c_void_p, rc_blob_functions())
        user = ctypes.c_void_p(user)
        for function, argument in [(libc.puts, after), (release, user), (release, user), (copy, user), (libc.puts, before)]:
            libc.__cxa_atexit(function, argument, None)  # the last one is called first
        """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "before\nafter\n", "")


@pytest.mark.parametrize("machine", ["riscv64", "i686", "armv7l", ""])
def test_an_unknown_machine_is_an_error_that_names_it_and_those_that_are_known(monkeypatch, machine):
    monkeypatch.setattr(trampolines.platform, "machine", lambda: machine)
    with pytest.raises(DeepStreamError, match=f"on {machine}; DeepStream runs on x86_64, aarch64"):
        rc_blob_functions.__wrapped__()  # past the cache, which keeps what it has


@here
def test_a_system_that_refuses_to_run_the_code_is_an_error(monkeypatch):
    monkeypatch.setattr(trampolines, "_PRIVATE", 0)  # neither private nor shared: mmap itself says no
    with pytest.raises(DeepStreamError, match="does not let a process run code that it made"):
        rc_blob_functions.__wrapped__()


# Emulated.


class Machine(NamedTuple):
    """How a processor is emulated; of its registers the argument's and a scratch one may change, the ``others`` may not."""

    kind: tuple[int, int]
    counter: int
    argument: int
    scratch: int
    stack: int
    others: list[int]


def machine(kind, constants, prefix, names):
    numbers = [getattr(constants, f"UC_{prefix}_REG_{name}") for name in names.split()]
    return Machine(kind, *numbers[:4], numbers[4:])


X86 = "RIP RDI RAX RSP RBX RCX RDX RSI RBP R8 R9 R10 R11 R12 R13 R14 R15"
ARM = "PC X0 X16 SP " + " ".join(f"X{number}" for number in range(1, 31) if number != 16)
MACHINES = {
    "x86_64": machine((unicorn.UC_ARCH_X86, unicorn.UC_MODE_64), x86, "X86", X86),
    "aarch64": machine((unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM), arm, "ARM64", ARM),
}
LANDINGS = {"x86_64": b"\xf3\x0f\x1e\xfa", "aarch64": b"\x5f\x24\x03\xd5"}  # endbr64, bti c: an emulator passes over them
CODE, USER, STACK = 0x10000, 0x20040, 0x30800
ADDRESSES = st.integers(0x10000, 2**45 - 1).map(lambda number: number * 4)  # above all that, up to the end of user space


def check(name, code, place, function, pointer):
    """Let a processor run code with a structure that has a pointer at a place; it has to come to the function."""
    kind, counter, argument, _, stack, others = MACHINES[name]
    emulator = unicorn.Uc(*kind)
    for page in (CODE, USER, STACK, function):
        emulator.mem_map(page & -4096, 4096)
    emulator.mem_write(CODE, code)
    emulator.mem_write(USER, b"\xa5" * place + pointer.to_bytes(8, "little") + b"\xa5" * 8)
    for number, register in enumerate(others):
        emulator.reg_write(register, 0x0123_4567_89AB_0000 + number)
    emulator.reg_write(stack, STACK)
    emulator.reg_write(argument, USER)
    touched = {unicorn.UC_MEM_READ: [], unicorn.UC_MEM_WRITE: []}
    hooks = unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE
    emulator.hook_add(hooks, lambda _, access, address, size, *more: touched[access].append((address, size)))
    before = [emulator.reg_read(register) for register in (stack, *others)]
    emulator.emu_start(CODE, function, count=20)
    assert emulator.reg_read(counter) == function
    assert [emulator.reg_read(register) for register in (stack, *others)] == before
    assert emulator.reg_read(argument) == pointer
    assert [place for place in touched[unicorn.UC_MEM_READ] if not CODE <= place[0] < CODE + len(code)] == [(USER + place, 8)]
    assert touched[unicorn.UC_MEM_WRITE] == []


@pytest.mark.parametrize("name", MACHINES)
@settings(deadline=None)
@given(place=st.sampled_from([0, 8, 40, 48, 120]), function=ADDRESSES, pointer=st.integers(0, 2**64 - 1))
@example(place=40, function=0x7F12_3456_7890, pointer=0xFFFF_8000_0010)
@example(place=40, function=0x0001_0000_0000, pointer=0)
def test_on_every_machine_the_code_goes_on_to_the_function_with_the_pointer_and_changes_nothing_else(
    name, place, function, pointer
):
    code = machine_code(name, place, function)
    assert code.startswith(LANDINGS[name])
    assert len(code) <= trampolines._LARGEST
    check(name, code, place, function, pointer)


RETURNS = {"x86_64": b"\xc3", "aarch64": b"\xc0\x03\x5f\xd6"}
BACK = 0x50000  # where the code was called from


def check_two(name, code, place, function, then, pointer):
    """The same for code that calls a function with the pointer, and goes on to another one with the structure."""
    kind, counter, argument, _, stack, others = MACHINES[name]
    emulator = unicorn.Uc(*kind)
    for page in {address & -4096 for address in (CODE, USER, STACK, function, then)}:
        emulator.mem_map(page, 4096)
    emulator.mem_write(CODE, code)
    emulator.mem_write(USER, b"\xa5" * place + pointer.to_bytes(8, "little") + b"\xa5" * 8)
    emulator.mem_write(function, RETURNS[name])
    for number, register in enumerate(others):
        emulator.reg_write(register, 0x0123_4567_89AB_0000 + number)
    top = STACK - 8 if name == "x86_64" else STACK  # as behind a call: its stack is even before the address of return is on it
    if name == "x86_64":
        emulator.mem_write(top, BACK.to_bytes(8, "little"))
    emulator.reg_write(stack, top)
    emulator.reg_write(argument, USER)
    before = [emulator.reg_read(register) for register in (stack, *others)]
    seen, written = [], []

    def arrived(_, address, *more):
        if address == function:
            seen.append((emulator.reg_read(argument), emulator.reg_read(stack) % 16))

    emulator.hook_add(unicorn.UC_HOOK_CODE, arrived)
    emulator.hook_add(unicorn.UC_HOOK_MEM_WRITE, lambda _, access, address, size, *more: written.append(address))
    emulator.emu_start(CODE, then, count=30)
    assert emulator.reg_read(counter) == then
    assert seen == [(pointer, 8 if name == "x86_64" else 0)]
    assert [emulator.reg_read(register) for register in (stack, *others)] == before
    assert emulator.reg_read(argument) == USER
    assert all(top - 16 <= address < top for address in written)


FAR_PAGES = st.integers(0x60, 2**35).map(lambda number: number * 4096)


@pytest.mark.parametrize("name", MACHINES)
@settings(deadline=None)
@given(place=st.sampled_from([0, 8, 48, 120]), functions=st.tuples(FAR_PAGES, FAR_PAGES), pointer=st.integers(0, 2**64 - 1))
@example(place=48, functions=(0x7F12_3456_7000, 0x7F12_9999_9000), pointer=0xFFFF_8000_0010)
def test_on_every_machine_the_code_calls_one_function_and_goes_on_to_the_other(name, place, functions, pointer):
    function, then = functions[0], functions[1] + 0x800
    code = machine_code(name, place, function, then)
    assert code.startswith(LANDINGS[name])
    assert len(code) <= trampolines._LARGEST
    check_two(name, code, place, function, then, pointer)


# The content of a blob.

EVENTS = {"5.0 and 5.1": (184, 152), "6.0 to 7.1": (264, 152), "8.0": (14032, 13832), "9.0 and 9.1": (14040, 13832)}
TEXTS = st.binary(max_size=300).map(lambda text: text.replace(b"\0", b""))


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=4), st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4), st.integers(64, 200))
def test_a_box_has_what_was_given_and_zeros(texts, numbers, size):
    given_texts = {8 * index: text for index, text in enumerate(texts)}
    given_numbers = {32 + 4 * index: number for index, number in enumerate(numbers)}
    blob = new_rc_blob(size, given_texts, given_numbers)
    content, pointers = bytearray(at(blob, f"{size}s")[0]), [at(blob + place, "Q")[0] for place in given_texts]
    assert [ctypes.string_at(pointer) for pointer in pointers] == texts
    assert all(pointer >= blob + size for pointer in pointers)
    assert [at(blob + place, "i")[0] for place in given_numbers] == numbers
    content[: 8 * len(texts)] = bytes(8 * len(texts))
    content[32 : 32 + 4 * len(numbers)] = bytes(4 * len(numbers))
    assert not any(content)
    assert references(blob) == 1


@pytest.mark.parametrize("layout", layouts.LAYOUTS, ids=lambda layout: layout.versions)
def test_an_event_of_every_version(monkeypatch, layout):
    added = []
    monkeypatch.setattr(deepstream_write, "_add", lambda *arguments: added.append(arguments))  # which takes NVIDIA's library
    size, other_attrs = EVENTS[layout.versions]
    deepstream_write.add_event("frame", 1, 2, layout, "größe \0", "now")
    ((*where, blob),) = added
    assert where == ["frame", 1, 2, 9]
    assert (at(blob, "2i"), at(blob + 104, "i")) == ((0x101, 0x101), (0x454D,))  # custom, custom, ours
    pointers = {place: at(blob + place, "Q")[0] for place in (128, 136, other_attrs)}
    texts = {place: ctypes.string_at(pointer).decode() for place, pointer in pointers.items()}
    assert texts == {128: "now", 136: "empycustom", other_attrs: "größe \\0"}
    assert min(pointers.values()) >= blob + size
    written = {*range(8), *range(104, 108)}.union(*(range(place, place + 8) for place in pointers))
    content = at(blob, f"{size}s")[0]
    assert [place for place, byte in enumerate(content) if byte and place not in written] == []


# Functions that return a number.

NUMBERS = [-2, -1, 0, 1, 7, 32767, -32768]
RESULTS = {"x86_64": "UC_X86_REG_EAX", "aarch64": "UC_ARM64_REG_W0"}


@here
def test_functions_return_their_number_whatever_they_are_called_with():
    functions = [
        ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 3)(address) for address in trampolines.make_constants(NUMBERS)
    ]
    assert [function(1, None, 2**64 - 1) for function in functions] == NUMBERS


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("number", NUMBERS)
def test_on_every_machine_the_number_is_returned_and_nothing_else_changes(name, number):
    kind, _, _, _, stack, others = MACHINES[name]
    code = trampolines.constant_code(name, number)
    assert code.startswith(LANDINGS[name])
    assert code.endswith(RETURNS[name])
    emulator = unicorn.Uc(*kind)
    emulator.mem_map(CODE, 4096)
    emulator.mem_write(CODE, code)
    for place, register in enumerate(others):
        emulator.reg_write(register, 0x0123_4567_89AB_0000 + place)
    emulator.reg_write(stack, STACK)
    before = [emulator.reg_read(register) for register in (stack, *others)]
    emulator.emu_start(CODE, CODE + len(code) - len(RETURNS[name]), count=10)
    result = emulator.reg_read(getattr({"x86_64": x86, "aarch64": arm}[name], RESULTS[name]))
    assert result % 2**32 == number % 2**32
    assert [emulator.reg_read(register) for register in (stack, *others)] == before
