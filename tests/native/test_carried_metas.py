"""What goes from one real buffer to another: metas, times, flags and memory."""

import pytest
from metas_on_buffers import REGIONS, apis, bits, flags, json_on, regions, set_flags

from empycustom.gstreamer import Gst, GstVideo
from empycustom.native import metas
from empycustom.native.loading import buffer_at, ffi
from empycustom.native.memory import is_memory_writable
from empycustom.native.metas import Region


@pytest.fixture
def rich(json_meta):
    """A buffer with two regions, our JSON and a video meta."""
    made = Gst.Buffer.new_wrapped(bytes(range(96)))
    metas.add_region(hash(made), REGIONS[3])
    metas.add_region(hash(made), REGIONS[0])
    json_meta.add(hash(made), 4, "[1]")
    GstVideo.buffer_add_video_meta(made, GstVideo.VideoFrameFlags.NONE, GstVideo.VideoFormat.RGBA, 6, 4)
    return made


def test_metas_are_carried_without_those_of_memory(buffer, rich, json_meta):
    metas.carry_metas(hash(rich), hash(buffer), with_memory=False)
    assert regions(buffer) == [REGIONS[3], REGIONS[0]]
    assert json_on(buffer, json_meta)[0] == "[1]"
    assert metas.video_layout(hash(buffer)) is None
    assert len(metas.scan(hash(rich))) == 4


def test_metas_are_carried_with_those_of_memory(buffer, rich):
    metas.carry_metas(hash(rich), hash(buffer), with_memory=True)
    assert sorted(apis(buffer)) == sorted(apis(rich))
    assert metas.video_layout(hash(buffer)) == metas.video_layout(hash(rich))


def test_kinds_that_are_there_already_are_not_carried(buffer, rich, json_meta):
    metas.add_region(hash(buffer), Region(1, "own", 0, 0, 1, 1, []))
    metas.carry_metas(hash(rich), hash(buffer), with_memory=True)
    assert [region.label for region in regions(buffer)] == ["own"]
    assert json_on(buffer, json_meta)[0] == "[1]"
    before = metas.scan(hash(buffer))
    metas.carry_metas(hash(rich), hash(buffer), with_memory=True)
    assert metas.scan(hash(buffer)) == before


def test_what_is_carried_is_a_copy(buffer, rich, json_meta):
    metas.carry_metas(hash(rich), hash(buffer), with_memory=False)
    json_meta.replace(hash(buffer), json_on(buffer, json_meta)[1], 5, "[2]")
    metas.set_region_id(metas.scan(hash(buffer))[0][1], 77)
    assert json_on(rich, json_meta)[0] == "[1]"
    assert regions(rich)[0].id == 8
    metas.remove_metas(hash(rich))
    assert [region.label for region in regions(buffer)] == ["car", "person"]


def test_times_and_flags_are_carried_where_they_are_set(buffer):
    names = ("DISCONT", "INTERLACED", "TFF", "ONEFIELD", "MULTIPLE_VIEW", "FIRST_IN_BUNDLE")
    source = Gst.Buffer.new()
    source.pts, source.duration, source.offset = 5, 7, 9
    set_flags(source, *names)
    buffer.pts, buffer.dts, buffer.offset_end = 1, 2, 3
    set_flags(buffer, "DELTA_UNIT")
    metas.carry_times_and_flags(hash(source), hash(buffer))
    assert (buffer.pts, buffer.dts, buffer.duration, buffer.offset, buffer.offset_end) == (5, 2, 7, 9, 3)
    assert flags(buffer) & bits(*names) == bits(*names)
    assert not flags(buffer) & bits("DELTA_UNIT")


def test_a_source_without_times_and_flags_changes_none(buffer):
    buffer.pts, buffer.dts, buffer.duration, buffer.offset, buffer.offset_end = range(5)
    set_flags(buffer, "DELTA_UNIT")
    metas.carry_times_and_flags(hash(Gst.Buffer.new()), hash(buffer))
    assert (buffer.pts, buffer.dts, buffer.duration, buffer.offset, buffer.offset_end) == tuple(range(5))
    assert flags(buffer) & bits("DELTA_UNIT")


def test_flags_of_the_memory_and_of_the_object_stay_as_they_are(buffer):
    source = Gst.Buffer.new()
    set_flags(source, "TAG_MEMORY", "LIVE")
    before = flags(buffer) & 0b1111
    untagged = not flags(buffer) & bits("TAG_MEMORY")
    metas.carry_times_and_flags(hash(source), hash(buffer))
    assert flags(buffer) & bits("LIVE")
    assert flags(buffer) & 0b1111 == before
    assert untagged == (not flags(buffer) & bits("TAG_MEMORY"))


def test_memory_is_shared_and_not_copied(buffer):
    source = Gst.Buffer.new_wrapped(bytes(range(96)))
    source = source.append(Gst.Buffer.new_allocate(None, 10, None))
    metas.share_memory(hash(source), hash(buffer))
    assert buffer.n_memory() == 2
    assert metas.size_of(hash(buffer)) == 106
    assert hash(buffer.peek_memory(0)) == hash(source.peek_memory(0))
    assert buffer.extract_dup(0, 96) == bytes(range(96))
    del source
    assert buffer.extract_dup(0, 96) == bytes(range(96))


def parents(buffer):
    return [api for api, _ in metas.scan(hash(buffer)) if api == hash(Gst.parent_buffer_meta_api_get_type())]


def test_a_buffer_whose_memory_is_shared_is_not_kept_so_that_it_can_be_written(buffer):
    source = Gst.Buffer.new_wrapped(b"x" * 96)
    metas.share_memory(hash(source), hash(buffer))
    assert not is_memory_writable(hash(buffer)), "there are two"
    del source
    assert is_memory_writable(hash(buffer))
    assert parents(buffer) == []
    metas.share_memory(hash(Gst.Buffer.new()), hash(buffer))
    assert (buffer.n_memory(), parents(buffer)) == (0, [])


def test_a_buffer_whose_memory_cannot_be_shared_is_kept_by_the_copy_of_its_bytes():
    source, target = Gst.Buffer.new_wrapped(b"x" * 96), Gst.Buffer.new()
    memory = ffi.cast("GstMemory *", hash(source.peek_memory(0)))
    memory.mini_object.flags |= int(Gst.MemoryFlags.NO_SHARE)
    metas.share_memory(hash(source), hash(target))
    assert hash(target.peek_memory(0)) != hash(source.peek_memory(0))
    assert target.extract_dup(0, 96) == b"x" * 96
    assert len(parents(target)) == 1
    assert buffer_at(hash(source)).mini_object.refcount == 2
    other = Gst.Buffer.new()
    metas.carry_metas(hash(target), hash(other), with_memory=False)
    assert parents(other) == [], "pixels of its own need no other buffer"
    del target
    assert buffer_at(hash(source)).mini_object.refcount == 1


def test_metas_are_removed(rich):
    metas.remove_metas(hash(rich))
    assert metas.scan(hash(rich)) == []
    assert metas.size_of(hash(rich)) == 96


def test_metas_that_their_owner_locked_stay(rich):
    kept = metas.scan(hash(rich))[1]
    ffi.cast("GstMeta *", kept[1]).flags |= int(Gst.MetaFlags.LOCKED)
    metas.remove_metas(hash(rich))
    assert metas.scan(hash(rich)) == [kept]
    ffi.cast("GstMeta *", kept[1]).flags &= ~int(Gst.MetaFlags.LOCKED)


def test_many_rounds_leave_nothing_behind(json_meta):
    """Reference counts stay as they are, however often buffers are written, read and carried."""
    source = Gst.Buffer.new_wrapped(b"x" * 8)
    memory = source.peek_memory(0)
    counts = memory.mini_object.refcount, source.mini_object.refcount
    for number in range(200):
        target = Gst.Buffer.new()
        json_meta.add(hash(target), number, "[]")
        metas.share_memory(hash(source), hash(target))
        metas.carry_metas(hash(source), hash(target), with_memory=True)
        del target
    assert (memory.mini_object.refcount, source.mini_object.refcount) == counts
