"""`empycustom run emi_stream_config.json`: what is played, and the line that does the same."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
from argparse import Namespace

from command_helpers import LIB, SLOW, STUCK, wait_for, words
from hypothesis import example, given, settings
from hypothesis import strategies as st

from empycustom.config import schema, streams
from empycustom.config.launch import Description, assignments
from empycustom.gstreamer import GLib, Gst
from empycustom.model.keys import document_schema
from empycustom.publish.schema import message_schema
from empycustom.session import PlayOptions
from empycustom.session.play import Session

TELLS = """\
def process_ip(io_buffer, in_meta, options):
    buffer = in_meta["buffer"]
    return [{options["as"]: [buffer["format"], buffer["width"], buffer["height"]]}]
"""


def test_a_file_plays_and_its_documents_are_printed(cli, configured, video):
    ended = cli("run", configured({"empycustom": LIB}), "--source", video)

    assert ended.code == 0, ended.err
    assert words(ended.documents) == [{"said": "hello"}] * 40
    assert ended.err.startswith("40 frames in ")


def test_stages_options_formats_and_size(cli, configured, library):
    library(TELLS, "tells.py")
    tells = {"custom-lib": "tells.py", "in-place": "true"}
    pipeline = {
        "input": {"width": 96, "height": 64},
        "secondary": [{"empycustom": {**tells, "options": {"as": "first"}}}],
        "emcustom": {**tells, "format": "I420", "options": {"as": "second"}},
        "empycustom": [{**tells, "format": "NV12", "process-interval": 2, "options": {"as": 'th"ird'}}, LIB],
    }
    ended = cli("run", configured(pipeline), "--source", "test", "--frames", 3)

    rest = {"first": ["RGBA", 96, 64], "second": ["I420", 96, 64], "said": "hello"}
    whole = {**rest, 'th"ird': ["NV12", 96, 64]}
    assert words(ended.documents) == [whole, rest, whole], ended.err


def test_a_library_may_be_the_detector(cli, configured, library):
    library(
        "def process_ip(b, m, o):\n    box = {'left': 1, 'top': 2, 'width': 8, 'height': 9}\n"
        "    return {'frame': [{'new_object': [{'rect_params': box, 'obj_label': 'car'}]}]}\n",
        "detect.py",
    )
    pipeline = {
        "primary": {"empycustom": {"custom-lib": "detect.py", "in-place": True}},
        "tracker": {"identity": {}},
        "empycustom": LIB,
    }
    ended = cli("run", configured(pipeline), "--source", "test", "--frames", 1)

    (found,) = ended.documents[0]["frame"][0]["object"]
    assert (found["obj_label"], found["emcustom"]) == ("car", {"said": "hello"})


def test_whoever_looks_on_gets_each_stream_with_its_elements_before_it_plays(configured, tmp_path):
    import empycustom

    empycustom.register()
    looked = []

    def look(branch):
        looked.append((branch.stream.name, branch.aimeta.get_state(0).state, branch.frames))

    name = tmp_path / configured({"empycustom": {**LIB, "custom-lib": str(tmp_path / "lib.py")}})
    configuration = streams.read(name, sources=["test", "test"])
    output = Namespace(document=lambda *_: True, unique_path=None)
    session = Session(configuration, PlayOptions(frames=2), lambda _session: output, attached=look)
    assert session.play() == 0

    assert sorted(looked) == [("stream-1", Gst.State.NULL, 0), ("stream-2", Gst.State.NULL, 0)]
    assert session.frames == 4


def test_an_error_of_a_source_behind_the_end_is_none(configured, tmp_path):
    """A source that still pushes while the elements stop finds an end that it has not sent, as with --frames."""
    import empycustom

    empycustom.register()
    seen = []

    def say(bus, message, pipeline):
        """Report an error while the elements stop: when the first of them has, after the end."""
        is_stopped = message.type == Gst.MessageType.STATE_CHANGED and message.parse_state_changed()[1] == Gst.State.READY
        if message.type == Gst.MessageType.EOS or (seen == ["end"] and is_stopped):
            seen.append("end" if not seen else "error")
            if seen[1:]:
                error = GLib.Error.new_literal(Gst.StreamError.quark(), "Internal data stream error.", Gst.StreamError.FAILED)
                bus.post(Gst.Message.new_error(pipeline.children[-1], error, "streaming stopped, reason error (-5)"))

    def listen(branch):
        bus = branch.head.get_bus()
        bus.enable_sync_message_emission()
        bus.connect("sync-message", say, branch.head)

    name = tmp_path / configured({"empycustom": {**LIB, "custom-lib": str(tmp_path / "lib.py")}})
    output = Namespace(document=lambda *_: True, unique_path=None)
    configuration = streams.read(name, sources=["test"])
    session = Session(configuration, PlayOptions(frames=2), lambda _session: output, attached=listen)
    assert (session.play(), session.frames, seen) == (0, 2, ["end", "error"])


def test_a_file_with_live_source_keeps_its_own_speed(cli, configured, video):
    began = time.monotonic()
    ended = cli("run", configured({"input": {"live-source": True}}), "--source", video, "--save", "a.mkv")

    assert ended.code == 0, ended.err
    assert time.monotonic() - began > 1.9  # 40 frames at 20 a second


def test_aimeta_sets_the_interval(cli, configured):
    name = configured({"aimeta": {"signal-interval": 3}})
    ended = cli("run", name, "--source", "test", "--frames", 8)

    assert [document["frame"][0]["frame_num"] for document in ended.documents] == [0, 3, 6]
    assert ended.err.startswith("8 frames in ")
    assert "3 documents" in ended.err


def test_one_stream_that_fails_does_not_take_the_others_down(cli, configured, library, video):
    library("def process_ip(b, m, o):\n    if o.get('bad'):\n        raise RuntimeError('sorry')\n", "bad.py")
    key = {"element": "empycustom", "property": "options"}
    streams = [
        {"stream_id": "absent", "location": "camera:99"},
        {"stream_id": "bad", "location": "test", "options": [{"key": key, "value": {"bad": True}}]},
        {"stream_id": "good", "location": video.name},
    ]
    name = configured(
        {"empycustom": {"custom-lib": "bad.py", "in-place": True}},
        streams=streams,
        options=[{"key": key, "option_type": "gstreamer", "value_type": "object"}],
    )
    ended = cli("run", name)

    assert ended.code == 1
    assert [document["stream_id"] for document in ended.documents] == ["good"] * 40
    assert "empycustom: error: absent: " in ended.err
    assert "There is no camera at /dev/video99" in ended.err
    assert "empycustom: error: bad: " in ended.err
    assert "bad.py:3: process_ip raised RuntimeError: sorry" in ended.err
    assert "good: 40 frames in " in ended.err


def test_several_sources_are_streams_of_one_application(cli, configured, video):
    name = configured({}, application_name="cars", callback="def update(signal):\n    return [{}], ''\n")
    ended = cli("run", name, "--source", video, "--source", "test", "--frames", 5)

    assert ended.code == 0, ended.err
    assert sorted(ended.out.splitlines()) == ['{"stream_id":"cars-1"}'] * 5 + ['{"stream_id":"cars-2"}'] * 5


def test_the_printed_line_does_the_same_in_gst_launch(cli, configured, gst_launch, video):
    pipeline = {
        "input": {"width": 64, "height": 48},
        "empycustom": [{**LIB, "options": {"word": "a \"b\" \\ ! $c 'd' é"}}, {**LIB, "format": "I420", "process-interval": 2}],
    }
    name = configured(pipeline)
    played = cli("run", name, "--source", video)
    printed = cli("run", name, "--source", video, "--dry-run")
    assert "--frames is not in the line" in cli("run", name, "--source", video, "--dry-run", "--frames", 4).err
    launched = gst_launch(printed.out.removeprefix("gst-launch-1.0"))

    def timeless(documents):
        return [{**document["frame"][0], "timestamp": "", "source": ""} for document in documents]

    assert printed.err == ""
    assert len(printed.out.splitlines()) == 1
    assert len(played.documents) == 40
    assert timeless(launched.documents) == timeless(played.documents), launched.err
    assert launched.complaints() == []


def test_several_lines_are_printed_with_their_streams(cli, configured, tmp_path):
    streams = [{"stream_id": "a", "location": "test"}, {"stream_id": "b", "location": "rtsp://b/1"}]
    ended = cli("run", configured({"input": {"batch-size": 2}}, streams=streams), "--dry-run", "--frames", 3)

    first, line, second, other = ended.out.splitlines()
    assert (first, second) == ("# a", "# b")
    assert " num-buffers=3 " in line
    assert shlex.split(other)[1:4] == ["uridecodebin", "name=source", "uri=rtsp://b/1"]
    assert "empycustom: warning: $.pipeline_configuration.input: batch-size not used" in ended.err


def in_order(pipeline):
    return sorted(pipeline.children, key=lambda element: int(element.get_name().removeprefix("empycustom")))


def in_shell(line):
    """Return the arguments of a line as a shell splits it."""
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


# Single quotes around a text are taken off: those of options='{…}' in Gst.parse_launch.
TEXTS = (st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.text("\\\"' \n=!a", max_size=6)).filter(
    lambda text: len(text) < 2 or not (text[0] == text[-1] == "'")
)


@settings(deadline=None)
@given(TEXTS, TEXTS)
@example('"a"', "ends \\")
@example("a=b ! c", '"\\"')
@example("NULL", "(string)a")
@example('" ü', "tab\tline\n\\")
@example({"a b": 'x"\\y'}, True)
@example(3, -0.5)
def test_values_reach_properties_as_they_are(one, other):
    """In the text for the parser, and in the line for a shell, whose arguments gst-launch-1.0 joins again."""
    import empycustom

    empycustom.register()
    given = [one, other]
    words = [word for value in given for word in ("empycustom", *assignments({"options": value}))]
    for made in (Gst.parse_launch(" ".join(words)), Gst.parse_launchv(in_shell(Description(words).line())[1:])):
        read = [element.get_property("options") for element in in_order(made)]
        assert read == [value if isinstance(value, str) else json.dumps(value) for value in given]


def test_frames_ends_a_stream_whose_library_drops_all(cli, configured, library):
    library("def process_ip(b, m, o):\n    raise ValueError(7)\n", "drops.py")
    name = configured({"empycustom": {"custom-lib": "drops.py", "in-place": True, "on-error": "drop"}})
    ended = cli("run", name, "--source", "test", "--frames", 5)

    assert ended.code == 0, ended.err
    assert "0 frames in " in ended.err
    assert "5 errors, 5 dropped" in ended.err


def test_a_location_may_be_several_files(cli, configured, video, tmp_path):
    (tmp_path / "films").mkdir()
    for name in ("a.avi", "b.avi"):
        (tmp_path / "films" / name).write_bytes(video.read_bytes())
    streams = [{"stream_id": "door", "location": "films"}]
    ended = cli("run", configured({"empycustom": LIB}, streams=streams))

    assert ended.code == 0, ended.err
    frames = [document["frame"][0] for document in ended.documents]
    assert [frame["frame_num"] for frame in frames] == list(range(80))
    assert {frame["source"] for frame in frames} == {"door"}


def test_ctrl_c_ends_all_streams(begin, configured, library, tmp_path):
    library(SLOW, "slow.py")
    streams = [{"stream_id": name, "location": "test"} for name in "ab"] + [
        {"stream_id": "c", "location": "rtsp://127.0.0.1:9/x"}
    ]
    name = configured({"empycustom": {"custom-lib": "slow.py", "in-place": True}}, streams=streams)
    child = begin("run", name, "--out", "meta.jsonl")
    path = tmp_path / "meta.jsonl"
    wait_for(lambda: path.exists() and all(f'"stream_id":"{name}"' in path.read_text() for name in "ab"), "documents")
    child.interrupt()
    ended = child.end()

    assert ended.code == 130, ended.err
    documents = [json.loads(line)["stream_id"] for line in path.read_text().splitlines()]
    for name in "ab":
        assert re.search(rf"^{name}: {documents.count(name)} frames? in ", ended.err, re.MULTILINE), ended.err


def test_a_stream_that_does_not_stop_is_left_behind(begin, configured, library, tmp_path):
    library(STUCK, "hangs.py")
    child = begin(
        "run", configured({"empycustom": {"custom-lib": "hangs.py", "in-place": True}}), "--source", "test", "--grace", 1
    )
    wait_for((tmp_path / "stuck").exists, "the call that hangs")
    child.interrupt()
    ended = child.end()

    assert ended.code == 130
    assert "The pipeline does not stop: a callback of a library, or an element, does not return." in ended.err


def test_twelve_streams_that_start_at_once(cli, configured):
    streams = [{"stream_id": f"s{number}", "location": "test"} for number in range(12)]
    configuration = configured({"aimeta": {}}, streams=streams)
    for _ in range(4):
        ended = cli("run", configuration, "--frames", 5, "--quiet")

        assert (ended.code, ended.err) == (0, "")
        assert len(ended.documents) == 12 * 5


def test_schema_is_printed(cli):
    ended = cli("schema")

    assert ended.code == 0
    assert json.loads(ended.out) == schema.json_schema()
    assert json.loads(cli("schema", "--document").out) == document_schema()
    for select in ("frames", "objects", "changes", "gva"):
        assert json.loads(cli("schema", "--message", select).out) == message_schema(select)
