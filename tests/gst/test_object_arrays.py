"""Key points, masks, embeddings, rotation and numbers of objects: from the library that finds them to those downstream."""

from __future__ import annotations

import base64
import json

import jsonschema
import numpy as np
import pytest

import empycustom
from empycustom import testing
from empycustom.gstreamer import Gst
from empycustom.model.keys import document_schema
from empycustom.model.masks import decode_rle, encode_rle

SOURCE = "videotestsrc num-buffers=3 ! video/x-raw,format=RGBA,width=64,height=48,framerate=10/1"
FINDER = """
import numpy as np

def process_ip(b, m, o):
    car = {"obj_label": "car", "rect_params": {"left": 8, "top": 4, "width": 16, "height": 20}, "rotation": 0.5, "unique_id": 7}
    car["keypoints"] = np.array([[9, 5, 0.5], [20.5, 10, 1], [12, 30, 0]], np.float64)
    car["keypoint_names"], car["skeleton"] = ["a", "b", "c"], [(0, 1), (1, 2)]
    car["mask"] = np.eye(4, 8) * 0.75
    car["embedding"] = np.linspace(-1, 1, 5, dtype=np.float16)
    plate = {"obj_label": "plate", "rect_params": {"left": 10, "top": 6, "width": 4, "height": 2}, "parent_id": 7}
    plate["embedding"] = [0.1, 2]
    return {"frame": [{"new_object": [car, plate, {"rect_params": {"left": 1, "top": 1, "width": 2, "height": 2}}]}]}
"""
SEES = """
import numpy as np

def process_ip(b, m, o):
    said = []
    for found in m["frame"][0]["object"]:
        kinds = {key: [str(found[key].dtype), list(found[key].shape)] for key in ("keypoints", "mask", "embedding") if key in found}
        for key in kinds:
            assert type(found[key]) is np.ndarray
            found[key][...] = 0  # it is the library's own
        said.append({"kinds": kinds})
    return said
"""
CAR = {
    "rotation": 0.5,
    "keypoints": [9.0, 5.0, 0.5, 20.5, 10.0, 1.0, 12.0, 30.0, 0.0],
    "keypoint_names": ["a", "b", "c"],
    "skeleton": [[0, 1], [1, 2]],
    "mask": encode_rle(np.eye(4, 8)),
    "embedding": [-1.0, -0.5, 0.0, 0.5, 1.0],
    "unique_id": 7,
}
CAR_BOX = {"left": 8, "top": 4, "width": 16, "height": 20}
SPECIAL = {*CAR, "parent_id"}


@pytest.fixture
def finder(library):
    return f"empycustom in-place=true custom-lib={library(FINDER, 'finder.py')}"


@pytest.fixture
def change(library):
    """Make an element whose library returns an expression of the objects of in_meta, ``objects``."""

    def make(returned, name="change.py"):
        text = f"import numpy as np\ndef process_ip(b, m, o):\n    objects = m['frame'][0]['object']\n    return {returned}\n"
        return f"empycustom in-place=true custom-lib={library(text, name)}"

    return make


def special(found):
    """Return the keys of an object that not every object has, with points to a thousandth of a pixel."""
    its = {key: found[key] for key in found.keys() & SPECIAL}
    return its | {"keypoints": np.round(its["keypoints"], 3).tolist()} if "keypoints" in its else its


BETWEEN = [
    "identity",
    "queue",
    "tee name=t ! queue",
    "videoconvert ! video/x-raw,format=I420 ! videoconvert ! video/x-raw,format=RGBA",
    "videobalance",
    "queue ! videoconvert ! video/x-raw,format=NV12 ! tee ! queue",
]


@pytest.mark.parametrize("between", BETWEEN)
def test_everything_stays_with_its_object_through(document, finder, between):
    car, plate, other = document(f"{SOURCE} ! {finder} ! {between}")["object"]
    assert special(car) == CAR
    assert special(plate) == {"parent_id": 7, "embedding": [pytest.approx(0.1), 2.0]}
    assert list(other) == ["class_id", "object_id", "confidence", "obj_label", "rect_params", "text_params", "classifier"]


def test_a_library_downstream_gets_arrays_of_its_own(document, finder, library):
    sees = f"empycustom in-place=true custom-lib={library(SEES, 'sees.py')}"
    car, plate, other = document(f"{SOURCE} ! {finder} ! {sees} ! videoconvert ! video/x-raw,format=RGB ! {sees}")["object"]
    assert car["emcustom"]["kinds"] == {
        "keypoints": ["float32", [3, 3]],
        "mask": ["uint8", [4, 8]],
        "embedding": ["float16", [5]],
    }
    assert plate["emcustom"]["kinds"] == {"embedding": ["float32", [2]]}
    assert other["emcustom"]["kinds"] == {}
    assert special(car) == CAR, "what the library wrote into its arrays is seen by nobody"


@pytest.mark.parametrize("size", [(128, 96), (32, 24), (128, 144)])
def test_geometry_is_scaled_with_its_object(document, finder, size):
    scale = f"videoscale add-borders=false ! video/x-raw,width={size[0]},height={size[1]},pixel-aspect-ratio=1/1"
    car = document(f"{SOURCE} ! {finder} ! {scale}")["object"][0]
    factors = size[0] / 64, size[1] / 48, 1
    assert np.reshape(car["keypoints"], (3, 3)) == pytest.approx(np.reshape(CAR["keypoints"], (3, 3)) * factors, abs=0.01)
    assert car["mask"] == CAR["mask"]
    assert car["embedding"] == CAR["embedding"]


def test_a_turned_box_is_turned_as_the_picture_is(document, change):
    """Scaled by two factors, its sides along and across the picture: what was wide is high then."""
    box = {"left": 20, "top": 14, "width": 24, "height": 8}
    turned = change(f"{{'frame': [{{'new_object': [{{'rect_params': {box}, 'rotation': np.pi / 2}}]}}]}}")
    scale = "videoscale add-borders=false ! video/x-raw,width=64,height=96,pixel-aspect-ratio=1/1"
    (found,) = document(f"{SOURCE} ! {turned} ! {scale}")["object"]
    assert found["rotation"] == pytest.approx(np.pi / 2)
    assert found["rect_params"] == pytest.approx({"left": 8, "top": 32, "width": 48, "height": 8})


BASE64 = base64.b64encode(np.linspace(-1, 1, 5, dtype="<f4").tobytes()).decode()
FORMS = [("list", CAR["embedding"]), ("base64", BASE64)]


@pytest.mark.parametrize(("form", "expected"), FORMS)
def test_documents_have_embeddings_as_asked(play, finder, tmp_path, form, expected):
    """Written, read by a program, and sent; with DL Streamer's messages they stay lists."""
    paths = [tmp_path / name for name in ("written", "sent", "gva")]
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! {finder} ! aimeta name=read embeddings={form} ! aimeta embeddings={form} location={paths[0]} "
        f"! metapublish embeddings={form} uri=file://{paths[1]} ! aimeta embeddings={form} format=gva location={paths[2]} ! fakesink"
    )
    assert play(pipeline).ended
    texts = [path.read_text().splitlines()[-1] for path in paths[:2]]
    for text in (*texts, pipeline.get_by_name("read").get_property("last-meta")):
        document = json.loads(text)
        assert jsonschema.Draft202012Validator(document_schema()).is_valid(document)
        car, plate, other = document["frame"][0]["object"]
        assert car["embedding"] == expected
        assert type(plate["embedding"]) is type(expected)
        assert "embedding" not in other
    assert '"data":[-1.0,-0.5,0.0,0.5,1.0]' in paths[2].read_text()


def test_embeddings_of_documents_go_back_into_a_library(document, change):
    made = f"{{'frame': [{{'new_object': [{{'rect_params': {CAR_BOX}, 'embedding': {BASE64!r}}}]}}]}}"
    (found,) = document(f"{SOURCE} ! {change(made)}")["object"]
    assert found["embedding"] == CAR["embedding"]


def test_the_result_is_json(play, finder):
    pipeline = Gst.parse_launch(f"{SOURCE} ! {finder.replace('empycustom ', 'empycustom name=lib ', 1)} ! fakesink")
    assert play(pipeline).ended
    car, plate, other = json.loads(pipeline.get_by_name("lib").get_property("last-meta"))["frame"][0]["new_object"]
    assert car["keypoints"] == CAR["keypoints"]
    assert car["mask"] == CAR["mask"]
    assert plate["embedding"] == [0.1, 2.0]
    assert "mask" not in other


def test_a_program_gets_plain_values(play, finder):
    played = play(f"{SOURCE} ! {finder} ! appsink name=out")
    car, _, _ = empycustom.document(played.samples[0])["frame"][0]["object"]
    assert special(car) == CAR
    json.dumps(car)


def test_documents_of_files_and_of_programs_are_the_same(play, finder, tmp_path):
    file = tmp_path / "meta.jsonl"
    played = play(f"{SOURCE} ! {finder} ! aimeta location={file} ! appsink name=out")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [empycustom.document(sample)["frame"][0]["object"] for sample in played.samples] == [
        line["frame"][0]["object"] for line in lines
    ]


@pytest.mark.parametrize(
    ("changed", "different"),
    [
        ("{'keypoints': objects[0]['keypoints'] + [1, 2, 0]}", {"keypoints": [10, 7, 0.5, 21.5, 12, 1, 13, 32, 0]}),
        ("{'keypoints': [[1, 2], [3, 4], [5, 6]]}", {"keypoints": [1, 2, 1, 3, 4, 1, 5, 6, 1]}),
        ("{'keypoints': []}", {"keypoints": None, "keypoint_names": None, "skeleton": None}),
        ("{'keypoints': np.zeros((0, 3))}", {"keypoints": None, "keypoint_names": None, "skeleton": None}),
        ("{'keypoints': None, 'mask': None}", {}),
        ("{'keypoints': [1, 2, 1]}", {"keypoints": [1, 2, 1], "keypoint_names": None, "skeleton": None}),
        ("{'mask': []}", {"mask": None}),
        ("{'mask': np.ones((2, 3), bool)}", {"mask": encode_rle(np.ones((2, 3)))}),
        ("{'mask': [[8, 4], [16, 4], [16, 24], [8, 24]]}", {"mask": encode_rle([[1] * 8 + [0] * 8] * 20)}),
        ("{'mask': {'size': [2, 2], 'counts': [1, 3]}}", {"mask": encode_rle([[0, 1], [1, 1]])}),
        ("{'embedding': [3]}", {"embedding": [3]}),
        ("{'rotation': 0}", {"rotation": 0}),
        ("{'unique_id': -1}", {"unique_id": None}),
        ("{'skeleton': [[2, 0]]}", {"skeleton": [[2, 0]]}),
        ("{'obj_label': 'van'}", {}),
        ("objects[0]", {}),
    ],
)
def test_a_later_library_changes_them(document, finder, change, changed, different):
    car, plate, _ = document(f"{SOURCE} ! {finder} ! {change(f'dict(frame=[dict(changed_object=[{changed}])])')} ! identity")[
        "object"
    ]
    wanted = {key: value for key, value in {**CAR, **different}.items() if value is not None}
    assert special(car) == wanted
    assert plate["parent_id"] == 7


def test_what_is_moved_and_scaled_at_once_is_where_the_library_says(document, finder, change):
    box = {"left": 30, "top": 20, "width": 10, "height": 10}
    moves = change(f"dict(frame=[dict(changed_object=[dict(rect_params={box})])])")
    (car, *_) = document(f"{SOURCE} ! {finder} ! {moves}")["object"]
    assert car["rect_params"] == box
    assert special(car)["keypoints"] == CAR["keypoints"], "points are in pixels: they stay where they are"
    assert car["mask"] == CAR["mask"]


def test_children_of_an_object_that_is_removed_have_no_parent(document, finder, change):
    plate, other = document(f"{SOURCE} ! {finder} ! {change('dict(frame=[dict(removed_object=[0])])')}")["object"]
    assert plate["obj_label"] == "plate"
    assert "parent_id" not in plate
    assert plate["embedding"] == [pytest.approx(0.1), 2.0]
    assert not special(other)


WRONG = [
    ("'keypoints': [[1, 2], [3]]", "keypoints: must be an array"),
    ("'keypoints': [['1', '2']]", "keypoints: must be an array"),
    ("'keypoints': [[1, 2, 3, 4]]", "keypoints: has the shape (1, 4)"),
    ("'keypoints': [[1, 2, 1], [1, float('nan'), 1]]", "keypoints: point 1 is [1.0, nan, 1.0]"),
    ("'keypoints': [[1, 2, 1.5]]", "confidence from 0 to 1"),
    ("'keypoints': [{'x': 1}]", "keypoints: point 0 must be a dict of x, y"),
    ("'keypoints': [[1, 2]], 'keypoint_names': ['a', 'b']", "keypoint_names: has 2 names, and there is 1 key point"),
    ("'keypoints': [[1, 2]], 'skeleton': [[0, 1]]", "skeleton: has the index 1"),
    ("'skeleton': [[0, -1]]", "skeleton: must be a list of pairs"),
    ("'mask': [1, 2, 3]", "mask: has the shape (3,)"),
    ("'mask': np.full((2, 3), 4.0)", "mask: has numbers that are from 4 to 4"),
    ("'mask': np.full((2, 3), np.nan)", "mask: has numbers that are NaN"),
    ("'mask': [[1, 2], [3, 4]]", "mask: is a polygon, and must have three or more"),
    ("'mask': [[9, 9, 9, 9]]", "mask: has the whole numbers 9, and a mask of those has 0 and 1"),
    ("'mask': np.array([[0, 5, 255]], np.uint8)", "mask: has the whole numbers 0, 5, 255, and a mask of those has 0 and 1"),
    ("'mask': np.array([[0, 255, 255]])", "(of uint8 also 0 and 255): of a map of classes make map == number"),
    ("'mask': [[1, 1, 9, 1, float('inf'), 9]]", "mask: is a polygon, and must have three or more"),
    ("'mask': [[1, 1, 9, 1, 9, 9], [1, 2]]", "mask: "),
    ("'mask': {'size': [2, 2], 'counts': [5]}", "mask: counts of RLE"),
    ("'mask': 'm'", "mask: must be"),
    ("'embedding': [[1, 2], [3, 4]]", "embedding: has the shape (2, 2)"),
    ("'embedding': np.zeros(2**20 + 1)", "embedding: has 1048577 numbers, and may have 1048576"),
    ("'embedding': 'AACAPw='", "embedding: must be an array (n,), a list of numbers, or float32 in base64; this text is not"),
    ("'embedding': 'é'", "float32 in base64; this text is not base64"),
    ("'embedding': 'AACA'", "embedding: must be an array (n,), a list of numbers, or float32 in base64; this text holds 3 bytes"),
    ("'embedding': 'AADAfw=='", "embedding: must have finite numbers of float32"),
    ("'embedding': [1, float('inf')]", "embedding: must have finite numbers"),
    ("'embedding': np.array([1e5, 1e6])[:, None] * [1, 2]", "embedding: has the shape"),
    ("'rotation': 'left'", 'rotation: "left" must be a number'),
    ("'unique_id': -2", "unique_id: -2 must be"),
    ("'parent_id': 1.5", "parent_id: 1.5 must be"),
]


@pytest.mark.parametrize(("wrong", "told"), WRONG)
def test_a_wrong_value_is_an_error_that_names_its_place(play, change, wrong, told):
    returned = f"{{'frame': [{{'new_object': [{{'rect_params': dict(left=1, top=1, width=2, height=2), {wrong}}}]}}]}}"
    played = play(f"{SOURCE} ! {change(returned)} ! fakesink")
    assert played.errors, "the pipeline ends"
    assert "frame[0].new_object[0]." in played.errors[0][0]
    assert told in played.errors[0][0]


def test_key_points_may_be_dicts_with_names(document, change):
    points = [{"x": 1, "y": 2, "confidence": 0.5, "name": "nose"}, {"x": 3, "y": 4, "name": "tail"}]
    box = {"left": 0, "top": 0, "width": 8, "height": 8}
    (found,) = document(f"{SOURCE} ! {change(f'dict(frame=[dict(new_object=[dict(rect_params={box}, keypoints={points})])])')}")[
        "object"
    ]
    assert found["keypoints"] == [1, 2, 0.5, 3, 4, 1]
    assert found["keypoint_names"] == ["nose", "tail"]


def test_an_embedding_may_be_base64_also_in_text(document, change):
    numbers = [0.5, -1.0, 3.25]
    text = base64.b64encode(np.array(numbers, "<f4").tobytes()).decode()
    returned = {
        "frame": [{"new_object": [{"rect_params": dict.fromkeys(("left", "top", "width", "height"), 4), "embedding": text}]}]
    }
    for value in (repr(returned), repr(json.dumps(returned))):
        (found,) = document(f"{SOURCE} ! {change(value)}")["object"]
        assert found["embedding"] == numbers


def test_points_of_a_box_without_a_size_are_scaled_with_the_frame(document, change):
    box = {"left": 8, "top": 4, "width": 0, "height": 0}
    finds = change(f"dict(frame=[dict(new_object=[dict(rect_params={box}, keypoints=[[12, 8]])])])")
    for scale, factor in (("identity", 1), ("videoscale ! video/x-raw,width=128,height=96", 2)):
        (found,) = document(f"{SOURCE} ! {finds} ! {scale}")["object"]
        assert found["keypoints"] == pytest.approx([12 * factor, 8 * factor, 1])


def test_a_polygon_in_a_change_with_a_box_fills_that_box(document, finder, change):
    box = {"left": 0, "top": 0, "width": 4, "height": 4}
    filled = change(f"dict(frame=[dict(changed_object=[dict(rect_params={box}, mask=[[0, 0], [2, 0], [2, 4], [0, 4]])])])")
    (car, *_) = document(f"{SOURCE} ! {finder} ! {filled}")["object"]
    assert decode_rle(car["mask"]).tolist() == [[1, 1, 0, 0]] * 4


@pytest.mark.parametrize(
    ("mask", "rows"),
    [
        ("[[0, 0, 2, 0, 2, 4, 0, 4]]", ["1100"] * 4),
        ("[[0, 0, 1, 0, 1, 4, 0, 4], [3, 0, 4, 0, 4, 2, 3, 2]]", ["1001", "1001", "1000", "1000"]),
        ("[(0, 0, 1, 0, 1, 4, 0, 4), (0, 0, 4, 0, 4, 2)]", ["1111", "1001", "1000", "1000"]),  # other lengths, and they overlap
        ("[[[0, 0], [1, 0], [1, 4], [0, 4]], [[3, 0], [4, 0], [4, 4], [3, 4]]]", ["1001"] * 4),
        ("[[0, 1, 1, 0, 0, 0]]", ["011000"]),
        ("[[0.0, 1.0, 0.4, 0.6, 1.0, 0.0]]", ["010110"]),
        ("[[True, False, True, True, False, False]]", ["101100"]),
        ("np.array([[0, 255], [255, 0]], np.uint8)", ["01", "10"]),
    ],
)
def test_a_mask_may_be_of_polygons_as_coco_has_them_or_of_numbers(document, finder, change, mask, rows):
    box = {"left": 0, "top": 0, "width": 4, "height": 4}
    for where in (f"new_object=[dict(rect_params={box}, mask={mask})]", f"changed_object=[dict(rect_params={box}, mask={mask})]"):
        found = document(f"{SOURCE} ! {finder} ! {change(f'dict(frame=[dict({where})])')}")["object"]
        (its,) = [each for each in found if each["rect_params"] == box]
        assert ["".join(map(str, row)) for row in decode_rle(its["mask"]).tolist()] == rows


@pytest.mark.parametrize(
    "where",
    [
        "new_object=[dict(rect_params={}, mask={})]",
        "changed_object=[dict(rect_params={}, mask={})]",
        "changed_object=[dict(mask={1})]",
    ],
)
@pytest.mark.parametrize("workers", [0, 1])
def test_a_polygon_outside_of_its_box_is_a_warning(play, finder, change, where, workers):
    box = {"left": 8, "top": 4, "width": 16, "height": 20}
    for mask, warned in (([[0.1, 0.1], [0.2, 0.1], [0.2, 0.2]], True), ([[9, 5], [12, 5], [12, 9]], False)):
        returned = f"dict(frame=[dict({where.format(box, mask)})])"
        played = play(f"{SOURCE} ! {finder} ! {change(returned)} workers={workers} ! fakesink")
        assert not played.errors
        told = [text for text, *_ in played.warnings if "the mask of an object covers nothing: it is a polygon" in text]
        assert bool(told) == warned, played.warnings


def test_a_turn_that_boxes_do_not_show_is_a_warning_that_names_the_element(play, change, finder, namer):
    """A mirror does not move a box in the middle. GStreamer up to 1.26 takes away all boxes there."""
    middle = "dict(frame=[dict(new_object=[dict(rect_params=dict(left=24, top=4, width=16, height=9), keypoints=[[30, 8]])])])"
    flip, finds, moves = "videoflip name=mirror video-direction=horiz", change(middle), Gst.version()[:2] >= (1, 28)
    for line, is_told in (
        (f"{finds} ! {flip}", moves),
        (f"{finder} ! {flip}", False),
        (f"{flip} ! {finds}", False),
        (f"{finds} ! {flip.replace('horiz', 'identity')}", False),
    ):
        played = play(f"{SOURCE} ! {line} ! queue ! {namer} ! fakesink")
        assert played.ended, played.errors
        told = [text for text, _ in played.warnings if text.startswith("mirror upstream mirrors or turns the frames")]
        assert len(told) == is_told, played.warnings


CHANGER = """
import numpy as np

def process_ip(b, m, o):
    car, plate, other = m["frame"][0]["object"]
    assert car["keypoints"].shape == (3, 3) and car["mask"].dtype == np.uint8 and car["embedding"].dtype == np.float16
    car["mask"][...] = 0  # its own
    new = {"rect_params": {"left": 3, "top": 3, "width": 6, "height": 6}, "mask": np.tri(3), "keypoints": [[4.5, 4.5]]}
    changed = [{"embedding": car["embedding"] * 2, "keypoint_names": ["x", "y", "z"]}, {"mask": [[10, 6], [14, 6], [14, 8]]}]
    return {"frame": [{"new_object": [{**new, "obj_label": "new"}], "changed_object": changed}]}
"""


@pytest.mark.inline("the worker is what is tested")
@pytest.mark.parametrize("workers", [0, 2])
def test_arrays_go_to_workers_and_come_back(document, finder, library, workers):
    changer = f"empycustom in-place=true workers={workers} custom-lib={library(CHANGER, 'changer.py')}"
    car, plate, _, new = document(f"{SOURCE} ! {finder} ! {changer} ! queue")["object"]
    assert special(car) == CAR | {"embedding": [-2.0, -1.0, 0.0, 1.0, 2.0], "keypoint_names": ["x", "y", "z"]}
    assert decode_rle(plate["mask"]).shape == (2, 4)
    assert special(new) == {"mask": encode_rle(np.tri(3)), "keypoints": [4.5, 4.5, 1]}


LATEST = """
def process_ip(b, m, o):
    found = m["frame"][0]["object"][0]
    new = {"rect_params": {"left": 3, "top": 3, "width": 6, "height": 6}, "keypoints": [[4, 5]], "obj_label": "new"}
    return {"frame": [{"new_object": [new], "changed_object": [{"mask": found["mask"][:, ::-1], "keypoints": [[1, 2]]}]}]}
"""


# Ends the stream when results have come: how many frames that takes is a matter of the machine.
ENDS = """
import empycustom
seen = 0
def process_ip(b, m, o):
    global seen
    seen += any("keypoints" in found for found in m["frame"][0]["object"])
    if seen > 1:
        raise empycustom.EndOfStream
"""


@pytest.fixture
def ended(library):
    return f"empycustom in-place=true custom-lib={library(ENDS, 'ends.py')}"


@pytest.mark.inline("the worker is what is tested")
def test_arrays_of_an_earlier_frame_go_to_the_object_of_the_same_track(document, change, library, ended):
    source = SOURCE.replace("num-buffers=3", "is-live=true")
    box = {"left": 8, "top": 4, "width": 16, "height": 20}
    finds = change(f"dict(frame=[dict(new_object=[dict(rect_params={box}, object_id=5, obj_label='a', mask=np.tri(3))])])")
    latest = f"empycustom in-place=true workers=1 pace=latest custom-lib={library(LATEST, 'latest.py')}"
    by_label = {found["obj_label"]: found for found in document(f"{source} ! {finds} ! {latest} ! {ended}")["object"]}
    assert special(by_label["a"]) == {"mask": encode_rle(np.tri(3)[:, ::-1]), "keypoints": [1, 2, 1]}
    assert special(by_label["new"]) == {"keypoints": [4, 5, 1]}


@pytest.mark.inline("the worker is what is tested")
def test_points_of_an_earlier_frame_are_moved_with_the_box(document, change, library, ended):
    source = SOURCE.replace("num-buffers=3", "is-live=true")
    box = "dict(left=m['frame'][0]['frame_num'], top=4, width=16 + m['frame'][0]['frame_num'], height=20)"
    finds = change(f"dict(frame=[dict(new_object=[dict(rect_params={box}, object_id=5)])])")
    points = """
def process_ip(b, m, o):
    box = m["frame"][0]["object"][0]["rect_params"]
    corners = [[box["left"], box["top"]], [box["left"] + box["width"], 24]]
    return {"frame": [{"changed_object": [{"keypoints": corners}]}]}
"""
    latest = f"empycustom in-place=true workers=1 pace=latest custom-lib={library(points, 'points.py')}"
    frame = document(f"{source} ! {finds} ! {latest} ! {ended}")
    (found,) = frame["object"]
    left, _, width, _ = found["rect_params"].values()
    assert frame["from_frame"] <= frame["frame_num"]
    assert special(found)["keypoints"] == [left, 4, 1, left + width, 24, 1]


def test_frames_for_tests_have_arrays(library):
    box = {"left": 8, "top": 4, "width": 16, "height": 20}
    given = {"rect_params": box, "mask": [[8, 4], [24, 4], [8, 24]], "keypoints": [[9, 5]], "unique_id": 1}
    frame = testing.make_frame(size=(64, 48), objects=[given, {"rect_params": box, "parent_id": 1}])
    result = testing.run(library(SEES, "sees.py"), frame)
    assert result.objects[0]["emcustom"]["kinds"] == {"keypoints": ["float32", [1, 3]], "mask": ["uint8", [20, 16]]}
    assert special(result.objects[0])["keypoints"] == [9, 5, 1]
    assert frame.objects[0]["mask"].any(), "a library has its own"
    removes = library("def process_ip(b, m, o):\n    return {'frame': [{'removed_object': [0]}]}\n", "removes.py")
    (alone,) = testing.run(removes, frame).objects
    assert special(alone) == {}
    json.dumps(result.document)


def test_what_a_library_returned_stays_as_it_was(play, library):
    """It may go on to change its arrays; what the element says of the last result does not change."""
    reuses = library(
        """
import numpy as np
MASK = np.ones((2, 3), np.uint8)
def process_ip(b, m, o):
    return {"frame": [{"new_object": [{"rect_params": {"left": 1, "top": 1, "width": 3, "height": 2}, "mask": MASK}]}]}
def stop(o):
    MASK[...] = 0
""",
        "reuses.py",
    )
    pipeline = Gst.parse_launch(f"{SOURCE} ! empycustom name=lib in-place=true custom-lib={reuses} ! fakesink")
    assert play(pipeline).ended
    pipeline.set_state(Gst.State.NULL)
    last = json.loads(pipeline.get_by_name("lib").get_property("last-meta"))
    assert last["frame"][0]["new_object"][0]["mask"] == encode_rle(np.ones((2, 3)))
