"""Objects of ``in_meta`` as supervision's ``Detections`` and ``KeyPoints``, and back: its trackers, zones and annotators.

supervision is the package's extra ``vision``, and is imported when one of these functions is called.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

INDEX: Final = "object_index"  # in `data`: which object of the frame a row is about
_NAMES: Final = "class_name"
_CORNERS: Final = "xyxyxyxy"  # of turned boxes: supervision's names
_BOX: Final = ("left", "top", "width", "height")
_UNIT: Final = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])  # corners of a box of size 1, clockwise


def to_detections(in_meta: Any, frame: int = 0) -> Any:
    """Return the objects of a frame as ``supervision.Detections``, a row each.

    Parameters
    ----------
    in_meta : dict
        What a callback gets.
    frame : int
        Which frame of a batch.

    Returns
    -------
    supervision.Detections
        ``xyxy`` in pixels, ``confidence``, ``class_id``, ``tracker_id`` (-1: not tracked; annotators of tracks want
        ``detections[detections.tracker_id >= 0]``), ``mask`` (a CompactMask; None where no object has one), and in ``data``
        ``class_name``, ``object_index``, and the corners of turned boxes, ``xyxyxyxy``.

    Raises
    ------
    ImportError
        supervision is missing; the message says what to install.
    """
    sv, meta = _supervision(), _frame_of(in_meta, frame)
    objects = meta["object"]
    boxes = np.array([[each["rect_params"][side] for side in _BOX] for each in objects], np.float32).reshape(-1, 4)
    data = {_NAMES: np.array([each["obj_label"] for each in objects], str), INDEX: np.arange(len(objects))}
    xyxy = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    turns = [each.get("rotation") for each in objects]
    if any(turn is not None for turn in turns):
        corners = np.array([_corners(box, turn or 0.0) for box, turn in zip(boxes, turns, strict=True)], np.float32)
        data[_CORNERS], xyxy = corners, np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    return sv.Detections(
        xyxy=xyxy,
        mask=_compact_mask(sv, objects, (meta["source_frame_height"], meta["source_frame_width"])),
        confidence=np.array([each["confidence"] for each in objects], np.float32),
        class_id=np.array([each["class_id"] for each in objects], int),
        tracker_id=np.array([each["object_id"] for each in objects], np.int64),
        data=data,
    )


def from_detections(detections: Any, in_meta: Any = None, frame: int = 0, *, remove: bool = False) -> dict[str, Any]:
    """Return what a callback returns for ``supervision.Detections``: new objects, or changes of those that were found.

    Parameters
    ----------
    detections : supervision.Detections
        Boxes in pixels. Names are in ``data["class_name"]``.
    in_meta : dict, optional
        Where the detections came from, by :func:`to_detections`; rows may be missing, and be in any order. Changed are track,
        class, label, confidence and box, where they differ; an object without mask gets that of its row. A row whose
        ``object_index`` is -1 is a new object. Left out: all rows are new objects.
    frame : int
        Which frame of a batch it is about.
    remove : bool
        Remove the objects that have no row. Else they stay as they are.

    Returns
    -------
    dict
        The result of a callback.

    Raises
    ------
    ValueError
        ``in_meta`` is given, and the detections do not come from :func:`to_detections`; or it is left out, and they do.
    TypeError
        It is something else than ``Detections``.
    """
    _check_rows(detections, "xyxy", in_meta)
    rows = [_object_of(detections, row) for row in range(len(detections))]
    entry: dict[str, Any] = {}
    if in_meta is None:
        entry["new_object"] = rows
        return _about(frame, entry)
    objects = _frame_of(in_meta, frame)["object"]
    indices = _indices(detections.data, len(detections), len(objects))
    changes: list[dict[str, Any]] = [{} for _ in objects]
    for index, row in zip(indices, rows, strict=True):
        if index < 0:
            entry.setdefault("new_object", []).append(row)
        else:
            changes[index] = _difference(objects[index], row)
    entry["changed_object"] = changes
    if remove:
        entry["removed_object"] = sorted(set(range(len(objects))) - set(indices))
    return _about(frame, entry)


def to_keypoints(in_meta: Any, frame: int = 0) -> Any:
    """Return the key points of those objects that have some as ``supervision.KeyPoints``, a row each.

    Parameters
    ----------
    in_meta : dict
        What a callback gets.
    frame : int
        Which frame of a batch.

    Returns
    -------
    supervision.KeyPoints
        ``xy`` in pixels (n, m, 2), ``keypoint_confidence`` (n, m), ``class_id``, ``detection_confidence``, and in ``data``
        ``class_name`` and ``object_index``. Of objects with fewer points the last ones are (0, 0) with confidence 0, which
        annotators do not draw.

    Raises
    ------
    ImportError
        supervision is missing; the message says what to install.
    """
    sv, objects = _supervision(), _frame_of(in_meta, frame)["object"]
    found = [each.get("keypoints") for each in objects]
    indices = [index for index, each in enumerate(found) if each is not None and len(each)]
    points = [np.asarray(found[index], np.float32).reshape(-1, 3) for index in indices]
    padded = np.zeros((len(points), max(map(len, points), default=0), 3), np.float32)
    for row, each in zip(padded, points, strict=True):
        row[: len(each)] = each
    return sv.KeyPoints(
        xy=padded[..., :2],
        class_id=np.array([objects[index]["class_id"] for index in indices], int),
        keypoint_confidence=padded[..., 2],
        detection_confidence=np.array([objects[index]["confidence"] for index in indices], np.float32),
        data={_NAMES: np.array([objects[index]["obj_label"] for index in indices], str), INDEX: np.array(indices, int)},
    )


def from_keypoints(keypoints: Any, in_meta: Any = None, frame: int = 0) -> dict[str, Any]:
    """Return what a callback returns for ``supervision.KeyPoints``: new objects, or the points of those that were found.

    Parameters
    ----------
    keypoints : supervision.KeyPoints
        Points in pixels. The box of a new object is around those that are not (0, 0).
    in_meta : dict, optional
        Where they came from, by :func:`to_keypoints`; needed for these. Left out: all rows are new objects.
    frame : int
        Which frame of a batch it is about.

    Returns
    -------
    dict
        The result of a callback.

    Raises
    ------
    ValueError
        ``in_meta`` is given, and the key points do not come from :func:`to_keypoints`; or it is left out, and they do.
    TypeError
        It is something else than ``KeyPoints``.
    """
    _check_rows(keypoints, "xy", in_meta)
    found = [_points_of(keypoints, row) for row in range(len(keypoints))]
    if in_meta is None:
        return _about(frame, {"new_object": [_posed(keypoints, row, points) for row, points in enumerate(found)]})
    objects = _frame_of(in_meta, frame)["object"]
    changes: list[dict[str, Any]] = [{} for _ in objects]
    entry: dict[str, Any] = {"changed_object": changes}
    for row, index in enumerate(_indices(keypoints.data, len(keypoints), len(objects))):
        if index < 0:
            entry.setdefault("new_object", []).append(_posed(keypoints, row, found[row]))
        else:
            known = objects[index].get("keypoints")
            changes[index] = {"keypoints": found[row][: len(known) if known is not None else None]}
    return _about(frame, entry)


def _supervision() -> Any:
    try:
        import supervision
    except ImportError as error:
        raise ImportError(f'supervision is missing ({error}): pip install "empycustom[vision]"') from error
    return supervision


def _frame_of(in_meta: Any, frame: int) -> Any:
    """Return a frame of in_meta. Raises TypeError where it is something else."""
    if not isinstance(in_meta, Mapping) or "frame" not in in_meta:
        what = "its frame, or another dict" if isinstance(in_meta, Mapping) else f"a {type(in_meta).__name__}"
        raise TypeError(f"the in_meta that the callback got is expected here, not {what}")
    return in_meta["frame"][frame]


_KINDS: Final = {  # by the attribute that has places: the class, and the function that takes it
    "xyxy": ("Detections", "from_detections"),
    "xy": ("KeyPoints", "from_keypoints"),
}


def _check_rows(rows: Any, places: str, in_meta: Any) -> None:
    """Raise TypeError where rows are something else, ValueError where they are about objects of an in_meta that is not there."""
    kind, function = _KINDS[places]
    if not hasattr(rows, places) or not isinstance(getattr(rows, "data", None), Mapping):
        other = next((other for each, other in _KINDS.values() if type(rows).__name__ == each), "")
        advice = f"; use {other}" if other else f"; make them of what a model returned by supervision.{kind}.from_..."
        raise TypeError(f"{function} takes supervision.{kind}, not {type(rows).__name__}{advice}")
    if in_meta is None and any(int(index) >= 0 for index in rows.data.get(INDEX, ())):
        raise ValueError(
            f"these rows are about objects that are there already, and would be found twice: write {function}(..., in_meta) "
            f"to change those. If new ones are meant, del data[{INDEX!r}] first."
        )


def _about(frame: int, entry: dict[str, Any]) -> dict[str, Any]:
    return {"frame": [*({} for _ in range(frame)), entry]}


def _indices(data: Mapping[str, Any], rows: int, objects: int) -> list[int]:
    """Return of each row which object it is about; -1: none."""
    if rows and INDEX not in data:
        raise ValueError(
            f"these rows do not say which objects they are about: data has no {INDEX!r}, which to_detections and to_keypoints "
            "write. Make them from this in_meta, or leave in_meta out: then they are new objects."
        )
    indices = [int(index) for index in data.get(INDEX, ())][:rows]
    if any(index >= objects for index in indices):
        raise ValueError(f"these rows are of another frame: one is about object {max(indices)}, and there are {objects} here.")
    return indices


# Boxes.


def _corners(box: Any, angle: float) -> Any:
    """Return the corners (4, 2) of a box that is turned about its centre, clockwise on the screen."""
    cos, sin = math.cos(angle), math.sin(angle)
    return (_UNIT * box[2:]) @ np.array([(cos, sin), (-sin, cos)]) + box[:2] + box[2:] / 2


def _turned_box(corners: Any) -> tuple[Any, float]:
    """Return left, top, width, height before it is turned, and the angle, of four corners in order."""
    across, down = corners[1] - corners[0], corners[2] - corners[1]
    size = np.array([np.hypot(*across), np.hypot(*down)])
    return np.concatenate([corners.mean(axis=0) - size / 2, size]), math.atan2(across[1], across[0])


def _object_of(detections: Any, row: int) -> dict[str, Any]:
    """Return a row as an object, with what the row says."""
    x_min, y_min, x_max, y_max = (float(value) for value in detections.xyxy[row])
    box = np.array([x_min, y_min, x_max - x_min, y_max - y_min])
    found: dict[str, Any] = {}
    if _CORNERS in detections.data:
        box, found["rotation"] = _turned_box(np.asarray(detections.data[_CORNERS][row], float))
    found["rect_params"] = dict(zip(_BOX, box.tolist(), strict=True))
    values = (("confidence", detections.confidence, float), ("class_id", detections.class_id, int))
    found.update({key: of_type(column[row]) for key, column, of_type in values if column is not None})
    if _NAMES in detections.data:
        found["obj_label"] = str(detections.data[_NAMES][row])
    if detections.tracker_id is not None and detections.tracker_id[row] is not None:
        found["object_id"] = int(detections.tracker_id[row])
    if detections.mask is not None:
        mask = _mask_of(detections.mask, row, box)
        if mask.any():
            found["mask"] = mask
    return found


def _difference(known: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row says that the object does not; supervision's numbers are of 32 bits."""
    changed = {key: row[key] for key in ("obj_label", "class_id", "object_id") if key in row and row[key] != known[key]}
    near = {"rect_params": 0.01, "rotation": 0.001, "confidence": 1e-6}
    before, now = known["rect_params"], row["rect_params"]
    if any(abs(before[side] - now[side]) > near["rect_params"] for side in _BOX):
        changed["rect_params"] = now
    for key, value in (("rotation", known.get("rotation") or 0.0), ("confidence", known["confidence"])):
        if key in row and abs(value - row[key]) > near[key]:
            changed[key] = row[key]
    if "mask" in row and known.get("mask") is None:
        changed["mask"] = row["mask"]
    return changed


# Masks: of a crop that is stretched over the box, as objects have them, and of pixels of the frame, as supervision has them.


def _compact_mask(sv: Any, objects: Sequence[Any], shape: tuple[int, int]) -> Any:
    if all(each.get("mask") is None for each in objects):
        return None
    masks = []
    for each in objects:
        left, top, pixels = _pixels_of(each)
        height, width = pixels.shape
        alone = sv.CompactMask.from_dense(pixels[None], np.array([[0, 0, width - 1, height - 1]]), (height, width))
        masks.append(alone.with_offset(left, top, shape))
    return sv.CompactMask.merge(masks)


def _pixels_of(found: Mapping[str, Any]) -> tuple[int, int, Any]:
    """Return the pixels of the frame that a mask covers: left, top, and an array of bool. Without a mask none is covered."""
    left, top, width, height = (found["rect_params"][side] for side in _BOX)
    first_x, first_y = math.floor(left), math.floor(top)
    pixels = np.zeros((max(math.ceil(top + height) - first_y, 1), max(math.ceil(left + width) - first_x, 1)), bool)
    given = found.get("mask")
    if given is None or not width or not height:
        return first_x, first_y, pixels
    mask = np.asarray(given)
    rows = np.floor((np.arange(pixels.shape[0]) + 0.5 + first_y - top) / height * mask.shape[0]).astype(int)
    columns = np.floor((np.arange(pixels.shape[1]) + 0.5 + first_x - left) / width * mask.shape[1]).astype(int)
    in_rows, in_columns = (rows >= 0) & (rows < mask.shape[0]), (columns >= 0) & (columns < mask.shape[1])
    pixels[np.ix_(in_rows, in_columns)] = mask[np.ix_(rows[in_rows], columns[in_columns])] >= 0.5
    return first_x, first_y, pixels


def _mask_of(masks: Any, row: int, box: Any) -> Any:
    """Return the crop of a mask over a box, a pixel of the frame each; what lies outside of the box is not in it."""
    if hasattr(masks, "crop"):  # a CompactMask
        pixels, (first_x, first_y) = masks.crop(row), masks.offsets[row]
    else:
        pixels, (first_x, first_y) = np.asarray(masks[row], bool), (0, 0)
    left, top, width, height = box
    shape = max(math.ceil(height), 1), max(math.ceil(width), 1)
    rows = np.floor(top + (np.arange(shape[0]) + 0.5) * height / shape[0]).astype(int) - first_y
    columns = np.floor(left + (np.arange(shape[1]) + 0.5) * width / shape[1]).astype(int) - first_x
    crop = np.zeros(shape, np.uint8)
    in_rows, in_columns = (rows >= 0) & (rows < pixels.shape[0]), (columns >= 0) & (columns < pixels.shape[1])
    crop[np.ix_(in_rows, in_columns)] = pixels[np.ix_(rows[in_rows], columns[in_columns])]
    return crop


# Key points.


def _points_of(keypoints: Any, row: int) -> Any:
    """Return x, y, confidence (m, 3) of a row; without confidences, those that are visible have 1."""
    xy, confidence = keypoints.xy[row], keypoints.keypoint_confidence
    sure = confidence[row] if confidence is not None else np.any(xy != 0, axis=1)
    return np.column_stack([xy, sure]).astype(np.float32)


def _posed(keypoints: Any, row: int, points: Any) -> dict[str, Any]:
    """Return a row of key points as a new object."""
    seen = points[np.any(points[:, :2] != 0, axis=1), :2]
    corner, end = (seen.min(axis=0), seen.max(axis=0)) if len(seen) else (np.zeros(2), np.zeros(2))
    found = {"rect_params": dict(zip(_BOX, [*corner.tolist(), *(end - corner).tolist()], strict=True)), "keypoints": points}
    values = (("confidence", keypoints.detection_confidence, float), ("class_id", keypoints.class_id, int))
    found.update({key: of_type(column[row]) for key, column, of_type in values if column is not None})
    if _NAMES in keypoints.data:
        found["obj_label"] = str(keypoints.data[_NAMES][row])
    return found
