"""Stages in order, files and streams of a configuration."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from configurations import LIB, OPTIONS, complaint, gstreamer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from empycustom.config import streams as config
from empycustom.errors import ConfigurationError

FILE = "emi_stream_config.json"


def test_stages_come_in_the_documented_order_whatever_the_order_of_the_keys(configured):
    pipeline = {
        "overlay": {"display-clock": True},
        "empycustom": [LIB, LIB],
        "emcustom": LIB,
        "secondary": [{"nvinfer": {}}, {"empycustom": LIB}],
        "tracker": {"ll-lib-file": "x"},
        "primary": {"identity": {"silent": True}},
    }
    (stream,) = configured(pipeline).streams

    assert [(stage.group, stage.element, stage.named) for stage in stream.stages] == [
        ("primary", "identity", True),
        ("tracker", "nvtracker", False),
        ("secondary", "nvinfer", True),
        ("secondary", "empycustom", True),
        ("emcustom", "emcustom", True),
        ("empycustom", "empycustom", True),
        ("empycustom", "empycustom", True),
        ("overlay", "nvdsosd", False),
    ]
    assert stream.stages[3].path == "$.pipeline_configuration.secondary[1].empycustom"
    assert stream.stages[6].path == "$.pipeline_configuration.empycustom[1]"


def test_files_are_looked_for_beside_the_configuration_and_in_resource(configured, tmp_path):
    (stream,) = configured(
        {
            "primary": {"config-file-path": "infer.txt", "model-engine-file": "not-there.engine"},
            "empycustom": [
                LIB,
                {"custom-lib": "models/deep.py"},
                {"custom-lib": "package.module"},
                {"custom-lib": str(tmp_path / "lib.py")},
            ],
        }
    ).streams

    assert stream.stages[0].properties == {
        "config-file-path": str(tmp_path / "resource/infer.txt"),
        "model-engine-file": "not-there.engine",
    }
    assert [stage.properties["custom-lib"] for stage in stream.stages[1:]] == [
        str(tmp_path / "lib.py"),
        str(tmp_path / "resource/models/deep.py"),
        "package.module",
        str(tmp_path / "lib.py"),
    ]


def test_a_library_gets_rgba_in_system_memory_by_default(configured):
    (stream,) = configured({"empycustom": [LIB, {**LIB, "format": "NV12", "memory": "NVMM", "libraries": ["lib.py"]}]}).streams

    assert [(stage.format, stage.memory) for stage in stream.stages] == [("RGBA", "CPU"), ("NV12", "NVMM")]
    assert set(stream.stages[1].properties) == {"custom-lib", "in-place"}


def test_events_of_a_library_are_json_whatever_they_are(configured):
    (stream,) = configured({"empycustom": [{**LIB, "events": "text"}, {**LIB, "events": [1]}]}).streams
    assert [stage.properties["events"] for stage in stream.stages] == ['"text"', "[1]"]


def test_files_that_are_missing_are_errors(configured, tmp_path):
    said = complaint(configured, {"empycustom": {"custom-lib": "no.py"}})
    assert said.startswith(
        f"{tmp_path / FILE}: $.pipeline_configuration.empycustom.custom-lib: no.py does not exist in {tmp_path}, "
    )
    said = complaint(configured, {"empycustom": [LIB, {**LIB, "libraries": ["lib.py", "/no/x.so"]}]})
    assert said.endswith(": $.pipeline_configuration.empycustom[1].libraries[1]: /no/x.so does not exist")
    said = complaint(configured, {}, signal_callback_function_name="f")
    assert ": $.signal_callback_function_name: f is looked for in emi_signal_callback.py, which is not in " in said


def test_everything_wrong_is_reported_at_once_in_the_order_of_the_file(configured, tmp_path):
    streams = [{"stream_id": "a", "location": "test"}, {"stream_id": "b", "options": [{"key": "speed", "value": 31}]}]
    said = complaint(
        configured,
        {"empycustom": [{"custom-lib": "no.py", "libraries": ["a.so", "lib.py", "b.so"]}, LIB], "aimeta": {"location": "x"}},
        sources=(),
        settings=["sped=1", "aimeta.signal-interval=0", "colour=blue", "speed=31", "b:speed"],
        signal_callback_function_name="f",
        options=[*OPTIONS, {"key": "b", "option_type": "gstreamer"}, OPTIONS[2]],
        streams=streams,
    )

    head, *lines = said.splitlines()
    assert head == f"{tmp_path / FILE}: {len(lines)} problems"
    assert [line.partition(": ")[0] for line in lines] == [
        "$.pipeline_configuration.empycustom[0].custom-lib",
        "$.pipeline_configuration.empycustom[0].libraries[0]",
        "$.pipeline_configuration.empycustom[0].libraries[2]",
        "$.pipeline_configuration.aimeta.location",
        "$.signal_callback_function_name",
        "$.options[5].key",
        "$.options[6]",
        "$.streams[1]",
        "--set sped",
        "--set b:speed",
        "--set speed",
        "--set colour",
        "--set aimeta.signal-interval",
    ]


def test_an_error_in_an_argument_does_not_name_the_file(configured):
    assert complaint(configured, {}, settings=["sped=1"], options=OPTIONS[2:3]).startswith("--set sped: sped is not an option")


def test_custom_lib_is_a_file_or_a_module(configured, tmp_path):
    (tmp_path / "mypkg").mkdir()
    (stream,) = configured({"empycustom": {"custom-lib": "mypkg"}}).streams
    assert stream.stages[0].properties["custom-lib"] == "mypkg"
    path = "$.pipeline_configuration.empycustom.custom-lib"
    assert f"{path}: ./mypkg is a folder; name a file in it" in complaint(configured, {"empycustom": {"custom-lib": "./mypkg"}})
    long = f"{'x' * 5000}.py"
    assert f"{path}: {long} does not exist in" in complaint(configured, {"empycustom": {"custom-lib": long}})
    said = complaint(configured, {"empycustom": {**LIB, "libraries": ["resource/models", "~/"]}})
    assert "libraries[0]: resource/models is a folder" in said
    assert "libraries[1]: ~/ is a folder" in said
    option = gstreamer("empycustom", "libraries")
    said = complaint(configured, {"empycustom": LIB}, options=[option], settings=['empycustom.libraries=["x"]'])
    assert said.startswith("--set empycustom.libraries[0]: x does not exist in ")


def test_a_location_is_looked_for_beside_the_configuration_and_in_resource(configured, tmp_path):
    (tmp_path / "resource/a.mp4").touch()
    (tmp_path / "resource/b.mp4").touch()
    (tmp_path / "b.mp4").touch()
    streams = [{"stream_id": name, "location": f"{name}.mp4"} for name in "abc"]
    assert [stream.location for stream in configured({}, sources=(), streams=streams).streams] == [
        str(tmp_path / name) for name in ("resource/a.mp4", "b.mp4", "c.mp4")
    ]


def test_streams_have_names_and_locations(configured, tmp_path):
    listed = [
        {"stream_id": "a", "location": "videos/x.mp4"},
        {"stream_id": "b", "location": "rtsp://b"},
        {"stream_id": "c", "location": "test"},
    ]
    read = configured({}, sources=(), streams=listed)
    assert [(stream.name, stream.location) for stream in read.streams] == [
        ("a", str(tmp_path / "videos/x.mp4")),
        ("b", "rtsp://b"),
        ("c", "test"),
    ]
    assert read.many

    read = configured({}, sources=("one.mp4", "two.mp4"), application_name="cars")
    assert [(stream.name, stream.location) for stream in read.streams] == [("cars-1", "one.mp4"), ("cars-2", "two.mp4")]
    (alone,) = configured({}, sources=("one.mp4",)).streams
    assert (alone.name, alone.location) == ("stream", "one.mp4")
    replaced = configured({}, sources=("one.mp4",), streams=listed[:1]).streams
    assert (replaced[0].name, replaced[0].location) == ("a", "one.mp4")


def test_several_streams_do_not_write_one_file(configured):
    pipeline = {"aimeta": {"location": "x"}}
    assert "$.pipeline_configuration.aimeta.location: is for one stream alone" in complaint(
        configured, pipeline, sources=("x", "y")
    )
    assert len(configured(pipeline).streams) == 1


def test_streams_that_cannot_be(configured):
    assert "there is no source; give --source URI" in complaint(configured, {}, sources=())
    listed = [{"stream_id": "a"}, {"stream_id": "a"}]
    assert "\n$.streams[0]: there is no source" in complaint(configured, {}, sources=(), streams=listed)
    assert "$.streams[1].stream_id: a is the name of another" in complaint(configured, {}, sources=("x", "y"), streams=listed)
    assert "--source is given 1 time, and the file has 2 streams" in complaint(configured, {}, sources=("x",), streams=listed)


TEXTS = st.sampled_from(
    ["", "~nobody-of-this-name/x.py", "a\0b", "lib.py", "resource", "/", "test", "speed", "aimeta", "x=1", "="]
)
WILD = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers(-1, 3) | st.floats(), lambda inner: st.lists(inner, max_size=2), max_leaves=3
)
PLACES = [
    *(("pipeline_configuration", "empycustom", name) for name in ("custom-lib", "libraries", "events", "format")),
    *(("pipeline_configuration", "primary", name) for name in ("config-file-path", "x")),
    *(("options", 0, name) for name in ("value", "value_list", "value_type", "min-value", "key")),
    *(("streams", 0, name) for name in ("stream_id", "location")),
    ("streams", 0, "options", 0, "value"),
    ("streams", 0, "options", 0, "key"),
    ("event_item_keys", 0, "options"),
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), WILD), max_size=3), st.lists(TEXTS, max_size=2), st.lists(TEXTS, max_size=2))
def test_any_file_is_read_or_a_configuration_error(configured_once, changes, sources, typed):
    document = {
        "pipeline_configuration": {"empycustom": dict(LIB), "primary": {}},
        "options": [{"key": "speed", "option_type": "callback"}],
        "streams": [{"stream_id": "a", "location": "test", "options": [{"key": "speed", "value": 1}]}],
        "event_item_keys": [{"key": "a", "type": "string"}],
    }
    for (*way, last), value in changes:
        holder = document
        for step in way:
            holder = holder[step]
        holder[last] = value
    with contextlib.suppress(ConfigurationError):
        assert configured_once(document, sources, typed).streams


@pytest.fixture
def configured_once(tmp_path):
    (tmp_path / "lib.py").touch()
    path = tmp_path / FILE

    def read(document, sources, typed):
        path.write_text(json.dumps(document))
        return config.read(path, sources=sources, settings=typed)

    return read


def test_an_absent_file_is_an_oserror():
    with pytest.raises(FileNotFoundError):
        config.read(Path("/nowhere/emi_stream_config.json"))
