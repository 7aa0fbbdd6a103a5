"""`empycustom launch`: as gst-launch-1.0, with the elements in it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from command_helpers import SAYS

from empycustom.app.commands import describe
from empycustom.gstreamer import Gst


def test_a_description_plays_to_its_end(cli, library):
    path = library(SAYS)
    ended = cli(
        "launch", f"videotestsrc num-buffers=3 ! empycustom custom-lib={path} in-place=true ! aimeta silent=false ! fakesink"
    )

    documents = [json.loads(line) for line in ended.out.splitlines() if line.startswith("{")]
    assert ended.code == 0
    assert [document["frame"][0]["emcustom"] for document in documents] == [{"said": "hello"}] * 3
    assert ended.err == ""


def test_arguments_keep_json_as_the_shell_passes_it(cli, library):
    options = json.dumps({"word": 'a "b" \\ ! c'})
    ended = cli(
        *["launch", "-q", "videotestsrc", "num-buffers=1", "!", "video/x-raw,width=64,height=64,format=(string)RGBA", "!"],
        *["empycustom", f"custom-lib={library(SAYS)}", "in-place=true", f"options={options}", "!"],
        *["aimeta", "silent=false", "!", "fakesink"],
    )

    assert ended.code == 0, ended.err
    assert ended.documents[0]["frame"][0]["emcustom"] == {"said": 'a "b" \\ ! c'}


def test_json_in_a_single_text(cli, library):
    source = "videotestsrc num-buffers=1 ! video/x-raw,width=64,height=64,format=RGBA"
    lib = f"empycustom custom-lib='{library(SAYS)}' in-place=true"
    ended = cli("launch", "-q", f'{source} ! {lib} options=\'{{"word": "a b"}}\' ! aimeta silent=false ! fakesink')

    assert ended.code == 0, ended.err
    assert ended.documents[0]["frame"][0]["emcustom"] == {"said": "a b"}


@pytest.mark.parametrize("value", ['{"a": "x y"}', "plain", '"{\\"a\\": 1}"', "it's", "a!b", "c:\\d e"])
def test_a_value_arrives_as_it_was_typed(value):
    element = Gst.parse_launch(describe(["filesrc", f"location={value}"]))

    assert element.get_property("location") == (json.loads(value) if value.startswith('"') else value)


def test_infos_are_printed_with_what_they_say(cli):
    ended = cli("launch", "videotestsrc num-buffers=5 ! perf ! fakesink")

    assert "INFO:\n" in ended.out
    assert "perf: perf0; timestamp: " in ended.out


def test_an_error_names_the_element_and_shows_the_traceback(cli, library):
    path = library("def process_ip(b, m, o):\n    return 1 / 0\n")
    ended = cli("launch", "-q", f"videotestsrc ! empycustom name=mine custom-lib={path} in-place=true ! fakesink")

    assert ended.code == 1
    assert "ERROR: from element /GstPipeline:pipeline0/GstEmPyCustom:mine: " in ended.err
    assert f"{path}:2: process_ip raised ZeroDivisionError" in ended.err
    assert ended.err.count("Traceback (most recent call last)") == 1
    assert ended.err.count("ERROR:") == 1


def test_a_stop_that_fails_is_an_error(cli, library):
    path = library("def process_ip(b, m, o): pass\ndef stop(options): 1 / 0\n")
    ended = cli("launch", f"videotestsrc num-buffers=2 ! empycustom custom-lib={path} in-place=true ! fakesink")

    assert ended.code == 1
    assert "stop raised ZeroDivisionError" in ended.err


def test_a_single_element_is_a_pipeline_too(cli):
    assert cli("launch", "audiotestsrc num-buffers=1").code == 1  # its pad leads nowhere, which GStreamer reports


@pytest.mark.parametrize(
    ("description", "complaint"),
    [
        ("nosuch ! fakesink", 'no element "nosuch"; check its spelling'),
        ("emcustom ! fakesink", 'no element "emcustom"; check its spelling, or put empycustom in its place.'),
        ("fakesrc nosuch=1 ! fakesink", 'no property "nosuch" in element "fakesrc"; `gst-inspect-1.0 fakesrc`'),
        ("fakesrc num-buffers=x ! fakesink", 'could not set property "num-buffers" in element "fakesrc" to "x".'),
        ("videotestsrc ! audioconvert ! fakesink", "could not link videotestsrc0 to audioconvert0; their formats"),
        ("fakesrc !", "syntax error in the description"),
        ("videotestsrc num-buffers=2 ! aimeta fakesink", "there is no ! between aimeta and fakesink; write aimeta … ! fakesink"),
        ("videotestsrc perf ! fakesink", "there is no ! between videotestsrc and perf; write videotestsrc … ! perf"),
        ("uridecodebin uri=file:///x fakesink", "there is no ! between uridecodebin and fakesink"),
        ("videotestsrc video/x-raw,width=64 ! fakesink", 'no element "video"; video/… are caps: write ! before them, and behind'),
        ("videotestsrc ! video/x-raw,width=64 perf ! fakesink", 'perf"; check their spelling, and write ! behind them.'),
        (
            'fakesrc ! empycustom options={"k": 1} ! fakesink',
            'no element "1"; it is a part of a value with a blank in it, as it seems: put single quotes around the whole value.',
        ),
    ],
)
def test_a_wrong_description_is_one_clear_line(description, complaint, cli):
    ended = cli("launch", description)

    assert ended.code == 1
    assert ended.out == ""
    assert complaint in ended.err
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize(
    "description",
    [
        "fakesrc num-buffers=2 ! fakesink fakesrc num-buffers=2 ! fakesink",
        "fakesrc num-buffers=2 ! tee name=t ! queue ! fakesink t. ! queue ! fakesink async=false",
        "fakesrc num-buffers=2 name=one queue name=two ! fakesink one. ! two.",
        "queue name=behind ! fakesink fakesrc num-buffers=2 ! behind.",
        "fakesrc num-buffers=2 fakesrc num-buffers=2 ! funnel name=f ! fakesink name=last",
    ],
)
def test_elements_may_follow_each_other_without_a_link(description, cli):
    ended = cli("launch", "-q", description)
    assert "there is no !" not in ended.err
    if "last" not in description:
        assert ended.code == 0, ended.err


def test_a_reader_that_goes_away_ends_the_stream_and_finishes_files(env, tmp_path):
    source = "videotestsrc is-live=true ! video/x-raw,width=64,height=64,framerate=30/1"
    line = f"{source} ! perf ! jpegenc ! avimux ! filesink location=v.avi"
    command = f"({sys.executable} -m empycustom launch '{line}'; echo $? > code) | true"
    subprocess.run(["sh", "-c", command], env=env, cwd=tmp_path, capture_output=True, timeout=60, check=False)

    assert (tmp_path / "code").read_text() == "0\n"
    assert b"idx1" in (tmp_path / "v.avi").read_bytes(), "the end of the stream writes the index"
