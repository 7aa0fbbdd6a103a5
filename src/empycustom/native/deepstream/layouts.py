"""How DeepStream's structures lie, in the versions from 5.0 to 9.1, on 64 bits.

All versions have the same beginnings; what differs is in the table. The sizes of three structures tell which one runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from empycustom.errors import MetadataError
from empycustom.native.memory import Reader, fields

EVENT_MSG_META = 9  # NvDsMetaType, of a NvDsUserMeta that holds a NvDsEventMsgMeta
UNTRACKED = NO_TIME = 2**64 - 1
EVENT_OBJECT_ID = 136  # in a NvDsEventMsgMeta
LABEL_SIZE = 128  # chars of a label, NUL included

_BATCH_GST_META, _FRAME_META = 4097, 2

# NvDsMeta, the GstMeta: meta_data, meta_type
_gst_meta = fields((16, "Q"), (32, "i"))
# NvDsBatchMeta: the pools of frames, objects and classifiers; frame_meta_list, batch_user_meta_list
_pools = fields((48, "Q"), (56, "Q"), (64, "Q"))
batch_lists = fields((96, "Q"), (104, "Q"))
META_MUTEX = 112  # a GRecMutex, which nvds_acquire_meta_lock locks
# Where the beginnings of lists are stored: in a NvDsBatchMeta its frames, in a NvDsFrameMeta its objects; and user metadata.
BATCH_FRAMES, FRAME_OBJECTS = 96, 104
USERS = {"batch": 104, "frame": 120}
# NvDsMetaPool: meta_type, element_size
_pool = fields((0, "I"), (8, "I"))
# NvDsFrameMeta: pad_index, batch_id, frame_num, buf_pts, ntp_timestamp, source_id, source_frame_width, _height, obj_meta_list,
# frame_user_meta_list
frame_fields = fields(
    (40, "I"), (44, "I"), (48, "i"), (56, "Q"), (64, "Q"), (72, "I"), (80, "I"), (84, "I"), (104, "Q"), (120, "Q")
)  # fmt: skip
# NvDsUserMeta: meta_type, uContext, user_meta_data
user_fields = fields((8, "i"), (16, "Q"), (40, "Q"))
# NvDsClassifierMeta: unique_component_id, label_info_list
classifier_fields = fields((44, "i"), (48, "Q"))
# NvDsLabelInfo: num_classes, result_label, pResult_label, result_class_id, label_id, result_prob
label_fields = fields((40, "i"), (44, f"{LABEL_SIZE}s"), (176, "Q"), (184, "i"), (188, "i"), (192, "f"))


@dataclass(frozen=True)
class Layout:
    """What differs by version.

    ``since`` is the first of the ``versions``. ``sizes``, in bytes, are of NvDsFrameMeta, NvDsObjectMeta and NvDsClassifierMeta.
    What lies behind the box of an object lies ``shift`` bytes later than at first. ``event_size`` is that of NvDsEventMsgMeta,
    the largest of these versions, ``event_text`` the place of its otherAttrs.
    """

    versions: str
    since: tuple[int, int]
    sizes: tuple[int, int, int]
    shift: int
    event_size: int
    event_text: int

    # Offsets in NvDsObjectMeta.

    @property
    def text_params(self) -> int:
        """Where the NvOSD_TextParams lie."""
        return 232 + self.shift

    @property
    def obj_label(self) -> int:
        """Where the label lies."""
        return 336 + self.shift

    @property
    def classifiers(self) -> int:
        """Where classifier_meta_list lies, and behind it obj_user_meta_list."""
        return 464 + self.shift

    @cached_property
    def event_fields(self) -> Reader:
        """What reads objectId and otherAttrs of a NvDsEventMsgMeta."""
        return fields((EVENT_OBJECT_ID, "Q"), (self.event_text, "Q"))

    @cached_property
    def object_fields(self) -> Reader:
        """What reads an object.

        unique_component_id, class_id, object_id, confidence, tracker_confidence, left, top, width, height, display_text,
        obj_label, classifier_meta_list, obj_user_meta_list.
        """
        lists = self.classifiers
        return fields(
            (48, "i"), (52, "i"), (56, "Q"), (96, "f"), (100, "f"), (104, "ffff"),
            (self.text_params, "Q"), (self.obj_label, f"{LABEL_SIZE}s"), (lists, "Q"), (lists + 8, "Q"),
        )  # fmt: skip


LAYOUTS = (
    Layout("5.0 and 5.1", (5, 0), (192, 544, 56), 0, 184, 152),
    Layout("6.0 to 7.1", (6, 0), (200, 544, 64), 0, 264, 152),
    Layout("8.0", (8, 0), (232, 544, 64), 0, 14032, 13832),
    Layout("9.0 and 9.1", (9, 0), (232, 552, 64), 8, 14040, 13832),
)


def layout_of(batch: int) -> Layout:
    """Return the layout of the DeepStream that made the NvDsBatchMeta at an address. Raises MetadataError where it is unknown."""
    pools = [_pool(pool) for pool in _pools(batch)]
    kind = pools[0][0]
    if kind != _FRAME_META:
        raise MetadataError(f"DeepStream's metadata on the buffer is of no batch of video frames (meta type {kind}; video has 2)")
    sizes = tuple(size for _, size in pools)
    for layout in LAYOUTS:
        if layout.sizes == sizes:
            return layout
    known = ", ".join(f"{'/'.join(map(str, layout.sizes))} ({layout.versions})" for layout in LAYOUTS)
    raise MetadataError(
        f"this version of DeepStream is not known: its frames/objects/classifiers have {'/'.join(map(str, sizes))} bytes; "
        f"known are {known}"
    )


def batch_in(meta_address: int) -> int:
    """Return the address of the NvDsBatchMeta in the NvDsMeta at an address; 0: it holds something else."""
    data, kind = _gst_meta(meta_address)
    return data if kind == _BATCH_GST_META else 0
