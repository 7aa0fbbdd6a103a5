"""Pipelines whose elements have failed are freed: their errors keep no function, with what its callers had in hand."""

import gc

import pytest
from driven import TIMEOUT

import empycustom
from empycustom.gstreamer import Gst

GOOD = "def process_ip(b, m, o):\n    pass\n"
RAISES = "    raise ValueError('as the test wants')\n"
LIBRARIES = {
    "load": "raise ValueError('as the test wants')\n",
    "start": f"{GOOD}def start(o):\n{RAISES}",
    "frame": f"def process_ip(b, m, o):\n{RAISES}",
    "stop": f"{GOOD}def stop(o):\n{RAISES}",
    "options": f"OPTIONS = {{}}\n{GOOD}",
    "property": GOOD,
}
MORE = {"options": 'options={\\"a\\":1}', "property": "pace=skip call-timeout=-1"}
ENDS = Gst.MessageType.EOS | Gst.MessageType.ERROR


def played(path, more):
    """Play until an error, stop, and return what tells whether the pipeline is there, and the text of the error."""
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=3 ! empycustom name=e in-place=true {more} custom-lib={path} ! aimeta ! fakesink"
    )
    bus = pipeline.get_bus()
    pipeline.set_state(Gst.State.PLAYING)
    assert bus.timed_pop_filtered(TIMEOUT, ENDS), "it hangs"
    pipeline.set_state(Gst.State.NULL)
    error = pipeline.get_by_name("e").error
    bus.set_flushing(True)
    return pipeline.weak_ref(), error


@pytest.mark.inline("it has the element in hand")
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("fails", LIBRARIES)
def test_a_pipeline_is_freed_whatever_fails(library, fails, workers):
    empycustom.register()
    path = library(LIBRARIES[fails])
    found, error = played(path, f"workers={workers} {MORE.get(fails, '')}")
    assert isinstance(error, empycustom.errors.EmPyCustomError)
    assert error.__traceback__ is error.__cause__ is None
    gc.collect()
    assert found() is None
