"""``--show``: a window, or an error with the reason why there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from command_helpers import SAYS, wait_for

from empycustom.gstreamer import Gst

NOBODY_THERE = ":4242"  # a display that no server has
UNSEEN = "No window can be opened on the display (DISPLAY=:4242), so no frame is shown."


@pytest.fixture
def display(tmp_path):
    """Start a virtual display; return its name."""
    if lacks := [name for name in ("Xvfb", "xwininfo") if not shutil.which(name)]:
        pytest.skip(f"{' and '.join(lacks)} not installed: apt install xvfb x11-utils")
    read, write = os.pipe()
    with (tmp_path / "display.log").open("w") as log:
        server = subprocess.Popen(["Xvfb", "-noreset", "-displayfd", str(write)], pass_fds=[write], stdout=log, stderr=log)
    os.close(write)
    with os.fdopen(read) as said:
        yield f":{said.readline().strip()}"
    server.terminate()
    server.wait()


@pytest.fixture
def without_windows(tmp_path):
    """An environment in which GStreamer has all its plugins but those that show frames."""
    system = Path(Gst.Registry.get().find_plugin("coreelements").get_filename()).parent
    folder = tmp_path / "plugins"
    folder.mkdir()
    for plugin in system.iterdir():
        if plugin.name not in ("libgstximagesink.so", "libgstxvimagesink.so", "libgstopengl.so", "libgstwaylandsink.so"):
            (folder / plugin.name).symlink_to(plugin)
    return {"GST_PLUGIN_SYSTEM_PATH": str(folder), "GST_REGISTRY": str(tmp_path / "registry")}


def windows_on(display):
    # It fails if a window goes away meanwhile.
    return subprocess.run(["xwininfo", "-display", display, "-root", "-tree"], capture_output=True, text=True, check=False).stdout


def test_the_frames_are_in_a_window(begin, cli, library, configured, display):
    lib, config = library(SAYS), configured({"empycustom": {"custom-lib": "lib.py", "in-place": True}})
    for words in (["run", "test", "--lib", lib, "--show"], ["run", config, "--source", "test", "--show"]):
        child = begin(*words, "-q", DISPLAY=display, WAYLAND_DISPLAY="")
        wait_for(lambda: " 640x480+" in windows_on(display), "a window")
        child.interrupt()

        assert child.end().code == 130
        wait_for(lambda: "0 children" in windows_on(display), "the end of the window")


def test_without_a_display(cli, library, configured):
    lib, config = library(SAYS), configured({"empycustom": {"custom-lib": "lib.py", "in-place": True}})
    for words in (["test", "--lib", lib], [config, "--source", "test"]):
        ended = cli("run", *words, "--show", "--frames", 3, DISPLAY="", WAYLAND_DISPLAY="")

        assert ended.code == 1
        assert ended.err.startswith("empycustom: error: --show needs a display, and neither DISPLAY nor WAYLAND_DISPLAY is set.")


def test_a_display_that_cannot_be_reached_is_an_error(cli, library, configured, tmp_path):
    lib, config = library(SAYS), configured({"empycustom": {"custom-lib": "lib.py", "in-place": True}})
    for words in (["test", "--lib", lib, "--save", "a.mp4"], [config, "--source", "test"]):
        ended = cli("run", *words, "--show", "--frames", 30, DISPLAY=NOBODY_THERE, WAYLAND_DISPLAY="")

        assert ended.code == 1
        assert f"empycustom: error: {UNSEEN} Write a file with --save instead" in ended.err


def test_a_launched_pipeline_goes_on_without_its_window(cli):
    safe = {"GST_PLUGIN_FEATURE_RANK": "dfbvideosink:NONE"}  # it crashes now and then where there is no screen
    ended = cli("launch", "videotestsrc num-buffers=3 ! ( autovideosink )", DISPLAY=NOBODY_THERE, WAYLAND_DISPLAY="", **safe)

    assert ended.code == 0, ended.err
    assert f"WARNING: from element /GstPipeline:pipeline0/GstBin:bin0/GstAutoVideoSink:autovideosink0: {UNSEEN}" in ended.err


@pytest.mark.parametrize(
    ("variable", "package"), [("DISPLAY", "gstreamer1.0-x"), ("WAYLAND_DISPLAY", "gstreamer1.0-plugins-bad")]
)
def test_without_an_element_that_shows_frames(variable, package, cli, library, without_windows):
    none = {"DISPLAY": "", "WAYLAND_DISPLAY": "", variable: "x", **without_windows}
    ended = cli("run", "test", "--lib", library(SAYS), "--show", **none)
    seen = cli("doctor", **none)

    advice = f"install it with: apt install {package}"
    assert ended.code == 1
    assert ended.err == f"empycustom: error: --show needs an element that shows frames, and none is here; {advice}.\n"
    said = "warning  `empycustom run --show` has no element that shows frames in a window.\n"
    assert f"{said}         -> {advice}\n" in seen.out
