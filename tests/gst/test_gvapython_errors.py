"""What is wrong with a module for gvapython is one message of gst-launch, with its file and line, or the property and what to write."""

from __future__ import annotations

import pytest

from empycustom.gstreamer import Gst

GOOD = "class Counter:\n    def __init__(self, line=1):\n        self.line = line\n    def process_frame(self, frame):\n        return True\n"
FUNCTION = "def process_frame(frame):\n    return True\n"
# By kind: the module, the properties, and what is reported, after the path of the module where the text begins with a colon.
ERRORS = {
    "missing file": (None, "", "module={file} does not exist; give the path of a Python file"),
    "import error": ("\nimport nothing_there\n", "", ":2 cannot be loaded: ModuleNotFoundError: No module named 'nothing_there'"),
    "syntax error": ("x = 1\ndef process_frame(frame)\n", "", ":2 has a syntax error: SyntaxError: expected ':'"),
    "error of the module": ("\n1 / 0\n", "", ":2 cannot be loaded: ZeroDivisionError"),
    "missing function": (
        FUNCTION,
        "function=process_frames",
        " has no process_frames, which function=process_frames needs; process_frame may be meant",
    ),
    "missing function, which a class has": (
        GOOD,
        "",
        " has no process_frame, which function=process_frame needs; the class Counter has it: set class=Counter",
    ),
    "another method of a class": (
        GOOD.replace("process_frame", "look"),
        "",
        " has no process_frame, which function=process_frame needs; class=Counter function=look may be meant",
    ),
    "no function at all": (
        "x = 1\n",
        "",
        " has no process_frame, which function=process_frame needs; define a function of this name",
    ),
    "missing class": (GOOD, "class=Count", " has no Count, which class=Count needs; Counter may be meant; known here: Counter"),
    "class is a function": (
        FUNCTION,
        "class=process_frame",
        ":1: class=process_frame is a function, not a class; for a function set",
    ),
    "missing method": (
        f"\n{GOOD}",
        "class=Counter function=count",
        ":2: the class Counter has no count, which function=count needs; known here: process_frame",
    ),
    "__init__ raises": (
        GOOD.replace("= line", "= 1 / line"),
        "class=Counter arg=[0]",
        ":3: __init__ raised ZeroDivisionError: division by zero; fix the library",
    ),
    "arguments of __init__": (
        GOOD,
        """class=Counter kwarg='{"lin": 1}'""",
        """:2: Counter(line=1) cannot be made with kwarg={"lin": 1}: got an unexpected keyword argument 'lin'; correct arg and kwarg""",
    ),
    "arguments of no __init__": (
        "\nclass Counter:\n    def process_frame(self, frame):\n        return True\n",
        "class=Counter arg=3",
        ":2: Counter() cannot be made with arg=[3]: too many positional arguments; correct arg and kwarg",
    ),
    "missing arguments of __init__": (
        GOOD.replace("=1", ""),
        "class=Counter",
        ":2: Counter(line) cannot be made with neither arg nor kwarg: missing a required argument: 'line'; correct arg and kwarg",
    ),
    "arg is no JSON": (
        GOOD,
        "class=Counter arg=[1",
        "arg is not JSON: Expecting ',' delimiter at line 1, column 3: [1 (the text ends",
    ),
    "kwarg is no JSON": (
        GOOD,
        """class=Counter kwarg="{'line': 1}" """,
        "kwarg is not JSON: Expecting property name enclosed in double quotes at line 1, column 2: {'line': 1} (JSON wants double",
    ),
    "kwarg is no object": (
        GOOD,
        "class=Counter kwarg=[1]",
        """kwarg is not a JSON object but list: [1]; write kwarg='{"key": 1}'""",
    ),
    "wrong arity": (
        "\ndef process_frame():\n    return True\n",
        "",
        ":2: process_frame takes (), but is called with a VideoFrame; define process_frame(frame)",
    ),
    "wrong arity of a method": (
        "class Counter:\n    def process_frame(self):\n        return True\n",
        "class=Counter",
        ":2: process_frame takes (self), but is called with a VideoFrame; define process_frame(self, frame)",
    ),
    "exception on a frame": (
        "calls = []\ndef process_frame(frame):\n    calls.append(1)\n    return len(calls) < 2 or frame.rect()\n",
        "",
        ":4: process_frame raised AttributeError: 'VideoFrame' object has no attribute 'rect' at frame 1 (0:00:00.033)",
    ),
    "async def": (
        "\nasync def process_frame(frame):\n    return True\n",
        "",
        ":2: process_frame is a coroutine (async def); define process_frame(frame), which returns its result",
    ),
    "async def in a class": (
        "class Counter:\n    async def process_frame(self, frame):\n        return True\n",
        "class=Counter",
        ":2: process_frame is a coroutine (async def); define process_frame(self, frame), which returns its result",
    ),
    "generator": (
        "def process_frame(frame):\n    yield True\n",
        "",
        ":1: process_frame is a generator (it contains yield); define process_frame(frame), which returns its result",
    ),
    "NaN": (
        "def process_frame(frame):\n    frame.add_region(0, float('nan'), 2, 2)\n    return True\n",
        "",
        ":2: process_frame raised ValueError: add_region gets NaN as y, which is not a number; leave such a region out at frame 0",
    ),
    "label": (
        "def process_frame(frame):\n    frame.add_region(0, 0, 2, 2, label=7)\n    return True\n",
        "",
        ":2: process_frame raised TypeError: add_region gets a int as label, which is a text; write label=str(label) at frame 0",
    ),
    "name of a tensor": (
        "def process_frame(frame):\n    frame.add_tensor().set_name(7)\n    return True\n",
        "",
        ":2: process_frame raised TypeError: the name of a tensor is a text, not a int; write set_name(str(name)) at frame 0",
    ),
    "SystemExit": (
        "import sys\ndef process_frame(frame):\n    sys.exit(7)\n",
        "",
        ":3: process_frame raised SystemExit: 7 at frame 0 (0:00:00.000)",
    ),
}
WARNINGS = {
    "kwarg without class": (
        FUNCTION,
        """kwarg='{"a": 1}'""",
        "kwarg is set, but not used: it is for the arguments of a class; set class as well",
    ),
    "arg without class": (FUNCTION, "arg=1", "arg is set, but not used: it is for the arguments of a class; set class as well"),
    "options": (FUNCTION, "options={}", "options is set, but not used: functions for gvapython get a frame and nothing else"),
    "in-place": (FUNCTION, "in-place=false", "in-place=false is set, but not used: functions for gvapython get a frame"),
    "interface": (FUNCTION, "interface=2", "interface is set, but not used: functions for gvapython get a frame"),
    "finalize-function": (FUNCTION, "finalize-function=end", "finalize-function is set, but not used: it is for hailopython"),
    "class for a library of ours": (
        "def process_ip(b, m, o):\n    pass\n",
        "dialect=empycustom class=Counter",
        "class is set, but not used: it has process_ip; set dialect to that of another project, or leave it out",
    ),
}
# async=false: gst-launch of GStreamer 1.22 hangs now and then where the first buffer fails before a sink that it waits for.
LINE = "videotestsrc num-buffers=3 ! video/x-raw,format=BGR,width=64,height=48,framerate=30/1 ! {element} ! fakesink async=false"


@pytest.fixture
def launched(library, gst_launch, tmp_path):
    """Run gvapython with a module (None: it does not exist) and properties."""

    def run(text, properties, workers):
        file = tmp_path / "none.py" if text is None else library(text, "module.py")
        return file, gst_launch(LINE.format(element=f"gvapython module={file} workers={workers} {properties}"))

    return run


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("kind", ERRORS)
def test_each_error_is_reported_with_file_and_line(launched, kind, workers):
    text, properties, expected = ERRORS[kind]
    file, ended = launched(text, properties, workers)
    place = str(file) if expected[0] in ": " else ""
    errors = [line for line in ended.text.splitlines() if line.startswith("ERROR: from element")]
    assert ended.code != 0
    assert f"gvapython0: {place}{expected.format(file=file) if text is None else expected}" in errors[0], ended.text


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("kind", WARNINGS)
def test_what_is_not_used_is_a_warning(launched, kind, workers):
    text, properties, expected = WARNINGS[kind]
    file, ended = launched(text, properties, workers)
    assert ended.code == 0, ended.text
    (warning,) = [line for line in ended.complaints() if line.startswith("WARNING: from element")]
    assert f"gvapython0: {file}: {expected}" in warning


def test_the_traceback_is_below(launched):
    file, ended = launched(*ERRORS["exception on a frame"][:2], 0)
    assert f'  File "{file}", line 4, in process_frame\n' in ended.text


def test_custom_lib_is_named_where_that_was_written(gst_launch):
    for element in ("gvapython custom-lib=none.py", "empycustom custom-lib=none.py"):
        assert "0: custom-lib=none.py does not exist in " in gst_launch(LINE.format(element=element)).text
    for element in ("gvapython module=none.py", "empycustom dialect=gvapython module=none.py"):
        assert "0: module=none.py does not exist in " in gst_launch(LINE.format(element=element)).text
    assert "0: module is not set; give the path of a Python file: module=" in gst_launch(LINE.format(element="gvapython")).text


def test_a_module_may_have_the_name_of_one_of_pythons_own(library, gst_launch):
    file = library("def process_frame(frame):\n    frame.add_message('1')\n    return True\n", "json.py")
    ended = gst_launch(LINE.format(element=f"gvapython module={file} ! aimeta silent=false"))
    assert ended.code == 0, ended.text
    assert [each["frame"][0]["emcustom"]["messages"] for each in ended.documents] == [["1"]] * 3


def test_each_start_makes_a_new_object(library, play):
    import empycustom

    empycustom.register()
    file = library(
        "made = []\n"
        "class Counter:\n"
        "    def __init__(self):\n"
        "        made.append(self)\n"
        "        self.calls = 0\n"
        "    def process_frame(self, frame):\n"
        "        self.calls += 1\n"
        "        frame.add_message(f'{len(made)} made, {self.calls} calls')\n"
        "        return True\n"
    )
    pipeline = Gst.parse_launch(LINE.format(element=f"gvapython name=e module={file} class=Counter"))
    for _ in range(2):
        assert play(pipeline).ended
        assert '["1 made, 3 calls"]' in pipeline.get_by_name("e").get_property("last-meta")
