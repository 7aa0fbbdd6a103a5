"""docs/errors.md: each message about compiled libraries is provoked, and each that is provoked stands there."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "emcustom"))
sys.path.insert(0, str(Path(__file__).parent))

from compiling import WHY_NOT, build
from error_rows import compare

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


CPP_START = 'extern "C" void process_ip (void *, const char *, char **) {}\nvoid start (const char *) {}\n'


@pytest.fixture
def said(play, tmp_path, monkeypatch):
    """Play a library, and return the first message on the bus."""
    monkeypatch.chdir(tmp_path)

    def run(library, properties="", video="video/x-raw,format=RGBA", before=""):
        played = play(f"videotestsrc num-buffers=2 ! {video} ! {before} empycustom custom-lib={library} {properties} ! fakesink")
        texts = [text for text, _ in [*played.errors, *played.warnings]]
        assert texts, library
        assert Path(library).name in texts[0]
        return texts[0]

    return run


def changed(path: Path, target: Path, offset: int, content: bytes) -> Path:
    """Write a file that differs from another one in some bytes."""
    given = bytearray(path.read_bytes())
    given[offset : offset + len(content)] = content
    target.write_bytes(given)
    return target


def files(folder: Path) -> list[Path]:
    """Return files that are not libraries for this machine."""
    good = build("average", folder / "good.so")
    script, cut = folder / "script.so", folder / "cut.so"
    script.write_text("INPUT(libgood.so)\n")
    cut.write_bytes(good.read_bytes()[:-1000])
    short = folder / "short.so"
    short.write_bytes(b"\x7fELF\2\1")
    other = 183 if struct.unpack_from("<H", good.read_bytes(), 18)[0] != 183 else 62
    machine = changed(good, folder / "machine.so", 18, struct.pack("<H", other))
    program = changed(good, folder / "program.so", 16, struct.pack("<H", 2))
    return [script, cut, short, machine, program]


def refused_by_the_loader(folder: Path) -> list[Path]:
    """Return libraries that the system's loader does not load."""
    needed = build("int nobody_has_it (void) { return 1; }", folder / "libneeded.so")
    unresolved = build("int nobody_has_it (void);\nvoid process_ip (void) { nobody_has_it (); }", folder / "unresolved.so")
    lacking = build(
        "int nobody_has_it (void);\nvoid process_ip (void) { nobody_has_it (); }",
        folder / "lacking.so",
        f"-L{folder}",
        "-lneeded",
    )
    needed.unlink()
    content = lacking.read_bytes()
    newer = folder / "newer.so"
    newer.write_bytes(build("average", folder / "a.so").read_bytes().replace(b"GLIBC_2.2.5\0", b"GLIBC_2.9.9\0"))
    assert b"libneeded.so\0" in content
    return [unresolved, lacking, newer]


def test_compiled_libraries(said, library, tmp_path):
    messages = [said(path) for path in [*files(tmp_path), *refused_by_the_loader(tmp_path)]]
    cpp = 'extern "C" void stop (const char *o) {}\nvoid process_ip (int *) {}'
    messages += [
        said(build("void other (void) {}\n", tmp_path / "other.so")),
        said(build("void proces_ip (void) {}\n", tmp_path / "close.so")),
        said(build("static void process_ip (void) {}\n", tmp_path / "hidden.so")),
        said(build(cpp, tmp_path / "cpp.so", kind="cc")),
        said(build(CPP_START, tmp_path / "start.so", kind="cc")),
        said(build("invert", tmp_path / "process.so"), "in-place=true"),
        said(build("paint", tmp_path / "paint.so"), "in-place=false"),
        said(build("paint", tmp_path / "paint2.so"), "dialect=empycustom"),
        said(build("paint", tmp_path / "paint3.so"), "reload=true"),
    ]
    (tmp_path / "lib.py").write_text("def process_ip(b, m, o):\n    pass\n")
    messages.append(said("lib.py", "dialect=emcustom"))
    path = build("fixed", tmp_path / "again.so", '-DRESULT="{"')
    messages.append(said(path))
    messages.append(said(build("fixed", path, '-DRESULT="[]"')))
    messages.append(said(build("fixed", tmp_path / "latin.so", r'-DRESULT="{\"a\": \"\xe9\"}"')))
    messages.append(said(path.with_name("paint.so"), video="video/x-raw,format=NV12"))
    small = library("import empycustom\ndef process_ip(b, m, o):\n    b.resize(0, 100)\n", "small.py")
    messages.append(said(path.with_name("paint.so"), before=f"empycustom custom-lib={small} in-place=true !"))
    compare("A compiled library cannot be used", messages)
