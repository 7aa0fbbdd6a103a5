"""Times as they are typed."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empycustom.text import parse_duration, parse_time

TIMES = {
    "0": 0, "80": 80_000, "80.5": 80_500, ".5": 500, "1:20": 80_000, "01:20": 80_000, "1:20.25": 80_250, "90:00": 5_400_000,
    "0:01:20": 80_000, "1:02:03.004": 3_723_004, "12.": 12_000, "100:00:00": 360_000_000,
}  # fmt: skip
WRONG = [
    "",
    "abc",
    "-1",
    "+1",
    "1:90",
    "1:60",
    "0:90:00",
    "1:2:3:4",
    ":20",
    "1:",
    "1.5:20",
    "1e3",
    "inf",
    "nan",
    "1,5",
    "٣",
    "9" * 20,
    " 1",
]


@pytest.mark.parametrize("text", TIMES)
def test_a_time(text):
    assert parse_time(text) == (TIMES[text] * 1_000_000, text)


@pytest.mark.parametrize("text", WRONG)
def test_what_is_not_a_time(text):
    with pytest.raises(ArgumentTypeError, match=r"is not a time; write seconds, such as 12\.5, or 1:20, or 1:00:03\.5"):
        parse_time(text)


def test_a_length_is_not_0():
    assert parse_duration("0.5").ns == 500_000_000
    with pytest.raises(ArgumentTypeError, match=r"0:00 is not a duration; write one such as 12\.5"):
        parse_duration("0:00")


@given(st.integers(0, 10**17))
def test_every_nanosecond_counts(ns):
    seconds, rest = divmod(ns, 10**9)
    minutes, seconds = divmod(seconds, 60)
    assert parse_time(f"{minutes // 60}:{minutes % 60}:{seconds}.{rest:09d}").ns == ns
