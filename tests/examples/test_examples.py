"""Every example in a gst-launch pipeline: its results, and its changes of the pixels."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from launching import EXAMPLES, FIRST_FRAME, RGBA, SOLID, WALKERS_CAPS, example, overlap


def said(documents: list[dict]) -> list[list]:
    """Return the attributes of each object of each frame."""
    return [[obj.get("emcustom") for obj in frame["object"]] for frame in documents]


def test_smallest_has_a_result_for_every_frame(launch, boxes):
    documents, _ = launch(SOLID, example("smallest.py"))
    assert [frame["emcustom"] for frame in documents] == [{"objects": 0}] * 3
    documents, _ = launch(SOLID, boxes, example("smallest.py"))
    assert {frame["emcustom"]["objects"] for frame in documents} == {len(documents[0]["object"])}


def test_average_intensity_measures_persons_only(launch, boxes):
    documents, _ = launch(SOLID, boxes, example("average_intensity.py"))
    for frame in said(documents):
        assert frame[:2] == [{"average_intensity": 64.0}, None]
        assert set(map(str, frame[2:])) <= {"None"}, "a box beside the picture has no intensity"


def test_average_intensity_takes_the_class_from_the_options(launch, boxes):
    documents, _ = launch(SOLID, boxes, example("average_intensity.py", {"person_class_id": 1}))
    assert [frame[:2] for frame in said(documents)] == [[None, {"average_intensity": 64.0}]] * 3


@pytest.mark.parametrize("pixel_format", ["RGBA", "BGRx"])
def test_draw_writes_boxes_around_objects_that_are_near(launch, boxes, pixel_format):
    caps = RGBA.replace("RGBA", pixel_format)
    _, plain = launch(SOLID, boxes, caps=caps)
    documents, drawn = launch(SOLID, boxes, example("draw.py"), caps=caps)
    changed = (plain != drawn).any(axis=(0, 3))
    assert changed[60:140, 40].all(), "the left edge of the first box"
    assert changed[100:180, 200].all(), "the left edge of the second box"
    assert not changed[65:135, 45:85].any(), "nothing is drawn inside"
    assert drawn[0, 100, 40].tolist() == ([240, 228, 66, 255] if pixel_format == "RGBA" else [66, 228, 240, 255])
    assert [frame["emcustom"] for frame in documents] == [{"near": 3}] * 3
    _, same = launch(SOLID, boxes, example("draw.py", {"height": 0.9}), caps=caps)
    assert np.array_equal(same, plain)


def test_new_buffer_mirrors_the_picture(launch):
    source = ["videotestsrc", "num-buffers=3", "pattern=smpte"]
    straight, picture = launch(source)
    documents, mirrored = launch(source, example("new_buffer.py", in_place=False))
    assert not np.array_equal(picture, picture[:, :, ::-1])
    assert np.array_equal(mirrored, picture[:, :, ::-1])
    assert [frame["emcustom"] for frame in documents] == [{"mirrored": True}] * 3
    assert [frame["buf_pts"] for frame in documents] == [frame["buf_pts"] for frame in straight]


def test_picture_in_picture_is_larger_and_shows_the_largest_person_in_its_corner(launch, boxes):
    """The person's box is red in the frame, so is the corner; boxes grow with the picture."""
    _, before = launch(["videotestsrc", "num-buffers=1", "pattern=gradient"], boxes)
    documents, after = launch(
        ["videotestsrc", "num-buffers=1", "pattern=gradient"], boxes, example("picture_in_picture.py", in_place=False)
    )
    assert after.shape == (1, 360, 480, 4)
    person = documents[0]["object"][0]
    assert (person["obj_label"], list(person["rect_params"].values())) == ("person", [60, 90, 75, 120])
    rows, columns = 180, 112  # half of the height; as wide as the box is in that height
    assert (after[0, -rows - 6 :, -columns - 6] == 255).all(), "the border"
    near, box = after[0, -rows - 3 : -3, -columns - 3 : -3], before[0, 60:140, 40:90]
    assert np.abs(cv2.resize(near, (50, 80)).astype(int) - box).max() <= 3
    whole = np.abs(cv2.resize(after[0], (320, 240)).astype(int) - before[0])
    assert whole[:100].max() <= 3


def test_counter_writes_its_report_at_the_end(launch, boxes):
    documents, _ = launch(SOLID, boxes, example("counter.py", {"report": "report.json", "label": "bicycle"}))
    assert json.loads((launch.folder / "report.json").read_text()) == {"frames": 3, "objects": 3}
    assert [frame["emcustom"]["frames"] for frame in documents] == [1, 2, 3]


def test_counter_finds_out_at_the_start_that_the_report_cannot_be_written(launch):
    counter = example("counter.py", {"report": "no/such/folder/r.json"})
    ended = launch.process("videotestsrc", "num-buffers=3", "!", RGBA, "!", "empycustom", *counter, "!", "fakesink")
    assert ended.returncode != 0
    assert "no/such/folder/r.json" in ended.stderr
    assert "counter.py" in ended.stderr


def test_people_finds_everybody_in_the_first_frame_and_nobody_else(launch, walkers):
    documents, _ = launch(walkers, example("people.py"), caps=WALKERS_CAPS)
    objects = documents[0]["object"]
    assert len(objects) == len(FIRST_FRAME)
    for person in FIRST_FRAME:
        assert max(overlap(obj["rect_params"], *person) for obj in objects) > 0.5
    assert all(obj["obj_label"] == "person" and obj["class_id"] == 2 and 0.6 < obj["confidence"] <= 1 for obj in objects)


def test_people_follows_them_between_two_searches(launch, walkers):
    documents, _ = launch(walkers, example("people.py"), caps=WALKERS_CAPS)
    frames = [{obj["object_id"]: obj["rect_params"]["left"] for obj in frame["object"]} for frame in documents]
    assert all(frames[0].keys() <= frame.keys() for frame in frames[:11]), "everybody keeps the number"
    searched_once, _ = launch(walkers, example("people.py", {"interval": 1000}), caps=WALKERS_CAPS)
    truth, _ = launch(walkers, example("people.py", {"interval": 1}), caps=WALKERS_CAPS)
    found = [obj["rect_params"] for obj in truth[8]["object"]]
    for obj in searched_once[8]["object"]:
        rect = obj["rect_params"]
        edges = (rect["left"], rect["top"], rect["left"] + rect["width"], rect["top"] + rect["height"])
        assert max(overlap(other, *edges) for other in found) > 0.5, "followed for eight frames without a search"


def test_people_finds_nobody_in_a_test_picture(launch):
    documents, _ = launch(["videotestsrc", "num-buffers=2", "pattern=smpte"], example("people.py"))
    assert [frame["object"] for frame in documents] == [[], []]


def test_people_begins_anew_with_each_source(walkers, tmp_path):
    read = dict(word.split("=") for word in walkers if "=" in word)
    size = int(read["height"]), int(read["width"]), 4
    people = np.fromfile(read["location"], np.uint8, np.prod(size)).reshape(size)
    cv2.imwrite(str(tmp_path / "people.png"), cv2.cvtColor(people, cv2.COLOR_RGBA2BGR))
    cv2.imwrite(str(tmp_path / "gray.png"), np.full_like(people[..., :3], 128))
    arguments = ["run", "people.png", "gray.png", "people.png", "--lib", EXAMPLES / "people.py", "-q"]
    ended = subprocess.run(
        [Path(sys.executable).parent / "empycustom", *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = [json.loads(line)["frame"][0]["object"] for line in ended.stdout.splitlines()]

    assert len(found[0]) > 1
    assert [len(objects) for objects in found] == [len(found[0]), 0, len(found[0])]
    assert not {each["object_id"] for each in found[0]} & {each["object_id"] for each in found[2]}


def test_people_names_the_format_that_it_needs(launch):
    caps = "video/x-raw,format=BGRx"
    ended = launch.process("videotestsrc", "num-buffers=1", "!", caps, "!", "empycustom", *example("people.py"), "!", "fakesink")
    assert ended.returncode != 0
    assert "people.py" in ended.stderr
    assert "format=RGBA" in ended.stderr


def test_the_demo_measures_and_draws_every_person(launch, walkers):
    chain = [example("people.py"), example("average_intensity.py")]
    _, plain = launch(walkers, *chain, caps=WALKERS_CAPS)
    documents, drawn = launch(walkers, *chain, ["custom-lib=empycustom.libs.draw", "in-place=true"], caps=WALKERS_CAPS)
    for frame, before, after in zip(documents, plain, drawn, strict=True):
        assert frame["object"]
        for obj in frame["object"]:
            rect = obj["rect_params"]
            left, top = int(rect["left"]), int(rect["top"])
            assert 0 < obj["emcustom"]["average_intensity"] < 255
            inside = before[top : top + int(rect["height"]), left : left + int(rect["width"]), :3]
            assert obj["emcustom"]["average_intensity"] == pytest.approx(inside.mean(), abs=0.06)
            edge = before[top, left : left + 20] != after[top, left : left + 20]
            assert edge.any(axis=1).mean() > 0.9


WITH_A_MODEL = {"torch_classes.py"}  # see test_models.py


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_each_example_shows_its_command_and_is_in_the_list(path):
    assert f"examples/{path.name}" in path.read_text()
    assert f"[{path.name}]({path.name})" in (EXAMPLES / "README.md").read_text()


@pytest.mark.parametrize(
    "path", [path for path in sorted(EXAMPLES.glob("*.py")) if path.name not in WITH_A_MODEL], ids=lambda path: path.name
)
def test_each_example_passes_the_check_of_the_command_line(path, tmp_path):
    command = [Path(sys.executable).parent / "empycustom", "check", path, "--repeat", "2"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout


def test_an_opencv_without_the_people_detector_names_the_package(tmp_path):
    """As the main package of OpenCV 5; a module beside the library goes before those of the environment."""
    (tmp_path / "people.py").write_text((EXAMPLES / "people.py").read_text())
    (tmp_path / "cv2.py").write_text("__version__ = '5.0.0'\n")
    command = [Path(sys.executable).parent / "empycustom", "run", "test", "--lib", "people.py", "--frames", "1"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "ImportError: OpenCV 5.0.0 has no people detector (HOG)" in ended.stderr
    assert "pip install 'opencv-python-headless<5'" in ended.stderr
