"""Text that leaves the process: nothing that a terminal obeys, no passwords, and JSON that means the same."""

import ast
import gc
import json
import sys
import threading
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empycustom.text import for_people, syntax_tree, visible, visible_json, without_password, without_secrets

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
WILD = st.text(
    st.one_of(st.characters(), st.sampled_from("\0\x1b\n\r\t\x7f\x85\x9b\u2028\u2029\ufeff\ud800\udce9\udcc3\udcbc" + BIDI))
)
SECRETS = [
    "rtsp://user:SECRET@host/x",
    "rtsp://user:SEC@RET@host/x",
    "rtsp://user:SEC RET@host/x",
    "rtsp://user:SEC/RET@host/x",
    "rtsp://us/er:SECRET@host/x",
    "rtsp://us@er:SECRET@host/x",
    "rtsp://us er:SEC/R ET@host/x",
    "rtsp://:SECRET@host/x",
    "RTSP://user:SECRET@host/x",
    "rtsp://user:SEC?RET#SECRET@host/x",
    "rtsp://user:SEC\"R'ET\\@host/x",
    "rtsp://user:SEC:RET@[fe80::1]:554/x",
    "https://SECRET@host/x",
    "http://host/x?password=SECRET",
    "http://host/x?user=me&pwd=SECRET&a=1",
    "http://host/x?token=SECRET#part",
    "http://host/x?api_key=SEC%20RET",
    "http://host/x?a=1;access_token=SECRET",
    "srt://host:7001?passphrase=SECRET&mode=caller",
    "rtsp://host/cam?usr=me&psw=SECRET",
    "rtmp://host/app/stream live=1 pubPasswd=SECRET",
    "rtsp:/user:SEC@RET@host/x",
    "user:SEC@RET@host/x",
]


def shows(text):
    return "SEC" in text or "RET" in text or "R ET" in text


@pytest.mark.parametrize("uri", SECRETS)
def test_passwords_are_left_out(uri):
    hidden = without_password(uri)

    assert not shows(hidden)
    assert "host" in hidden or "fe80" in hidden
    assert "***" in hidden
    for text in (f"{uri}: Could not connect to it (404).", f'Could not open "{uri}"\nfor reading.'):
        assert not shows(without_secrets(text)), text
        assert without_secrets(without_secrets(text)) == without_secrets(text)


@pytest.mark.parametrize("uri", [*SECRETS, "http://host/x?password=SEC RET", "http://host/?key=SEC 'RET\"&b"])
def test_of_a_uri_that_is_known_all_is_left_out(uri):
    text = without_secrets(f"{uri}: it says that {uri} is wrong, mail to somebody@example.org", uri)

    assert not shows(text)
    assert "is wrong" in text


@pytest.mark.parametrize(
    "text", ["rtspsrc user-id=me user-pw=SECRET ! x", 'souphttpsrc user-pw="SEC RET" ! x', '{"password": "SECRET"}']
)
def test_passwords_in_properties_are_left_out(text):
    assert not shows(for_people(text))


@pytest.mark.parametrize(
    "text",
    [
        "file:///home/me/a@b:c@2x.mp4",
        "clip@2x.mp4 does not exist",
        "http://host:8080/video.mp4?start=3&end=4",
        "rtsp://camera.example/stream: no frame for 30 s",
        "lib.py:4: process_ip raised ValueError: write to somebody@example.org",
        "    return sorted(found, key=lambda each: each @ matrix)",
        "12:30:05 rtsp://user:***@host/x",
    ],
)
def test_other_texts_stay(text):
    assert without_secrets(text) == text


@given(WILD, st.booleans())
def test_no_control_character_is_left(text, lines):
    shown = visible(text, lines=lines)

    kept = set("\n\t") if lines else set()
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") and c not in kept]
    assert not set(BIDI) & set(shown)
    assert visible(shown, lines=lines) == shown
    shown.encode()


def test_bytes_that_were_not_text_are_shown_as_such():
    assert visible("caf\udce9 \udcc3\udcbc \ud800") == "caf\\xe9 ü \\ud800"


@given(WILD)
def test_json_means_the_same_and_is_plain(text):
    line = visible_json(json.dumps({text: text}, ensure_ascii=False))

    assert json.loads(line) == {text: text}
    assert visible(line) == line
    line.encode()


@pytest.fixture
def collecting():
    """Let Python collect garbage often, and call a function each time."""
    before = gc.get_threshold()
    gc.set_threshold(100)

    def begin(function):
        gc.callbacks.append(function)

    yield begin
    gc.callbacks.pop()
    gc.set_threshold(*before)


def test_a_syntax_tree_that_is_made_while_another_one_is_made_spoils_neither(collecting):
    source = "\n".join(f"def f{number}(a): return [a + {number} * (a - 1), {{'k': a}}]" for number in range(100))
    made = []

    def between(phase, _info):
        if len(made) < 20:
            made.append(phase)
            syntax_tree("f(1)")

    collecting(between)
    assert len(syntax_tree(source).body) == 100
    assert len(made) == 20 or sys.version_info >= (3, 12)  # which collects garbage between instructions alone
    assert ast.unparse(syntax_tree("f( 1)", mode="eval")) == "f(1)"


def test_threads_that_make_syntax_trees_at_the_same_time_get_them():
    together, made = threading.Barrier(8), []

    def make(number):
        together.wait(60)
        made.extend(len(syntax_tree("x\n" * number).body) for _ in range(50))

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(made) == sorted(50 * [*range(8)])
