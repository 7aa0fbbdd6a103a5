"""What a callback raises: the error names the file and the line of the library, and its traceback begins there."""

import re
import sys

import pytest

from empycustom.errors import (
    CallbackError,
)


def run(library, callback):
    if callback in ("start", "stop"):
        getattr(library, callback)({})
    else:
        library.call(None, {}, {}, None)


RAISED = [
    ("raise ValueError('no')", "ValueError: no"),
    ("1 / 0", "ZeroDivisionError: division by zero"),
    ("raise SystemExit", "SystemExit"),
    ("sys.exit(3)", "SystemExit: 3"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ("raise GeneratorExit", "GeneratorExit"),
    ("raise KeyError('x')", "KeyError: 'x'"),
    ("raise ValueError", "ValueError"),
    ("raise ValueError('')", "ValueError"),
    ("raise ValueError(' \\n ')", "ValueError"),
    ("raise ValueError('first\\nsecond')", "ValueError: first …"),
    ("raise ValueError('\\n\\nfirst\\n')", "ValueError: first"),
    ("raise ValueError('x' * 10000)", f"ValueError: {'x' * 500} …"),
    ("raise ValueError('a\\udcffb\\0c')", "ValueError: a\\xffb\\u0000c"),
    ("raise ValueError('größe 😀')", "ValueError: größe 😀"),
    ("raise SyntaxError", "SyntaxError"),
    ("raise SyntaxError('odd')", "SyntaxError: odd"),
    ("compile('x = (', 'text', 'exec')", "SyntaxError: '(' was never closed"),
    ("raise OSError(2, 'gone', 'file.txt')", "FileNotFoundError: [Errno 2] gone: 'file.txt'"),
    ("raise type('Mine', (Exception,), {'__str__': lambda self: 1 / 0})", "Mine: (its text is not available: ZeroDivisionError)"),
    ("raise type('Mine', (Exception,), {'__str__': lambda self: 5})", "Mine: (its text is not available: TypeError)"),
    ("raise UnicodeDecodeError('utf-8', b'\\xff', 0, 1, 'bad')", "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff"),
    ("assert False", "AssertionError"),
    ("nothing_like_this", "NameError: name 'nothing_like_this' is not defined"),
]


@pytest.mark.parametrize(("statement", "what"), RAISED)
@pytest.mark.parametrize("callback", ["start", "stop", "process_ip", "process"])
def test_whatever_a_callback_raises_is_a_callback_error(opened, callback, statement, what):
    arguments = "options" if callback in ("start", "stop") else "a, b, c"
    others = "".join(f"def {name}(a, b, c): pass\n" for name in ("process", "process_ip") if name != callback)
    library = opened(
        f"import sys\n{others}\n# a comment\ndef {callback}({arguments}):\n    x = 1\n    {statement}\n", callback != "process"
    )
    line = 5 + others.count("\n") + 1
    with pytest.raises(CallbackError) as caught:
        run(library, callback)
    error = caught.value
    assert str(error).startswith(f"{library.path}:{line}: {callback} raised {what}")
    advice = "that is how Ctrl-C ends a call" if what == "KeyboardInterrupt" else "fix the library"
    assert str(error).endswith(f"; {advice}")
    assert error.reported == f"{error} (the traceback is below)"  # on the bus and on the console, where it is
    assert (error.library, error.line, error.callback) == (library.path, line, callback)
    assert error.__cause__ is not None
    assert isinstance(error, RuntimeError)
    assert "\n" not in str(error)
    (str(error) + error.details).encode("utf-8")
    assert "\0" not in str(error) + error.details
    lines = error.details.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{library.path}", line {line}, in {callback}'
    assert "empycustom.library." not in error.details


def test_the_line_is_the_librarys_own_when_a_helper_raises(opened):
    library = opened(
        """
        import helper
        def process_ip(a, b, c):
            return inner()
        def inner():
            return helper.deep(3)
        """,
        helper="""
        class Oops(Exception): pass
        def deep(n):
            if n == 0:
                raise Oops("far down")
            return deep(n - 1)
        """,
    )
    with pytest.raises(CallbackError, match=r"lib\.py:6: process_ip raised Oops: far down") as caught:
        library.call(None, {}, {}, None)
    details = caught.value.details
    assert re.findall(r'File ".*/(\w+\.py)", line (\d+)', details)[:2] == [("lib.py", "4"), ("lib.py", "6")]
    assert details.splitlines()[-1] == "helper.Oops: far down"


def test_the_line_is_the_last_one_of_the_library_when_it_is_called_back(opened):
    library = opened("def process_ip(a, b, c):\n    return sorted([1, 2], key=key)\ndef key(x):\n    return x.missing\n")
    with pytest.raises(CallbackError, match=r"lib\.py:4: process_ip raised AttributeError"):
        library.call(None, {}, {}, None)


def test_a_helper_that_is_imported_late_and_fails(opened):
    library = opened("def process_ip(a, b, c):\n    import late\n", late="x = 1\nimport no_such_module_anywhere\n")
    with pytest.raises(
        CallbackError, match=r"lib\.py:2: process_ip raised ModuleNotFoundError: No module named 'no_such"
    ) as caught:
        library.call(None, {}, {}, None)
    assert re.findall(r'File ".*/(\w+\.py)", line (\d+)', caught.value.details) == [("lib.py", "2"), ("late.py", "2")]


def test_chained_exceptions_are_all_in_the_details(opened):
    library = opened(
        """
        def process_ip(a, b, c):
            try:
                1 / 0
            except ZeroDivisionError as error:
                raise ValueError("because") from error
        """
    )
    with pytest.raises(CallbackError, match=r"lib\.py:6: process_ip raised ValueError: because") as caught:
        library.call(None, {}, {}, None)
    assert "ZeroDivisionError: division by zero" in caught.value.details
    assert "direct cause" in caught.value.details
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with Python 3.11")
def test_exception_groups(opened):
    library = opened("def process_ip(a, b, c):\n    raise ExceptionGroup('several', [ValueError('one'), TypeError('two')])\n")
    with pytest.raises(
        CallbackError, match=r"lib\.py:2: process_ip raised ExceptionGroup: several \(2 sub-exceptions\)"
    ) as caught:
        library.call(None, {}, {}, None)
    assert "ValueError: one" in caught.value.details
    assert "TypeError: two" in caught.value.details


def test_endless_recursion(opened):
    library = opened("def process_ip(a, b, c):\n    return process_ip(a, b, c)\n")
    with pytest.raises(CallbackError, match=r"lib\.py:2: process_ip raised RecursionError: maximum recursion depth"):
        library.call(None, {}, {}, None)


def test_a_wrong_call_inside_a_callback_written_in_c_has_no_line(opened):
    library = opened("process_ip = max")
    with pytest.raises(CallbackError, match=r"lib\.py: process_ip raised TypeError: ") as caught:
        library.call(1, "a", 2, 3)
    assert caught.value.line is None


def test_a_library_goes_on_after_an_exception(opened):
    library = opened(
        "count = 0\ndef process_ip(a, b, c):\n    global count\n    count += 1\n    if count == 1: 1 / 0\n    return count\n"
    )
    with pytest.raises(CallbackError):
        library.call(None, {}, {}, None)
    assert library.call(None, {}, {}, None) == 2


def test_failed_locates_an_exception_caught_elsewhere(opened):
    library = opened("def process_ip(a, b, c):\n    1 / 0\n")
    try:
        library.callbacks.frame.function(1, 2, 3)
    except ZeroDivisionError as raised:
        error = library.failed(raised, "process_ip")
    assert error.line == 2
    assert str(error).startswith(f"{library.path}:2: process_ip raised ZeroDivisionError")
