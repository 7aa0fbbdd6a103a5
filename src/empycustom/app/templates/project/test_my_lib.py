"""Tests of my_lib.py; `pytest` runs them. No video and no pipeline is needed: empycustom.testing makes frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from empycustom import testing

LIBRARY = Path(__file__).with_name("my_lib.py")


def test_the_brightness_of_a_frame() -> None:
    """A frame that is all 100 has a brightness of 100."""
    frame = testing.make_frame(np.full((48, 64, 3), 100, np.uint8))

    assert testing.run(LIBRARY, frame).frame["emcustom"] == {"brightness": 100.0}


def test_a_dark_object() -> None:
    """Show that of two objects the one on the black half is dark, unless the option says that nothing is."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:, 32:] = 255
    boxes = [{"left": left, "top": 0, "width": 32, "height": 48} for left in (0, 32)]
    frame = testing.make_frame(pixels, objects=[{"rect_params": box} for box in boxes])

    found = testing.run(LIBRARY, frame).objects
    assert [each["emcustom"]["dark"] for each in found] == [True, False]
    found = testing.run(LIBRARY, frame, options={"dark_below": 0}).objects
    assert [each["emcustom"]["dark"] for each in found] == [False, False]
