"""Which errors of a stream are those of its connection."""

from __future__ import annotations

import pytest

from empycustom.session.parts import Report
from empycustom.session.reconnect import is_connection_error

PIPELINE = "/GstPipeline:pipeline0"


@pytest.mark.parametrize(
    ("element", "debug", "lacks", "loss"),
    [
        (f"{PIPELINE}/GstURIDecodeBin:source/GstRTSPSrc:source", "", False, True),
        ("/GstRTSPSrc:source", "", False, False),  # taken out of the pipeline
        (f"{PIPELINE}/GstURIDecodeBin:source", "", False, False),
        (f"{PIPELINE}/GstURIDecodeBin:source/GstDecodeBin:decodebin0", "", True, False),
        (f"{PIPELINE}/GstURIDecodeBin:source/GstRTSPSrc:source", "reason not-negotiated (-4)", False, False),
        (f"{PIPELINE}/GstEmPyCustom:empycustom0", "", False, False),
    ],
)
def test_only_errors_of_the_connection_are_losses(element, debug, lacks, loss):
    report = Report("error", element, "text", debug, lacks)
    assert is_connection_error(report) == loss
    assert report.is_from_removed == (PIPELINE not in element)


@pytest.mark.parametrize(("digits", "shown"), [("ab" * 32, "ab" * 32), ("ab" * 2000, "ab" * 16 + "…")])
def test_details_have_the_beginning_of_a_codecs_bytes(digits, shown):
    """Caps hold tables of a codec, which say nothing to people; a checksum stays whole."""
    report = Report("error", "decoder", "text", f"element.c(1): where\nno decoder: (buffer)< {digits}, 05 >")
    assert report.details == f"no decoder: (buffer)< {shown}, 05 >"
