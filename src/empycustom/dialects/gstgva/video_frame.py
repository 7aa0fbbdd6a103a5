"""``gstgva.VideoFrame``: a frame as modules of gvapython see it, over ``in_meta`` and the buffer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from warnings import warn

from empycustom.buffers.mapping import layout_on
from empycustom.dialects.caps import info_of
from empycustom.dialects.gstgva.region_of_interest import Rect, RegionOfInterest, new_object
from empycustom.dialects.gstgva.tensor import Tensor
from empycustom.dialects.gstgva.util import GVAJSONMetaStr
from empycustom.dialects.pixels import repacked, whole
from empycustom.frames.views import ClosedFrameView, Span
from empycustom.gstreamer import Gst, GstVideo
from empycustom.model.gva import MESSAGES, OWN_MESSAGE, message_text, message_value, own_message, region_ids
from empycustom.model.keys import (
    ATTRIBUTES,
    BUFFER,
    CHANGED_OBJECTS,
    FRAMES,
    HEIGHT,
    NEW_OBJECTS,
    OBJECTS,
    REMOVED_OBJECTS,
    RESULT_ATTRIBUTES,
    TENSORS,
    WIDTH,
)
from empycustom.native.memory import BufferMap, is_writable

_WRITE = int(Gst.MapFlags.WRITE)


class VideoFrame:
    """A frame: its pixels, the regions that were found in it, tensors and messages. It is valid during the call.

    What a module adds, changes and removes is read by the element when the call is over.
    """

    def __init__(self, *_given: Any, **_named: Any) -> None:
        raise RuntimeError(
            "a VideoFrame is made by the element and given to the function; other buffers are read with "
            "empycustom.document(buffer, caps) and empycustom.map_frame"
        )

    @classmethod
    def _of(cls, buffer: Any, in_meta: Any, index: int) -> VideoFrame:
        """Return the frame of a buffer with this index in ``in_meta``."""
        made = cls.__new__(cls)
        made.__buffer, made._about, made._frame = buffer, in_meta[BUFFER], in_meta[FRAMES][index]
        return made

    __buffer: Any
    _about: Any
    _frame: Any
    # What nobody has asked for yet.
    _given: Sequence[RegionOfInterest] = ()
    _regions: list[RegionOfInterest] | None = None
    _numbers: dict[int, int] | None = None  # of regions, by their id()
    _raw = 0  # tensors of networks upstream
    _tensors: list[Tensor] | None = None
    _own: GVAJSONMetaStr | None = None
    _messages: list[GVAJSONMetaStr] | None = None
    _added: Sequence[str] = ()  # messages, as long as nobody has asked for those before them
    _is_edited = False

    def video_info(self) -> Any:
        """Return the GstVideo.VideoInfo of the caps."""
        return info_of(self._about)

    @property
    def __video_info(self) -> Any:
        """The same: some modules read DL Streamer's private attribute."""
        return info_of(self._about)

    def video_meta(self) -> Any:
        """Return the GstVideo.VideoMeta of the buffer, None where it has none."""
        return GstVideo.buffer_get_video_meta(self.__buffer)

    # Regions.

    def regions(self) -> Iterator[RegionOfInterest]:
        """Return the regions, those that were added in this call too."""
        return iter([*self._all_regions()])

    def _all_regions(self) -> list[RegionOfInterest]:
        if self._regions is None:
            size, number_of = self._size, self._number_of
            self._given = [RegionOfInterest(found, size, number_of) for found in self._frame[OBJECTS]]
            self._regions = [*self._given]
        return self._regions

    @property
    def _size(self) -> tuple[int, int]:
        return self._frame[WIDTH], self._frame[HEIGHT]

    def _number_of(self, region: RegionOfInterest) -> int:
        """Return the number of a region: that of messages, or the next ones for those that were added."""
        if self._numbers is None:
            given, numbers = {id(each) for each in self._given}, region_ids(self._frame[OBJECTS])
            new = [each for each in self._all_regions() if id(each) not in given]
            numbers += range(first := 1 + max(numbers, default=0), first + len(new))
            self._numbers = {id(each): number for each, number in zip([*self._given, *new], numbers, strict=True)}
        return self._numbers.get(id(region), 0)

    def add_region(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        label: str = "",
        confidence: float = 0.0,
        normalized: bool = False,
        extra_params: Any = None,
    ) -> RegionOfInterest:
        """Add a region, in pixels, or in parts of the frame (``normalized``), and return it. It is cut at the frame's edges.

        Raises ValueError where a number is NaN, TypeError where the label is not a text.
        """
        _check(label, x=x, y=y, w=w, h=h, confidence=confidence)
        if normalized:
            x, w = (int(each * self._size[0]) for each in (x, w))
            y, h = (int(each * self._size[1]) for each in (y, h))
        inside = _clipped(x, y, w, h, self._size)
        if inside != (x, y, w, h):
            warn(f"the region {[x, y, w, h]} reaches out of the frame, and is cut to {[*inside]}", stacklevel=2)
        made = RegionOfInterest(new_object(Rect(*inside), label, confidence), self._size, self._number_of)
        if extra_params is not None:
            made.add_tensor("extra_params")["extra_params_json"] = json.dumps(extra_params)
        self._all_regions().append(made)
        self._numbers = None
        return made

    def remove_region(self, roi: RegionOfInterest) -> None:
        """Remove a region. Raises RuntimeError where it is not one of the frame."""
        regions = self._all_regions()
        if not any(each is roi for each in regions):
            raise RuntimeError("the region is not one of this frame: take it from frame.regions() of the same call")
        self._regions, self._numbers = [each for each in regions if each is not roi], None

    # Tensors and messages.

    def tensors(self) -> Iterator[Tensor]:
        """Return the tensors of the frame: raw output of networks upstream, and those that modules have added."""
        return iter([*self._all_tensors()])

    def _all_tensors(self) -> list[Tensor]:
        if self._tensors is None:
            raw = [Tensor(each.get("name", ""), each) for each in self._frame.get(TENSORS, ())]
            self._raw = len(raw)
            self._tensors = [*raw, *Tensor._listed(self._frame)]
        return self._tensors

    def add_tensor(self) -> Tensor:
        """Add an empty tensor to the frame, and return it."""
        made = Tensor()
        made._changed = True
        self._all_tensors().append(made)
        return made

    def _attributes(self) -> dict[str, Any]:
        attributes = self._frame.get(ATTRIBUTES)
        return attributes if isinstance(attributes, dict) else {}

    def messages(self) -> list[GVAJSONMetaStr]:
        """Return the messages: the frame's own, where something is known of it, and those that modules have added."""
        return [*self._all_messages()]

    def _all_messages(self) -> list[GVAJSONMetaStr]:
        if self._messages is None:
            own = own_message(self._frame)
            self._own = None if own is None else GVAJSONMetaStr(message_text(own))
            self._messages = [] if self._own is None else [self._own]
            self._messages += map(GVAJSONMetaStr, [*map(message_text, self._before()), *self._added])
        return self._messages

    def _before(self) -> list[Any]:
        """Return the messages that modules upstream have added, as they stand in the attributes."""
        found = self._attributes().get(MESSAGES)
        return found if isinstance(found, list) else []

    def add_message(self, message: str) -> None:
        """Add a message, a text, which should be JSON. Raises TypeError."""
        if not isinstance(message, str):
            raise TypeError(f"a message is a text, not a {type(message).__name__}; write frame.add_message(json.dumps(message))")
        if self._messages is None:
            self._added = [*self._added, message]
        else:
            self._messages.append(GVAJSONMetaStr(message))
        self._is_edited = True

    def remove_message(self, message: str) -> None:
        """Remove a message that :meth:`messages` returned. Raises RuntimeError where it is not one of the frame."""
        messages = self._all_messages()
        index = next((at for at, each in enumerate(messages) if each is message), None)
        if index is None:
            index = next((at for at, each in enumerate(messages) if each == message), None)
        if index is None:
            raise RuntimeError("the message is not one of this frame: take it from frame.messages() of the same call")
        del messages[index]
        self._is_edited = True

    # Pixels.

    @contextmanager
    def data(self, flag: Any = Gst.MapFlags.READ) -> Iterator[Any]:
        """Give the pixels as a NumPy array over the frame's memory, of uint8: (height, width, channels) of packed formats.

        All planes of other formats are one below the other, (rows, width, 1), as I420 and NV12 (rows: 1.5 times the height). If
        there is padding between them, that is a copy, which is written back at the end where ``flag`` has WRITE. The array can
        be written whatever the flag is, if the buffer can. Raises RuntimeError.
        """
        buffer, about = self.__buffer, self._about
        if about["memory"] != "CPU":
            raise RuntimeError(f"frames in {about['memory']} memory cannot be mapped; put nvvideoconvert before the element")
        writable, wanted = is_writable(hash(buffer)), bool(int(flag) & _WRITE)
        if wanted and not writable:
            raise RuntimeError("the buffer cannot be written, because others refer to it too")
        layout = layout_on(hash(buffer), about["format"], about["width"], about["height"], about["interlace_mode"])
        plane = whole(layout, about["width"])
        mapped, span = BufferMap(hash(buffer), writable=writable), Span()
        try:
            if plane is not None:
                yield span.array(mapped.data, plane)
            else:
                yield from repacked(mapped.data, layout, about["width"], span, write=wanted)
        finally:
            span.close(mapped.hold, ClosedFrameView)
            mapped.unmap()

    # The result of the call.

    def _entry(self) -> dict[str, Any] | None:
        """Return what was said about the frame, as a result has it, None: nothing."""
        entry: dict[str, Any] = {}
        if self._is_edited:
            entry[RESULT_ATTRIBUTES] = self._edited_messages()
        if self._tensors is not None and any(each._changed for each in self._tensors):
            entry.setdefault(RESULT_ATTRIBUTES, {})[TENSORS] = [each._plain() for each in self._tensors[self._raw :]]
        if self._regions is not None:
            self._add_objects(entry)
        return entry or None

    def _edited_messages(self) -> dict[str, Any]:
        own, was_removed = self._own, False
        if self._messages is None:
            messages = [*self._before(), *map(message_value, self._added)]
        else:
            messages = [message_value(str(each)) for each in self._messages if each is not own]
            was_removed = own is not None and not any(each is own for each in self._messages)
        if was_removed or self._attributes().get(OWN_MESSAGE) is False:
            return {MESSAGES: messages, OWN_MESSAGE: False}
        return {MESSAGES: messages}

    def _add_objects(self, entry: dict[str, Any]) -> None:
        assert self._regions is not None, "somebody has asked for them"
        if self._regions == self._given and not any(each._changes or each._tensors for each in self._given):
            return
        here = {id(each) for each in self._regions}
        given = {id(each) for each in self._given}
        if removed := [index for index, each in enumerate(self._given) if id(each) not in here]:
            entry[REMOVED_OBJECTS] = removed
        changes = [each._changed() if id(each) in here else {} for each in self._given]
        if any(changes):
            entry[CHANGED_OBJECTS] = changes
        attributes = [each._attributes() or {} for each in self._given]
        if any(attributes):
            entry[OBJECTS] = attributes
        if new := [_new_object(each) for each in self._regions if id(each) not in given]:
            entry[NEW_OBJECTS] = new


def _new_object(region: RegionOfInterest) -> dict[str, Any]:
    attributes = region._attributes()
    made = {**region._found, **region._changed()}
    return made if attributes is None else {**made, ATTRIBUTES: attributes}


def _check(label: Any, **numbers: Any) -> None:
    """Raise for what a region cannot have: here, where the module's own line is in the traceback."""
    for name, number in numbers.items():
        if number != number:
            raise ValueError(f"add_region gets NaN as {name}, which is not a number; leave such a region out")
    if not isinstance(label, (str, type(None))):
        raise TypeError(f"add_region gets a {type(label).__name__} as label, which is a text; write label=str(label)")


def _clipped(x: float, y: float, w: float, h: float, size: tuple[int, int]) -> tuple[float, float, float, float]:
    x, y = min(max(x, 0), size[0]), min(max(y, 0), size[1])
    return x, y, min(max(w, 0), size[0] - x), min(max(h, 0), size[1] - y)
