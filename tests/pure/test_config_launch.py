"""A stream as the text of a pipeline, with and without DeepStream."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empycustom.config.launch import assignments, describe, elements
from empycustom.config.streams import Stage, Stream
from empycustom.errors import ConfigurationError
from empycustom.text import shell_word

UPRIGHT = "videoconvert ! videoflip name=upright video-direction=auto"
DEEPSTREAM = {"nvstreammux", "nvvideoconvert", "nvinfer", "nvtracker", "nvdsosd"}
SOURCE = ["videotestsrc"]


def stage(group, element, named=True, pixels=None, memory=None, **properties):
    given = {name.replace("_", "-"): value for name, value in properties.items()}
    return Stage(group, element, f"$.pipeline_configuration.{group}", given, named, pixels, memory)


def library(name, group="empycustom", pixels="RGBA", memory="CPU", **properties):
    return stage(group, group, True, pixels, memory, custom_lib=name, **properties)


def stream(*stages, aimeta=None, **given):
    return Stream("s", "test", {name.replace("_", "-"): value for name, value in given.items()}, stages, aimeta or {}, ())


def on_plain(of, *more, **named):
    return describe(of, SOURCE, lambda name: name in more, **named)


def on_deepstream(of, **more):
    return describe(of, SOURCE, lambda name: name in DEEPSTREAM, **more)


def test_the_shortest():
    assert (
        on_plain(stream()).text == f"videotestsrc ! queue name=first ! {UPRIGHT} ! videoconvert ! aimeta name=aimeta ! fakesink"
    )


def test_format_and_memory_become_the_caps_before_the_element():
    text = on_plain(stream(library("/a.py", in_place=True, options={"a b": 'x"y'}), library("/b.py", pixels="I420"))).text

    assert (
        " ! videoconvert ! video/x-raw,format=RGBA ! empycustom custom-lib=/a.py in-place=true "
        r'options="{\"a b\": \"x\\\"y\"}" ! videoconvert ! video/x-raw,format=I420 ! empycustom custom-lib=/b.py ! '
    ) in text


def test_input_means_a_size_where_there_is_no_muxer_and_the_rest_is_warned_of():
    made = on_plain(stream(width=64, height=48, enable_padding=True, live_source=True, batch_size=1, gpu_id=0))

    assert "videoscale add-borders=true ! video/x-raw,width=64,height=48,pixel-aspect-ratio=1/1 !" in made.text
    assert made.warnings == [
        "$.pipeline_configuration.input: batch-size, gpu-id not used: that is for nvstreammux, which this pipeline does without"
    ]


def test_emcustom_is_an_alias_where_it_is_not_installed():
    of = stream(library("/a.py", group="emcustom"))

    assert "! empycustom custom-lib=/a.py" in on_plain(of).text
    assert "! emcustom custom-lib=/a.py" in on_plain(of, "emcustom").text


def test_the_clock_is_drawn_by_whom_there_is():
    of = stream(stage("overlay", "nvdsosd", False, display_clock=True, clock_font="Serif", silent=True))

    assert "! videoconvert ! clockoverlay !" in on_plain(of).text
    assert on_plain(of).warnings == [
        "$.pipeline_configuration.overlay: clock-font not used: that is for nvdsosd, which is not installed"
    ]
    assert "clockoverlay" not in on_plain(stream(stage("overlay", "nvdsosd", False))).text
    assert [name for _, name in elements(of, lambda name: False)] == ["clockoverlay"]
    assert elements(stream(stage("overlay", "nvdsosd", False)), lambda name: False) == []


def test_deepstream_in_the_documented_order():
    made = on_deepstream(
        stream(
            stage("primary", "nvinfer", False, config_file_path="/c.txt"),
            stage("tracker", "nvtracker", False, ll_lib_file="/t.so"),
            stage("secondary", "nvinfer", True, process_mode=2),
            library("/a.py", in_place=True),
            library("/b.py", pixels="NV12", memory="NVMM"),
            stage("overlay", "nvdsosd", False, display_clock=True, silent=False),
            width=1280,
            height=720,
            live_source=True,
            aimeta={"signal-interval": 5},
        )
    )

    assert made.text == (
        "videotestsrc ! queue name=first ! nvvideoconvert ! video/x-raw(memory:NVMM),format=NV12 ! mux.sink_0 "
        "nvstreammux name=mux batch-size=1 width=1280 height=720 live-source=true ! "
        "nvinfer config-file-path=/c.txt ! nvtracker ll-lib-file=/t.so ! nvinfer process-mode=2 ! "
        "nvvideoconvert ! video/x-raw,format=RGBA ! empycustom custom-lib=/a.py in-place=true ! "
        "nvvideoconvert ! video/x-raw(memory:NVMM),format=NV12 ! empycustom custom-lib=/b.py ! "
        "nvvideoconvert ! video/x-raw(memory:NVMM),format=RGBA ! nvdsosd display-clock=true ! "
        "aimeta name=aimeta signal-interval=5 ! fakesink"
    )
    assert made.warnings == []


def test_a_queue_holds_the_newest_frame_where_that_is_wanted():
    newest = "videotestsrc ! queue name=first leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0 ! "
    assert on_plain(stream(), newest=True).text.startswith(f"{newest}videoconvert ! ")
    muxed = on_deepstream(stream(width=6, height=4, live_source=True), newest=True)
    assert muxed.text.startswith(f"{newest}nvvideoconvert ! video/x-raw(memory:NVMM),format=NV12 ! mux.sink_0 nvstreammux ")


def test_deepstream_converts_by_its_own_converter():
    made = on_deepstream(stream(library("/a.py"), library("/b.py", pixels="I420"), width=6, height=4))

    assert (
        " ! empycustom custom-lib=/a.py ! nvvideoconvert ! video/x-raw,format=I420 ! empycustom custom-lib=/b.py ! " in made.text
    )
    assert "! videoconvert" not in made.text


def test_gpu_memory_is_not_converted_before_aimeta():
    text = on_plain(stream(library("/a.py", memory="NVMM")), "nvvideoconvert").text
    assert text == (
        "videotestsrc ! queue name=first ! nvvideoconvert ! video/x-raw(memory:NVMM),format=RGBA ! empycustom custom-lib=/a.py ! aimeta name=aimeta ! fakesink"
    )


@pytest.mark.parametrize(("memories", "converter"), [(["NVMM"], "nvvideoconvert"), (["NVMM", "CPU"], "videoconvert")])
def test_what_shows_or_saves_frames_gets_the_converter_for_their_memory(memories, converter):
    stages = [library("/a.py", memory=memory) for memory in memories]
    made = on_plain(stream(*stages), "nvvideoconvert", sinks=lambda name: ("!", name, "!", "made"))
    assert made.text.endswith(f"! aimeta name=aimeta ! {converter} ! made")


def test_no_signals_are_warned_of():
    (warning,) = on_plain(stream(aimeta={"signal-aimetas": False})).warnings
    assert warning.startswith("$.pipeline_configuration.aimeta.signal-aimetas: false")


def test_without_its_elements_deepstream_stays_out():
    assert "nvstreammux" not in on_deepstream(stream(library("/a.py"))).text


def test_what_the_machine_cannot_do():
    with pytest.raises(ConfigurationError, match=r'empycustom\.memory: NVMM is memory of DeepStream, .* write "CPU"'):
        on_plain(stream(library("/a.py", memory="NVMM")))
    with pytest.raises(ConfigurationError, match=r"\.input: nvstreammux needs height, in pixels"):
        on_deepstream(stream(width=3))


def test_the_line_is_for_a_shell():
    made = on_plain(stream(library("/my lib.py", options={"a": "it's"})), aimeta={"silent": False})
    words = shlex.split(made.line())

    assert words == ["gst-launch-1.0", *made.tokens, *made.sinks]
    assert " ! aimeta name=aimeta silent=false ! " in made.line()


VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20) | st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    max_size=3,
)


@settings(deadline=None)
@given(VALUES)
def test_a_token_stays_one_token_in_a_shell(value):
    (word,) = assignments({"options": value})
    read = subprocess.run(["bash", "-c", f"printf '%s\\0' {shell_word(word)}"], capture_output=True, check=True).stdout
    assert read.decode() == f"{word}\0"
