"""The last seconds of a stream as a video file, made of the pictures that were shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from empycustom.errors import LaunchError
from empycustom.gstreamer import Gst
from empycustom.session.parts import build, exists
from empycustom.session.sinks import encoder_tokens
from empycustom.studio.preview import Picture

_LIMIT = 60 * Gst.SECOND
_PLAYABLE = (".mp4", ".webm", ".mkv")  # in the order in which browsers play them


def make_clip(pictures: Sequence[Picture]) -> tuple[str, bytes]:
    """Return ending and content of a video. Pictures of another size than the last one are left out. Raises LaunchError."""
    if not pictures:
        raise LaunchError("There are no pictures yet: frames are kept while somebody watches them.")
    last = pictures[-1]
    alike = [each for each in pictures if (each.width, each.height) == (last.width, last.height)]
    with TemporaryDirectory(prefix="empycustom-") as folder:
        path, encoder = _file_in(Path(folder))
        pipeline = build(
            "appsrc name=in format=time caps=image/jpeg ! jpegparse ! jpegdec ! videoconvert ! videoscale add-borders=true "
            f"! video/x-raw,width={last.width & ~1},height={last.height & ~1} ! videoconvert ! {' '.join(encoder)}"
        )
        try:
            _write(pipeline, alike)
            return path.suffix, path.read_bytes()
        finally:
            pipeline.set_state(Gst.State.NULL)


def _file_in(folder: Path) -> tuple[Path, list[str]]:
    """Return the file to write, and the tokens of its encoder. Raises LaunchError where there is none."""
    problem = LaunchError("There is no encoder.")
    for ending in _PLAYABLE:
        path = folder / f"clip{ending}"
        try:
            tokens = encoder_tokens(path, 0)
        except LaunchError as error:
            problem = error
        else:
            if all(exists(token) for token in ("jpegparse", "jpegdec")):
                return path, tokens
    raise problem


def _write(pipeline: Any, pictures: Sequence[Picture]) -> None:
    source = pipeline.get_by_name("in")
    pipeline.set_state(Gst.State.PLAYING)
    begin = pictures[0].at_s
    for each in pictures:
        buffer = Gst.Buffer.new_wrapped(each.jpeg)
        buffer.pts = round((each.at_s - begin) * Gst.SECOND)
        source.emit("push-buffer", buffer)
    source.emit("end-of-stream")
    kinds = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(_LIMIT, kinds)
    if message is None:
        raise LaunchError(f"The clip takes longer than {_LIMIT // Gst.SECOND} s to make.")
    if message.type == Gst.MessageType.ERROR:
        raise LaunchError(f"The clip cannot be made: {message.parse_error()[0].message}.")
