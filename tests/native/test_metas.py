"""Metadata on real buffers, written and read through C and compared with what GStreamer's own bindings see."""

import subprocess
import sys
import threading

import pytest
from metas_on_buffers import NAME, NONE, REGIONS, json_on, regions

from empycustom.errors import NativeError
from empycustom.gstreamer import Gst, GstVideo
from empycustom.native import metas
from empycustom.native.metas import Param, Region
from empycustom.native.own_metas import STAMP_API, JsonMeta, add_stamp, frame_num_at, stamp_at, text_at

# Plain facts.


def test_size_and_time(buffer):
    assert metas.size_of(hash(buffer)) == 100
    assert metas.size_of(hash(Gst.Buffer.new())) == 0
    assert metas.pts_at(hash(buffer)) == (NONE,) == (2**64 - 1,)
    buffer.pts = 47119953884
    assert metas.pts_at(hash(buffer)) == (47119953884,)


def test_a_buffer_without_metas(buffer):
    assert metas.scan(hash(buffer)) == []
    assert metas.video_layout(hash(buffer)) is None
    metas.remove_metas(hash(buffer))
    assert metas.scan(hash(buffer)) == []


def test_scan_returns_api_and_address_in_the_order_of_adding(buffer, json_meta):
    metas.add_region(hash(buffer), Region(1, "one", 0, 0, 1, 1, []))
    json_meta.add(hash(buffer), 5, "{}")
    metas.add_region(hash(buffer), Region(2, "two", 0, 0, 1, 1, []))
    assert [api for api, _ in metas.scan(hash(buffer))] == [metas.REGION_API, json_meta.api, metas.REGION_API]
    assert [region.label for region in regions(buffer)] == ["one", "two"]
    addresses = [meta for _, meta in metas.scan(hash(buffer))]
    assert len(set(addresses)) == 3
    assert all(isinstance(address, int) for address in addresses)


def test_video_layout(buffer):
    GstVideo.buffer_add_video_meta_full(
        buffer, GstVideo.VideoFrameFlags.NONE, GstVideo.VideoFormat.I420, 6, 4, 3, [0, 32, 48, 0], [8, 8, 8, 0]
    )
    assert metas.video_layout(hash(buffer)) == ((0, 32, 48), (8, 8, 8))
    assert metas.video_layout(hash(buffer)).strides == (8, 8, 8)


# Regions.


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.label or "empty")
def test_what_is_written_about_a_region_is_read_back(buffer, region):
    metas.add_region(hash(buffer), region)
    assert regions(buffer) == [region]


def test_a_region_of_ours_as_others_see_it(buffer):
    metas.add_region(hash(buffer), REGIONS[3])
    meta = GstVideo.buffer_get_video_region_of_interest_meta_id(buffer, 8)
    assert (meta.x, meta.y, meta.w, meta.h) == (1, 2, 3, 4)
    assert meta.get_param("detection").get_double("confidence") == (True, 0.75)
    assert meta.get_param("detection").get_int("label_id") == (True, 3)
    assert meta.get_param("object_id").get_int("id") == (True, 12)
    assert meta.get_param("classification").get_string("label") == "Käfer"


def test_a_region_of_others_as_we_see_it(buffer):
    meta = GstVideo.buffer_add_video_region_of_interest_meta(buffer, "dög", 10, 20, 30, 40)
    structure = Gst.Structure.new_empty("detection")
    structure.set_value("confidence", 0.5)
    structure.set_value("x_min", 0.1)
    structure.set_value("label", "hund")
    meta.add_param(structure)
    assert regions(buffer) == [Region(0, "dög", 10, 20, 30, 40, [Param("detection", "hund", None, 0.5, None)])]


def test_a_region_gets_an_id(buffer):
    GstVideo.buffer_add_video_region_of_interest_meta(buffer, "a", 1, 1, 1, 1)
    metas.set_region_id(metas.scan(hash(buffer))[0][1], 42)
    assert regions(buffer)[0].id == 42
    assert GstVideo.buffer_get_video_region_of_interest_meta_id(buffer, 42).x == 1


def test_a_label_that_c_cannot_hold_is_kept_readable(buffer):
    metas.add_region(hash(buffer), Region(1, "a\0b\ud800", 0, 0, 1, 1, []))
    assert regions(buffer)[0].label == "a\\0b\\ud800"


# Our own meta with JSON.


def test_a_text_is_added_and_got(buffer, json_meta):
    text = '{"a":"größe 😀 \\u0000"}'
    json_meta.add(hash(buffer), 5, text)
    assert json_on(buffer, json_meta)[0] == text


def test_a_text_is_replaced_in_its_place(buffer, json_meta):
    json_meta.add(hash(buffer), 5, '{"a":1}')
    _, address = json_on(buffer, json_meta)
    json_meta.replace(hash(buffer), address, 6, '{"b":2}')
    assert json_on(buffer, json_meta) == ('{"b":2}', address)


def test_it_is_an_ordinary_custom_meta_to_others(buffer, json_meta):
    json_meta.add(hash(buffer), 5, '{"a":1}')
    structure = buffer.get_custom_meta(NAME).get_structure()
    assert structure.get_string("json") == '{"a":1}'
    assert structure.get_uint64("frame-num") == (True, 5)
    assert structure.n_fields() == 2
    json_meta.replace(hash(buffer), json_on(buffer, json_meta)[1], 2**64 - 1, "{}")
    assert buffer.get_custom_meta(NAME).get_structure().get_uint64("frame-num") == (True, 2**64 - 1)


def test_a_buffer_that_somebody_else_holds_gets_none(buffer, json_meta):
    sample = Gst.Sample.new(buffer, None, None, None)
    with pytest.raises(NativeError, match="not writable"):
        json_meta.add(hash(buffer), 5, "{}")
    assert sample.get_buffer() is not None
    assert metas.scan(hash(buffer)) == []


def test_many_buffers_do_not_share_their_text(json_meta):
    buffers = [Gst.Buffer.new() for _ in range(50)]
    for number, made in enumerate(buffers):
        json_meta.add(hash(made), number, str(number))
    assert [json_on(made, json_meta)[0] for made in buffers] == [str(number) for number in range(50)]


# Stamps.


def test_a_stamp_is_written_read_and_copied(buffer):
    add_stamp(hash(buffer), 2**63 - 1, 1_790_000_000_123_456_789)
    for made in (buffer, buffer.copy_deep()):
        ((api, meta),) = metas.scan(hash(made))
        assert api == STAMP_API
        assert stamp_at(meta) == (2**63 - 1, 1_790_000_000_123_456_789)


def test_the_timestamps_of_others_are_no_stamps(buffer):
    buffer.add_reference_timestamp_meta(Gst.Caps.from_string("timestamp/x-unix"), 5, 7)
    assert [stamp_at(meta) for _, meta in metas.scan(hash(buffer))] == [None]


def test_a_buffer_that_somebody_else_holds_gets_no_stamp(buffer):
    """In its own process: GStreamer warns on the console."""
    code = """
from empycustom.gstreamer import Gst
from empycustom.native.metas import scan
from empycustom.native.own_metas import add_stamp
buffer = Gst.Buffer.new()
sample = Gst.Sample.new(buffer, None, None, None)
add_stamp(hash(buffer), 1, 2)
print(scan(hash(buffer)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_name_is_registered_once_for_all(json_meta):
    assert JsonMeta(NAME).api == json_meta.api
    assert JsonMeta(f"{NAME}Two").api != json_meta.api


def together(work, count=8):
    """Let threads do a work, all from one moment on, with many changes from one to another; each gets its number."""
    begin, failed = threading.Barrier(count), []

    def run(number):
        begin.wait()
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - whatever it is
            failed.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert failed == []


def test_a_name_is_registered_once_by_threads_that_begin_together():
    made, barrier = [], threading.Barrier(8)

    def work(_):
        for number in range(100):
            barrier.wait()
            made.append((number, JsonMeta(f"{NAME}Together{number}").api))

    together(work)
    assert len(made) == 800  # nobody was refused
    assert len(set(made)) == len({api for _, api in made}) == 100


def test_threads_scan_one_buffer_at_the_same_time(buffer, json_meta):
    for number in range(20):
        metas.add_region(hash(buffer), Region(number, "one", 0, 0, 1, 1, []))
    json_meta.add(hash(buffer), 5, "{}")
    wanted, wrong = metas.scan(hash(buffer)), []

    def work(_):
        wrong.extend(found for found in (metas.scan(hash(buffer)) for _ in range(300)) if found != wanted)

    together(work)
    assert len(wanted) == 21
    assert wrong == []


def test_threads_write_by_one_json_meta_at_the_same_time(json_meta):
    wrong = []

    def work(number):
        for turn in range(500):
            buffer, text = Gst.Buffer.new(), f"[{number}, {turn}]" + " " * number
            json_meta.add(hash(buffer), number, text)
            ((_, meta),) = metas.scan(hash(buffer))
            if (frame_num_at(meta), text_at(meta).decode()) != (number, text):
                wrong.append((number, turn, text_at(meta).decode()))
            json_meta.replace(hash(buffer), meta, turn, text[::-1])
            if (frame_num_at(meta), text_at(meta).decode()) != (turn, text[::-1]):
                wrong.append((number, turn, text_at(meta).decode()))

    together(work)
    assert wrong == []


def test_one_that_somebody_else_left_half_empty(buffer, json_meta):
    buffer.add_custom_meta(NAME)
    assert json_on(buffer, json_meta)[0] == ""


def test_it_survives_copies(buffer, json_meta):
    json_meta.add(hash(buffer), 5, "[1]")
    assert json_on(buffer.copy_deep(), json_meta)[0] == "[1]"
