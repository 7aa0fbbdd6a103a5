"""What a stream plays: one source, or the files of a folder, a glob or a numbered name, one after the other."""

from __future__ import annotations

import glob
import itertools
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from empycustom.config.streams import Stream
from empycustom.elements.failures import post_error
from empycustom.elements.upstream import announce
from empycustom.errors import LaunchError
from empycustom.gstreamer import Gst, all_of, elements_in
from empycustom.session import sources as endless
from empycustom.session.parts import Feeder, Report, build_element
from empycustom.session.sources import (
    SOURCE,
    Source,
    Times,
    describe_source,
    expect_video,
    is_endless,
    is_file,
    playable,
    post_no_video,
    shown,
)
from empycustom.text import as_path, as_text, from_native

# Suffixes of files that are played; others in a folder are left out.
_OF_PICTURES = ".jpg .jpeg .jpe .jfif .png .bmp .webp .tif .tiff .pgm .ppm .pnm .jp2 .heic .heif .avif .dng"
_OF_VIDEOS = (
    ".mp4 .m4v .mov .mkv .webm .avi .ts .m2ts .mts .mpg .mpeg .m2v .vob .wmv .asf .flv .3gp .3g2 .ogv .ogg .mxf .mjpeg .mjpg "
    ".y4m .h264 .264 .h265 .265 .hevc .ivf .gif"
)
_PICTURES, _ALL = frozenset(_OF_PICTURES.split()), frozenset(f"{_OF_PICTURES} {_OF_VIDEOS}".split())
_NUMBERED = re.compile(r"%0?\d{0,2}d")
_MAX_LISTED = 5  # names in a message


def expand(location: str, warn: Callable[[str], None]) -> list[str]:
    """Return the files that a location stands for, named as it is, or itself. Raises LaunchError where there is none.

    ``warn`` gets a text for what is left out.
    """
    if not location or not is_file(location) or "://" in location:
        return [location]
    path = as_path(location)
    if os.path.isdir(path):
        return _in_folder(path, warn)
    if os.path.exists(path):
        return [location]
    if len(_NUMBERED.findall(location)) == 1:
        return _numbered(path, location)
    if glob.has_magic(location):
        return _matching(path, location)
    return [location]


def is_picture(location: str) -> bool:
    """Return True if a file is one picture, by its name."""
    return _ending(location) in _PICTURES


def is_played(location: str) -> bool:
    """Return True if a file is a picture or a video, by its name."""
    return _ending(location) in _ALL


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def natural_key(name: str) -> list[str | int]:
    """Return the sort key of a name, with which 2.jpg is before 10.jpg."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name.lower())]


def _in_folder(folder: Path, warn: Callable[[str], None]) -> list[str]:
    entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    files = [entry.name for entry in entries if not os.path.isdir(entry)]  # not entry.is_dir(): a link to itself is none
    never_end = [name for name in files if not endless.ENDS and _ending(name) in endless.ENDINGS]
    found = [name for name in files if _ending(name) in _ALL and name not in never_end] or never_end  # alone, they are refused
    others = sorted(set(files) - {*found, *never_end}, key=natural_key)
    if not found:
        folders = [f"{entry.name}/" for entry in entries if os.path.isdir(entry)]
        there = _listed([*sorted(folders, key=natural_key), *others])
        what = f"what it has is {there}; a glob names files of any kind: '{folder}/*/*.jpg'" if there else "it is empty"
        raise LaunchError(f"{folder} has no pictures or videos, {what}.")
    unplayed = sorted(set(never_end) - set(found), key=natural_key)
    for names, why in ((others, "their names do not end as those of pictures or videos"), (unplayed, endless.ALL)):
        if names:
            warn(f"left out of {folder}, because {why}: {_listed(names)}")
    return [as_text(folder / name) for name in sorted(found, key=natural_key)]


def _numbered(path: Path, location: str) -> list[str]:
    """Return the files of a pattern, in the order of their numbers."""
    head, number, tail = _split(str(path))
    there = re.compile(f"{re.escape(os.path.basename(head))}([0-9]+){re.escape(tail)}")
    folder = os.path.dirname(head)
    names = os.listdir(folder or ".") if os.path.isdir(folder or ".") else []
    numbers = sorted(int(found[1]) for name in names if (found := there.fullmatch(name)))
    files = [found for found in dict.fromkeys(f"{head}{number % each}{tail}" for each in numbers) if os.path.isfile(found)]
    if not files:
        raise LaunchError(f"There is no file {location} with a number in the place of {number}.")
    return [as_text(Path(name)) for name in files]


def _split(pattern: str) -> tuple[str, str, str]:
    found = _NUMBERED.search(pattern)
    assert found, pattern
    return pattern[: found.start()], found[0], pattern[found.end() :]


def _matching(path: Path, location: str) -> list[str]:
    found = [name for name in glob.iglob(str(path), recursive=True) if os.path.isfile(name)]
    if not found:
        raise LaunchError(f"There is no file that {location} matches.")
    return [as_text(Path(name)) for name in sorted(found, key=natural_key)]


def _listed(names: Iterable[str]) -> str:
    shown = [from_native(name) for name in names]
    more = f" and {len(shown) - _MAX_LISTED} more" if len(shown) > _MAX_LISTED else ""
    return f"{', '.join(shown[:_MAX_LISTED])}{more}"


# Playing several files in one pipeline: libraries start once, and frame numbers continue.


_AT_ONCE = 3  # one plays, the others get ready
_LOOK_EVERY_S, _IDLE_S = 0.5, 2.0  # a source without a working thread for that long has ended
_MAX_PRINTED = 100
_NUMBER = re.compile(f":{SOURCE}([0-9]+)")


def check_files(sources: Sequence[Source | None]) -> None:
    """Raise LaunchError if one of several sources is not a file but a pipe, a camera or endless; None is skipped."""
    for source in sources:
        if source and len(sources) > 1 and (source.kind != "uri" or is_endless(source.target)):
            raise LaunchError(f"{source.name} is not a file, as each of several SOURCEs has to be; play it alone.")


def sources_of(stream: Stream, warn: Callable[[str], None] = lambda _text: None) -> list[Source]:
    """Find the sources of a stream; ``warn`` gets a text for files of folders that are skipped. Raises LaunchError."""
    found = [playable(name) for location in (stream.location, *stream.more) for name in expand(location, warn)]
    check_files(found)
    return found


def launch_tokens(sources: Sequence[Source]) -> list[str]:
    """Return the tokens with which gst-launch-1.0 plays files one after the other. Raises LaunchError if there are too many."""
    if len(sources) > _MAX_PRINTED:
        raise LaunchError(
            f"--dry-run: gst-launch-1.0 opens all files at once, and there are {len(sources)}. Of numbered pictures it can play "
            "any number: multifilesrc location=%05d.jpg caps=image/jpeg,framerate=25/1 ! decodebin"
        )
    tokens: list[str] = []
    for number, source in enumerate(sources):
        # Without async-handling the pipeline waits for sources whose turn has not come, and may never end.
        decoder = [*describe_source(source, name=f"{SOURCE}{number}"), "async-handling=true"]
        tokens += [*decoder, "!", "queue", "!", f"{SOURCE}."]
    return tokens


class Single(Feeder):
    """Plays one source, the element ``SOURCE`` of ``pipeline``, into the sink pad ``pad``."""

    def __init__(self, pipeline: Any, pad: Any, source: Source) -> None:
        self._source, element = source, pipeline.get_by_name(SOURCE)
        expect_video(element, pad, shown(source.name))
        self._idle = _Idleness(element, pad) if source.path else None
        self._end_times = Times(element, pad).end

    def tick(self) -> None:
        """Report a damaged file whose elements have given up: decodebin drops errors of an element that it is just adding."""
        if self._idle and self._idle.is_idle():
            post_no_video(self._idle.element, "No frame of it can be decoded; the file may be damaged.")
            self._idle = None

    def end(self) -> None:
        """Let go of the elements."""
        self._idle = None
        self._end_times()

    def source_of(self, _element: str) -> Source:
        """Return the source."""
        return self._source


class Playlist(Feeder):
    """Plays ``sources`` through the element ``SOURCE`` of ``pipeline``, a concat, which continues times from one to the next.

    Sources are added and removed while the pipeline plays, in the thread that changes its states. ``broken`` are the numbers of
    those that did not play to their end; ``on_error`` gets the first error of each. ``name`` is the source in the documents of
    all frames, ``""``: the name of their file. ``is_looped``: after the last one comes the first one that is not broken.
    """

    tokens = ("concat", f"name={SOURCE}")

    def __init__(
        self,
        pipeline: Any,
        sources: Sequence[Source],
        on_error: Callable[[Report], None],
        *,
        name: str = "",
        is_looped: bool = False,
    ) -> None:
        self.broken: set[int] = set()
        self._pipeline, self._sources, self._on_error, self._name = pipeline, sources, on_error, name
        self._concat = pipeline.get_by_name(SOURCE)
        self._waiting = self._endless_numbers() if is_looped else iter(range(len(sources)))
        self._playing: dict[int, _Playing] = {}
        self._cut_off: set[int] = set()  # by an end that was not theirs
        self._look_at = 0.0
        # The count of frames, where it is known.
        is_counted = not is_looped and all(is_picture(source.name) for source in sources)
        self.total = len(sources) if is_counted else None

    def _endless_numbers(self) -> Iterator[int]:
        """Yield numbers of sources, which go on counting when the list begins anew, while there is one that is not broken."""
        count = len(self._sources)
        for number in itertools.count():
            broken = {each % count for each in self.broken}
            if len(broken) == count:
                return
            if number % count not in broken:
                yield number

    def begin(self, later: Callable[[Callable[[], Any]], None]) -> None:
        """Begin to play, once the pipeline is ready for frames; ``later`` calls a function in the thread of this call."""
        self._later = later
        for _ in range(_AT_ONCE):
            self._add()

    def end(self) -> None:
        """Stop all sources, after the pipeline has stopped."""
        self._cut_off.update(self._playing)
        for playing in self._playing.values():
            playing.stop()
        self._playing.clear()
        del self._pipeline, self._concat  # at once, although others may refer to this object

    def source_of(self, element: str) -> Source | None:
        """Return the source that an element, given by its path, is part of."""
        found = _NUMBER.search(element)
        return self._sources[int(found[1]) % len(self._sources)] if found else None

    def handle_error(self, report: Report) -> bool:
        """Go on with the next source if the error is that of a source; return True then."""
        found = _NUMBER.search(report.element)
        if found is None:
            return not report.element.startswith("/GstPipeline:")  # a part of one that is gone
        number = int(found[1])
        is_cut_off = number in self._cut_off or (number in self._playing and self._has_stopped())
        if number not in self.broken and not is_cut_off:
            is_known = any(each % len(self._sources) == number % len(self._sources) for each in self.broken)  # from another round
            self.broken.add(number)
            if not is_known:
                self._on_error(report)
            self._later(partial(self._next, number))
        return True

    def tick(self) -> None:
        """Leave sources that are idle."""
        if self._playing and time.monotonic() > self._look_at:
            self._look_at = time.monotonic() + _LOOK_EVERY_S
            self._later(self._leave_idle)

    def _leave_idle(self) -> None:
        for number in [number for number, playing in self._playing.items() if playing.is_idle()]:
            self._next(number)

    def _add(self) -> None:
        number = next(self._waiting, None) if len(self._playing) < _AT_ONCE else None
        if number is None:
            return
        try:
            ended = partial(self._later, partial(self._next, number))
            self._playing[number] = playing = _Playing(
                self._pipeline, self._concat, self._sources[number % len(self._sources)], number, ended, self._name
            )
            playing.start()
        except Exception as error:  # noqa: BLE001 - nobody else in this thread would report it
            post_error(self._concat, error)

    def _next(self, number: int) -> None:
        """Replace the source with that number by the next one."""
        if number not in self._playing or self._is_over():
            return
        gone = self._playing.pop(number)
        if not gone.has_frames:
            gone.post_no_frame()
        if not self._playing:  # without another one, concat would end the stream
            self._add()
        gone.leave()
        self._add()

    def _has_stopped(self) -> bool:
        return bool(self._concat.get_state(0).state < Gst.State.PAUSED)

    def _is_over(self) -> bool:
        """Return True if the stream was ended behind the sources."""
        return bool(self._concat.get_static_pad("src").get_last_flow_return() == Gst.FlowReturn.EOS)


class _Playing:
    """One source for ``pipeline``, linked to a pad of ``concat`` of its own; ``on_end`` is called when it has come to its end.

    ``has_frames``: it has given at least one frame.
    """

    def __init__(self, pipeline: Any, concat: Any, source: Source, number: int, on_end: Callable[[], None], name: str) -> None:
        self._concat, self._on_end, self._name = concat, on_end, name or source.name
        self._pad = concat.request_pad_simple("sink_%u")
        self._decoder = build_element(" ".join(describe_source(source, name=f"{SOURCE}{number}")))
        # Not in the pipeline, whose changes of state would wait for a broken source.
        self._decoder.set_bus(pipeline.get_bus())
        self._times = Times(self._decoder, self._pad, durations=True)
        expect_video(self._decoder, self._pad, source.name)
        self._decoder.connect("pad-added", self._link)
        self._idle = _Idleness(self._decoder, self._pad)
        self.has_frames = False

    def start(self) -> None:
        """Begin to read; the source waits for its turn when it has a frame."""
        self._decoder.set_state(Gst.State.PAUSED)

    def _link(self, _decoder: Any, pad: Any) -> None:
        if self._pad.is_linked():
            return  # another video in the same file
        pad.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, self._drop_eos)
        pad.link_full(self._pad, Gst.PadLinkCheck.NOTHING)
        pad.add_probe(Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST, self._on_buffer)
        announce(pad, self._name, begins=True)

    def _on_buffer(self, _pad: Any, _info: Any) -> Any:
        self.has_frames = True
        return Gst.PadProbeReturn.REMOVE

    def _drop_eos(self, _pad: Any, info: Any) -> Any:
        """Drop the end of this source, which would end the stream if the next source is not ready yet."""
        if info.get_event().type != Gst.EventType.EOS:
            return Gst.PadProbeReturn.OK
        self._on_end()
        return Gst.PadProbeReturn.DROP

    def is_idle(self) -> bool:
        """Return True if no thread has worked on the source for a while and there is no video."""
        return self._idle.is_idle()

    def post_no_frame(self) -> None:
        """Post an error: the source has come to its end without a frame. GStreamer may have lost the error with the cause."""
        post_no_video(self._decoder, "No frame of it can be decoded.")

    def leave(self) -> None:
        """Stop this source, and let the next one play."""
        if self._concat.get_property("active-pad") == self._pad:
            self._pad.send_event(Gst.Event.new_eos())
        self.stop()

    def stop(self) -> None:
        """Stop this source and release its pad."""
        self._times.end()
        self._concat.release_request_pad(self._pad)  # a thread of the source may wait at it
        self._decoder.set_state(Gst.State.NULL)
        del self._decoder, self._pad, self._times, self._idle  # their callbacks refer to this object


class _Idleness:
    """Whether no thread has worked on a source, ``element``, since it has elements inside, and no video has come to ``pad``."""

    def __init__(self, element: Any, pad: Any) -> None:
        self.element, self._pad, self._since = element, pad, 0.0

    def is_idle(self) -> bool:
        """Return True if it is so."""
        # Without elements inside it has not begun: it waits for libraries, which load models.
        if not getattr(self.element, "numchildren", 1) or self._pad.is_linked() or _is_at_work(self.element):
            self._since = 0.0
            return False
        self._since = self._since or time.monotonic()
        return time.monotonic() - self._since > _IDLE_S


def _is_at_work(element: Any) -> bool:
    """Return True if a thread of GStreamer works in an element, or in one inside of it."""
    pads = (pad for each in elements_in(element) for pad in all_of(each.iterate_pads()))
    return any(pad.get_task_state() == Gst.TaskState.STARTED for pad in pads)
