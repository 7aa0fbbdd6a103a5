"""Files that are no compiled libraries, or none for this machine, whatever their names say."""

from __future__ import annotations

import subprocess

import pytest

from empycustom import testing
from empycustom.errors import LibraryImportError

SOURCE = "void process_ip (void *data) { }\n"


def another_machine(path):
    content = bytearray(path.read_bytes())
    content[18] = 243
    path.write_bytes(content)


def an_object_file(path):
    subprocess.run(["gcc", "-c", "-x", "c", "-o", path, "-"], input=SOURCE, text=True, check=True)


def a_program(path):
    subprocess.run(
        ["gcc", "-no-pie", "-x", "c", "-o", path, "-"], input=f"{SOURCE}int main (void) {{ return 0; }}\n", text=True, check=True
    )


def half_of_one(path):
    path.write_bytes(path.read_bytes()[:3000])


KINDS = [
    (an_object_file, "is an object file, not a shared library; link it with gcc -shared"),
    (a_program, "is a program, not a shared library; build it with gcc -shared -fPIC"),
    (another_machine, "is for another machine, RISC-V, and this one is "),
    (half_of_one, "is damaged or not complete ("),
    (
        lambda path: path.write_bytes(b""),
        "is not a compiled library (ELF), whatever its name says; build it with gcc -shared -fPIC",
    ),
]


@pytest.mark.parametrize(("spoil", "what"), KINDS)
def test_a_file_that_is_no_library_for_this_machine(compiled, spoil, what):
    path = compiled(SOURCE)
    spoil(path)
    with pytest.raises(LibraryImportError) as caught:
        testing.run(path)
    assert str(caught.value).startswith(f"{path} {what}")


LACKING = [
    ("int count (void) { return 1; }\n", "has neither process_ip nor process; it has count"),
    ("void proces_ip (void *data) { }\n", "has neither process_ip nor process; proces_ip may be meant"),
    ("static void process_ip (void *data) { }\n", "has neither process_ip nor process; it shows no functions at all: build it"),
    ("int process_ip = 1;\n", "has neither process_ip nor process; it shows no functions at all: build it"),
    (
        "void nobody_has_this (void);\nvoid process_ip (void *data) { nobody_has_this (); }\n",
        "uses nobody_has_this, which neither it nor a library that it is linked with has; link it with the library of",
    ),
]


@pytest.mark.parametrize("workers", ["", "workers=1"])
@pytest.mark.parametrize(("source", "what"), LACKING)
def test_a_library_that_lacks_a_function(compiled, gst_launch, source, what, workers):
    path = compiled(source)
    ended = gst_launch(
        f"videotestsrc num-buffers=1 ! video/x-raw,format=RGBA ! empycustom custom-lib={path} {workers} ! fakesink"
    )
    assert ended.code != 0
    assert f"{path} {what}" in ended.text
