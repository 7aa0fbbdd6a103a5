"""What is read from buffers with the functions under test, for tests of metas."""

from empycustom.gstreamer import Gst, GstVideo
from empycustom.native import metas
from empycustom.native.loading import buffer_at, double_in, int_in, items, name_of, text_in, text_of_quark, uint64_in
from empycustom.native.metas import Param, Region
from empycustom.native.own_metas import text_at

NAME = "EmPyCustomTestMeta"
NONE = Gst.CLOCK_TIME_NONE


def apis(buffer):
    return [api for api, _ in metas.scan(hash(buffer))]


def flags(buffer):
    return buffer_at(hash(buffer)).mini_object.flags


def set_flags(buffer, *names):
    buffer_at(hash(buffer)).mini_object.flags |= bits(*names)


def bits(*names):
    kinds = (Gst.BufferFlags, GstVideo.VideoBufferFlags)
    return sum(int(getattr(kind, name)) for name in names for kind in kinds if hasattr(kind, name))


def regions(buffer):
    return [region(meta) for api, meta in metas.scan(hash(buffer)) if api == metas.REGION_API]


def region(meta):
    label, number, _, *box, params = metas.region_at(meta)
    return Region(number, text_of_quark(label), *box, [param(structure) for structure in items(params)])


def param(structure):
    number = int_in(structure, b"id")
    return Param(
        name_of(structure),
        text_in(structure, b"label"),
        int_in(structure, b"label_id"),
        double_in(structure, b"confidence"),
        uint64_in(structure, b"id") if number is None else number,
    )


def json_on(buffer, json_meta):
    found = [meta for api, meta in metas.scan(hash(buffer)) if api == json_meta.api]
    assert len(found) == 1
    return text_at(found[0]).decode(), found[0]


REGIONS = [
    Region(7, "person", 1, 2, 3, 4, []),
    Region(0, "", 0, 0, 0, 0, []),
    Region(2**31 - 1, "größe 人 😀", 2**32 - 1, 2**31, 5, 6, []),
    Region(
        8,
        "car",
        1,
        2,
        3,
        4,
        [
            Param("detection", None, 3, 0.75, None),
            Param("object_id", None, None, None, 12),
            Param("classification", "Käfer", -1, 1.0, None),
            Param("empty", None, None, None, None),
            Param("all", "x", 0, 0.0, 0),
        ],
    ),
    Region(
        9, "tracked", 1, 2, 3, 4, [Param("object_id", None, None, None, 2**40), Param("object_id", None, None, None, 2**64 - 1)]
    ),
]
