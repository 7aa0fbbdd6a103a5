"""The tracker: who moves, crosses, hides or is missed keeps the number; on real people as well."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scenes import Called, box, frame, ids, play

import empycustom
from empycustom.gstreamer import Gst

TRACK = "empycustom.libs.track"
PROJECT = Path(__file__).parents[2]
SAMPLE = PROJECT / ".cache" / "vtest.avi"


def numbers(entry, objects):
    """The number of each object of a frame, by what the library says."""
    return [changed.get("object_id", each["object_id"]) for changed, each in zip(entry["changed_object"], objects, strict=True)]


def follow(library, *scene, first=0, step=1, **more):
    """The numbers of the objects of each frame of a scene."""
    found = []
    for index, objects in enumerate(scene):
        (entry,) = library(frame(first + index * step, *objects, **more))
        found.append(numbers(entry, [{"object_id": -1, **each} for each in objects]))
    return found


def straight(steps, start=40, speed=4, **more):
    return [[box(start + speed * step, 100, **more)] for step in range(steps)]


def test_who_moves_keeps_the_number_and_everybody_downstream_sees_it():
    seen = []
    results = play(straight(20), TRACK, lambda _buffer, in_meta, _options: seen.extend(in_meta["frame"][0]["object"]))
    assert [ids(result) for result in results] == [[-1]] + [[1]] * 19
    assert [each["object_id"] for each in seen] == [-1] + [1] * 19


def test_those_who_cross_keep_their_numbers():
    """In half of the frames they are named in the other order."""
    scene = [[box(40 + 6 * step, 100), box(280 - 6 * step, 115)][:: 1 if step % 2 else -1] for step in range(41)]
    found = [ids(result)[:: 1 if step % 2 else -1] for step, result in enumerate(play(scene, TRACK))]
    assert found[1:] in ([[1, 2]] * 40, [[2, 1]] * 40)


def test_who_is_not_found_for_some_frames_keeps_the_number():
    scene = straight(50)
    scene[15:35] = [[]] * 20
    results = play(scene, TRACK)
    assert {number for result in results[1:] for number in ids(result)} == {1}


def test_who_is_away_for_longer_is_somebody_else():
    scene = straight(70)
    scene[15:35] = [[]] * 20
    results = play(scene, TRACK, options=[{"forget_after": 0.5}])
    assert [ids(result) for result in results[1:15]] == [[1]] * 14
    assert [ids(result) for result in results[36:]] == [[2]] * 34


def test_what_has_no_number_can_be_removed():
    """The second object jumps; another tracker has given it a number."""
    scene = [[*objects, box(200 + 40 * (n % 3), 100 * (n % 2), object_id=7)] for n, objects in enumerate(straight(12))]
    for keep, count in ((True, 2), (False, 1)):
        results = play(scene, TRACK, options=[{"keep_untracked": keep}])
        assert [len(ids(result)) for result in results[1:]] == [count] * 11
        assert all(1 in ids(result) for result in results[1:])


def test_a_box_that_shrinks_until_it_is_not_found_is_forgotten_without_a_word(caplog):
    scene = [[box(100, 100, width=60 - 6 * step, height=90 - 9 * step)] for step in range(8)]
    results = play([*scene, *[[]] * 12, *straight(3, 200)], TRACK)
    assert [ids(result) for result in results[1:8]] == [[1]] * 7
    assert ids(results[-1]) == [2]
    assert caplog.records == []


def test_in_a_worker_it_does_the_same():
    assert [ids(result) for result in play(straight(10), TRACK, workers=[0, 1])] == [[-1]] + [[1]] * 9


def test_a_crowd_keeps_its_numbers():
    """Twelve people on ways of their own, boxes that jump by pixels, a tenth not found, an order that says nothing."""
    chance = np.random.default_rng(7)
    places, speeds = chance.uniform((20, 60), (300, 230), (12, 2)), chance.uniform(-2, 2, (12, 2))
    track, known, changes, seen = Called("track"), {}, 0, 0
    for number in range(150):
        places += speeds
        speeds = np.where((places < (20, 60)) | (places > (300, 230)), -speeds, speeds)
        people = [person for person in chance.permutation(12) if chance.random() > 0.1]
        found = [box(*(places[person] + chance.normal(0, 1, 2))) for person in people]
        for person, object_id in zip(people, follow(track, found, first=number)[0], strict=True):
            if object_id > 0:
                seen += 1
                changes += known.setdefault(person, object_id) != object_id
                known[person] = object_id
    assert seen > 1500
    assert changes <= 8, "of 12 people who walk through each other for 150 frames"


def test_who_is_not_sure_does_not_begin_a_track_but_goes_on_with_one():
    track = Called("track")
    scene = straight(12, confidence=0.32)
    scene[4][0]["confidence"] = scene[5][0]["confidence"] = 0.5
    assert follow(track, *scene) == [[-1]] * 5 + [[1]] * 7
    assert follow(Called("track", min_confidence=0.4), *straight(5, confidence=0.32)) == [[-1]] * 5
    assert follow(Called("track", start_confidence=0.3), *straight(5, confidence=0.32)) == [[-1]] + [[1]] * 4


@pytest.mark.parametrize("min_frames", [1, 2, 4])
def test_min_frames_says_when_the_number_comes(min_frames):
    assert follow(Called("track", min_frames=min_frames), *straight(6)) == [[-1]] * (min_frames - 1) + [[1]] * (7 - min_frames)


def test_classes_are_tracked_for_themselves_unless_they_are_not():
    scene = straight(6)
    for objects in scene[3:]:
        objects[0]["class_id"] = 5
    assert follow(Called("track"), *scene) == [[-1], [1], [1], [-1], [2], [2]]
    assert follow(Called("track", per_class=False), *scene) == [[-1]] + [[1]] * 5


def test_min_overlap_says_how_far_an_object_can_jump():
    scene = [[box(100, 100)]] * 4 + [[box(115, 100)]] * 3  # a seventh in common
    assert follow(Called("track"), *scene)[-1] == [1]
    assert follow(Called("track", min_overlap=0.5), *scene)[-1] == [2]


def test_a_box_without_an_area_is_left_alone():
    assert follow(Called("track"), *[[box(100, 100, width=0), box(50, 90)]] * 3) == [[-1, -1], [-1, 1], [-1, 1]]


def test_numbers_of_another_tracker_are_replaced():
    results = play(straight(4, object_id=77), TRACK)
    assert [ids(result) for result in results] == [[-1]] + [[1]] * 3


@pytest.mark.parametrize("step", [2, 5, 8])
def test_frames_that_are_not_seen_count(step):
    """The library is called for every n-th frame; the object has moved on by as much."""
    scene = straight(60, speed=2)[::step]
    assert follow(Called("track"), *scene, step=step) == [[-1]] + [[1]] * (len(scene) - 1)


def test_with_a_process_interval_the_called_frames_have_numbers(play, library):
    finder = library(
        "def process_ip(b, m, o):\n    n = m['frame'][0]['frame_num']\n"
        "    f = dict(left=20 + 3 * n, top=9, width=20, height=40)\n"
        "    return {'frame': [{'new_object': [{'confidence': 0.6, 'rect_params': f}]}]}\n"
    )
    pipeline = Gst.parse_launch(
        "videotestsrc num-buffers=20 ! video/x-raw,format=RGB,width=320,height=240,framerate=30/1 ! "
        f"empycustom in-place=true custom-lib={finder} ! "
        f"empycustom in-place=true process-interval=4 custom-lib={TRACK} ! aimeta name=meta ! fakesink"
    )
    found = []
    pipeline.get_by_name("meta").connect(
        "new-meta", lambda _, text: found.append(json.loads(text)["frame"][0]["object"][0]["object_id"])
    )
    assert play(pipeline).ended
    assert found == [-1] * 4 + ([1] + [-1] * 3) * 4


def test_a_stream_that_goes_back_has_new_numbers():
    """Who has a number from before the seek is somebody else: numbers are not given twice."""
    track = Called("track")
    assert follow(track, *straight(4), first=10)[-1] == [1]
    assert follow(track, *straight(4), first=0) == [[-1]] + [[2]] * 3


def test_after_a_seek_of_a_pipeline_the_numbers_are_new(library):
    finder = library(
        "def process_ip(b, m, o):\n    f = dict(left=100, top=9, width=20, height=40)\n"
        "    return {'frame': [{'new_object': [{'confidence': 0.6, 'rect_params': f}]}]}\n"
    )
    empycustom.register()
    pipeline = Gst.parse_launch(
        "videotestsrc ! video/x-raw,format=RGB,width=320,height=240,framerate=30/1 ! "
        f"empycustom in-place=true custom-lib={finder} ! empycustom in-place=true custom-lib={TRACK} ! "
        "appsink name=out sync=false max-buffers=1"
    )
    sink = pipeline.get_by_name("out")

    def found(count):
        documents = [empycustom.document(sink.emit("pull-sample")) for _ in range(count)]
        return [each["frame"][0]["object"][0]["object_id"] for each in documents]

    pipeline.set_state(Gst.State.PLAYING)
    try:
        assert found(5) == [-1, 1, 1, 1, 1]
        assert pipeline.seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH, 0)
        assert found(5) == [-1, 2, 2, 2, 2]
    finally:
        pipeline.set_state(Gst.State.NULL)


def test_the_next_file_begins_at_1(tmp_path):
    videos = [tmp_path / "a.avi", tmp_path / "b.avi"]
    for video in videos:
        Gst.init(None)
        recorded = Gst.parse_launch(f"videotestsrc num-buffers=3 ! jpegenc ! avimux ! filesink location={video}")
        recorded.set_state(Gst.State.PLAYING)
        assert recorded.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS)
        recorded.set_state(Gst.State.NULL)

    def find(_buffer, _in_meta, _options):
        return {"frame": [{"new_object": [box(100, 100)]}]}

    with empycustom.process([str(video) for video in videos], [find, TRACK]) as results:
        assert [ids(result) for result in results] == [[-1], [1], [1]] * 2


def test_a_stream_that_jumps_ahead_has_new_numbers():
    track = Called("track")
    assert follow(track, *straight(4))[-1] == [1]
    late = {"stream_time": 60_000_000_000}
    assert follow(track, [box(52, 100)], first=4, **late) == [[-1]]


def test_another_source_begins_at_1():
    track = Called("track")
    assert follow(track, *straight(4), source="a.mp4")[-1] == [1]
    assert follow(track, *straight(4), source="b.mp4", first=4) == [[-1]] + [[1]] * 3


def test_each_source_of_a_batch_has_its_own_numbers():
    track, last = Called("track"), []
    for number in range(4):
        left, right = box(40 + number, 100), box(200 + number, 100)
        first, second = track(frame(number, left, right), frame(number, right, source_id=1))
        last = [numbers(first, [{"object_id": -1}] * 2), numbers(second, [{"object_id": -1}])]
    assert last == [[1, 2], [1]]


def test_frames_without_timestamps_need_a_rate():
    no_time = {"buf_pts": -1, "stream_time": -1}
    with pytest.raises(ValueError, match="no timestamps: set the option frame_rate"):
        follow(Called("track"), *straight(2), **no_time)
    assert follow(Called("track", frame_rate=10), *straight(3), **no_time) == [[-1], [1], [1]]


def test_without_the_tracker_the_message_says_what_to_install(tmp_path):
    program = (
        f"import sys; sys.modules['norfair'] = None\nfrom empycustom import testing\ntesting.run({TRACK!r}, testing.make_frame())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert 'pip install "empycustom[libs]"' in done.stderr


def longest(video, frames=None):
    """How often each number occurs, most often first, where examples/people.py finds the people of a video."""
    counts = Counter()
    with empycustom.process(str(video), [str(PROJECT / "examples" / "people.py"), TRACK], format="RGBA") as results:
        for result in itertools.islice(results, frames):
            counts.update(number for number in ids(result) if number > 0)
    return [count for _, count in counts.most_common()]


def test_drawn_people_keep_their_numbers(tmp_path):
    """Six people, of whom one is found in the first frame, and one at the end."""
    video = tmp_path / "walkers.mp4"
    subprocess.run([sys.executable, PROJECT / "tools" / "walkers.py", video], check=True, capture_output=True)
    counts = longest(video)
    assert len(counts) <= 7
    assert counts[0] >= 118, "of 121 frames"


@pytest.mark.skipif(not SAMPLE.exists(), reason="the sample video is not there: tools/sample_video.sh downloads it (95 MB)")
def test_filmed_people_keep_their_numbers():
    """The people who stay in the first 150 frames of the demo's video; its own library gives out 16 numbers there."""
    counts = longest(SAMPLE, 150)
    assert len(counts) <= 14
    assert counts[0] >= 140
    assert sum(count >= 90 for count in counts) >= 4
