"""Objects, found by a neural network in an ONNX file: a custom library that is the detector, by onnxruntime.

    empycustom run street.mp4 --lib examples/onnx_detector.py --options '{"model": "model.onnx", "labels": "coco.txt"}' \
        --lib examples/draw.py --save found.mp4

The model takes one picture (1, 3, height, width) and returns boxes (middle x, middle y, width, height, in its own pixels) with a
score for each class, in one of the two widespread layouts: (1, 4 + classes, boxes), which began with YOLOv8, or
(1, boxes, 5 + classes), where the fifth number says whether anything is there: YOLOX, if it was exported with
``--decode_in_inference``. Mind the licence of a model: some forbid what yours allows.

No model at hand? ``python tools/people_model.py people.onnx`` writes OpenCV's people detector as one (its confidences begin
at 0.62). Frames may have any format with ``frame.rgb``, such as RGBA, BGRx or RGB. It needs onnxruntime and OpenCV: ``pip install
onnxruntime opencv-python-headless``, or onnxruntime-gpu for a GPU, which it then uses.

Options, of which the first is needed:

``model``
    The ONNX file; a path is relative to the working directory.
``labels``
    The names of the classes, in the model's order: a list, or a text file with one on each line. Without them objects have a
    ``class_id`` only.
``only``
    A list of labels: leave out everything else.
``min_confidence`` (0.4)
    Leave out what is less certain.
``max_overlap`` (0.5)
    Of two boxes of a class that share more than this (intersection over union), the less certain one is left out.
``size`` (640)
    The width and height of the model's pictures, or ``[height, width]``, where the model leaves that open.
``bgr`` (false), ``divide`` (255)
    What the model was trained with: blue first, and what values from 0 to 255 are divided by. YOLOX: true and 1.
"""

from pathlib import Path

import cv2
import numpy as np
import onnxruntime

import empycustom

BORDER = 114  # gray, with which these models were trained


def start(options):
    """Load the model and try it once: a mistake is an error now, and the first frame does not wait."""
    global detector
    detector = Detector(options)


def process_ip(io_buffer, in_meta, options):
    """Return what is in this frame as new objects."""
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        picture = np.array(frame.rgb)
    return {"frame": [{"new_object": detector.find(picture)}]}


def stop(options):
    """Give the model's memory back."""
    global detector
    detector = None


class Detector:
    """The model, how pictures get into it, and what its answer means."""

    def __init__(self, options):
        path, self.labels = needed_file(options, "model"), labels_of(options)
        self.only = options.get("only")
        if unknown := set(self.only or []) - set(self.labels):
            raise ValueError(f"option only names {sorted(unknown)}, which are not among the labels {self.labels}")
        self.min_confidence = float(options.get("min_confidence", 0.4))
        self.max_overlap = float(options.get("max_overlap", 0.5))
        self.bgr, self.divide = bool(options.get("bgr", False)), float(options.get("divide", 255))
        self.session = onnxruntime.InferenceSession(str(path), providers=providers())
        self.height, self.width = input_size(self.session, options)
        self.find(np.zeros((self.height, self.width, 3), np.uint8))

    def find(self, picture):
        """Return the objects in an RGB picture, surest first."""
        fitted, scale = letterbox(picture, self.height, self.width)
        values = cv2.dnn.blobFromImage(fitted, 1 / self.divide, swapRB=self.bgr)
        (answer, *_) = self.session.run(None, {self.session.get_inputs()[0].name: values})
        boxes, scores = boxes_and_scores(answer, len(self.labels))
        classes = scores.argmax(axis=1)
        confidences = scores.max(axis=1)
        sure = confidences >= self.min_confidence  # not true for NaN
        boxes, classes, confidences = clipped(boxes[sure] / scale, picture), classes[sure], confidences[sure]
        kept = cv2.dnn.NMSBoxesBatched(boxes, confidences, classes, 0, self.max_overlap)
        objects = [self.describe(boxes[n], int(classes[n]), float(confidences[n])) for n in kept]
        return [obj for obj in objects if self.wanted(obj)]

    def describe(self, box, class_id, confidence):
        """Write what was found as an object of in_meta."""
        left, top, width, height = (round(float(value), 1) for value in box)
        return {
            "class_id": class_id,
            "confidence": round(min(confidence, 1.0), 4),
            "rect_params": {"left": left, "top": top, "width": width, "height": height},
            **({"obj_label": self.labels[class_id]} if self.labels else {}),
        }

    def wanted(self, obj):
        """Say whether an object is to be told: it has a size and, where ``only`` is given, one of those labels."""
        rect = obj["rect_params"]
        return min(rect["width"], rect["height"]) >= 1 and (self.only is None or obj.get("obj_label") in self.only)


def providers():
    """Return what runs the model: a GPU where onnxruntime can use one, and the CPU for the rest."""
    return [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in onnxruntime.get_available_providers()]


def letterbox(picture, height, width):
    """Fit a picture into a size without distortion: in the upper left corner, with a border. Return it, and its scale."""
    scale = min(height / picture.shape[0], width / picture.shape[1])
    lines, columns = (max(round(side * scale), 1) for side in picture.shape[:2])
    fitted = np.full((height, width, 3), BORDER, np.uint8)
    cv2.resize(picture, (columns, lines), fitted[:lines, :columns])
    return fitted, scale


def boxes_and_scores(answer, labels):
    """Return boxes (n, 4) and the scores of their classes (n, classes) from either layout, told by its longer side."""
    if answer.ndim != 3 or answer.shape[0] != 1 or min(answer.shape[1:]) < 5:
        raise ValueError(
            f"the model returned {answer.shape}, where (1, 4 + classes, boxes) or (1, boxes, 5 + classes) was expected"
        )
    if answer.shape[1] < answer.shape[2]:
        rows = answer[0].T
        boxes, scores = rows[:, :4], rows[:, 4:]
    else:
        rows = answer[0]
        boxes, scores = rows[:, :4], rows[:, 4:5] * rows[:, 5:]
    if labels and scores.shape[1] != labels:
        raise ValueError(f"the model knows {scores.shape[1]} classes, and option labels names {labels}")
    return boxes, scores


def clipped(boxes, picture):
    """Return (left, top, width, height) of the parts that lie in the picture."""
    height, width = picture.shape[:2]
    corners = np.hstack([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2])
    corners = np.clip(corners, 0, [width, height, width, height])
    return np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])


def input_size(session, options):
    """Return height and width of the model's pictures: its own, or the option's where it leaves them open."""
    shape = session.get_inputs()[0].shape
    if len(shape) != 4 or shape[1] != 3:
        raise ValueError(f"the model takes {shape}, where a picture (1, 3, height, width) was expected")
    size = options.get("size", 640)
    wanted = [size, size] if isinstance(size, int) else size
    return [own if isinstance(own, int) else int(asked) for own, asked in zip(shape[2:], wanted, strict=True)]


def labels_of(options):
    """Return the names of the classes, from a list or from a file; none are fine."""
    labels = options.get("labels", [])
    return labels if isinstance(labels, list) else needed_file(options, "labels").read_text(encoding="utf-8").splitlines()


def needed_file(options, name):
    """Return the path that an option names; an error that says what is missing."""
    if not options.get(name):
        raise ValueError(f'option {name} is missing: --options \'{{"{name}": "path/of/the/file", ...}}\'')
    path = Path(options[name])
    if not path.is_file():
        raise FileNotFoundError(f"option {name}: there is no file {path.absolute()}")
    return path
