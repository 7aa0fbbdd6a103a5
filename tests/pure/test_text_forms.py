"""The texts of a result: JSON and Python's spelling, and what is refused."""

import subprocess
import sys
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wild_values import texts, writable

from empycustom.errors import OutputError
from empycustom.model.serialize import parse, shorten


@pytest.mark.parametrize("text", ["", " ", "\n\t", "null", "None", " None "])
def test_blank_text_is_nothing(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[{'a': 1}]", [{"a": 1}]),
        ("[np.float64(1.5), np.float32(nan), np.int64(-3), np.True_, np.False_]", [1.5, None, -3, True, False]),
        ("[numpy.float64(1.5)]", [1.5]),
        ("[np.longdouble('1.25')]", [1.25]),
        ("[array([[1, 2],\n       [3, 4]], dtype=uint8)]", [[[1, 2], [3, 4]]]),
        ("[array([], dtype=float64)]", [[]]),
        ("[array('x', dtype='<U1'), np.str_('it\\'s')]", ["x", "it's"]),
        ("[tensor([0.5, inf]), tensor(1)]", [[0.5, None], 1]),
        ("[nan, inf, -inf, +1, -2.5, np.nan]", [None, None, None, 1, -2.5, None]),
        ("[NaN, Infinity, -Infinity, 1e999]", [None, None, None, None]),
        ("[1e999, 'x']", [None, "x"]),
        ("(1, (2, 3))", [1, [2, 3]]),
        ("['a' 'b', u'c', '''d''']", ["ab", "c", "d"]),
        ("{'a': True, 'b': None}", {"a": True, "b": None}),
        ("['\\d']", ["\\d"]),
        ("['C:\\path', 1]", ["C:\\path", 1]),
        ("['\\ud800']", ["?"]),
        ('["\\ud83d\\ude00"]', ["😀"]),
        (" [1] ", [1]),
        ("[1,\n 2]", [1, 2]),
        ("[0x10, 1_000]", [16, 1000]),
        ("[1, 2] # two", [1, 2]),
    ],
)
def test_texts_and_what_they_mean(text, expected):
    assert parse(text) == expected


CODE = [
    "__import__('os').system('true')",
    "[print('x')]",
    "[open('x')]",
    "[np.load('x')]",
    "[np.array([1]).tolist()]",
    "[float64]",
    "[np.float64]",
    "[np.float64()]",
    "[np.float64(1, 2)]",
    "[np.float64('x')]",
    "[np.float64(__import__('os'))]",
    "[f().float64(1.5)]",
    "[f().nan]",
    "[os.environ]",
    "[x for x in (1,)]",
    "{x: 1 for x in (1,)}",
    "(x for x in ())",
    "[lambda: 1]",
    "[(x := 1)]",
    "[f'{1}']",
    "[*[1]]",
    "{**{}}",
    "[1 if True else 2]",
    "[1 + 1]",
    "[2 ** 9999999999]",
    "['x' * 10]",
    "[not True]",
    "[~1]",
    "[-'a']",
    "[1 < 2]",
    "[a and b]",
    "[[1][0]]",
    "{1, 2}",
    "[{1}]",
    "set()",
    "[b'x']",
    "[1j]",
    "[1 + 2j]",
    "[...]",
    "[1, 2, ..., 9]",
    "[array([0, 1, ..., 998, 999])]",
    "{[1]: 2}",
    "{{}: 2}",
    "[await x]",
    "[(yield)]",
    "x = 1",
    "import os",
    "print",
    "hello world",
    "{'a': 1",
    "[1]]",
    "[1or 2]",
    "[1 is 1]",
    "\0",
    "[\0]",
    "['\ud800']",
    "[\ud800]",
    "'",
    "\\",
    "[0777]",
    "'\\N{no such thing}'",
    "9" * 10000,
    "[-" + "9" * 10000 + "]",
    "[0x" + "f" * 100000 + "]",
    "[" * 100000,
    "{'a':" * 100000,
    "-" * 100000 + "1",
    "not " * 100000 + "1",
    "1" + "+1" * 100000,
    "a" + ".b" * 100000,
    "f" + "()" * 100000,
    "lambda:" * 100000,
    "[*" * 150 + "x" + "]" * 150,
    "np.float64(" * 300 + "nan" + ")" * 300,
]


@pytest.mark.parametrize("text", CODE, ids=lambda text: text[:24].encode("unicode_escape").decode())
def test_code_and_rubbish_are_refused_and_shown(text):
    with pytest.raises(OutputError, match=r".") as caught:
        parse(text)
    message = str(caught.value)
    message.encode("utf-8")
    assert "\n" not in message
    assert "\0" not in message
    assert len(message) < 1500
    if "too large" not in message:
        assert "neither JSON" in message
        assert shorten(text)[:20] in message


def test_nothing_is_evaluated(tmp_path):
    witness = tmp_path / "witness"
    for code in (f"open({str(witness)!r}, 'w')", f"[__import__('pathlib').Path({str(witness)!r}).touch()]"):
        with pytest.raises(OutputError):
            parse(code)
    assert not witness.exists()


alphabet = st.sampled_from(
    [*"[]{}()'\",:.\\ \n\t-+*0159eEnaxuNj_=#\0é\ud800", "np.float64(", "array(", "nan", "None", "True", "lambda", "f'", "\\x"]
)


@given(texts | st.lists(alphabet, max_size=25).map("".join))
@settings(deadline=None, max_examples=400)
def test_any_text_parses_or_is_an_output_error(text):
    try:
        value = parse(text)
    except OutputError as error:
        str(error).encode("utf-8")
    else:
        assert writable(value)


def test_no_warning_of_the_parser_leaks():
    code = (
        "import warnings; from empycustom.errors import OutputError; from empycustom.model.serialize import parse\n"
        "warnings.simplefilter('always')\n"
        "assert parse(r\"['\\d', 1]\") == [r'\\d', 1]\n"
        "for text in ['[1or 2]', '[0xfor x in y]', '[1 is 1]', '[1()]', '[\"a\"[1,]]']:\n"
        "    try: parse(text)\n"
        "    except OutputError: pass\n"
        "    else: raise SystemExit(text)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_filters_of_warnings_stay_as_they_are():
    before = list(warnings.filters)
    parse("['\\d']")
    assert warnings.filters == before
