"""Surface arrays, as a Jetson has them: through an EGL image, which a fake library and the fake driver make."""

from __future__ import annotations

import pytest
from consumer import take
from surfaces import NEW, OLD, SURFACE_ARRAY, Surfaces, host

import empycustom
from empycustom.errors import FrameError
from empycustom.native import cuda as egl
from empycustom.native.loading import ffi

START = ["register", "mapped frame"]


class Jetson:
    """The fake library of surfaces, beside the fake driver."""

    def __init__(self, driver, path):
        self.driver = driver
        self.library = ffi.dlopen(path)
        import ctypes

        self.fake = ctypes.CDLL(path)
        self.size, self.path = NEW, path
        self.behave()

    def behave(self, *, size=NEW, failing=0, frame_type=1, pitch=0):
        import ctypes

        self.fake.fake_surfaces(ctypes.c_size_t(size), failing)
        self.driver.library.fake_frames(frame_type, pitch)

    @property
    def mapped(self):
        return self.fake.fake_mapped()


@pytest.fixture
def jetson(fakes, driver, monkeypatch):
    path = str(fakes / "libnvbufsurface.so.1.0.0")
    monkeypatch.setattr(egl, "path_of", lambda name: path)
    egl._nvbufsurface.cache_clear()
    yield Jetson(driver, path)
    egl._nvbufsurface.cache_clear()


def surface_array(video_format="RGBA", **about):
    """Such a surface has a file descriptor and no address; the fakes find the pixels by the former."""
    made = Surfaces(video_format, memory_type=SURFACE_ARRAY, **about)
    for index in range(len(made.pixel_offsets)):
        made.describe(index, data=0, desc=made.address_of(0, index))
    return made


@pytest.mark.parametrize("size", [OLD, NEW])
@pytest.mark.parametrize("video_format", ["RGBA", "NV12"])
def test_a_frame_is_viewed_through_its_egl_image(jetson, video_format, size):
    made = surface_array(video_format, batch=3, size=size)
    jetson.behave(size=size)
    for batch_id in range(3):
        with empycustom.map_frame(made.buffer, made.in_meta, batch_id=batch_id, writable=True) as frame:
            assert jetson.mapped == 1
            for number, plane in enumerate(frame.planes):
                assert plane.address == made.address_of(number, batch_id)
                assert plane.__dlpack_device__() == (2, 0)
            assert (host(frame.planes[0]) == made.pixels(0, batch_id)).all()
        assert jetson.mapped == 0
    assert [call for call in jetson.driver.calls if call in (*START, "unregister")] == [*START, "unregister"] * 3


def test_the_work_is_done_before_the_image_goes(jetson):
    made = surface_array()
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        taken = take(frame.pixels.__dlpack__(stream=5))
        assert frame.download().any()
    calls = [call for call in jetson.driver.calls if call not in ("push 0", "pop", "init", "device 0", "retain 0")]
    assert calls == [*START, "wait for all", "copy 24 x 4 from device", "wait for all", "unregister"]
    made.let_go()
    taken.give_back()
    assert made.freed == [True]


def test_an_image_that_another_element_made_is_left_to_it(jetson):
    made = surface_array()
    made.describe(0, image=made.address + made.list_offset)
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        assert frame.pixels.address == made.address_of()
        assert jetson.mapped == 0
    assert jetson.mapped == 0
    assert "unregister" in jetson.driver.calls


def refused(made):
    memory = made.buffer.peek_memory(0).mini_object
    before = memory.refcount, memory.lockstate
    with pytest.raises(FrameError) as raised, empycustom.map_frame(made.buffer, made.in_meta):
        pass
    assert (memory.refcount, memory.lockstate) == before
    return str(raised.value)


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (
            {"failing": 1},
            "could not make an EGL image of the frame (is there an EGL display?): put nvvideoconvert ! 'video/x-raw,",
        ),
        ({"frame_type": 0}, "CUDA has the frame as an array, which cannot be viewed: put nvvideoconvert"),
        ({"pitch": 128}, "CUDA has the frame in another layout than its surface has"),
    ],
)
def test_a_frame_that_cannot_be_viewed(jetson, behaviour, message):
    jetson.behave(**behaviour)
    assert message in refused(surface_array())
    assert jetson.mapped == 0
    assert jetson.driver.calls.count("unregister") == (0 if "failing" in behaviour else 1)


@pytest.mark.parametrize("function", ["cuGraphicsEGLRegisterImage", "cuGraphicsResourceGetMappedEglFrame"])
def test_an_image_that_cuda_does_not_take(jetson, function):
    jetson.driver.fail(function, 100)
    message = refused(surface_array())
    assert "EGL image of the frame (put nvvideoconvert ! 'video/x-raw,format=RGBA' before the element" in message
    assert "CUDA_ERROR_NO_DEVICE" in message
    assert jetson.mapped == 0


def test_a_driver_that_knows_no_egl_images(jetson, monkeypatch):
    monkeypatch.setattr(egl, "has", lambda library, name: name != "cuGraphicsEGLRegisterImage")
    assert "This driver of CUDA does not take EGL images" in refused(surface_array())
    assert jetson.mapped == 0


def test_blocks_are_refused_before_anything_is_mapped(jetson):
    made = surface_array("NV12")
    made.describe(0, layout=1)
    assert "block linear" in refused(made)
    assert jetson.driver.calls == []


def test_without_nvidias_library(driver, monkeypatch):
    egl._nvbufsurface.cache_clear()
    monkeypatch.setattr(egl, "path_of", lambda name: None)
    assert "in a surface array, and libnvbufsurface.so is not in the process: put nvvideoconvert" in refused(surface_array())


def test_with_a_library_that_cannot(fakes, driver, monkeypatch):
    egl._nvbufsurface.cache_clear()
    path = str(fakes / "libcuda.so.1")
    monkeypatch.setattr(egl, "path_of", lambda name: path)
    assert f"{path} has no NvBufSurfaceMapEglImage" in refused(surface_array())
