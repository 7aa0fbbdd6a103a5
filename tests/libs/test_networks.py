"""Trained networks that packages ship, fetched and converted by our tools, on real pictures."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

import empycustom
from empycustom.libs import detect
from empycustom.libs.detect.model import Model

PROJECT = Path(__file__).parents[2]
# Measured by eye: left, top, right, bottom of the three people in the first frame of the sample video, and of the van.
PEOPLE = [(497, 157, 530, 239), (246, 222, 284, 316), (642, 239, 682, 324)]
VAN = (652, 43, 724, 100)
needs_npm = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not here; what fetches it instead is tried")


def find(path, picture, **more):
    options = {**{name: option.default for name, option in detect.OPTIONS.items()}, "model": str(path), **more}
    return Model(options).find(picture, options)


@pytest.fixture(scope="module")
def tool():
    """tools/human_models.py, as a module."""
    spec = importlib.util.spec_from_file_location("human_models", PROJECT / "tools/human_models.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def human(tool, tmp_path_factory):
    """A folder with the models of the npm package human (MIT), and its pictures."""
    folder = tmp_path_factory.mktemp("human")
    try:
        with tarfile.open(tool.packed(folder)) as package:
            tool.write_models(package, folder)
            (folder / "samples.jpg").write_bytes(package.extractfile("package/assets/samples.jpg").read())
    except SystemExit as error:
        pytest.skip(str(error))
    return folder


@pytest.fixture(scope="module")
def samples(human):
    """A picture of people, near."""
    return cv2.imread(str(human / "samples.jpg"))[..., ::-1].copy()


@pytest.fixture(scope="module")
def street():
    """The first frame of the sample video."""
    fetched = subprocess.run([PROJECT / "tools/sample_video.sh"], capture_output=True, text=True)
    if fetched.returncode:
        pytest.skip(f"the sample video is not available: {fetched.stderr.strip().splitlines()[-1]}")
    return cv2.VideoCapture(str(PROJECT / fetched.stdout.strip())).read()[1][..., ::-1].copy()


def overlap(found, left, top, right, bottom):
    """Intersection over union."""
    rect = found["rect_params"]
    width = min(rect["left"] + rect["width"], right) - max(rect["left"], left)
    height = min(rect["top"] + rect["height"], bottom) - max(rect["top"], top)
    shared = max(width, 0) * max(height, 0)
    return shared / (rect["width"] * rect["height"] + (right - left) * (bottom - top) - shared)


def test_centernet_finds_everybody_in_a_frame_of_the_sample_video_and_nobody_else(human, street):
    found = find(human / "objects.onnx", street, classes=["person"])
    assert len(found) == len(PEOPLE)
    for person in PEOPLE:
        assert max(overlap(each, *person) for each in found) > 0.6
    cars = find(human / "objects.onnx", street, confidence=0.3, classes=["car", "truck"])
    assert max(overlap(each, *VAN) for each in cars) > 0.6


def test_what_centernet_finds_arrives_in_a_pipeline_with_the_names_of_its_classes(human, street):
    with empycustom.process([street], detect, options={"model": str(human / "objects.onnx")}) as results:
        (result,) = results
    objects = result.frame["object"]
    assert [(each["obj_label"], each["class_id"]) for each in objects][:3] == [("person", 0)] * 3
    labels = Model({**{name: option.default for name, option in detect.OPTIONS.items()}, "model": human / "objects.onnx"}).labels
    assert (len(labels), labels[0], labels[79]) == (80, "person", "toothbrush")


def test_movenet_finds_the_joints_of_somebody_who_walks(human, street):
    left, top, right, bottom = PEOPLE[1]
    (person,) = find(human / "pose.onnx", street[top - 20 : bottom + 20, left - 47 : right + 47].copy(), confidence=0.3)
    points = person["keypoints"] + (left - 47, top - 20, 0)
    head, hips, ankles = points[:5, 1].mean(), points[11:13, 1].mean(), points[15:, 1].mean()
    assert top < head < top + 20
    assert top + 35 < hips < top + 60
    assert bottom - 25 < ankles < bottom
    assert (abs(points[:, 0] - (left + right) / 2) < 25).all()


def test_movenet_behind_centernet_gives_everybody_a_skeleton(human, street):
    people = {"model": str(human / "objects.onnx"), "classes": ["person"]}
    poses = {"model": str(human / "pose.onnx"), "objects": ["person"], "confidence": 0.3}
    with empycustom.process([street], [detect, "empycustom.libs.detect"], options=[people, poses]) as results:
        (result,) = results
    assert len(result.frame["object"]) == len(PEOPLE)
    for person in result.frame["object"]:
        points, rect = np.reshape(person["keypoints"], (-1, 3)), person["rect_params"]
        assert person["keypoint_names"][15:] == ["left_ankle", "right_ankle"]
        assert (points[:5, 1] < rect["top"] + rect["height"] / 4).all(), "the head"
        assert (points[15:, 1] > rect["top"] + rect["height"] * 3 / 4).all(), "the ankles"
        inside = (points[:, 0] > rect["left"] - 8) & (points[:, 0] < rect["left"] + rect["width"] + 8)
        assert inside.mean() > 0.9


def test_nothing_is_a_person_in_a_gray_picture(human):
    gray = np.full((300, 400, 3), 128, np.uint8)
    assert find(human / "objects.onnx", gray) == []
    assert find(human / "pose.onnx", gray) == []


def test_the_files_say_what_they_are_and_where_they_come_from(human):
    for name, task in (("objects.onnx", "detect"), ("pose.onnx", "pose")):
        said = {each.key: each.value for each in onnx.load(human / name).metadata_props}
        assert said["task"] == task
        assert said["weights"].endswith("of @vladmandic/human@3.3.6")


def test_where_there_is_no_npm_pip_fetches_one(tool, tmp_path, monkeypatch):
    monkeypatch.setattr(tool.shutil, "which", lambda _: None)
    try:
        assert tool.packed(tmp_path).name == "vladmandic-human-3.3.6.tgz"
    except SystemExit as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("has_npm", [False, pytest.param(True, marks=needs_npm)])
def test_where_nothing_can_be_fetched_one_line_says_why(tmp_path, has_npm):
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "npm_config_registry": "http://127.0.0.1:9"}
    environment = {**os.environ, **nowhere, **({} if has_npm else {"PATH": str(tmp_path)})}
    environment.pop("PIP_FIND_LINKS", None)
    command = [sys.executable, PROJECT / "tools/human_models.py", tmp_path]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert re.fullmatch(
        "human_models: error: @vladmandic/human@3.3.6 cannot be fetched: .*(ECONNREFUSED|Connection refused).*\n", ended.stderr
    )
    assert list(tmp_path.iterdir()) == []


def test_a_kind_of_node_that_is_not_known_is_an_error_that_names_it(tool):
    node = {"name": "last", "op": "FFT", "input": []}
    graph = tool.Graph({"modelTopology": {"node": [node]}, "weightsManifest": [{"weights": []}]}, b"")
    with pytest.raises(ValueError, match="last is a FFT, which this converter does not know: Add, Mul"):
        graph.model("last", {})


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """CenterFace."""
    path = tmp_path_factory.mktemp("faces") / "faces.onnx"
    ended = subprocess.run([sys.executable, PROJECT / "tools/face_model.py", path], capture_output=True, text=True, timeout=240)
    if ended.returncode:
        pytest.skip(f"it cannot be fetched: {ended.stderr[-300:]}")
    return path


def test_a_trained_network_finds_a_face_and_its_landmarks_in_a_real_picture(faces, samples):
    face = {"left": 293, "top": 500, "width": 62, "height": 77}  # of the woman in front, measured by hand
    found = find(faces, samples, size=[640, 960], labels=["face"], confidence=0.5)
    middles = [
        (each, each["rect_params"]["left"] + each["rect_params"]["width"] / 2, each["rect_params"]["top"]) for each in found
    ]
    (woman,) = [each for each, x, top in middles if abs(x - 324) < 12 and abs(top - face["top"]) < 12]
    assert woman["rect_params"] == pytest.approx(face, abs=14)
    eyes, nose, mouth = woman["keypoints"][:2], woman["keypoints"][2], woman["keypoints"][3:]
    assert eyes[:, 1].max() < nose[1] < mouth[:, 1].min()
    assert eyes[0, 0] < nose[0] < eyes[1, 0]
    assert all(abs(x - 324) < 35 and 500 < y < 580 for x, y, _ in woman["keypoints"])
