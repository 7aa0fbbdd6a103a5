"""``empycustom check``: a library on one synthetic frame, and what came of it."""

from __future__ import annotations

import time
from argparse import Namespace
from operator import itemgetter
from statistics import median
from typing import Any

from empycustom.app.endings import complain
from empycustom.app.findings import Trial, explain
from empycustom.app.standard_streams import keep_stdout, show
from empycustom.app.synthetic import SyntheticFrame
from empycustom.buffers.handed import hand_over
from empycustom.elements.answers import check_buffer, meta_of, pair_of, read, said_of, write_arrays
from empycustom.elements.frames import FrameFormat
from empycustom.elements.options import read_object
from empycustom.elements.output import OutputCaps
from empycustom.elements.video import VIDEO_CAPS
from empycustom.errors import DebuggerLeftError, StreamEndedError
from empycustom.gstreamer import Gst
from empycustom.library.blame import is_kind
from empycustom.library.hooks import ARGUMENTS, Library, callbacks_of
from empycustom.text import for_people, unquoted

_FRAME_MS = 1000 / 30


def main(arguments: Namespace) -> int:
    """Try the library and report; return 0, or raise what the element would put on the bus."""
    keep_stdout()
    options = read_object("options", arguments.options and unquoted(arguments.options))
    frame = SyntheticFrame(arguments.format, arguments.size, arguments.objects)
    callbacks = callbacks_of(arguments.library)
    first, *others = [name for name in ("process_ip", "process") if name in callbacks] or ["process_ip"]
    _report(f"{for_people(arguments.library)}: {_frame_line(arguments, frame)}")
    library = Library.open(arguments.library, in_place=first == "process_ip")
    for error in library.misspelt():
        complain(str(error), kind="warning")
    try:
        _check([library, *map(library.by, others)], frame, options, arguments.repeat)
    finally:
        library.close()
    return 0


def _frame_line(arguments: Namespace, frame: SyntheticFrame) -> str:
    width, height = arguments.size
    found = ", ".join(f"{index} {item['obj_label']}" for index, item in enumerate(frame.objects)) or "none"
    return f"one frame, {arguments.format}, {width}x{height}; objects: {found}"


def _report(*lines: str) -> None:
    show(for_people("\n".join(lines), lines=True))


def _check(callbacks: list[Library], frame: SyntheticFrame, options: dict[str, Any], repeat: int) -> None:
    library = callbacks[0]
    _report("", *_calls(callbacks, options))
    library.start(options)
    try:
        trials = [_try(callback, frame, options, repeat) for callback in callbacks]
    finally:
        library.stop(options)
    for callback, trial in zip(callbacks, trials, strict=True):
        if trial:
            _report(*read(callback, explain, trial, callback.name, frame.objects), "", _timing(trial.times_ms))


def _try(library: Library, frame: SyntheticFrame, options: dict[str, Any], repeat: int) -> Trial | None:
    """Call a callback several times, or until it ends the stream; return what came of the last call that did not."""
    output = frame.format
    if library.name == "process":
        output = FrameFormat(OutputCaps(library, Gst.Caps.from_string(VIDEO_CAPS)).of(frame.caps, options))
    times_ms: list[float] = []
    for _ in range(repeat):
        buffer = frame.buffer()
        in_meta = frame.in_meta(buffer)
        began = time.perf_counter()
        try:
            returned = library.call(hand_over(buffer), in_meta, options, {})
        except DebuggerLeftError:
            raise
        except StreamEndedError as end:
            end.frame = f"call {len(times_ms) + 1} of {repeat}"
            _report("", str(end))
            break
        times_ms.append((time.perf_counter() - began) * 1000)
    if not times_ms:
        return None
    before, after = frame.buffer(), buffer
    if library.name == "process":
        made, meta = pair_of(library, returned)
        after, returned = _new_buffer(library, made, output), read(library, itemgetter(1), returned)
    else:
        meta = meta_of(library, returned)
    return Trial(returned, meta, said_of(library, meta, [len(frame.objects)]), before, after, times_ms)


def _new_buffer(library: Library, made: Any, output: FrameFormat) -> Any:
    """Return what ``process`` made as a buffer, None where it dropped the frame."""
    if made is None:
        return None
    if is_kind(made, Gst.Buffer):
        check_buffer(library, made, output, exactly=False)
        return made
    buffer = Gst.Buffer.new_allocate(None, output.size, None)
    write_arrays(library, made, hash(buffer), output)
    return buffer


def _calls(callbacks: list[Library], options: dict[str, Any]) -> list[str]:
    """The callbacks that are called, with the arguments that they get."""
    library = callbacks[0]

    def hook(name: str) -> list[str]:
        return [f"  {name}(options)  line {library.line_of(name)}"] if hasattr(library.module, name) else []

    calls = [*hook("start"), *map(_call, callbacks), *hook("stop")]
    return ["calls, in this order:", *calls, f"  with options = {options}"]


def _call(callback: Library) -> str:
    names = list(ARGUMENTS[callback.name])[: 4 if callback.takes_events else 3]
    return f"  {callback.name}({', '.join(names)})  line {callback.line_of(callback.name)}"


def _timing(times_ms: list[float]) -> str:
    middle = median(times_ms)
    return (
        f"time of a call: {min(times_ms):.3f} ms at best, {middle:.3f} ms in the middle, {max(times_ms):.3f} ms at worst, "
        f"of {len(times_ms)}; {100 * middle / _FRAME_MS:.1f} % of a frame at 30 fps"
    )
