"""Which Debian package has which element of GStreamer."""

from __future__ import annotations

import re

from empycustom.app.health import run

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
    "v4l2src": _GOOD,
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
    "mpeg4videoparse": _BAD,
    "avenc_mpeg4": "gstreamer1.0-libav",
}
# What `empycustom run` cannot do without, whatever is asked of it.
ESSENTIAL = ("videoconvert", "uridecodebin", "queue", "tee", "capsfilter", "fakesink")


_DEEPSTREAM = re.compile(r"nv\w+")


def how_to_get_any(factory: str) -> str:
    """The same of any element, by what apt knows of packages; takes a second."""
    if factory not in PACKAGES:
        if package := _package_in_apt(factory):
            return f"install it with: apt install {package}"
        if _DEEPSTREAM.fullmatch(factory):
            return "it belongs to NVIDIA DeepStream, which is installed as a whole"
    return how_to_get([factory])


def _package_in_apt(factory: str) -> str:
    """The package whose description lists the element, as Debian's and Ubuntu's do; ``""`` if there is none, or no apt."""
    package = ""
    for line in run("apt-cache", "dumpavail").stdout.splitlines():
        name, _, value = line.partition(": ")
        if name == "Package":
            package = value
        elif name == "Gstreamer-Elements" and factory in value.split(", "):
            return package
    return ""


def how_to_get(factories: list[str]) -> str:
    """The command that installs one of ``factories``, in words."""
    packages = list(dict.fromkeys(PACKAGES[factory] for factory in factories if factory in PACKAGES))
    return f"install it with: apt install {' (or) '.join(packages)}" if packages else "install the plugin that has it"
