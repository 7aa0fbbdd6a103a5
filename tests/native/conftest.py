"""What several tests of native need."""

import pytest
from metas_on_buffers import NAME

from empycustom.gstreamer import Gst
from empycustom.native.own_metas import JsonMeta


@pytest.fixture
def buffer():
    return Gst.Buffer.new_allocate(None, 100, None)


@pytest.fixture(scope="module")
def json_meta():
    return JsonMeta(NAME)
