"""The element ``perf``: its messages and its signal."""

from __future__ import annotations

import re

import pytest

from empycustom.elements.perf import BitRate
from empycustom.gstreamer import Gst

LINE = re.compile(
    r"perf: (?P<name>\w+); timestamp: (?P<timestamp>\d+:\d\d:\d\d\.\d{9}); bps: (?P<bps>\d+\.\d{3}); mean_bps: (?P<mean_bps>\d+\.\d{3}); "
    r"fps: (?P<fps>\d+\.\d{3}); mean_fps: (?P<mean_fps>\d+\.\d{3})(?P<cpu>; cpu: \d+; )?$"
)
LIVE = "videotestsrc is-live=true num-buffers={n} ! video/x-raw,format=GRAY8,width=100,height=100,framerate=20/1"


def lines(launched):
    return [match for match in map(LINE.match, launched.out.splitlines()) if match]


def seconds(match):
    hours, minutes, rest = match["timestamp"].split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def test_a_message_at_first_and_then_about_once_a_second(gst_launch):
    """What it says fits together: on a busy machine frames may come as late as they like, but not closer than 50 ms."""
    launched = gst_launch(f"{LIVE.format(n=65)} ! identity sleep-time=50000 ! perf name=meter ! fakesink")
    assert launched.code == 0, launched.text
    first, *found = lines(launched)
    assert len(found) >= 2
    assert {match["name"] for match in (first, *found)} == {"meter"}
    assert float(first["fps"]) == 0
    frames, before = 0, seconds(first)
    for match in found:
        now, fps, bps = seconds(match), float(match["fps"]), float(match["bps"])
        assert now - before >= 1
        assert 0 < fps <= 20
        its = fps * (now - before)
        assert its == pytest.approx(round(its), abs=0.01), "they are whole frames"
        assert bps == pytest.approx(fps * 10_000 * 8, rel=0.01)
        frames, before = frames + round(its), now
        assert float(match["mean_fps"]) == pytest.approx(frames / (now - seconds(first)), rel=0.01)
    assert 2 * 20 <= frames <= 65
    assert found[-1]["cpu"] is None


@pytest.mark.parametrize("name", ["print-cpu-load", "print-arm-load"])
def test_the_load_is_appended_if_asked_for(gst_launch, name):
    launched = gst_launch(f"{LIVE.format(n=2)} ! perf {name}=true ! fakesink")
    assert lines(launched)[0]["cpu"], launched.out


def test_the_message_is_info_with_the_line_as_its_text(play):
    pipeline = Gst.parse_launch(f"{LIVE.format(n=1)} ! perf name=p ! fakesink")
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.INFO | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    error, details = message.parse_info()
    assert LINE.match(error.message)
    assert details == error.message


@pytest.mark.parametrize("window", [0, 3])
def test_on_bitrate_has_the_mean(play, window):
    slowly = f"{LIVE.format(n=30)} ! identity sleep-time=50000"  # two frames are not closer than that, on any machine
    pipeline = Gst.parse_launch(f"{slowly} ! perf name=p bitrate-interval=100 bitrate-window-size={window} ! fakesink")
    rates = []
    pipeline.get_by_name("p").connect("on-bitrate", lambda _, rate: rates.append(rate))
    assert play(pipeline).ended
    assert 14 <= len(rates) <= 29, "of 30 frames each sample has one or two"
    assert all(0 < rate <= 20 * 10_000 * 8 for rate in rates)


@pytest.mark.parametrize(("window", "means"), [(0, [8, 12, 16, 16]), (3, [8, 12, 16, 56 / 3]), (1, [8, 16, 24, 16])])
def test_the_mean_is_that_of_so_many_samples(window, means):
    rate, found = BitRate(), []
    for second, size_bytes in enumerate((1, 2, 3, 2, 0)):
        if rate.count(size_bytes, second * Gst.SECOND, Gst.SECOND, window):
            found.append(rate.mean)
    assert found == pytest.approx(means)


def test_any_stream_passes(gst_launch):
    launched = gst_launch("audiotestsrc num-buffers=3 ! perf ! fakesink")
    assert launched.code == 0, launched.text
    assert lines(launched)


def test_an_installed_perf_goes_before_ours(gst_launch, gst_env, tmp_path):
    """RidgeRun's plugin is recognised by its file; one that cannot be loaded leaves no perf at all, so ours is not used."""
    (tmp_path / "libgstperf.so").write_bytes(b"not really")
    path = f"{gst_env['GST_PLUGIN_PATH']}:{tmp_path}"
    fresh = {"GST_PLUGIN_PATH": path, "GST_REGISTRY": str(tmp_path / "registry")}
    assert gst_launch("perf", tool="gst-inspect-1.0", **fresh).code != 0
    assert gst_launch("aimeta", tool="gst-inspect-1.0", **fresh).code == 0


def test_register_leaves_an_element_of_that_name_alone(play):
    """In a process with its own perf, register() does not replace it."""
    import subprocess
    import sys

    code = """
from empycustom.gstreamer import Gst, GstBase
class Theirs(GstBase.BaseTransform):
    __gtype_name__ = "TheirPerf"
    __gstmetadata__ = ("theirs", "Filter", "theirs", "they")
    __gsttemplates__ = tuple(Gst.PadTemplate.new(n, d, Gst.PadPresence.ALWAYS, Gst.Caps.new_any())
                             for n, d in (("sink", Gst.PadDirection.SINK), ("src", Gst.PadDirection.SRC)))
Gst.Element.register(None, "perf", 0, Theirs)
import empycustom
empycustom.register()
print(Gst.ElementFactory.find("perf").get_metadata("long-name"), Gst.ElementFactory.find("aimeta").get_metadata("long-name"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split("\n")[0] == "theirs AI metadata"
