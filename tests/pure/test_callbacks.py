"""The callbacks of a library: checked when it is opened, called as they are defined, and blamed when they raise."""

import builtins
import sys
from contextlib import contextmanager, nullcontext

import pytest

from empycustom.errors import (
    CallbackError,
    CallbackMissingError,
    CallbackSignatureError,
    LibraryImportError,
    LibraryNotFoundError,
)
from empycustom.library.callbacks import Library, callbacks_of
from empycustom.library.dialects import DIALECTS, Callback, Callbacks

# Which arguments a callback gets.

THREE = [
    "def process_ip(io_buffer, in_meta, options): return [io_buffer, in_meta, options]",
    "process_ip = lambda b, m, o: [b, m, o]",
    "def process_ip(io_buffer, in_meta, options, **rest): assert not rest; return [io_buffer, in_meta, options]",
    "def process_ip(io_buffer, in_meta=1, options=2): return [io_buffer, in_meta, options]",
    "import functools\ndef f(x, b, m, o): return [b, m, o]\nprocess_ip = functools.partial(f, 0)",
    "class C:\n    def __call__(self, b, m, o): return [b, m, o]\nprocess_ip = C()",
    "class C:\n    def run(self, b, m, o): return [b, m, o]\nprocess_ip = C().run",
    "class C:\n    @staticmethod\n    def run(b, m, o): return [b, m, o]\nprocess_ip = C.run",
    "class process_ip(list):\n    def __init__(self, b, m, o): super().__init__([b, m, o])",
    "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def inner(*a, **k): return f(*a, **k)\n    return inner\n"
    "@deco\ndef process_ip(b, m, o): return [b, m, o]",
]
FOUR = [
    "def process_ip(io_buffer, in_meta, options, events): return [io_buffer, in_meta, options, events]",
    "def process_ip(io_buffer, in_meta, options, events=None): return [io_buffer, in_meta, options, events]",
    "def process_ip(*args): return list(args)",
    "def process_ip(io_buffer, *args): return [io_buffer, *args]",
    "def process_ip(b, m, o, e, more=None): return [b, m, o, e]",
    "def process_ip(b, m, o, e, /): return [b, m, o, e]",
    "import functools\ndef f(x, *a): return list(a)\nprocess_ip = functools.partial(f, 0)",
]


@pytest.mark.parametrize("text", THREE)
def test_callbacks_of_three_arguments(opened, text):
    library = opened(text)
    assert library.callbacks.frame.takes_events is False
    assert list(library.call("buffer", "meta", {"o": 1}, "events")) == ["buffer", "meta", {"o": 1}]


@pytest.mark.parametrize("text", FOUR)
def test_callbacks_of_four_arguments(opened, text):
    library = opened(text)
    assert library.callbacks.frame.takes_events is True
    assert library.call("buffer", "meta", {"o": 1}, "events") == ["buffer", "meta", {"o": 1}, "events"]


# Arguments by name: `views` are those that the caller of Library.open can make, here from buffer and in_meta.

META = {"frame": [{"frame_num": 7}]}
VIEWS = {"image": lambda buffer, in_meta: nullcontext(("image of", buffer, in_meta["frame"][0]["frame_num"]))}
BY_NAME = [
    ("def process_ip(b, m, o, *, events): return [b, m, o, events]", "events"),
    ("def process_ip(b, m, o, *, events=None): return [b, m, o, events]", "events"),
    ("def process_ip(b, m, o, /, events): return [b, m, o, events]", "events"),
    ("def process_ip(b, m, o, frame): return [b, m, o, frame]", "frame"),
    ("def process_ip(b, m, o, *, frame): return [b, m, o, frame]", "frame"),
    ("def process_ip(b, m, o, image=None): return [b, m, o, image]", "image"),
    ("def process_ip(b, m, o, e, *, image): return [b, m, o, e, image]", "events image"),
    ("def process_ip(b, m, o, image, events, frame): return [b, m, o, image, events, frame]", "image events frame"),
    ("def process_ip(b, m, o, *, frame, more=1, **rest): assert not rest; return [b, m, o, frame]", "frame"),
    ("def process_ip(b, *args, frame): return [b, *args, frame]", "events frame"),
    ("def process_ip(*args, events): return [*args, events]", "events"),
    ("class C:\n    def __call__(self, b, m, o, *, image): return [b, m, o, image]\nprocess_ip = C()", "image"),
    ("import functools\ndef f(x, b, m, o, frame): return [b, m, o, frame]\nprocess_ip = functools.partial(f, 0)", "frame"),
]


@pytest.mark.parametrize(("text", "names"), BY_NAME)
def test_callbacks_get_by_name_what_they_ask_for(opened, text, names):
    library = opened(text, views=VIEWS)
    handed = {"events": "events", "frame": {"frame_num": 7}, "image": ("image of", "buffer", 7)}
    assert library.call("buffer", META, {}, "events") == ["buffer", META, {}, *(handed[name] for name in names.split())]
    assert library.callbacks.frame.arguments == ("io_buffer", "in_meta", "options", *names.split())


def test_what_was_given_to_a_partial_is_not_given_again(opened):
    text = "import functools\ndef f(b, m, o, events): return events\nprocess_ip = functools.partial(f, events='mine')"
    library = opened(text)
    assert library.call("buffer", META, {}, "others") == "mine"


def test_a_batch_without_frames_has_no_first_one(opened):
    assert opened("def process_ip(b, m, o, frame): return frame").call(None, {"frame": []}, {}, None) is None


def test_what_is_made_for_a_call_is_closed_when_it_returns_or_raises(opened):
    seen = []

    @contextmanager
    def image(buffer, _in_meta):
        seen.append(f"opened {buffer}")
        try:
            yield "image"
        finally:
            seen.append("closed")

    library = opened("def process_ip(b, m, o, image): assert image == 'image'; return 1 / o['n']", views={"image": image})
    assert library.call("b1", META, {"n": 1}, None) == 1
    with pytest.raises(CallbackError, match=r"lib\.py:1: process_ip raised ZeroDivisionError"):
        library.call("b2", META, {"n": 0}, None)
    assert seen == ["opened b1", "closed", "opened b2", "closed"]


@pytest.mark.parametrize("name", ["imag", "imagge", "images"])
def test_an_argument_that_is_misspelt_is_named_with_the_one_that_may_be_meant(opened, name):
    with pytest.raises(CallbackSignatureError) as caught:
        opened(f"def process_ip(b, m, o, *, {name}): pass", views=VIEWS)
    message = (
        f"process_ip has an argument {name}, which does not exist; image may be meant (by name there are events, frame, image)"
    )
    assert str(caught.value) == f"{caught.value.library}:1: {message}"


@pytest.mark.parametrize(
    "text",
    [
        "def process_ip(b, m, o, frame, e): pass",
        "def process_ip(b, m, *, frame): pass",
    ],
)
def test_an_argument_that_nobody_has_is_refused_with_those_that_there_are(opened, text):
    with pytest.raises(CallbackSignatureError) as caught:
        opened(text, views=VIEWS)
    signature = text.partition(":")[0].removeprefix("def process_ip")
    assert str(caught.value) == (
        f"{caught.value.library}:1: process_ip takes {signature}, but is called as process_ip(io_buffer, in_meta, options) or with "
        "events as the 4th argument; by name there are events, frame, image; change its definition"
    )


# In programs: functions and objects in the place of a file.


def found_by(buffer, in_meta, options, *, frame):
    return [buffer, options, frame["frame_num"], options["n"] // options["m"]]


class Counter:
    def __init__(self):
        self.seen = []

    def start(self, options):
        self.seen.append(("start", options))

    def process_ip(self, buffer, in_meta, options):
        self.seen.append(buffer)
        return len(self.seen)

    def stop(self, options):
        self.seen.append("stop")


def test_a_function_is_a_library(opened):
    assert callbacks_of(found_by) == {"process_ip"}
    library = Library.open(found_by, in_place=True)
    line = found_by.__code__.co_firstlineno
    assert (library.path, library.name, library.line_of("found_by")) == (__file__, "found_by", line)
    assert library.call("b", META, {"n": 4, "m": 2}, None) == ["b", {"n": 4, "m": 2}, 7, 2]
    with pytest.raises(CallbackError) as caught:
        library.call("b", META, {"n": 4, "m": 0}, None)
    assert str(caught.value).startswith(f"{__file__}:{line + 1}: found_by raised ZeroDivisionError")
    assert (library.start({}), library.stop({}), library.has_output_caps, library.hints()) == (None, None, False, [])
    library.close()
    with pytest.raises(CallbackSignatureError, match=r"<lambda> takes \(b\), but is called as <lambda>\(io_buffer"):
        Library.open(lambda b: b, in_place=True)


def test_a_function_called_process_makes_frames():
    def process(buffer, in_meta, options):
        return buffer, None

    assert callbacks_of(process) == {"process"}
    assert Library.open(process, in_place=False).call(1, META, {}, None) == (1, None)


def test_an_object_with_callbacks_is_a_library():
    counter = Counter()
    assert callbacks_of(counter) == {"start", "process_ip", "stop"}
    library = Library.open(counter, in_place=True)
    assert library.path == __file__
    library.start({"a": 1})
    assert library.call("b", META, {}, None) == 2
    library.stop({})
    library.close()
    assert counter.seen == [("start", {"a": 1}), "b", "stop"]
    with pytest.raises(CallbackMissingError, match="has process_ip but no process"):
        Library.open(counter, in_place=False)


def test_what_is_no_library_at_all_is_refused():
    with pytest.raises(CallbackMissingError, match="3 has neither process_ip nor process"):
        Library.open(3, in_place=True)


# Other dialects.


class Verdicts:
    """A dialect of the tests: ``judge(number) -> bool`` is called for each frame, and ``setup(**options)`` at the start."""

    def names(self, target):
        return {"process_ip"} if hasattr(target, "judge") else set()

    def bind(self, target, path, views, settings, *, in_place, hooks=()):
        if not hasattr(target, "judge"):
            raise CallbackMissingError(f"{path} has no judge; define judge(number)", library=path, callback="judge")
        start = Callback("setup", target.setup, ("**options",), lambda options: target.setup(**options))
        return Callbacks(Callback("judge", target.judge, ("number",), self._calling(target.judge)), start)

    def _calling(self, judge):
        return lambda _buffer, in_meta, _options: {"frame": {"good": judge(in_meta["frame"][0]["frame_num"])}}

    def hints(self, target, path):
        return iter(())


def test_another_dialect_is_a_class_and_a_row_of_the_table(make, monkeypatch):
    monkeypatch.setitem(DIALECTS, "verdicts", (__name__, "Verdicts"))
    file = make(
        "least = 0\ndef setup(least):\n    globals()['least'] = 10 // least\ndef judge(number):\n    return number > least"
    )
    library = Library.open(file, in_place=True, dialect="verdicts")
    assert (library.name, library.hints(), library.line_of("setup")) == ("judge", [], 2)
    library.start({"least": 2})
    assert library.call("buffer", META, {}, None) == {"frame": {"good": True}}
    with pytest.raises(CallbackError, match=r"lib\.py:3: setup raised ZeroDivisionError"):
        library.start({"least": 0})
    library.stop({})
    library.close()
    with pytest.raises(CallbackMissingError, match=r"has no judge; define judge\(number\)"):
        Library.open(make("x = 1"), in_place=True, dialect="verdicts")


def test_a_callback_written_in_c_that_cannot_be_asked_gets_three(opened):
    library = opened("process_ip = max")
    assert library.callbacks.frame.takes_events is False
    assert library.call(1, 3, 2, 4) == 3


def test_process_is_the_callback_when_it_is_not_in_place(opened):
    library = opened("def process(in_buffer, in_meta, options): return None, ''\ndef process_ip(b, m, o): 1 / 0", in_place=False)
    assert library.name == "process"
    assert library.call(1, 2, 3, 4) == (None, "")


def test_what_a_library_defines(opened):
    library = opened("\n\ndef process_ip(b, m, o): pass\nprocess = max")
    assert library.path.endswith("/lib.py")
    assert library.name == "process_ip"
    assert library.line_of("process_ip") == 3
    assert library.line_of("process") is None


# What is refused when it is opened.


@pytest.mark.parametrize(
    ("text", "in_place", "what"),
    [
        ("x = 1", True, r"has neither process_ip nor process; define process_ip\(io_buffer, in_meta, options\)"),
        ("x = 1", False, r"has neither process_ip nor process; define process\(in_buffer, in_meta, options\)"),
        (
            "def process(a, b, c): pass",
            True,
            r"has process but no process_ip, which in-place=true needs; set in-place=false, or define process_ip\(io_buffer, ",
        ),
        (
            "def process_ip(a, b, c): pass",
            False,
            r"has process_ip but no process, which in-place=false needs; set in-place=true, or define process\(in_buffer, ",
        ),
    ],
)
def test_a_missing_callback_names_the_setting(opened, text, in_place, what):
    with pytest.raises(CallbackMissingError, match=what) as caught:
        opened(text, in_place)
    assert caught.value.callback == ("process_ip" if in_place else "process")
    assert caught.value.library.endswith("/lib.py")
    assert isinstance(caught.value, AttributeError)


GOOD = "def process_ip(b, m, o): pass\n"


@pytest.mark.parametrize(
    ("text", "callback", "line", "what"),
    [
        (
            "def process_ip(): pass",
            "process_ip",
            1,
            "process_ip takes (), but is called as process_ip(io_buffer, in_meta, options)",
        ),
        ("\ndef process_ip(a, b): pass", "process_ip", 2, "takes (a, b), but is called as"),
        (
            "def process_ip(a, b, c, d, e): pass",
            "process_ip",
            1,
            "or with events as the 4th argument; by name there are events, frame; change its definition",
        ),
        (
            "def process_ip(a, b, c, *, d): pass",
            "process_ip",
            1,
            "has an argument d, which does not exist; by name there are events,",
        ),
        ("def process_ip(a, b, *, options): pass", "process_ip", 1, "takes (a, b, *, options)"),
        ("def process_ip(**all): pass", "process_ip", 1, "takes (**all)"),
        ("class C:\n    def run(self, b): pass\nprocess_ip = C().run", "process_ip", 2, "takes (b)"),
        ("process_ip = 5", "process_ip", None, "is a int, not a function"),
        ("process_ip = None", "process_ip", None, "is a NoneType, not a function"),
        ("async def process_ip(a, b, c): pass", "process_ip", 1, "is a coroutine (async def)"),
        ("def process_ip(a, b, c): yield", "process_ip", 1, "in_meta, options); return the result instead of yield"),
        ("async def process_ip(a, b, c): yield", "process_ip", 1, "is a generator"),
        ("class C:\n    async def __call__(self, a, b, c): pass\nprocess_ip = C()", "process_ip", 2, "is a coroutine"),
        (
            "import functools\nasync def f(x, a, b, c): pass\nprocess_ip = functools.partial(f, 1)",
            "process_ip",
            2,
            "is a coroutine",
        ),
        (GOOD + "def start(): pass", "start", 2, "start takes (), but is called as start(options); change its definition"),
        (GOOD + "def start(options, more): pass", "start", 2, "start takes (options, more)"),
        (GOOD + "def stop(): pass", "stop", 2, "stop takes ()"),
        (GOOD + "start = 'x'", "start", None, "start is a str, not a function"),
        (GOOD + "async def stop(options): pass", "stop", 2, "stop is a coroutine"),
        ("import numpy as np\ndef process_ip(a, b=np.eye(2)): pass", "process_ip", 2, "takes (a, b=array([[1., 0.], [0., 1.]]))"),
    ],
)
def test_a_callback_that_cannot_be_called_is_refused(opened, text, callback, line, what):
    with pytest.raises(CallbackSignatureError) as caught:
        opened(text)
    message = str(caught.value)
    assert what in message
    assert "\n" not in message
    assert message.startswith(f"{caught.value.library}:{line}: {callback} " if line else f"{caught.value.library}: {callback} ")
    assert (caught.value.callback, caught.value.line) == (callback, line)
    assert isinstance(caught.value, TypeError)


def test_the_callback_of_the_other_mode_is_not_checked(opened):
    assert opened(GOOD + "def process(): pass").call(1, 2, 3, 4) is None


@pytest.mark.parametrize("text", ["x = 1", "def process_ip(): pass", GOOD + "start = 5"])
def test_a_refused_library_leaves_nothing_behind(make, text):
    path, modules = list(sys.path), set(sys.modules)
    with pytest.raises((CallbackMissingError, CallbackSignatureError)):
        Library.open(make(text), in_place=True)
    assert (sys.path, set(sys.modules)) == (path, modules)


def test_errors_of_loading_come_through(make):
    with pytest.raises(LibraryImportError):
        Library.open(make("1 / 0"), in_place=True)
    with pytest.raises(LibraryNotFoundError):
        Library.open("/no/such/lib.py", in_place=True)
    with pytest.raises(LibraryNotFoundError):
        callbacks_of("/no/such/lib.py")


def test_which_callbacks_there_are(make):
    assert callbacks_of(make("x = 1")) == set()
    assert callbacks_of(make("def start(o): pass\ndef process(a, b, c): pass")) == {"start", "process"}
    assert callbacks_of(make("start = stop = process = process_ip = print")) == {"start", "stop", "process", "process_ip"}


def test_what_was_loaded_to_see_its_callbacks_is_opened_once_each(make):
    path, modules = list(sys.path), set(sys.modules)
    file = make("import builtins\nbuiltins.runs_of_test += 1\ndef process_ip(a, b, c): pass")
    builtins.runs_of_test = 0
    assert callbacks_of(file) == callbacks_of(file) == {"process_ip"}
    libraries = [Library.open(file, in_place=True) for _ in range(3)]
    assert len({id(library.target) for library in libraries}) == builtins.runs_of_test == 3
    for library in libraries:
        library.close()
    assert (sys.path, set(sys.modules)) == (path, modules)
    del builtins.runs_of_test


# start and stop.


def test_start_and_stop_get_the_options(opened):
    library = opened(GOOD + "seen = []\ndef start(options): seen.append(options)\ndef stop(options=None): seen.append(options)")
    library.start({"a": 1})
    library.stop({"b": 2})
    assert library.target.seen == [{"a": 1}, {"b": 2}]


def test_start_and_stop_are_optional(opened):
    library = opened(GOOD)
    assert library.start({}) is None
    assert library.stop({}) is None
