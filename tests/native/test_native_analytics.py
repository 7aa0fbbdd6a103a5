"""GstAnalytics, where GStreamer has it."""

import pytest

from empycustom.gstreamer import Gst
from empycustom.native import analytics, metas
from empycustom.native.analytics import Detection, Label

needed = pytest.mark.skipif(not analytics.available, reason="this GStreamer has no GstAnalytics, which came with 1.24")


def test_it_is_there_from_gstreamer_1_24_on_and_not_before():
    assert analytics.available or Gst.version() < (1, 24) or Gst.Plugin.load_by_name("analytics") is None
    if Gst.version() < (1, 24):
        assert (analytics.available, analytics.API) == (False, 0)


@needed
def test_what_is_written_is_read_back_in_order():
    buffer = Gst.Buffer.new()
    wanted = [
        Detection(0, "person", 1, 2, 3, 4, 0.5, None, []),
        Detection(0, "größe 人", 5, 6, 7, 8, 1.0, 12, [[Label("tall", 0.25), Label("small", 0.75)], [Label("red", 1.0)]]),
        Detection(0, "", -1, -2, 7, 8, 0.0, 2**64 - 1, []),
    ]
    ids = [analytics.add_detection(hash(buffer), item) for item in wanted]
    ((api, meta),) = metas.scan(hash(buffer))
    assert api == analytics.API
    assert analytics.detections_at(meta) == [item._replace(id=number) for item, number in zip(wanted, ids, strict=True)]


@needed
def test_ids_stay_the_same_in_a_copy():
    buffer = Gst.Buffer.new()
    number = analytics.add_detection(hash(buffer), Detection(0, "person", 1, 2, 3, 4, 0.5, 7, []))
    copy = Gst.Buffer.new()
    metas.carry_metas(hash(buffer), hash(copy), with_memory=False)
    (found,) = analytics.detections_at(metas.scan(hash(copy))[0][1])
    assert (found.id, found.tracking_id) == (number, 7)


@needed
def test_a_mask_is_freed_with_the_last_buffer_that_has_it():
    """What is changed is copied to a new meta, and the old one is freed."""
    import gi

    gi.require_version("GstAnalytics", "1.0")
    from gi.repository import GstAnalytics

    from empycustom.gstreamer import GstVideo
    from empycustom.native.analytics_changes import change_detections
    from empycustom.native.loading import reader

    count = reader("GstBuffer", "mini_object.refcount")
    mask = Gst.Buffer.new_wrapped(bytes(16))
    GstVideo.buffer_add_video_meta(mask, GstVideo.VideoFrameFlags.NONE, GstVideo.VideoFormat.GRAY8, 4, 4)
    buffer = Gst.Buffer.new()
    number = analytics.add_detection(hash(buffer), Detection(0, "person", 1, 2, 3, 4, 0.5, 7, []))
    meta = GstAnalytics.buffer_get_analytics_relation_meta(buffer)
    other = meta.add_segmentation_mtd(mask, GstAnalytics.SegmentationType.INSTANCE, [1], 1, 2, 3, 4)[1].id
    meta.set_relation(GstAnalytics.RelTypes.RELATE_TO, number, other)
    before = count(hash(mask))
    (found,) = analytics.detections_at(metas.scan(hash(buffer))[0][1])
    assert (found.mask.id, found.mask.box) == (other, (1, 2, 3, 4))
    moved = found.mask._replace(box=(5, 6, 7, 8))  # with its object
    for wanted in (
        Detection(0, "cat", 5, 6, 7, 8, 0.25, 9, [], mask=found.mask),
        Detection(0, "dog", 5, 6, 7, 8, 0.25, None, [[Label("red", 1.0)]], mask=moved),
    ):
        change_detections(hash(buffer), metas.scan(hash(buffer))[0][1], {number: wanted})
        assert count(hash(mask)) == before
        assert analytics.detections_at(metas.scan(hash(buffer))[0][1]) == [wanted._replace(mask=moved)]
    change_detections(hash(buffer), metas.scan(hash(buffer))[0][1], {number: None})
    assert analytics.detections_at(metas.scan(hash(buffer))[0][1]) == []
    assert count(hash(mask))[0] == before[0] - 1
