"""Every mistake of a user, by gst-launch as it is typed: one message with the error and its place, and a non-zero exit."""

from __future__ import annotations

import signal
import subprocess
import time
from copy import copy

import pytest

from empycustom.errors import CallbackError, EmPyCustomError, LibraryNotFoundError, PropertyError

# Live: GStreamer 1.22 hangs now and then if the first buffer fails before the pipeline plays, whatever element it is.
SOURCE = "videotestsrc is-live=true num-buffers=3 ! video/x-raw,format=RGBA,width=64,height=48"
GOOD = "def process_ip(b, m, o):\n    return []\n"


def line(properties, source=SOURCE):
    return f"{source} ! empycustom {properties} ! fakesink"


def failed(launched, *texts):
    """The pipeline ended with one error of ours, which holds the texts."""
    assert launched.code != 0, launched.text
    ours = [row for row in launched.err.splitlines() if row.startswith("ERROR: from element") and "GstEmPyCustom" in row]
    assert len(ours) == 1, launched.text
    for text in texts:
        assert text in ours[0]
    assert "CRITICAL" not in launched.text
    assert "WARNING" not in "\n".join(launched.complaints())
    return launched.err


def test_no_library_is_set(gst_launch):
    failed(gst_launch(line("in-place=true")), "custom-lib is not set", "custom-lib=my_lib.py")


def test_the_file_is_missing(gst_launch, tmp_path):
    failed(gst_launch(line("in-place=true custom-lib=none.py")), f"custom-lib=none.py does not exist in {tmp_path}")
    failed(gst_launch(line("in-place=true custom-lib=/no/such/lib.py")), "custom-lib=/no/such/lib.py does not exist")


def test_the_library_is_a_folder(gst_launch, tmp_path):
    failed(gst_launch(line(f"in-place=true custom-lib={tmp_path}")), f"custom-lib={tmp_path} is a folder", "name the Python file")


def test_no_such_module(gst_launch):
    failed(gst_launch(line("in-place=true custom-lib=no.such.module")), "neither a file in", "nor a module that Python finds")


def test_a_syntax_error(gst_launch, library):
    lib = library("x = 1\ndef process_ip(b, m, o)\n    return []\n")
    err = failed(gst_launch(line(f"in-place=true custom-lib={lib}")), f"{lib}:2 has a syntax error", "SyntaxError: expected ':'")
    assert "def process_ip(b, m, o)\n" in err


def test_an_import_fails_inside_the_library(gst_launch, library):
    lib = library("import json\nimport no_such_package\n" + GOOD)
    err = failed(
        gst_launch(line(f"in-place=true custom-lib={lib}")),
        f"{lib}:2 cannot be loaded",
        "'no_such_package' is missing, not the library",
    )
    assert "Traceback" in err
    assert "importlib" not in err, "the traceback begins in the user's file"


def test_an_exception_while_loading(gst_launch, library):
    lib = library("import sys\nsys.exit(7)\n" + GOOD)
    failed(gst_launch(line(f"in-place=true custom-lib={lib}")), f"{lib}:2 cannot be loaded: SystemExit: 7")


def test_the_callback_of_the_mode_is_missing(gst_launch, library):
    lib = library(GOOD)
    failed(gst_launch(line(f"custom-lib={lib}")), f"{lib} has process_ip but no process", "set in-place=true")
    lib = library("def process(b, m, o):\n    pass\n")
    failed(gst_launch(line(f"in-place=true custom-lib={lib}")), f"{lib} has process but no process_ip", "set in-place=false")
    lib = library("x = 1\n")
    failed(gst_launch(line(f"in-place=true custom-lib={lib}")), "neither process_ip nor process")


@pytest.mark.parametrize(
    ("definition", "what"),
    [
        (
            "def process_ip(b, m):\n    pass\n",
            "process_ip takes (b, m), but is called as process_ip(io_buffer, in_meta, options)",
        ),
        ("def process_ip(b, m, o, e, x):\n    pass\n", "process_ip takes (b, m, o, e, x)"),
        (
            "def process_ip(b, m, o, *, x):\n    pass\n",
            "process_ip has an argument x, which does not exist; by name there are events, frame, image",
        ),
        ("async def process_ip(b, m, o):\n    pass\n", "process_ip is a coroutine"),
        ("process_ip = 5\n", "process_ip is a int, not a function"),
        (GOOD + "def start():\n    pass\n", "start takes (), but is called as start(options)"),
        (GOOD + "def stop(a, b):\n    pass\n", "stop takes (a, b), but is called as stop(options)"),
    ],
)
def test_a_callback_has_the_wrong_arguments(gst_launch, library, definition, what):
    lib = library(definition)
    failed(gst_launch(line(f"in-place=true custom-lib={lib}")), str(lib), what)


@pytest.mark.parametrize("callback", ["start", "process_ip", "stop"])
def test_an_exception_in_a_callback(gst_launch, library, callback):
    sources = {
        name: f"def {name}({args}):\n    pass\n" for name, args in [("start", "o"), ("stop", "o"), ("process_ip", "b, m, o")]
    }
    sources[callback] = sources[callback].replace("pass", "return helper()")
    lib = library("def helper():\n    return {}['missing']\n" + "".join(sources.values()))
    number = lib.read_text().splitlines().index("    return helper()") + 1
    err = failed(gst_launch(line(f"in-place=true custom-lib={lib}")), f"{lib}:2: {callback} raised KeyError: 'missing'")
    assert f'File "{lib}", line {number}, in {callback}' in err
    assert err.count("Traceback (most recent call last)") == 1
    assert "empycustom/library" not in err, "the traceback begins in the user's file"


def test_sys_exit_in_a_callback(gst_launch, library):
    lib = library("import sys\ndef process_ip(b, m, o):\n    sys.exit(3)\n")
    failed(gst_launch(line(f"in-place=true custom-lib={lib}")), f"{lib}:3: process_ip raised SystemExit: 3")


def test_an_exception_in_process(gst_launch, library):
    lib = library("def process(b, m, o):\n    raise ValueError('first line\\nsecond line')\n")
    err = failed(gst_launch(line(f"custom-lib={lib}")), f"{lib}:2: process raised ValueError: first line")
    assert "second line" in err


@pytest.mark.parametrize(
    ("returned", "what"),
    [
        ("True", "got bool True, which is not metadata: return a list"),
        ("(b, [])", "process_ip returns the meta alone"),
        ("'person'", "the text is neither JSON"),
        ("[{'a': object()}]", "[0].a: builtins.object is not a JSON value"),
        ("[{'a': type('Own', (), {'__module__': __name__})()}]", "[0].a: lib.Own is not a JSON value"),
        ("{'count': 3}", "count: is an unknown key"),
        ("{'frame': [{'new_object': [{'class_id': 1}]}]}", "frame[0].new_object[0]: rect_params is missing: the box"),
    ],
)
def test_the_return_value_is_no_meta(gst_launch, library, returned, what):
    lib = library(f"x = 1\ndef process_ip(b, m, o):\n    return {returned}\n")
    failed(
        gst_launch(line(f"in-place=true custom-lib={lib}")),
        f"{lib}:2: what process_ip returned at frame ",
        ") cannot be used: ",
        what,
    )


@pytest.mark.parametrize(
    ("returned", "what"),
    [
        ("None", "got NoneType; return a pair"),
        ("b", "got Buffer; return a pair"),
        ("(5, [])", "the first of the pair is int; return a Gst.Buffer, a NumPy array"),
        (
            "(Gst.Buffer.new_allocate(None, 7, None), [])",
            "the new buffer has 7 bytes, but RGBA of 64x48 was negotiated, which needs 12288",
        ),
    ],
)
def test_process_returns_no_pair_of_buffer_and_meta(gst_launch, library, returned, what):
    lib = library(f"from gi.repository import Gst\ndef process(b, m, o):\n    return {returned}\n")
    failed(gst_launch(line(f"custom-lib={lib}")), f"{lib}:2", what)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ("'[1]'", "options is not a JSON object but list: [1]"),
        ("nonsense", "options is not JSON: Expecting value at line 1, column 1: nonsense (JSON wants double quotes"),
        ("@none.json", "options=@none.json"),
    ],
)
def test_options_are_no_json_object(gst_launch, library, options, what):
    failed(gst_launch(line(f"in-place=true custom-lib={library(GOOD)} options={options}")), what)


def test_a_broken_file_of_options_is_named_with_its_line(gst_launch, library, tmp_path):
    (tmp_path / "bad.json").write_text('{"a": 1,\n "b" 2}\n')
    failed(
        gst_launch(line(f"in-place=true custom-lib={library(GOOD)} options=@bad.json")),
        "options=@bad.json is not JSON: Expecting ':' delimiter at line 2, column 6",
    )


@pytest.mark.parametrize("value", ["0", "-1"])
def test_a_property_is_out_of_range(gst_launch, library, value):
    failed(
        gst_launch(line(f"in-place=true custom-lib={library(GOOD)} process-interval={value}")),
        f"process-interval={value} is out of range; give a whole number from 1 to 2147483647",
    )


def test_an_unknown_policy_is_refused_by_gst_launch(gst_launch, library):
    launched = gst_launch(line(f"in-place=true custom-lib={library(GOOD)} on-error=explode"))
    assert launched.code != 0
    assert "on-error" in launched.err


def test_aimeta_cannot_write_its_file(gst_launch):
    launched = gst_launch(f"{SOURCE} ! aimeta location=/no/such/folder/meta.jsonl ! fakesink")
    assert launched.code != 0
    assert "location=/no/such/folder/meta.jsonl" in launched.err
    assert "No such file or directory" in launched.err


def test_aimeta_runs_out_of_space(gst_launch):
    launched = gst_launch(f"{SOURCE} ! aimeta location=/dev/full ! fakesink")
    assert launched.code != 0
    assert "No space left on device" in launched.err
    assert "location=/dev/full" in launched.err


def test_every_error_is_logged_when_frames_go_on(gst_launch, library):
    lib = library("def process_ip(b, m, o):\n    raise ValueError('again')\n")
    launched = gst_launch(line(f"in-place=true on-error=pass custom-lib={lib}"), GST_DEBUG="*empycustom*:1")
    assert launched.code == 0
    logged = [
        row for row in launched.err.splitlines() if "ERROR" in row and f"{lib}:2: process_ip raised ValueError: again" in row
    ]
    assert len(logged) == 3
    assert [row.partition(" from ")[0] for row in launched.complaints() if " from element " in row] == ["WARNING:"]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("where", ["def start(o):\n    wait()\n", "wait()\n"], ids=["start", "loading"])
def test_ctrl_c_is_not_reported_as_an_error_of_the_library(gst_env, library, tmp_path, where, workers):
    """gst-launch does not get it: Python's own handler raises it in whatever runs in the main thread."""
    lib = library(
        "import pathlib, time\ndef wait():\n    pathlib.Path('waits').touch()\n    for _ in range(600):\n        time.sleep(0.1)\n"
        f"{where}{GOOD}"
    )
    words = ["gst-launch-1.0", *line(f"in-place=true workers={workers} custom-lib={lib}").split()]
    process = subprocess.Popen(
        words,
        env=gst_env,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    until = time.monotonic() + 60
    while not (tmp_path / "waits").exists():
        assert time.monotonic() < until, "it does not start"
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    assert process.returncode != 0
    said = (
        "start raised KeyboardInterrupt; that is how Ctrl-C ends a call"
        if "start" in where
        else "cannot be loaded: KeyboardInterrupt. That is how"
    )
    assert (said if not workers else "Ctrl-C came while workers started the library") in err
    assert "fix the library" not in err
    assert "defect" not in err


def test_an_element_stops_after_any_of_its_errors(gst_launch):
    """It keeps a copy of the error, and some errors have arguments that have to be named."""
    launched = gst_launch("videotestsrc num-buffers=3 ! video/x-raw,format=RGBA ! aimeta location=/dev/full ! fakesink")
    assert launched.code == 1
    assert "location=/dev/full cannot be written" in launched.err
    assert "Traceback" not in launched.err
    assert "CRITICAL" not in launched.err


@pytest.mark.parametrize(
    "error",
    [
        PropertyError("no", name="pace"),
        LibraryNotFoundError.at("lib.py", 3, "no", " such file"),
        CallbackError.at("lib.py", 3, "no", "; fix it"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_copies_of_errors_have_the_same_text(error):
    copied = copy(error)
    assert (type(copied), str(copied), vars(copied)) == (type(error), str(error), vars(error))
    assert "no" in str(copied)


def subclasses(kind):
    return {kind, *(each for derived in kind.__subclasses__() for each in subclasses(derived))}


@pytest.mark.parametrize("kind", sorted(subclasses(EmPyCustomError), key=lambda kind: kind.__name__))
def test_every_error_can_be_copied(kind):
    """An element that stops keeps a copy of its error, without the frames of a traceback."""
    builtin = next(each for each in (OSError, ImportError, AttributeError, Exception) if issubclass(kind, each))
    error = builtin.__new__(kind, "no")
    error.args, error.library, error.line = ("no",), "lib.py", 3
    copied = copy(error)
    assert (type(copied), copied.args, vars(copied)) == (kind, ("no",), vars(error))
