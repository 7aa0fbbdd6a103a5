"""What goes downstream where ``in-place`` is false: caps and buffers.

:class:`OutputCaps` negotiates the caps that the library's ``output_caps`` returns; :class:`NewFrames` chooses the pool of the new
buffers, checks what ``process`` made, and fills the buffers with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from empycustom.buffers.callback import offer_frames, offer_no_memory, offers_pool
from empycustom.carriers.protocol import Frame
from empycustom.elements.frames import FrameFormat
from empycustom.errors import LibraryError, OutputError
from empycustom.gstreamer import Gst, GstVideo
from empycustom.library.callbacks import Library
from empycustom.library.explain import is_kind
from empycustom.native.memory import ArrayExporter
from empycustom.native.metas import (
    Scaling,
    allocate,
    carry_metas,
    carry_times_and_flags,
    remove_metas,
    share_memory,
    size_of,
)
from empycustom.runners.inline import invalid_result, read_returned
from empycustom.runners.made import CAPS_EXAMPLE, address_of, caps_text, check_buffer, write_arrays

_LIMIT = 1 << 15  # GStreamer's own elements go no further
_OF_THE_FORMAT = ("colorimetry", "chroma-site")  # they do not outlive a change of the format


class OutputCaps:
    """Asks the library once for each caps that come in. ``template`` is what the element can output at all.

    ``ask`` gets caps and options, and returns what the library's ``output_caps`` does, if the library is elsewhere.
    """

    def __init__(self, library: Library, template: Any, ask: Callable[[Any, dict[str, Any]], Any] | None = None) -> None:
        self._library, self._template, self._ask_library = library, template, ask or library.output_caps
        self._known: dict[str, Any] = {}

    def negotiated(self, caps: Any, offered: Any, options: dict[str, Any]) -> Any:
        """Return the fixed caps of what is made of frames with the fixed ``caps``, if ``offered``, what downstream takes, allows.

        Raises LibraryError where ``output_caps`` fails, or where it does not.
        """
        wanted = self.caps_for(caps, options)
        if not offered.can_intersect(wanted):
            raise invalid_result(
                self._library,
                f"downstream of the element does not take {wanted.to_string()}, but {offered.to_string()}; "
                "return what it takes, or put videoconvert ! videoscale behind the element",
                "output_caps",
            )
        return offered.intersect(wanted).fixate()

    def caps_for(self, caps: Any, options: dict[str, Any]) -> Any:
        """Return the fixed caps of what is made of frames with the fixed ``caps``. Raises LibraryError."""
        key = caps.to_string()
        if key not in self._known:  # GStreamer asks several times
            try:
                self._known[key] = self._ask(caps, options)
            except LibraryError as error:
                self._known[key] = error
        known = self._known[key]
        if isinstance(known, LibraryError):
            raise known
        return known

    def _ask(self, caps: Any, options: dict[str, Any]) -> Any:
        returned = self._ask_library(caps, options)
        return caps if returned is None else read_returned(self._library, self._completed, returned, caps, callback="output_caps")

    def _completed(self, returned: Any, caps: Any) -> Any:
        text = caps_text(returned)
        requested = Gst.Caps.from_string(text)
        if requested is None or requested.is_any() or requested.get_size() != 1 or not _is_raw_video(requested):
            raise OutputError(f"{text!r} is not one kind of raw video; return a text such as {CAPS_EXAMPLE}")
        made = _completed(requested, caps)
        if not made.is_fixed():
            raise OutputError(f"{text!r} leaves a choice; give every field one value")
        if not is_video(made):
            raise OutputError(f"{made.to_string()!r} is not a video format")
        if not made.is_subset(self._template):
            raise OutputError(f"empycustom cannot output {made.to_string()!r}; gst-inspect-1.0 empycustom lists what it can")
        return made


def _is_raw_video(caps: Any) -> bool:
    return str(caps.to_string()).startswith("video/x-raw")


def is_video(caps: Any) -> bool:
    """Return whether frames of these fixed caps have a format and a size."""
    try:
        info = GstVideo.VideoInfo.new_from_caps(caps)
    except TypeError:  # PyGObject's way of returning NULL
        return False
    return info is not None and 0 < info.width < _LIMIT and 0 < info.height < _LIMIT


def _completed(requested: Any, given: Any) -> Any:
    """Return the ``requested`` caps; the fields that they leave out are those of the ``given`` ones."""
    left, fields = _structure(given), _structure(requested)
    names = [fields.nth_field_name(index) for index in range(fields.n_fields())]
    if "format" in names and fields.get_string("format") != left.get_string("format"):
        names += _OF_THE_FORMAT
    for name in names:
        left.remove_field(name)
    features = requested.get_features(0)
    rest = left.to_string().rstrip(";").removeprefix("video/x-raw")
    return Gst.Caps.from_string(f"video/x-raw({features.to_string()}){rest}").intersect(requested)


def _structure(caps: Any) -> Any:
    """Return a structure of one's own with the fields of caps that are one kind of raw video."""
    _, comma, fields = caps.to_string().partition(",")
    return Gst.Structure.new_from_string(f"video/x-raw{comma}{fields}")


def fill_with_arrays(
    library: Library, image: list[Any], address: int, frame_format: FrameFormat, exporter: ArrayExporter
) -> bool:
    """Let the buffer at an address have the arrays that ``process`` returned; return whether that was without a copy.

    ``image`` is a list that has them alone. Raises CallbackOutputError.
    """
    from empycustom.buffers.mapping import wrap_array  # it loads NumPy, which a library that returns arrays has done

    if not size_of(address) and frame_format.memory == "CPU":
        if read_returned(library, wrap_array, address, image, exporter, frame_format.size, frame_format.described):
            return True
        allocate(address, frame_format.size)
    write_arrays(library, image[0], address, frame_format)
    return False


class NewFrames:
    """Fills the empty buffers that GStreamer hands to an element for what its library makes.

    ``library`` makes them, in the format ``target``. ``same_caps``: that is the one in which frames come. ``reconfigure`` lets
    GStreamer ask for a pool again.
    """

    same_caps = True
    target: FrameFormat
    _scaling: Scaling | None = None

    def __init__(self, library: Library, reconfigure: Callable[[], None]) -> None:
        self.library, self._reconfigure = library, reconfigure
        self._made: set[type[Any]] = set()  # what the library has made so far: Gst.Buffer, or object for arrays
        self._copied = self._offered = self._pooled = False  # arrays were copied; downstream offers a pool; one is in use
        self._exporter = ArrayExporter()

    def close(self) -> None:
        """Make no more."""
        self._exporter.close()

    def expect(self, source: FrameFormat, target: FrameFormat) -> None:
        """Get ready to make frames of the format ``target`` out of those of ``source``."""
        self.target, self.same_caps = target, source.caps == target.caps
        self._factors = target.width / source.width, target.height / source.height
        resized = self._factors != (1, 1)
        self._scaling = Scaling(hash(source.info), hash(target.info), (source, target)) if resized else None

    def allocate_from(self, query: Any, caps: Any) -> None:
        """Choose a pool for the buffers, in an allocation query that downstream has answered."""
        self._offered = offers_pool(query)
        self._pooled = self._wants_pool()
        (offer_frames if self._pooled else offer_no_memory)(query, caps)

    def _wants_pool(self) -> bool:
        """Return whether a pool is of use.

        Buffers of the library's own need none. Arrays become buffers without a copy, unless downstream has better memory.
        """
        if self.target.memory != "CPU" or self._made == {Gst.Buffer}:
            return False
        return self._offered or self._copied

    def repeat(self, source: int, target: int) -> None:
        """Let the buffer at ``target`` be the one at ``source``."""
        _share(source, target)
        carry_metas(source, target, with_memory=True)

    def fill(self, source: int, target: int, image: list[Any], frame: Frame) -> None:
        """Let the buffer at ``target`` be what the library made of the one at ``source``, whose metas go with it.

        ``image`` is a list with that alone, so that it can be seen who else has it. Raises CallbackOutputError where it is not a
        frame of the negotiated caps.
        """
        is_buffer = is_kind(image[0], Gst.Buffer)
        if is_buffer:
            check_buffer(self.library, image[0], self.target, exactly=not self.same_caps)
            made = address_of(image[0])
            _share(made, target)
            carry_metas(made, target, with_memory=True)
        else:
            remove_metas(target)
            self._copied |= not fill_with_arrays(self.library, image, target, self.target, self._exporter)
            carry_times_and_flags(source, target)
        self.carry(source, target, frame)
        self._made.add(Gst.Buffer if is_buffer else object)
        if self._wants_pool() is not self._pooled:
            self._reconfigure()

    def carry(self, source: int, target: int, frame: Frame) -> None:
        """Let the buffer at ``target``, which has the pixels of a new frame, have the metas of the one at ``source``."""
        carry_metas(source, target, with_memory=False, scaling=self._scaling)
        if self._scaling:
            frame.carrier.rescale(target, frame, self._factors)


def _share(made: int, target: int) -> None:
    """Let the buffer at ``target`` have the pixels, the times and the flags of the one at ``made``."""
    remove_metas(target, locked=True)
    share_memory(made, target)
    carry_times_and_flags(made, target)
