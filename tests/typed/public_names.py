"""Code of a user that names all that is public, for mypy and pyright: see tests/test_types_public.py. It is never run."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from typing_extensions import assert_type

import empycustom
from empycustom import Option, errors, testing
from empycustom.publish.destinations import Destination
from empycustom.publish.messages import Message
from empycustom.types import Buffer, InMeta, ObjectMeta, Options, OutMeta

OPTIONS = {"least": Option(0.5, "least confidence", limits=(0, 1)), "label": Option("car", choices=("car", "bus"))}


def load() -> list[str]:
    return ["car"]


def process_ip(io_buffer: Buffer, in_meta: InMeta, options: Options) -> OutMeta:
    assert_type(empycustom.shared("labels", load), list[str])
    found = in_meta["frame"][0]["object"]
    assert_type(found, list[ObjectMeta])
    assert_type(found[0]["rect_params"]["left"], float)
    assert_type(in_meta["buffer"]["planes"][0]["stride"], int)
    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
        assert_type(frame.format, str)
        assert_type((frame.width, frame.height), tuple[int, int])
        if frame.width < 2:
            raise empycustom.EndOfStream("it is too small")
        for pixels in (
            frame.pixels,
            frame.rgb,
            frame.bgr,
            frame.rgba,
            frame.gray,
            frame.crop(found[0]),
            frame.download(),
            *frame.planes,
        ):
            pixels[:2] = 0
    return {"frame": [{"new_object": [{"rect_params": found[0]["rect_params"], "obj_label": "again"}]}]}


def with_supervision(in_meta: InMeta) -> list[dict[str, Any]]:
    return [
        empycustom.from_detections(empycustom.to_detections(in_meta), in_meta),
        empycustom.from_keypoints(empycustom.to_keypoints(in_meta), in_meta),
    ]


def program(pad: Any, sample: Any) -> Iterator[float | None]:
    assert_type(empycustom.__version__, str)
    empycustom.register()
    assert_type(empycustom.document(sample), dict[str, Any])
    with empycustom.attach(pad, "count.py", options={"label": "car"}) as attached:
        attached.element.set_property("options", "{}")
    with empycustom.process("street.mp4", ["detect.py", process_ip], options=[{}, None], workers=[1, 0]) as results:
        for result in results:
            assert_type(result.frame_num, int)
            assert_type(result.document, dict[str, Any])
            assert_type(result.frame, dict[str, Any])
            assert_type(result.objects, list[dict[str, Any]])
            assert_type(result.image.format, str)
            print(result.attributes, result.pixels.shape)
            yield result.time_s
    results.close()


def test(path: Path) -> None:
    frame = testing.make_frame(format="RGBA", size=(64, 48), objects=2)
    assert_type(frame, testing.SampleFrame)
    assert_type(frame.objects, list[ObjectMeta])
    assert_type(frame.stream_time, int)
    result = testing.run(path, frame, options={"least": 0.5})
    assert_type(result, testing.Result)
    assert_type((result.changed, result.dropped), tuple[bool, bool])
    assert_type(result.warnings, list[str])
    assert_type(result.new_objects, list[ObjectMeta])
    assert_type(result.callback, str)
    assert_type(result.time_ms, float)
    with testing.OpenLibrary("count.py", options={"label": "car"}) as library:
        assert_type([library.run(frame) for _ in range(3)], list[testing.Result])


def failing() -> str:
    try:
        test(Path("count.py"))
    except errors.WorkerError as error:
        return f"{error.exit_code}: {error.details}"
    except errors.LibraryError as error:
        assert_type(error.library, str)
        assert_type(error.line, int | None)
        assert_type(error.callback, str | None)
        assert_type(error.details, str)
        return error.library
    except (empycustom.FrameClosedError, empycustom.FrameError) as error:
        return str(error)
    except errors.ConfigurationError as error:
        return error.path
    except empycustom.EmPyCustomError as error:
        return error.details
    return ""


class Printed(Destination):
    """A destination of a package of one's own."""

    def send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            print(self.address.host, self.address.settings, message)
