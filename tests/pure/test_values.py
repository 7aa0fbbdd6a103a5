"""Any value or text that a library may return becomes plain JSON values, or an OutputError; nothing else, and nothing is run."""

import enum
import json
import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empycustom.errors import OutputError
from empycustom.model.serialize import parse, plain, shorten, shown

quick = settings(deadline=None, max_examples=80)

texts = st.text("ab1 .,:'\"\\\n\t\0\x7f\u0085\u2028[{(#é日😀", max_size=8)
lone = st.text("a\ud800\udfff😀", max_size=3)
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts


def nested(leaves):
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
    )


DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "longlong", "ulonglong"]
FLOAT_DTYPES = ["float16", "float32", "float64", "longdouble"]


@st.composite
def numpy_scalars(draw):
    if draw(st.booleans()):
        value = draw(st.sampled_from([0.0, -0.5, 1.5, 2.0, math.nan, math.inf, -math.inf]))
        return np.dtype(draw(st.sampled_from(FLOAT_DTYPES))).type(value)
    return np.dtype(draw(st.sampled_from(DTYPES))).type(draw(st.integers(0, 100)))


@st.composite
def numpy_arrays(draw):
    shape = draw(st.sampled_from([(), (1,), (3,), (2, 2), (1, 2, 3)]))
    kind = draw(st.sampled_from([*DTYPES, *FLOAT_DTYPES, "str"]))
    size = math.prod(shape)
    if kind == "str":
        return np.array(draw(st.lists(st.sampled_from(["", "a", "it's", 'a "b"', "é\n"]), min_size=size, max_size=size))).reshape(
            shape
        )
    wild = [math.nan, math.inf] if kind in FLOAT_DTYPES else []
    values = draw(st.lists(st.sampled_from([0, 1, 100, *wild]), min_size=size, max_size=size))
    return np.array(values, dtype=np.dtype(kind)).reshape(shape)


numpy_texts = texts.map(lambda text: np.str_(text.rstrip("\0")))  # NumPy itself prints no NULs at the end
wild_leaves = scalars | st.floats() | numpy_scalars() | numpy_arrays() | numpy_texts


def writable(value):
    return json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8")


@given(nested(scalars))
@quick
def test_plain_values_stay_as_they_are(value):
    assert plain(value) == value
    assert writable(plain(value))


@given(nested(scalars))
@quick
def test_json_text_means_the_same_as_the_value(value):
    assert parse(json.dumps([value])) == parse(json.dumps([value], ensure_ascii=False)) == [value]


@given(nested(wild_leaves))
@settings(deadline=None, max_examples=200)
def test_str_of_a_list_means_the_same_as_the_list(value):
    assert parse(str([value])) == plain([value])
    assert writable(plain([value]))


@given(nested(texts | lone | st.floats() | numpy_scalars()))
@quick
def test_what_plain_returns_can_always_be_written(value):
    assert writable(plain([value]))


@given(nested(wild_leaves))
@quick
def test_plain_makes_new_containers(value):
    given_value = [value, {"k": [value]}]
    before = repr(given_value)
    result = plain(given_value)
    result.append(1)
    result[1]["k"].append(2)
    assert repr(given_value) == before


@pytest.mark.parametrize("dtype", [*DTYPES, *FLOAT_DTYPES])
def test_every_numpy_scalar_becomes_a_python_number(dtype):
    value = np.dtype(dtype).type(1)
    assert plain(value) == 1
    assert type(plain(value)) in (int, float, bool)
    assert parse(str([value, {"a": value}])) == [1, {"a": 1}]
    assert type(parse(str([value]))[0]) is type(plain(value))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array(1.5), 1.5),
        (np.array(True), True),
        (np.array("x"), "x"),
        (np.array([[1, 2], [3, 4]], dtype=np.uint8), [[1, 2], [3, 4]]),
        (np.array([True, False]), [True, False]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([1.0, math.nan, -math.inf]), [1.0, None, None]),
        (np.array([np.longdouble(1.5), np.longdouble("inf")]), [1.5, None]),
        (np.array([{"a": np.float32(0.5)}, None], dtype=object), [{"a": 0.5}, None]),
        (np.empty((0, 4)), []),
        (np.ma.array([1, 2], mask=[False, True]), [1, None]),
        (np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f4")]), [[1, 2.5]]),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        (np.float64("nan"), None),
        (np.longdouble("nan"), None),
        (np.True_, True),
        (np.str_("é"), "é"),
        (1e308, 1e308),
        (2**1000, 2**1000),
        ("lone \ud800", "lone ?"),
        ((1, (2,)), [1, [2]]),
    ],
)
def test_what_values_become(value, expected):
    result = plain({"x": value})["x"]
    assert result == expected
    assert type(result) is type(expected)


class Colour(str, enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    BIG = 7


class Loud(str):
    def __str__(self):
        return "LOUD"


class Odd(int):
    def __int__(self):
        raise RuntimeError("no int for you")


def test_subclasses_are_what_they_hold():
    assert plain([Colour.RED, Size.BIG, Loud("soft"), Odd(3), {Colour.RED: 1, Size.BIG: 2, Loud("k"): 3}]) == [
        "red",
        7,
        "soft",
        3,
        {"red": 1, "7": 2, "k": 3},
    ]


def test_keys_become_texts_as_json_spells_them():
    value = {1: "a", 1.5: "b", None: "d", "s": "e", np.int64(3): "f", np.str_("t"): "g", False: "h"}
    assert plain(value) == {"1": "a", "1.5": "b", "null": "d", "s": "e", "3": "f", "t": "g", "false": "h"}
    assert parse("{1: 'a', None: 'b', True: 'c', -2: 'd'}") == {"1": "c", "null": "b", "-2": "d"}
    assert plain({"\ud800": 1}) == {"?": 1}
    assert plain({math.nan: 1}) == {"null": 1}


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no repr")


class BadList:
    dtype = "what"

    def tolist(self):
        raise RuntimeError("on another device")


@pytest.mark.parametrize(
    ("value", "place", "what"),
    [
        ([1, {"a": [0, {1, 2}]}], "[1].a[1]", "builtins.set is no JSON value"),
        ({"a": b"x"}, "a", "builtins.bytes"),
        ([1j], "[0]", "builtins.complex"),
        ([np.complex64(1)], "[0]", "builtins.complex"),
        ([np.datetime64("2020-01-01")], "[0]", "datetime.date"),
        ([np.bytes_(b"x")], "[0]", "builtins.bytes"),
        ([np.clongdouble(1)], "[0]", "numpy.clongdouble"),
        (object(), "the value", "builtins.object"),
        ([lambda: 1], "[0]", "builtins.function"),
        ([10**5000], "[0]", "too large"),
        ({10**5000: 1}, "the value", "too large"),
        ({(1, 2): 1}, "the value", "the key (1, 2) is no text"),
        ({(10**5000,): 1}, "the value", "the key"),
        ({(Unprintable(),): 1}, "the value", "the key"),
        ({b"k": 1}, "the value", "builtins.bytes"),
        ({frozenset(): 1}, "the value", "builtins.frozenset"),
        ([Unprintable()], "[0]", "Unprintable is no JSON value"),
        ({"x": BadList()}, "x", "cannot be listed: RuntimeError: on another device"),
        ({"a\nb \ud800\0": {1}}, "a b ?\\0", "builtins.set"),
    ],
)
def test_what_is_no_json_value_is_named_with_its_place(value, place, what):
    with pytest.raises(OutputError, match=r".") as caught:
        plain(value)
    assert caught.value.path == place
    assert what in str(caught.value)
    assert str(caught.value).startswith(place)
    assert "\n" not in str(caught.value)
    str(caught.value).encode("utf-8")


def test_values_that_contain_themselves():
    own_list, own_dict, array = [], {}, np.empty(1, dtype=object)
    own_list.append(own_list)
    own_dict["me"] = [own_dict]
    array[0] = array
    for value in (own_list, own_dict, [array]):
        with pytest.raises(OutputError, match="nested too deeply, or contains itself"):
            plain(value)
    with pytest.raises(OutputError, match=r"nested too deeply|is no literal|no JSON value"):
        parse(str(own_list))


def wrapped(depth):
    value = 1
    for _ in range(depth):
        value = [value] if depth % 2 else {"k": value}
    return value


@pytest.mark.parametrize("depth", [99, 100])
def test_nesting_up_to_the_limit_means_the_same_in_every_spelling(depth):
    value = wrapped(depth)
    assert plain(value) == parse(json.dumps(value)) == parse(str(value)) == value


@pytest.mark.parametrize("depth", [101, 102, 300, 900, 5000])
def test_deeper_nesting_is_refused_in_every_spelling(depth):
    value = wrapped(depth)
    with pytest.raises(OutputError, match="nested too deeply"):
        plain(value)
    for text in ("[" * depth + "]" * depth, "{'k':" * depth + "1" + "}" * depth):
        with pytest.raises(OutputError):
            parse(text)


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


def test_how_messages_show_values():
    assert shorten("a\n  b") == "'a b'"
    assert shown(Unprintable()) == "(its repr raises RuntimeError)"
    assert shown("x") == "'x'"
    assert shown(10**5000) == "(its repr raises ValueError)" or len(shown(10**5000)) <= 200
    assert len(shown([0] * 1000)) == 200
    assert shown([0] * 1000).endswith("…")
