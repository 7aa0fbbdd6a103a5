"""What a stream configuration asks for, and this machine or file has not."""

from __future__ import annotations

import pytest
from command_helpers import LIB

from empycustom import packages
from empycustom.config import streams as config
from empycustom.errors import ConfigurationError
from empycustom.packages import Output
from empycustom.session import checks


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        ({"primary": {"config-file-path": "a.txt"}}, "$.pipeline_configuration.primary: there is no element nvinfer here; it belongs to "),
        ({"primary": {"config-file-path": "a.txt"}}, 'DeepStream, which is installed as a whole. Or name another element, or a library'),
        ({"tracker": {"no_such": {}}}, "$.pipeline_configuration.tracker.no_such: there is no element no_such here; install the plugin"),
        ({"secondary": [{"identity": {"slient": True}}]}, ".secondary[0].identity.slient: identity has no such property; silent may be"),
        ({"primary": {"identity": {"stats": 3}}}, "$.pipeline_configuration.primary.identity.stats: this property of identity can only"),
        ({"primary": {"videobalance": {"brightness": 5}}}, '.primary.videobalance.brightness: 5 must be a number from -1.0 to 1.0\n'),
        ({"primary": {"videobalance": {"brightness": "nan"}}}, '.brightness: "nan" must be a number from -1.0 to 1.0\n'),
        ({"primary": {"identity": {"sleep-time": -1}}}, '.primary.identity.sleep-time: -1 must be a whole number from 0 to 4294967295\n'),
        ({"primary": {"identity": {"sleep-time": "-0x1"}}}, '.sleep-time: "-0x1" must be a whole number from 0 to 4294967295\n'),
        ({"primary": {"identity": {"sleep-time": 1.5}}}, '.primary.identity.sleep-time: 1.5 must be a whole number from 0 to'),
        ({"tracker": {"filesink": {}}}, "$.pipeline_configuration.tracker.filesink: filesink does not hand on raw video; an element here"),
        ({"overlay": {"videotestsrc": {}}}, "$.pipeline_configuration.overlay.videotestsrc: videotestsrc does not take raw video; an el"),
        ({"primary": [{"jpegenc": {}}]}, "$.pipeline_configuration.primary[0].jpegenc: jpegenc does not hand on raw video; an element"),
        ({"primary": {"audioconvert": {}}}, ".primary.audioconvert: audioconvert does not take or hand on raw video; an element here"),
        ({"primary": {"identity": {"name": "aimeta"}}}, '.primary.identity.name: "aimeta" is a name that another element may have'),
        ({"primary": {"identity": {"name": "empycustom1"}}}, '.primary.identity.name: "empycustom1" is a name that another element'),
        ({"primary": {"identity": {"name": "queue0"}}}, '.primary.identity.name: "queue0" is a name that another element may have'),
        ({"primary": {"identity": {"name": "a"}}, "tracker": {"identity": {"name": "a"}}}, '.tracker.identity.name: "a" is a name that'),
        ({"primary": {"identity": {"sleep-time": "long"}}}, '.primary.identity.sleep-time: identity cannot take "long" here; `gst-inspect'),
        ({"emcustom": {"custom-lib": "seed.so"}}, "$.pipeline_configuration.emcustom.custom-lib: /"),
        ({"emcustom": {"custom-lib": "seed.so"}}, "/seed.so is not a compiled library (ELF), whatever its name says; build it with"),
        ({"empycustom": {**LIB, "memory": "NVMM"}}, '$.pipeline_configuration.empycustom.memory: NVMM is memory of DeepStream'),
        ({"empycustom": {**LIB, "in-place": "yes"}}, '$.pipeline_configuration.empycustom.in-place: "yes" must be true or false; write true'),
        ({"empycustom": {"custom-lib": "lib.so"}}, "$.pipeline_configuration.empycustom.custom-lib: lib.so does not exist in"),
    ],
)  # fmt: skip
def test_what_this_machine_or_file_lacks_is_reported_with_its_path(cli, configured, tmp_path, pipeline, said):
    for name in ("seed.so", "a.txt"):
        (tmp_path / name).touch()
    ended = cli("run", configured(pipeline), "--source", "test")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("empycustom: error: emi_stream_config.json: $.")
    assert said in ended.err
    assert "Warning" not in ended.err


def test_everything_that_the_elements_lack_is_reported_at_once(cli, configured):
    options = [
        {"key": {"element": element, "property": name}, "option_type": "gstreamer", **more}
        for element, name, more in [
            ("identity", "slient", {}),
            ("primary", "stats", {"value": 3}),
            ("videobalance", "brightness", {"value": 3}),
            ("identity", "silent", {}),
        ]
    ]
    pipeline = {"primary": {"identity": {"sleep-time": -1}}, "tracker": {"videobalance": {}}, "secondary": {"filesink": {}}}
    streams = [{"stream_id": name, "location": "test"} for name in "ab"]
    ended = cli("run", configured(pipeline, options=options, streams=streams))

    first, *lines = ended.err.splitlines()
    assert first == "empycustom: error: emi_stream_config.json: 5 problems"
    assert [line.partition(": ")[0] for line in lines] == [
        "$.pipeline_configuration.primary.identity.sleep-time",
        "$.pipeline_configuration.secondary.filesink",
        "$.options[0].key.property",
        "$.options[1].key.property",
        "$.options[2].value",
    ]


FILES_THAT_ARE_MISSING = [
    "$.pipeline_configuration.primary.config-file-path: pgie.txt does not exist in ",
    "$.pipeline_configuration.tracker.ll-lib-file: lib/tracker.so does not exist in ",
    "$.pipeline_configuration.empycustom[0].custom-lib: one.py does not exist in ",
    "$.pipeline_configuration.empycustom[1].libraries[0]: model.onnx does not exist in ",
    "$.signal_callback_function_name: update is looked for in emi_signal_callback.py, which is not in ",
]


@pytest.mark.parametrize("more", [{}, {"tracker": {"identity": {"slient": True}}}, {"colour": 1}], ids=["", "element", "key"])
def test_files_that_are_missing_are_reported_with_all_else_that_is_wrong(cli, configured, more):
    pipeline = {
        "primary": {"config-file-path": "pgie.txt", "model-engine-file": "made-where-it-is-missing.engine"},
        "tracker": {"ll-lib-file": "lib/tracker.so"},
        "empycustom": [{"custom-lib": "one.py"}, {"custom-lib": "a_module", "libraries": ["model.onnx", "lib.py"]}],
    }
    streams = [{"stream_id": "a", "location": "nope.mp4"}, {"stream_id": "b", "location": "rtsp://nowhere/"}]
    name = configured({**pipeline, **more}, streams=streams, signal_callback_function_name="update")
    ended = cli("run", name)
    lines = ended.err.splitlines()

    assert (ended.code, ended.out) == (1, "")
    assert lines[0] == f"empycustom: error: {name}: {len(lines) - 1} problems"
    missing = FILES_THAT_ARE_MISSING[:1] + FILES_THAT_ARE_MISSING[2:] if "tracker" in more else FILES_THAT_ARE_MISSING
    for said in missing:
        assert any(line.startswith(said) for line in lines), said
    assert ("is an unknown key" in ended.err) == ("colour" in more)
    if "colour" not in more:  # which hides what a stream says
        assert any(line.startswith("$.streams[0].location: ") and "nope.mp4 does not exist" in line for line in lines)
    assert ("identity has no such property" in ended.err) == ("tracker" in more)


def test_a_source_that_is_typed_and_missing_is_named_as_it_was_typed(cli, configured):
    ended = cli("run", configured({"empycustom": {"custom-lib": "no.py"}}), "--source", "nope.mp4")

    first, *lines = ended.err.splitlines()
    assert first == "empycustom: error: emi_stream_config.json: 2 problems"
    assert [line.partition(": ")[0] for line in lines] == ["$.pipeline_configuration.empycustom.custom-lib", "--source nope.mp4"]


def test_the_package_of_an_element_is_known_from_apt_which_is_asked_once(monkeypatch):
    listed = (
        "Package: gstreamer1.0-x\nGstreamer-Elements: textoverlay, clockoverlay\n\n"
        "Package: other\nGstreamer-Elements: clock, clockoverlay\n"
    )
    asked = []
    monkeypatch.setattr(packages, "run", lambda *command: asked.append(command) or Output(0, listed, ""))
    packages._packages_in_apt.cache_clear()
    try:
        assert packages.how_to_get_any("clockoverlay") == "install it with: apt install gstreamer1.0-x"
        assert packages.how_to_get_any("clock") == "install it with: apt install other"
        assert packages.how_to_get_any("overlay") == "install the plugin that has it"
    finally:
        packages._packages_in_apt.cache_clear()
    assert len(asked) == 1


def test_a_missing_element_is_looked_up_once_for_all_streams(configured, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(checks, "how_to_get_any", lambda element: asked.append(element) or "get it")
    streams = [{"stream_id": str(number), "location": "test"} for number in range(8)]
    read = config.read(tmp_path / configured({"primary": [{"none_a": {}}, {"none_b": {}}]}, streams=streams))
    with pytest.raises(ConfigurationError, match="there is no element none_a here; get it"):
        checks.check_stages(read)
    assert asked == ["none_a", "none_b"]


def test_json_that_is_none(cli, tmp_path):
    (tmp_path / "bad.json").write_text('{"pipeline_configuration": {\n  "empycustom": [}\n}')
    ended = cli("run", "bad.json")

    assert ended.code == 1
    assert 'bad.json, line 2, column 18: Expecting value: "empycustom": [}' in ended.err
    assert "nothing.json: No such file or directory." in cli("run", "nothing.json").err


def test_a_source_without_video(cli, configured, gst_launch):
    made = gst_launch("audiotestsrc num-buffers=10 ! wavenc ! filesink location=sound.wav")
    ended = cli("run", configured({}), "--source", "sound.wav")

    assert made.code == 0
    assert ended.code == 1
    assert "sound.wav: " in ended.err
    assert "no video" in ended.err
