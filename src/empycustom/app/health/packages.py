"""Which Debian package has which element of GStreamer."""

from __future__ import annotations

import re
from functools import cache

from empycustom.app.health.report import run

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
# What `empycustom run` cannot do without, whatever is asked of it.
ESSENTIAL = ("videoconvert", "videoflip", "uridecodebin", "queue", "tee", "capsfilter", "fakesink")
# What can show frames in a window, by the variable that says where; the first is the one to install.
WINDOWS = {"DISPLAY": ("xvimagesink", "ximagesink", "glimagesink"), "WAYLAND_DISPLAY": ("waylandsink", "glimagesink")}


_DEEPSTREAM = re.compile(r"nv\w+")


def how_to_get_any(factory: str) -> str:
    """The same of any element, by what apt knows of packages; takes a second the first time."""
    if factory not in PACKAGES:
        if package := _packages_in_apt().get(factory):
            return f"install it with: apt install {package}"
        if _DEEPSTREAM.fullmatch(factory):
            return "it belongs to NVIDIA DeepStream, which is installed as a whole"
    return how_to_get([factory])


@cache
def _packages_in_apt() -> dict[str, str]:
    """The package of each element, by the descriptions in Debian and Ubuntu, which list them; empty where there is no apt."""
    package = ""
    found: dict[str, str] = {}
    for line in run("apt-cache", "dumpavail").stdout.splitlines():
        name, _, value = line.partition(": ")
        if name == "Package":
            package = value
        elif name == "Gstreamer-Elements":
            found = dict.fromkeys(value.split(", "), package) | found
    return found


def how_to_get(factories: list[str]) -> str:
    """The command that installs one of ``factories``, in words."""
    packages = list(dict.fromkeys(PACKAGES[factory] for factory in factories if factory in PACKAGES))
    return f"install it with: apt install {' (or) '.join(packages)}" if packages else "install the plugin that has it"
