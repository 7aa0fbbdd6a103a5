"""Hints about misspelt names arrive where people see them."""

SOURCE = "videotestsrc num-buffers=3 ! video/x-raw,format=RGBA,width=64,height=48"
GOOD = "def process_ip(b, m, o):\n    return []\n"


def test_a_function_that_nobody_calls_is_a_warning_on_the_bus_at_each_start(play, library):
    from empycustom.gstreamer import Gst

    lib = library(f"{GOOD}def on_stop(options):\n    pass\n")
    pipeline = Gst.parse_launch(f"{SOURCE} ! empycustom in-place=true custom-lib={lib} ! fakesink")
    for _ in range(2):
        played = play(pipeline)
        assert played.ended, played.errors
        (told,) = [text for text, _ in played.warnings]
        assert (
            told
            == f"{lib}:3: on_stop is never called; stop may be meant: rename it (to _on_stop, if it is a function of your own)"
        )


def test_the_command_line_shows_it(library):
    """Of run and check; a library without its callback is an error of both that names what may be meant."""
    import subprocess
    import sys

    def said(*words):
        done = subprocess.run(
            [sys.executable, "-m", "empycustom", *words], capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stderr

    lib = library(f"{GOOD}def setup(options):\n    pass\n")
    wrong = library("def proces_ip(b, m, o):\n    pass\n", "wrong.py")
    for command in (["run", "test", "--frames", "1", "--lib"], ["check"]):
        code, err = said(*command, str(lib))
        assert code == 0
        assert f"empycustom: warning: {lib}:3: setup is never called; start may be meant" in err
        code, err = said(*command, str(wrong))
        assert code == 1
        assert (
            f"{wrong} has neither process_ip nor process; define process_ip(io_buffer, in_meta, options). proces_ip in line 1 "
            in err
        )


def test_an_attribute_of_a_frame_is_reported_with_the_number_of_the_frame(play, library):
    lib = library(
        "import empycustom\ndef process_ip(b, m, o):\n    with empycustom.map_frame(b, m) as frame:\n        frame.numpy()\n"
    )
    error = play(f"{SOURCE} ! empycustom in-place=true custom-lib={lib} ! fakesink").error
    assert "raised FrameAttributeError: A frame has no numpy: frame.pixels may be meant; it has pixels, planes, " in error
    assert error.endswith(", width, height at frame 0 (0:00:00.000); fix the library (the traceback is below)")
