"""What a library returns leaves as NVIDIA's metadata, stays with what it is about, and is read back."""

from __future__ import annotations

import ctypes
import json

import nvds
import pytest

from empycustom.gstreamer import Gst

SOURCE = "videotestsrc num-buffers=3 ! video/x-raw,format=RGBA,width=64,height=48,framerate=30/1"
NAMER = """
def process_ip(b, m, o):
    return {"meta": {"frames": len(m["frame"])}, "frame": [
        {"meta": {"source": f["source_id"]}, "object": [{"was": found["obj_label"]} for found in f["object"]]} for f in m["frame"]]}
"""


@pytest.fixture
def empycustom(library):
    """Return the text of an element with a library; each has its own file."""
    number = iter(range(99))
    return lambda source: f"empycustom in-place=true custom-lib={library(source, f'lib{next(number)}.py')}"


@pytest.fixture
def document(play):
    """Play a pipeline with an aimeta at its end and return the last document."""

    def run(description):
        pipeline = Gst.parse_launch(f"{description} ! aimeta name=meta ! fakesink")
        played = play(pipeline)
        assert played.ended, played.errors
        return json.loads(pipeline.get_by_name("meta").get_property("last-meta"))

    return run


def about(frame):
    return [(found["obj_label"], found.get("emcustom")) for found in frame["object"]]


def test_a_list_is_for_the_objects_of_the_first_frame_and_then_for_the_frame(document, empycustom):
    first, second = document(
        f"{SOURCE} ! fakemux batch-size=2 ! {empycustom('def process_ip(b, m, o): return [1, {}, [2], 3]')}"
    )["frame"]
    assert about(first) == [("bike", 1), ("person", None), ("car", [2])]
    assert first["emcustom"] == 3
    assert about(second) == [("bike", None), ("person", None), ("car", None)]
    assert "emcustom" not in second


def test_the_first_entry_is_the_frames_where_there_are_no_objects(document, empycustom):
    library = empycustom("def process_ip(b, m, o): return [{'n': m['frame'][0]['frame_num']}, 'ignored']")
    (frame,) = document(f"{SOURCE} ! fakemux objects=0 ! {library}")["frame"]
    assert frame["emcustom"] == {"n": 2}


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_the_long_form_is_for_the_batch_and_all_its_frames(document, empycustom, batch_size):
    said = document(f"{SOURCE} ! fakemux batch-size={batch_size} ! {empycustom(NAMER)}")
    assert said["emcustom"] == {"frames": batch_size}
    assert [frame["emcustom"] for frame in said["frame"]] == [{"source": 10 + source} for source in range(batch_size)]
    for frame in said["frame"]:
        assert about(frame) == [(label, {"was": label}) for label in ("bike", "person", "car")]


@pytest.mark.parametrize("objects", [0, 3])
def test_a_dict_under_frame_is_about_the_only_frame(document, empycustom, objects):
    library = empycustom("def process_ip(b, m, o): return {'frame': {'n': m['frame'][0]['frame_num']}}")
    (frame,) = document(f"{SOURCE} ! fakemux objects={objects} ! {library}")["frame"]
    assert frame["emcustom"] == {"n": 2}
    assert [said for _, said in about(frame)] == [None] * objects


def test_of_several_frames_it_is_refused(play, empycustom):
    library = empycustom("def process_ip(b, m, o):\n    return {'frame': {'n': 1}}")
    error = play(f"{SOURCE} ! fakemux batch-size=3 ! {library} ! fakesink").error
    assert ":1: what process_ip returned at frames 0 (0:00:00.000, source 10), 0 (" in error
    assert ") cannot be used: frame: is the result of one frame, but the buffer has 3; " in error
    assert error.endswith('return a list with an entry for each: {"frame": [{"meta": {...}}, ...]}')


BETWEEN = [
    "identity",
    "queue",
    "tee name=t t. ! queue ! fakesink t. ! queue",
    "videoconvert",
    "tee name=t t. ! queue ! fakeedit add=1 ! fakesink t. ! queue ! fakeedit",
    "fakeedit remove=1 ! tee name=t t. ! queue ! fakesink t. ! queue ! fakeedit add=2 ! tee name=u u. ! queue ! fakesink u. ! queue ! fakeedit",
]


@pytest.mark.parametrize("between", BETWEEN)
def test_attributes_stay_with_their_objects_through(document, empycustom, between):
    """Each copy reverses the list of objects; elements in between take some away and add others."""
    said = document(f"{SOURCE} ! fakemux batch-size=2 objects=6 ! {empycustom(NAMER)} ! {between}")
    for frame in said["frame"]:
        known = [found for found in frame["object"] if found["obj_label"] != "added"]
        assert len(known) == 5 if "remove" in between else 6
        assert all(found["emcustom"] == {"was": found["obj_label"]} for found in known)
        assert all("emcustom" not in found for found in frame["object"] if found["obj_label"] == "added")
        assert frame["emcustom"] == {"source": frame["source_id"]}
    assert said["emcustom"] == {"frames": 2}


def test_two_equal_objects_keep_their_own_attributes(document, empycustom):
    """Objects that are equal in every field keep their own attributes after two copies and between other attributes."""
    twins = empycustom(
        "import sys\n"
        f"sys.path.insert(0, {str(nvds.__file__).rpartition('/')[0]!r})\n"
        "import nvds\n"
        "def process_ip(b, m, o):\n"
        "    batch = nvds.batch_of(b)\n"
        "    for _ in range(4):\n"
        "        nvds.add_object(batch, nvds.frames_of(batch)[0], {'label': b'twin'})\n"
    )
    count = empycustom(
        "def process_ip(b, m, o): return [{'number': i} if i % 2 else {} for i, _ in enumerate(m['frame'][0]['object'])]"
    )
    repeat = empycustom("def process_ip(b, m, o): return [{'again': found.get('emcustom')} for found in m['frame'][0]['object']]")
    copy = "tee name={0} {0}. ! queue ! fakesink {0}. ! queue"
    path = f"{count} ! {copy.format('t')} ! fakeedit ! {copy.format('u')} ! {repeat}"
    (frame,) = document(f"{SOURCE} ! fakemux objects=0 ! {twins} ! {path}")["frame"]
    numbers = sorted((found["emcustom"].get("number", -1), found["emcustom"]["again"]) for found in frame["object"])
    assert numbers == [(-1, None), (-1, None), (1, {"number": 1}), (3, {"number": 3})]


def test_several_elements_merge_their_attributes_into_one_event(play, document, empycustom):
    first = empycustom("def process_ip(b, m, o): return [{'a': {'x': 1}, 'b': 1}, {}, {}, {'f': 1}]")
    second = empycustom("def process_ip(b, m, o): return [{'a': {'y': 2}}, {'only': 2}, {}, {'g': 2}]")
    pipeline = f"{SOURCE} ! fakemux ! {first} ! queue ! {second} ! queue"
    (frame,) = document(pipeline)["frame"]
    assert about(frame) == [("bike", {"a": {"x": 1, "y": 2}, "b": 1}), ("person", {"only": 2}), ("car", None)]
    assert frame["emcustom"] == {"f": 1, "g": 2}
    played = play(f"{pipeline} ! appsink name=out")
    frame = nvds.frames_of(nvds.batch_of(played.samples[-1].get_buffer()))[0]
    (event,) = nvds.events_of(frame)
    assert event[0] == "empycustom"
    data = nvds.get(nvds.LONG, nvds.items(nvds.get(nvds.LONG, frame + 120))[0] + 40)
    numbers = {name: nvds.get(nvds.INT, data + place) for name, place in (("sensor", 92), ("component", 104), ("frame", 108))}
    assert numbers == {"sensor": 10, "component": 0x454D, "frame": 2}
    said = json.loads(event[1])
    assert (said["frame_num"], said["source_id"], said["emcustom"]) == (2, 10, {"f": 1, "g": 2})
    assert [(found["obj_label"], found["emcustom"]) for found in said["object"]] == [
        ("bike", {"a": {"x": 1, "y": 2}, "b": 1}),
        ("person", {"only": 2}),
    ]
    assert said["object"][0]["rect_params"] == {"left": 20.5, "top": 10.25, "width": 8, "height": 6}


def test_a_library_downstream_gets_the_attributes(document, empycustom):
    second = empycustom(
        "def process_ip(b, m, o):\n    f = m['frame'][1]\n"
        "    return {'frame': [{}, {'meta': {'heard': [f['emcustom'], m['emcustom'], [x['emcustom'] for x in f['object']]]}}]}"
    )
    frame = document(f"{SOURCE} ! fakemux batch-size=2 objects=1 ! {empycustom(NAMER)} ! {second}")["frame"][1]
    assert frame["emcustom"] == {"source": 11, "heard": [{"source": 11}, {"frames": 2}, [{"was": "car"}]]}


def test_process_makes_buffers_that_keep_the_batch(document, empycustom, library):
    """Not in place: the new buffer has a copy of the batch, its objects in reverse order; attributes stay with their objects."""
    lib = library(
        "from gi.repository import Gst\n" + NAMER.replace("process_ip", "said") + "def process(b, m, o):\n"
        "    return Gst.Buffer.new_allocate(None, b.get_size(), None), said(b, m, o)\n",
        "maker.py",
    )
    said = document(f"{SOURCE} ! fakemux batch-size=2 objects=3 ! {empycustom(NAMER)} ! empycustom custom-lib={lib}")
    for frame in said["frame"]:
        assert about(frame) == [(label, {"was": label}) for label in ("car", "person", "bike")]
    assert said["emcustom"] == {"frames": 2}


def test_a_frame_of_another_size_has_its_objects_rescaled_with_their_attributes(document, empycustom, library):
    """Not by DeepStream's own copy, which leaves the boxes as they are."""
    lib = library(
        "import numpy as np\n" + NAMER.replace("process_ip", "said") + "def output_caps(caps, options):\n"
        "    return 'video/x-raw,width=32,height=12'\n"
        "def process(b, m, o):\n"
        "    boxes.append({f['obj_label']: list(f['rect_params'].values()) for f in m['frame'][1]['object']})\n"
        "    return np.zeros((12, 32, 4), np.uint8), {**said(b, m, o), 'meta': {'boxes': boxes[-1]}}\n"
        "boxes = []\n",
        "smaller.py",
    )
    said = document(f"{SOURCE} ! fakemux batch-size=2 objects=3 ! {empycustom(NAMER)} ! empycustom custom-lib={lib}")
    for frame in said["frame"]:
        assert about(frame) == [(label, {"was": label}) for label in ("car", "person", "bike")]
    for found in said["frame"][1]["object"]:
        left, top, width, height = said["emcustom"]["boxes"][found["obj_label"]]
        assert list(found["rect_params"].values()) == pytest.approx([left / 2, top / 4, width / 2, height / 4])


def test_the_json_has_the_boxes_of_the_size_that_it_names(play, empycustom, library):
    """Also of objects without attributes from the library that changes the size."""
    lib = library(
        "import numpy as np\ndef output_caps(caps, options):\n    return 'video/x-raw,width=32,height=12'\n"
        "def process(b, m, o):\n    return np.zeros((12, 32, 4), np.uint8), [{'again': 1}]\n",
        "smaller.py",
    )
    for resized, factors, size in (("", (1, 1), (64, 48)), (f"! empycustom custom-lib={lib}", (0.5, 0.25), (32, 12))):
        played = play(f"{SOURCE} ! fakemux ! {empycustom(NAMER)} {resized} ! appsink name=out")
        frame = nvds.frames_of(nvds.batch_of(played.samples[-1].get_buffer()))[0]
        (event,) = [text for name, text in nvds.events_of(frame) if name == "empycustom"]
        said = json.loads(event)
        assert (said["source_frame_width"], said["source_frame_height"]) == size
        places = {
            found["emcustom"]["was"]: (found["rect_params"]["left"], found["rect_params"]["top"]) for found in said["object"]
        }
        assert places == {
            label: ((10 * index + 0.5) * factors[0], (5 * index + 0.25) * factors[1])
            for index, label in enumerate(("car", "person", "bike"))
        }


def test_attributes_of_what_the_library_itself_removed_are_dropped_with_a_warning_in_the_log(gst_launch, library):
    lib = library(
        f"import sys\nsys.path.insert(0, {str(nvds.__file__).rpartition('/')[0]!r})\nimport nvds\n"
        "def process_ip(b, m, o):\n"
        "    frame = nvds.frames_of(nvds.batch_of(b))[0]\n"
        "    nvds.call('nvds_remove_obj_meta_from_frame', frame, nvds.objects_of(frame)[0])\n"
        "    return [{'of': found['obj_label']} for found in m['frame'][0]['object']]\n"
    )
    launched = gst_launch(
        f"{SOURCE} ! fakemux ! empycustom in-place=true custom-lib={lib} ! aimeta silent=false ! fakesink", GST_DEBUG="*python*:2"
    )
    assert "attributes of an object were dropped" in launched.err
    assert about(launched.documents[-1]["frame"][0]) == [("person", {"of": "person"}), ("car", {"of": "car"})]


def test_spoilt_json_of_ours_is_an_error_that_shows_it(play, empycustom):
    spoil = empycustom(
        f"import sys\nsys.path.insert(0, {str(nvds.__file__).rpartition('/')[0]!r})\nimport nvds\n"
        "def process_ip(b, m, o):\n"
        "    frame = nvds.frames_of(nvds.batch_of(b))[0]\n"
        "    user = nvds.items(nvds.get(nvds.LONG, frame + 120))[0]\n"
        "    event = nvds.get(nvds.LONG, user + 40)\n"
        "    nvds.put_chars(nvds.get(nvds.LONG, event + nvds.OTHER_ATTRS), b'{broken')\n"
    )
    played = play(f"{SOURCE} ! fakemux ! {empycustom(NAMER)} ! {spoil} ! aimeta ! fakesink")
    assert "{broken" in played.error
    assert "NvDsEventMsgMeta" in played.error
    assert "find the element that wrote it" in played.error


def test_the_interval_leaves_batches_alone_that_are_not_due(document, play, empycustom):
    pipeline = f"{SOURCE} ! fakemux ! {empycustom(NAMER)} process-interval=2 ! appsink name=out"
    played = play(pipeline)
    batches = [nvds.batch_of(sample.get_buffer()) for sample in played.samples]
    assert [len(nvds.events_of(nvds.frames_of(batch)[0])) for batch in batches] == [1, 0, 1]


def test_text_of_every_kind_arrives(document, empycustom):
    words = {"é": 'größe \u2028 \U0001f600 "quoted" \\ \x00 end', "long": "x" * 100_000, "n": [None, True, 1.5, -(2**60)]}
    lib = empycustom(f"def process_ip(b, m, o): return [{words!r}] * 4")
    (frame,) = document(f"{SOURCE} ! fakemux ! {lib}")["frame"]
    assert frame["emcustom"] == words
    assert [found["emcustom"] for found in frame["object"]] == [words] * 3


def test_a_message_for_nvmsgconv_only_where_it_is_asked_for(play, empycustom):
    """NVDS_CUSTOM_MSG_BLOB is 29 in DeepStream 9; one per frame, with all attributes, whoever attached the last."""
    for flags, blobs in (("", 0), ("msg-blob=true", 1)):
        first, second = (empycustom(f"def process_ip(b, m, o): return [1, {{}}, {{}}, {{{key!r}: 1}}]") for key in "ab")
        played = play(f"{SOURCE} ! fakemux ! {first} {flags} ! tee ! queue ! {second} {flags} ! fakeedit ! appsink name=out")
        frame = nvds.frames_of(nvds.batch_of(played.samples[-1].get_buffer()))[0]
        found = [user for user in nvds.items(nvds.get(nvds.LONG, frame + 120)) if nvds.get(nvds.INT, user + 8) == 29]
        assert len(found) == blobs
        for user in found:
            info = nvds.get(nvds.LONG, user + 40)
            text = ctypes.string_at(nvds.get(nvds.LONG, info), nvds.get(nvds.UINT, info + 8)).decode()
            assert text == nvds.events_of(frame)[0][1]
            assert json.loads(text)["emcustom"] == {"a": 1, "b": 1}


REMOVER = f"""
import sys
sys.path.insert(0, {str(nvds.__file__).rpartition("/")[0]!r})
import nvds
from gi.repository import GObject

def process_ip(b, m, o):
    if o["what"] == "batch":
        b.remove_meta(b.get_meta(GObject.type_from_name("NvDsMetaAPI")))
    else:
        batch = nvds.batch_of(b)
        nvds.call("nvds_remove_frame_meta_from_batch", batch, nvds.frames_of(batch)[0])
    return [1] if o["short"] else {{"frame": [{{"meta": [1]}}]}}
"""


@pytest.mark.parametrize("what", ["frame", "batch"])
@pytest.mark.parametrize("short", [True, False])
def test_a_library_that_removes_objects_of_its_result_gets_a_warning(gst_launch, library, what, short):
    """Nothing crashes, and nothing is lost silently."""
    options = json.dumps(json.dumps({"what": what, "short": short}))
    launched = gst_launch(
        f"{SOURCE} ! fakemux objects=0 ! empycustom in-place=true custom-lib={library(REMOVER)} options={options} ! fakesink",
        GST_DEBUG="*python*:2",
    )
    assert "were dropped: the library removed its metadata from the buffer" in launched.err
    assert launched.code == 0, launched.text
