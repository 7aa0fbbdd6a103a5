"""Buffers with a frame in them, and what belongs to them."""

from empycustom.gstreamer import Gst, GstVideo


def meta_of(video_format, width, height, memory="CPU"):
    """The in_meta of a buffer; its planes are wrong on purpose, because a buffer says itself how it lies."""
    planes = [{"offset": 7, "stride": 1, "width": 1, "height": 1}]
    about = {"format": video_format, "width": width, "height": height, "memory": memory, "planes": planes}
    return {"frame": [{"source_frame_width": width, "source_frame_height": height, "object": []}], "buffer": about}


def render(video_format, size, converted, pattern="smpte100"):
    """Render one frame; return its buffer, and one that GStreamer converted to the format ``converted``."""
    caps = f"video/x-raw,width={size[0]},height={size[1]},format="
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=1 pattern={pattern} ! {caps}{video_format} ! tee name=t ! queue ! appsink name=original "
        f"t. ! queue ! videoconvert dither=none chroma-mode=none ! {caps}{converted} ! appsink name=converted"
    )
    pipeline.set_state(Gst.State.PLAYING)
    samples = [pipeline.get_by_name(name).emit("try-pull-sample", 60 * Gst.SECOND) for name in ("original", "converted")]
    pipeline.set_state(Gst.State.NULL)
    return [sample.get_buffer().copy_deep() for sample in samples]


def new_buffer(video_format="RGBA", width=6, height=4):
    """An own, writable buffer in GStreamer's default layout, its bytes counting up; and its in_meta."""
    info = GstVideo.VideoInfo()
    info.set_format(GstVideo.VideoFormat.from_string(video_format), width, height)
    buffer = Gst.Buffer.new_allocate(None, info.size, None)
    buffer.fill(0, bytes(value % 251 for value in range(info.size)))
    return buffer, meta_of(video_format, width, height)


def content(buffer):
    return buffer.extract_dup(0, buffer.get_size())


def memory_state(buffer):
    """(references, locks) of a buffer's memory; every mapping is a lock."""
    mini_object = buffer.peek_memory(0).mini_object
    return mini_object.refcount, mini_object.lockstate


def add_video_meta(buffer, video_format, size, offsets, strides):
    filled = [list(values) + [0] * (4 - len(values)) for values in (offsets, strides)]
    GstVideo.buffer_add_video_meta_full(
        buffer, GstVideo.VideoFrameFlags.NONE, GstVideo.VideoFormat.from_string(video_format), *size, len(offsets), *filled
    )
