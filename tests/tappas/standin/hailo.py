"""A stand-in for Hailo's module of this name: what its users see of it, as hailo_python_api.cpp of TAPPAS 5 describes it.

As with pybind11, an object of Python is made when somebody asks for one of C++, is the same as long as somebody has it, and is
forgotten then; numbers are floats of 32 bits, and arguments of other types are refused. The meta on buffers is in ``meta.c``.
"""

import ctypes
import enum
import itertools
import pathlib
import weakref

_lib = ctypes.CDLL(str(pathlib.Path(__file__).parent / "meta.so"))
_lib.main_object.argtypes, _lib.main_object.restype = [ctypes.c_void_p], ctypes.c_void_p
_lib.attach.argtypes, _lib.attach.restype = [ctypes.c_void_p, ctypes.c_long], ctypes.c_void_p

hailo_object_t = enum.IntEnum(
    "hailo_object_t",
    "HAILO_ROI HAILO_CLASSIFICATION HAILO_DETECTION HAILO_LANDMARKS HAILO_TILE HAILO_UNIQUE_ID HAILO_MATRIX HAILO_DEPTH_MASK "
    "HAILO_CLASS_MASK HAILO_CONF_CLASS_MASK HAILO_USER_META",
    start=0,
)
hailo_unique_id_mode_t = enum.IntEnum("hailo_unique_id_mode_t", "TRACKING_ID GLOBAL_ID", start=0)
hailo_tiling_mode_t = enum.IntEnum("hailo_tiling_mode_t", "SINGLE_SCALE MULTI_SCALE", start=0)
globals().update(hailo_object_t.__members__)
globals().update(hailo_tiling_mode_t.__members__)
globals().update(hailo_unique_id_mode_t.__members__)

_wrappers = weakref.WeakValueDictionary()  # by the identity of what would be in C++
_rois = {}  # by their numbers, for good


def _float(value):
    if isinstance(value, str) or not hasattr(value, "__float__"):
        raise TypeError(f"incompatible function arguments: {value!r} is not a float")
    return ctypes.c_float(value).value


def _int(value):
    if not isinstance(value, int) or not -(2**31) <= value < 2**31:
        raise TypeError(f"incompatible function arguments: {value!r} is not an int")
    return value


def _text(value):
    """A std::string, whose bytes need not be UTF-8."""
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise TypeError(f"incompatible function arguments: {value!r} is not a str")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise TypeError(f"incompatible function arguments: {value!r}") from None


def _normal(value):
    value = _float(value)
    if value > 1 or value < 0:
        raise ValueError("Number should be between 0.0 to 1.0.")
    return value


def _given(rest, named):
    names = ("index", "label", "confidence")
    return {**dict(zip(names[len(names) - len(rest) :], rest, strict=True)), **named}


class _Core:
    """What would be in C++; its ``kind`` is the class of its objects in Python."""

    def __init__(self, kind, **fields):
        self.kind = kind
        self.__dict__.update(fields)


def _wrapped(core):
    wrapper = _wrappers.get(id(core))
    if wrapper is None:
        wrapper = _wrappers[id(core)] = core.kind.__new__(core.kind)
        wrapper._core = core
    return wrapper


class _Object:
    def _is(self, **fields):
        self._core = _Core(type(self), **fields)
        _wrappers[id(self._core)] = self

    def get_type(self):
        return self._type


class HailoPoint:
    def __init__(self, x, y, confidence):
        self._x, self._y, self._confidence = _float(x), _float(y), _normal(confidence)

    def x(self):
        return self._x

    def y(self):
        return self._y

    def confidence(self):
        return self._confidence


class HailoBBox:
    def __init__(self, xmin, ymin, width, height):
        self._sides = tuple(map(_float, (xmin, ymin, width, height)))

    def xmin(self):
        return self._sides[0]

    def ymin(self):
        return self._sides[1]

    def width(self):
        return self._sides[2]

    def height(self):
        return self._sides[3]

    def xmax(self):
        return _float(self._sides[0] + self._sides[2])

    def ymax(self):
        return _float(self._sides[1] + self._sides[3])


class HailoObject(_Object):
    pass


class HailoMainObject(HailoObject):
    def _is(self, **fields):
        super()._is(parts=[], **fields)

    def add_object(self, obj):
        if not isinstance(obj, HailoObject):
            raise TypeError(f"add_object(): incompatible function arguments: {obj!r}")
        self._core.parts.append(obj._core)

    def remove_object(self, obj):
        if isinstance(obj, int):
            del self._core.parts[obj]
        else:
            self._core.parts = [core for core in self._core.parts if core is not obj._core]

    def get_objects(self):
        return [_wrapped(core) for core in self._core.parts]

    def get_objects_typed(self, type):
        return [found for found in self.get_objects() if found.get_type() == type]

    def get_tensors(self):
        return []

    def has_tensors(self):
        return False


class HailoROI(HailoMainObject):
    _type = hailo_object_t.HAILO_ROI

    def __init__(self, bbox):
        self._is(bbox=bbox, stream_id=b"")

    def get_bbox(self):
        return self._core.bbox

    def set_bbox(self, bbox):
        if not isinstance(bbox, HailoBBox):
            raise TypeError(f"set_bbox(): incompatible function arguments: {bbox!r}")
        self._core.bbox = bbox

    def get_stream_id(self):
        return self._core.stream_id.decode()

    def set_stream_id(self, stream_id):
        self._core.stream_id = _text(stream_id)


class HailoTileROI(HailoROI):
    _type = hailo_object_t.HAILO_TILE

    def __init__(self, bbox, index, overlap_x_axis, overlap_y_axis, layer, mode):
        super().__init__(bbox)


class HailoDetection(HailoROI):
    _type = hailo_object_t.HAILO_DETECTION

    def __init__(self, bbox, *rest, **named):
        given = _given(rest, named)
        if not isinstance(bbox, HailoBBox):
            raise TypeError(f"HailoDetection(): incompatible constructor arguments: {bbox!r}")
        self._is(
            bbox=bbox,
            stream_id=b"",
            label=_text(given["label"]),
            confidence=_normal(given["confidence"]),
            class_id=_int(given.get("index", -1)),
        )

    def get_confidence(self):
        return self._core.confidence

    def get_label(self):
        return self._core.label.decode()

    def get_class_id(self):
        return self._core.class_id

    def __lt__(self, other):
        return self._core.confidence < other._core.confidence

    def __gt__(self, other):
        return self._core.confidence > other._core.confidence


class HailoClassification(HailoObject):
    _type = hailo_object_t.HAILO_CLASSIFICATION

    def __init__(self, type, *rest, **named):
        given = _given(rest, named)
        self._is(
            type=_text(type),
            label=_text(given["label"]),
            confidence=_normal(given["confidence"]),
            class_id=_int(given.get("index", -1)),
        )

    def get_confidence(self):
        return self._core.confidence

    def get_label(self):
        return self._core.label.decode()

    def get_classification_type(self):
        return self._core.type.decode()

    def get_class_id(self):
        return self._core.class_id


class HailoLandmarks(HailoObject):
    _type = hailo_object_t.HAILO_LANDMARKS

    def __init__(self, type, points, threshold, pairs=()):
        self._is(type=_text(type), threshold=_float(threshold), pairs=[(_int(a), _int(b)) for a, b in pairs])
        self.set_points(points)

    def set_points(self, points):
        if not all(isinstance(point, HailoPoint) for point in points):
            raise TypeError(f"set_points(): incompatible function arguments: {points!r}")
        self._core.points = list(points)

    def get_points(self):
        return list(self._core.points)

    def get_threshold(self):
        return self._core.threshold

    def get_landmarks_type(self):
        return self._core.type.decode()

    def get_pairs(self):
        return list(self._core.pairs)


class HailoUniqueID(HailoObject):
    _type = hailo_object_t.HAILO_UNIQUE_ID

    def __init__(self, id, mode=hailo_unique_id_mode_t.TRACKING_ID):
        self._is(id=_int(id), mode=int(mode))

    def get_id(self):
        return self._core.id

    def get_mode(self):
        return self._core.mode


class HailoUserMeta(HailoObject):
    _type = hailo_object_t.HAILO_USER_META

    def __init__(self, user_int=0, user_string="", user_float=0.0):
        self._is(values=(_int(user_int), _text(user_string), _float(user_float)))


def get_roi_from_buffer(buffer):
    """Return the ROI of a buffer, which gets one if it has none."""
    address = _lib.main_object(hash(buffer))
    if not address:
        number, roi = next(_numbers), HailoROI(HailoBBox(0, 0, 1, 1))
        _rois[number] = roi._core
        address = _lib.attach(hash(buffer), number)
    return access_HailoMainObject_from_desc(address)


def access_HailoMainObject_from_desc(desc):
    return _wrapped(_rois[ctypes.c_long.from_address(desc).value])


access_HailoROI_from_desc = access_HailoMainObject_from_desc  # noqa: N816 - its name
_numbers = itertools.count(1)


def get_hailo_detections(roi):
    return roi.get_objects_typed(hailo_object_t.HAILO_DETECTION)


def get_hailo_classifications(roi, classification_type=""):
    found = roi.get_objects_typed(hailo_object_t.HAILO_CLASSIFICATION)
    return [each for each in found if classification_type in ("", each.get_classification_type())]


def get_hailo_unique_id(roi):
    return roi.get_objects_typed(hailo_object_t.HAILO_UNIQUE_ID)


def get_hailo_landmarks(roi):
    return roi.get_objects_typed(hailo_object_t.HAILO_LANDMARKS)
