"""Where buffers for new frames come from: downstream's pool, memory that is used again, or what the library made."""

from __future__ import annotations

import json

import empycustom
from empycustom.gstreamer import GObject, Gst, GstBase, GstVideo

CAPS = "video/x-raw,format=RGBA,width=64,height=48,framerate=10/1"
SOURCE = f"videotestsrc num-buffers=4 pattern=ball ! {CAPS}"


def pixels_of(sample):
    buffer = sample.get_buffer()
    return buffer.extract_dup(0, buffer.get_size())


class Screen(GstBase.BaseSink):
    """A sink that offers a pool of frames with padded rows, as hardware does, and keeps the pixels that it gets."""

    __gstmetadata__ = ("screen", "Sink", "for tests", "tests")
    __gsttemplates__ = (Gst.PadTemplate.new("sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, Gst.Caps.new_any()),)

    def __init__(self):
        super().__init__()
        self.set_sync(False)
        self.pools, self.frames, self.pooled = [], [], []

    def do_propose_allocation(self, query):
        self.pools.append(GstVideo.VideoBufferPool.new())
        caps, _ = query.parse_allocation()
        config = self.pools[-1].get_config()
        size = GstVideo.VideoInfo.new_from_caps(caps).size
        Gst.BufferPool.config_set_params(config, caps, size, 0, 0)
        Gst.BufferPool.config_add_option(config, GstVideo.BUFFER_POOL_OPTION_VIDEO_META)
        Gst.BufferPool.config_add_option(config, GstVideo.BUFFER_POOL_OPTION_VIDEO_ALIGNMENT)
        align = GstVideo.VideoAlignment()
        align.padding_left = align.padding_right = 8
        GstVideo.buffer_pool_config_set_video_alignment(config, align)
        assert self.pools[-1].set_config(config)
        query.add_allocation_pool(self.pools[-1], size, 0, 0)
        query.add_allocation_meta(GstVideo.video_meta_api_get_type(), None)
        return True

    def do_render(self, buffer):
        in_meta = {"buffer": {"format": "RGBA", "width": 64, "height": 48, "memory": "CPU"}}
        self.pooled.append(buffer.pool in self.pools)
        with empycustom.map_frame(buffer, in_meta) as frame:
            self.frames.append((frame.pixels.tobytes(), frame.pixels.strides[0]))
        return Gst.FlowReturn.OK


GObject.type_register(Screen)


def on_screen(play, lib):
    """Play to a Screen and return it."""
    pipeline = Gst.parse_launch(f"{SOURCE} ! empycustom name=e custom-lib={lib}")
    screen = Screen()
    pipeline.add(screen)
    pipeline.get_by_name("e").link(screen)
    played = play(pipeline)
    assert played.ended, played.errors
    return screen


def source_pixels(play):
    return [pixels_of(sample) for sample in play(f"{SOURCE} ! appsink name=out").samples]


ARRAY = """
import empycustom
def process(in_buffer, in_meta, options):
    with empycustom.map_frame(in_buffer, in_meta) as frame:
        return 255 - frame.pixels, None
"""


def inverted(pixels):
    return bytes(255 - value for value in pixels)


def test_arrays_go_into_buffers_of_downstreams_pool_and_into_its_layout(play, library):
    screen = on_screen(play, library(ARRAY))
    assert screen.pooled == [True] * 4
    assert len(screen.pools) == 1
    assert [pixels for pixels, _ in screen.frames] == [inverted(pixels) for pixels in source_pixels(play)]
    assert all(stride > 64 * 4 for _, stride in screen.frames), "the rows were not padded"


def test_a_library_that_makes_buffers_does_not_lay_them_over_the_pools_layout(play, library):
    screen = on_screen(play, library("def process(b, m, o):\n    return b, None\n"))
    assert len(screen.pools) == 2, "once with frames, and once more when the library turned out to make its own"
    assert [pixels for pixels, _ in screen.frames] == source_pixels(play)


def test_a_library_that_makes_both_is_served_both_ways(play, library):
    own = "        if in_meta['frame'][0]['frame_num'] % 2 == 0:\n            return in_buffer.copy_deep(), None\n        return"
    screen = on_screen(play, library(ARRAY.replace("        return", own)))
    assert [pixels for pixels, _ in screen.frames] == [
        inverted(pixels) if number % 2 else pixels for number, pixels in enumerate(source_pixels(play))
    ]
    assert len(screen.pools) == 3


def test_without_a_pool_downstream_copies_go_into_memory_that_is_used_again(play, library):
    """An array with another reference is copied; the frames in a queue have different addresses."""
    kept = ARRAY.replace("def process", "kept = []\ndef process").replace(
        "return 255 - frame.pixels", "kept[:] = [255 - frame.pixels]\n        return kept[0]"
    )
    place = (
        "places = set()\ndef process_ip(b, m, o):\n    places.add(hash(b.peek_memory(0)))\n    return [{'places': len(places)}]\n"
    )
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=50 ! {CAPS} ! empycustom custom-lib={library(kept)} ! "
        f"empycustom in-place=true custom-lib={library(place, 'place.py')} ! aimeta name=m ! fakesink"
    )
    played = play(pipeline)
    assert played.ended, played.errors
    assert json.loads(pipeline.get_by_name("m").get_property("last-meta"))["frame"][0]["emcustom"]["places"] <= 3
