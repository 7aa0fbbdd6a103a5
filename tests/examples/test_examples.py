"""Every example in a pipeline of gst-launch's: what it says, and what it does to the pixels."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "examples"
WIDTH, HEIGHT = 320, 240
SOLID = ["videotestsrc", "num-buffers=3", "pattern=solid-color", "foreground-color=0xff204060"]  # red 32, green 64, blue 96
RGBA = f"video/x-raw,format=RGBA,width={WIDTH},height={HEIGHT},framerate=10/1"

# Two objects in every frame, and one beside the picture.
BOXES = """
def process_ip(io_buffer, in_meta, options):
    boxes = [(2, "person", 40, 60), (1, "bicycle", 200, 100), (2, "person", 1000, 1000)]
    return {"frame": [{"new_object": [
        {"class_id": class_id, "obj_label": label, "confidence": 0.5, "object_id": number,
         "rect_params": {"left": left, "top": top, "width": 50, "height": 80}}
        for number, (class_id, label, left, top) in enumerate(boxes)]}]}
"""


class Launch:
    """gst-launch-1.0 with our elements, and the files that it leaves in a folder."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment

    def process(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["gst-launch-1.0", "-q", *words], env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=120
        )

    def __call__(self, source: list[str], *libraries: list[str], caps: str = RGBA) -> tuple[list[dict], np.ndarray]:
        """Play source and libraries; return each frame of the documents, and the pixels (frame, row, column, 4)."""
        elements = [word for library in libraries for word in ["!", "empycustom", *library]]
        ended = self.process(
            *source, "!", "videoconvert", "!", caps, *elements,
            "!", "aimeta", "location=meta.jsonl", "!", "filesink", "location=raw",
        )  # fmt: skip
        assert (ended.returncode, ended.stderr) == (0, "")
        documents = [json.loads(line)["frame"][0] for line in (self.folder / "meta.jsonl").read_text().splitlines()]
        height, width = documents[0]["source_frame_height"], documents[0]["source_frame_width"]
        return documents, np.fromfile(self.folder / "raw", np.uint8).reshape(len(documents), height, width, 4)


def example(name: str | Path, options: dict | None = None, in_place: bool = True) -> list[str]:
    words = [f"custom-lib={EXAMPLES / name}", f"in-place={str(in_place).lower()}"]
    return words if options is None else [*words, f"options={json.dumps(options)}"]


@pytest.fixture
def launch(tmp_path: Path, gst_env: dict[str, str]) -> Launch:
    return Launch(tmp_path, gst_env)


@pytest.fixture
def boxes(tmp_path: Path) -> list[str]:
    (tmp_path / "boxes.py").write_text(BOXES)
    return example(tmp_path / "boxes.py")


@pytest.fixture(scope="session")
def walkers(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The first twelve frames of the sample video, as words for gst-launch."""
    fetched = subprocess.run([PROJECT / "tools/sample_video.sh"], capture_output=True, text=True)
    if fetched.returncode:
        pytest.skip(f"the sample video cannot be had: {fetched.stderr.strip().splitlines()[-1]}")
    video = cv2.VideoCapture(str(PROJECT / fetched.stdout.strip()))
    frames = [cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2RGBA) for _ in range(12)]
    raw = tmp_path_factory.mktemp("walkers") / "raw"
    raw.write_bytes(np.stack(frames).tobytes())
    height, width = frames[0].shape[:2]
    size = [f"width={width}", f"height={height}"]
    return ["filesrc", f"location={raw}", "!", "rawvideoparse", "format=rgba", *size, "framerate=10/1"]


WALKERS_CAPS = "video/x-raw,format=RGBA"


def said(documents: list[dict]) -> list[list]:
    """What is said about each object of each frame."""
    return [[obj.get("emcustom") for obj in frame["object"]] for frame in documents]


def test_smallest_speaks_about_every_frame(launch, boxes):
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


def test_draw_writes_boxes_into_the_pixels(launch, boxes):
    _, plain = launch(SOLID, boxes)
    _, drawn = launch(SOLID, boxes, example("draw.py", {"words": False}))
    changed = (plain != drawn).any(axis=(0, 3))
    assert changed[60:140, 40].all(), "the left edge of the first box"
    assert changed[60, 40:90].all(), "its upper edge"
    assert not changed[65:135, 45:85].any(), "nothing is drawn inside"
    assert changed[100:180, 200].all(), "the left edge of the second box"
    assert not changed[190:].any()
    assert not np.array_equal(drawn[0, 100, 40], drawn[0, 140, 200]), "each object has its own colour"


def test_draw_writes_what_was_said_below_the_box(launch, boxes):
    chain = [boxes, example("average_intensity.py")]
    _, without = launch(SOLID, *chain, example("draw.py", {"words": False}))
    _, drawn = launch(SOLID, *chain, example("draw.py"))
    words = (without != drawn).any(axis=(0, 3))
    assert words[45:58, 42:120].mean() > 0.5, "the name of the person, above"
    assert words[143:155, 42:120].mean() > 0.5, "the intensity, below"
    assert not words[183:195, 202:280].any(), "nothing was said about the bicycle"


@pytest.mark.parametrize("pixel_format", ["BGRA", "RGBx"])
def test_draw_keeps_its_colours_in_other_formats(launch, boxes, pixel_format):
    _, expected = launch(SOLID, boxes, example("draw.py"))
    _, drawn = launch(SOLID, boxes, example("draw.py"), caps=RGBA.replace("RGBA", pixel_format))
    order = [2, 1, 0] if pixel_format == "BGRA" else [0, 1, 2]
    assert np.array_equal(drawn[..., order], expected[..., :3])


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


def overlap(rect: dict, left: int, top: int, right: int, bottom: int) -> float:
    """Intersection over union."""
    width = min(rect["left"] + rect["width"], right) - max(rect["left"], left)
    height = min(rect["top"] + rect["height"], bottom) - max(rect["top"], top)
    shared = max(width, 0) * max(height, 0)
    return shared / (rect["width"] * rect["height"] + (right - left) * (bottom - top) - shared)


# Measured by eye: left, top, right, bottom of the three people in the first frame.
FIRST_FRAME = [(497, 157, 530, 239), (246, 222, 284, 316), (642, 239, 682, 324)]


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


def test_people_says_which_format_it_needs(launch):
    caps = "video/x-raw,format=BGRx"
    ended = launch.process("videotestsrc", "num-buffers=1", "!", caps, "!", "empycustom", *example("people.py"), "!", "fakesink")
    assert ended.returncode != 0
    assert "people.py" in ended.stderr
    assert "format=RGBA" in ended.stderr


def test_the_demo_measures_and_draws_every_person(launch, walkers):
    chain = [example("people.py"), example("average_intensity.py")]
    _, plain = launch(walkers, *chain, caps=WALKERS_CAPS)
    documents, drawn = launch(walkers, *chain, example("draw.py"), caps=WALKERS_CAPS)
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


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_each_example_says_how_to_run_it_and_is_in_the_list(path):
    assert f"examples/{path.name}" in path.read_text()
    assert f"[{path.name}]({path.name})" in (EXAMPLES / "README.md").read_text()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_each_example_passes_the_check_of_the_command_line(path, tmp_path):
    command = [Path(sys.executable).parent / "empycustom", "check", path, "--repeat", "2"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout


SNOW = ["videotestsrc", "num-buffers=2", "pattern=snow"]


@pytest.mark.parametrize("options", [None, {"mask": True}], ids=["blur", "mask"])
@pytest.mark.parametrize("pixel_format", ["RGBA", "BGR", "GRAY16_LE", "I420", "NV12", "P010_10LE"])
def test_privacy_hides_persons_and_nothing_else(launch, boxes, pixel_format, options):
    """Noise becomes smooth where the person is; around it and under the bicycle it stays what it was."""
    caps, shown = RGBA.replace("RGBA", pixel_format), ["!", "videoconvert", "!", RGBA]
    _, before = launch(SNOW, [*boxes, *shown], caps=caps)
    documents, after = launch(SNOW, boxes, [*example("privacy.py", options), *shown], caps=caps)
    assert [frame[:2] for frame in said(documents)] == [[{"hidden": True}, None]] * 2
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[58:142, 38:92] = False  # a sample of colour may reach over the edge
    assert np.array_equal(before[:, outside], after[:, outside])
    assert before[:, 62:138, 42:88, :3].std() > 30
    assert after[:, 62:138, 42:88, :3].std(axis=(1, 2)).max() < (1 if options else 12)
    assert (np.abs(after.mean(axis=(1, 2)) - before.mean(axis=(1, 2))) < 3).all(), "as bright as before"
