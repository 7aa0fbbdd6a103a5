"""Packages and elements that are installed: findings of doctor, child processes, and the Debian package of each element.

It imports neither gi nor NumPy nor cffi, because ``empycustom doctor`` looks whether they are there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from empycustom.text import shell_word

OK, WARNING, PROBLEM = "ok", "warning", "problem"
SYSTEM_PYTHON = "/usr/bin/python3"
_TIMEOUT_S = 60


class Fix(str):
    """What to do about a finding, in words; ``repair`` is what ``doctor --fix`` does.

    It is ``("apt", package, …)``, ``("pip", interpreter, package, …)``, or a command; () where it is left to the user.
    """

    __slots__ = ("repair",)
    repair: tuple[str, ...]

    def __new__(cls, text: str, *repair: str) -> Fix:
        """Make the text; without ``repair`` it is a text only."""
        made = super().__new__(cls, text)
        made.repair = repair
        return made

    def __deepcopy__(self, memo: object) -> Fix:
        return self  # which is immutable


def apt(*packages: str, text: str = "{}") -> Fix:
    """Return the fix that installs packages of Debian; ``text`` has {} for the command."""
    return Fix(text.format(f"apt install {' '.join(packages)}"), "apt", *packages)


@dataclass(frozen=True)
class Finding:
    """One line of ``empycustom doctor``. ``level`` is OK, WARNING or PROBLEM, ``fix`` what to do; ``details`` come below it."""

    level: str
    text: str
    fix: str = ""
    details: str = ""


def own_command() -> str:
    """Return the command that calls this program from here: ``empycustom`` where the shell finds this very one."""
    ours = Path(sys.prefix, "bin", "empycustom")
    on_path = shutil.which("empycustom")
    if on_path and same_folder(on_path, ours):
        return "empycustom"
    if os.path.basename(sys.argv[0]) == "empycustom":
        return shell_word(sys.argv[0])
    return f"{shell_word(sys.executable)} -m empycustom"


def python_that_calls(target: str) -> list[str]:
    """Return the command of a process that finds the modules that this one finds, and calls ``module:function``.

    With ``-m`` the current folder would come first, where a ``json.py`` of the user would be everybody's.
    """
    module, _, function = target.partition(":")
    code = f"import sys; sys.path[:] = {sys.path!r}; from {module} import {function}; sys.exit({function}())"
    return [sys.executable, "-c", code]


@dataclass(frozen=True)
class Output:
    """The output of a child process; ``code`` is its exit code, None if there is no such program or it ran too long."""

    code: int | None
    stdout: str
    stderr: str


def _environment() -> dict[str, str]:
    """Return the environment with the LC_CTYPE of the user: in the C locale Python sets another one for its children."""
    variables = dict(os.environ)
    with suppress(OSError):
        given = [
            variable for variable in Path("/proc/self/environ").read_bytes().split(b"\0") if variable.startswith(b"LC_CTYPE=")
        ]
        variables.pop("LC_CTYPE", None)
        for variable in given:
            variables["LC_CTYPE"] = os.fsdecode(variable.partition(b"=")[2])
    return variables


def run(*command: str, **environment: str) -> Output:
    """Run a program with ``environment`` on top of the user's own, for a minute at most."""
    try:
        done = subprocess.run(
            command,
            env={**_environment(), **environment},
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
        )
    except OSError as error:
        return Output(None, "", str(error))
    except subprocess.TimeoutExpired:
        return Output(None, "", f"{command[0]} did not end within {_TIMEOUT_S} s")
    return Output(done.returncode, done.stdout, done.stderr)


def python_version(executable: str) -> str:
    """Return the version of an interpreter, such as ``3.11``; the empty text if it cannot be run."""
    return run(executable, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").stdout.strip()


def can_import(executable: str, module: str) -> bool:
    """Return whether another interpreter can import ``module``."""
    return run(executable, "-c", f"import {module}").code == 0


def same_folder(one: str | Path, other: str | Path) -> bool:
    """Return whether two paths lead to one place."""
    return os.path.realpath(one) == os.path.realpath(other)


# Which Debian package has which element of GStreamer.


_BASE = "gstreamer1.0-plugins-base"
_GOOD = "gstreamer1.0-plugins-good"
_BAD = "gstreamer1.0-plugins-bad"
PACKAGES = {
    "queue": "libgstreamer1.0-0",
    "tee": "libgstreamer1.0-0",
    "fakesink": "libgstreamer1.0-0",
    "filesink": "libgstreamer1.0-0",
    "capsfilter": "libgstreamer1.0-0",
    "uridecodebin": _BASE,
    "decodebin": _BASE,
    "videoconvert": _BASE,
    "videotestsrc": _BASE,
    "videoscale": _BASE,
    "videobox": _GOOD,
    "v4l2src": _GOOD,
    "videoflip": _GOOD,
    "autovideosink": _GOOD,
    "pngenc": _GOOD,
    "jpegenc": _GOOD,
    "vp8enc": _GOOD,
    "mp4mux": _GOOD,
    "matroskamux": _GOOD,
    "avimux": _GOOD,
    "webmmux": _GOOD,
    "x264enc": "gstreamer1.0-plugins-ugly",
    "openh264enc": _BAD,
    "h264parse": _BAD,
    "avenc_mpeg4": "gstreamer1.0-libav",
    "xvimagesink": "gstreamer1.0-x",
    "ximagesink": "gstreamer1.0-x",
    "glimagesink": "gstreamer1.0-gl",
    "waylandsink": _BAD,
}
# Elements that every pipeline of `empycustom run` needs.
ESSENTIAL = ("videoconvert", "videoflip", "uridecodebin", "queue", "tee", "capsfilter", "fakesink")
# Elements that show frames in a window, by the variable that names the display; the first is the one to install.
WINDOWS = {"DISPLAY": ("xvimagesink", "ximagesink", "glimagesink"), "WAYLAND_DISPLAY": ("waylandsink", "glimagesink")}


_DEEPSTREAM = re.compile(r"nv\w+")
_LIBRARY = "put empycustom custom-lib=empycustom.libs.{} in its place"
_DOCUMENTS = "put aimeta format=gva in the place of gvametaconvert and gvametapublish"
# What takes the place of elements of other projects.
_OURS = {
    "emcustom": "put empycustom in its place",
    "gvadetect": _LIBRARY.format("detect"),
    "gvaclassify": _LIBRARY.format("classify"),
    "gvatrack": _LIBRARY.format("track"),
    "gvawatermark": _LIBRARY.format("draw"),
    "gvafpscounter": "put perf in its place",
    "gvametaconvert": _DOCUMENTS,
    "gvametapublish": _DOCUMENTS,
}


def how_to_get_any(factory: str) -> str:
    """Return how to install an element, or what takes its place. For one in no table apt is queried, a second the first time."""
    if factory in _OURS:
        return _OURS[factory]
    if factory not in PACKAGES:
        if package := _packages_in_apt().get(factory):
            return f"install it with: apt install {package}"
        if _DEEPSTREAM.fullmatch(factory):
            return "it belongs to NVIDIA DeepStream, which is installed as a whole"
    return how_to_get([factory])


@cache
def _packages_in_apt() -> dict[str, str]:
    """Return the package of each element, which Debian and Ubuntu list in descriptions; empty where there is no apt."""
    package = ""
    found: dict[str, str] = {}
    for line in run("apt-cache", "dumpavail").stdout.splitlines():
        name, _, value = line.partition(": ")
        if name == "Package":
            package = value
        elif name == "Gstreamer-Elements":
            found = dict.fromkeys(value.split(", "), package) | found
    return found


def how_to_get(factories: list[str]) -> Fix:
    """Return how to install one of ``factories``, as the second half of a sentence."""
    packages = list(dict.fromkeys(PACKAGES[factory] for factory in factories if factory in PACKAGES))
    if not packages:
        return Fix("install the plugin that has it")
    return Fix(f"install it with: apt install {' (or) '.join(packages)}", "apt", packages[0])
