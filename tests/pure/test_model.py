"""The timestamp of in_meta: local time in milliseconds, with a numeric zone."""

import math
import os
import re
import time
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empycustom.model import values as model

FORMAT = "%Y-%m-%dT%H:%M:%S.%f%z"
SHAPE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}")
MOMENT = 1589393927.323  # 2020-05-13T18:18:47.323Z


def parsed(text):
    assert SHAPE.fullmatch(text)
    return datetime.strptime(text, FORMAT)


@given(st.floats(0, 4e9))
@settings(deadline=None, max_examples=150)
def test_it_parses_and_is_right_to_the_millisecond(seconds):
    assert math.isclose(parsed(model.timestamp(seconds)).timestamp(), seconds, abs_tol=0.000501)


@pytest.mark.parametrize(
    ("fraction", "shown"),
    [(0.0, "47.000"), (0.323, "47.323"), (0.9994, "47.999"), (0.9996, "48.000"), (0.999999, "48.000"), (0.0004, "47.000")],
)
def test_milliseconds_never_are_a_thousand(fraction, shown):
    assert f":{shown}" in model.timestamp(1589393927 + fraction)


def test_now():
    before = time.time()
    moment = parsed(model.timestamp(time.time()))
    assert before - 0.001 <= moment.timestamp() <= time.time() + 0.001
    assert moment.utcoffset() == datetime.now(timezone.utc).astimezone().utcoffset()


@pytest.fixture
def zone():
    before = os.environ.get("TZ")

    def change(name):
        os.environ["TZ"] = name
        time.tzset()

    yield change
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


ZONES = [
    ("CST6", "2020-05-13T12:18:47.323-0600"),  # the seed's own example
    ("UTC0", "2020-05-13T18:18:47.323+0000"),
    ("XXX-5:30", "2020-05-13T23:48:47.323+0530"),
    ("XXX-5:45", "2020-05-14T00:03:47.323+0545"),
    ("XXX3:30", "2020-05-13T14:48:47.323-0330"),
    ("XXX-14", "2020-05-14T08:18:47.323+1400"),
]


@pytest.mark.parametrize(("number", "name", "expected"), [(number, *item) for number, item in enumerate(ZONES, start=1)])
def test_zones(zone, number, name, expected):
    zone(name)
    moment = MOMENT + 86400 * number  # a second that no other test has asked for: seconds are remembered
    text = model.timestamp(moment)
    day = datetime.strptime(expected, FORMAT).day + number
    assert text == f"2020-05-{day:02d}{expected[10:]}"
    assert math.isclose(parsed(text).timestamp(), moment, abs_tol=0.000501)


def test_the_hour_that_comes_twice(zone):
    zone("CET-1CEST,M3.5.0,M10.5.0/3")
    summer = datetime(2023, 10, 29, 0, 30, tzinfo=timezone.utc).timestamp()
    assert model.timestamp(summer) == "2023-10-29T02:30:00.000+0200"
    assert model.timestamp(summer + 3600) == "2023-10-29T02:30:00.000+0100"


def test_the_values_that_mean_unknown():
    assert (model.UNKNOWN_CLASS, model.UNTRACKED, model.NO_PTS) == (-1, -1, -1)
