"""Find objects by a neural network in an ONNX file: a custom library that is the detector, with onnxruntime.

    empycustom run street.mp4 --lib examples/onnx_detector.py --options '{"model": "model.onnx", "labels": "coco.txt"}' \
        --lib empycustom.libs.draw --save found.mp4

``empycustom.libs.detect`` of the package knows more layouts, masks and keypoints; this file shows how a detector is written.

The input of the model is one picture (1, 3, height, width). Its first output has one of these layouts, with boxes in pixels of
that picture, or in fractions of it, from 0 to 1:

``yolov8``: (1, 4 + classes, boxes)
    Center x, center y, width, height, and a score for each class: YOLOv8, YOLO11.
``yolov8-transposed``: (1, boxes, 4 + classes)
    Like ``yolov8``, with a box in each row: RT-DETR, and YOLOv8 for some programs.
``yolov5``: (1, boxes, 5 + classes)
    The fifth number is the probability of an object: YOLOv5, YOLOv7, and YOLOX if it was exported with ``--decode_in_inference``.
``end-to-end``: (1, boxes, 6)
    Left, top, right, bottom, score, class: YOLOv10, YOLO26, and others that were exported with non-maximum suppression
    (``nms=True``).

The layout is recognised by the shape and the number of labels. If several layouts are possible, nothing is guessed: name it by
the option ``layout``. Check the licence of a model: some forbid uses that yours allows.

If you have no model, ``python tools/people_model.py people.onnx`` writes OpenCV's people detector as one (its confidences begin
at 0.62). Frames may have any format with ``frame.rgb``, such as RGBA, BGRx or RGB. It needs onnxruntime and OpenCV: ``pip install
onnxruntime opencv-python-headless``, or onnxruntime-gpu for a GPU, which it then uses.

Options, of which the first is required:

``model``
    The ONNX file; a path is relative to the working directory.
``labels``
    The names of the classes, in the model's order: a list, or a text file with one per line. By default they are those in the
    file of the model (as Ultralytics writes them); without any, objects have only a ``class_id``.
``layout``
    One of the four names above.
``only``
    A list of labels: leave out everything else.
``min_confidence`` (0.4)
    Ignore detections with less confidence.
``max_overlap`` (0.5)
    Of two boxes of a class with a larger intersection over union, the one with less confidence is ignored. Not used with the
    layout ``end-to-end``.
``size`` (640)
    The width and height of the model's pictures, or ``[height, width]``, if the model accepts several sizes.
``bgr`` (false), ``divide`` (255)
    The training of the model: blue first, and the divisor of values from 0 to 255. YOLOX: true and 1.
"""

import ast
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

import empycustom

BORDER = 114  # gray, with which these models were trained
LAYOUTS = {
    "yolov8": "(1, 4 + classes, boxes)",
    "yolov8-transposed": "(1, boxes, 4 + classes)",
    "yolov5": "(1, boxes, 5 + classes)",
    "end-to-end": "(1, boxes, 6)",
}


def start(options):
    """Load the model and run it once, so that errors are reported now, and the first frame does not wait."""
    global detector
    detector = Detector(options)


def process_ip(io_buffer, in_meta, options):
    """Return the objects of this frame as new objects."""
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        picture = np.array(frame.rgb)
    return {"frame": [{"new_object": detector.find(picture)}]}


def stop(options):
    """Free the memory of the model."""
    global detector
    detector = None


class Detector:
    """The model, its input, and the meaning of its output."""

    def __init__(self, options):
        path = needed_file(options, "model")
        self.min_confidence = float(options.get("min_confidence", 0.4))
        self.max_overlap = float(options.get("max_overlap", 0.5))
        self.bgr, self.divide = bool(options.get("bgr", False)), float(options.get("divide", 255))
        self.session = onnxruntime.InferenceSession(str(path), providers=providers())
        self.height, self.width = input_size(self.session, options)
        self.labels, self.only = labels_of(options, self.session), options.get("only")
        if unknown := set(self.only or []) - set(self.labels):
            raise ValueError(f"option only names {sorted(unknown)}, which are not among the labels {self.labels}")
        answer = self.answer(np.zeros((self.height, self.width, 3), np.uint8))
        self.layout = layout_of(answer.shape, len(self.labels), (self.height, self.width), options.get("layout"))
        boxes, _, _ = boxes_scores_classes(answer, self.layout)
        is_relative = boxes.size > 0 and 0 < np.nanmax(boxes) <= 2  # one or two pixels are not a box
        self.unit = np.array([self.width, self.height] * 2) if is_relative else 1

    def answer(self, fitted):
        """Return the model's answer to an RGB picture of its own size."""
        values = cv2.dnn.blobFromImage(fitted, 1 / self.divide, swapRB=self.bgr)
        taken = self.session.get_inputs()[0]
        (answer, *_) = self.session.run(None, {taken.name: values.astype(np.float16 if "float16" in taken.type else np.float32)})
        return np.asarray(answer, np.float32)

    def find(self, picture):
        """Return the objects in an RGB picture, by decreasing confidence."""
        fitted, scale = letterbox(picture, self.height, self.width)
        answer = self.answer(fitted)
        boxes, confidences, classes = boxes_scores_classes(answer, self.layout)
        sure = confidences >= self.min_confidence  # not true for NaN
        boxes, classes, confidences = boxes[sure] * self.unit / scale, classes[sure], confidences[sure]
        self.check(answer.shape, confidences, classes)
        boxes = clipped(boxes, picture)
        if self.layout == "end-to-end":
            kept = np.argsort(-confidences)
        else:
            kept = cv2.dnn.NMSBoxesBatched(boxes, confidences, classes, 0, self.max_overlap)
        objects = [self.describe(boxes[n], int(classes[n]), float(confidences[n])) for n in kept]
        return [obj for obj in objects if self.wanted(obj)]

    def check(self, shape, confidences, classes):
        """Raise ValueError if detections are impossible, because the layout is not that of the model."""
        known = len(self.labels) or np.inf
        wrong = [f"the confidence {number:g}" for number in confidences if number > 1.1]
        wrong += [f"the class {number:g}" for number in classes if number % 1 or not 0 <= number < known]
        if wrong:
            raise ValueError(
                f"the model returned {shape}, read as {self.layout}, with {wrong[0]}; set the option layout "
                f"({', '.join(LAYOUTS)}), or correct option labels, which names {len(self.labels)}"
            )

    def describe(self, box, class_id, confidence):
        """Return a detection as an object of in_meta."""
        left, top, width, height = (round(float(value), 1) for value in box)
        return {
            "class_id": class_id,
            "confidence": round(min(confidence, 1.0), 4),
            "rect_params": {"left": left, "top": top, "width": width, "height": height},
            **({"obj_label": self.labels[class_id]} if self.labels else {}),
        }

    def wanted(self, obj):
        """Return whether an object is wanted: it has a size and, if ``only`` is given, one of those labels."""
        rect = obj["rect_params"]
        return min(rect["width"], rect["height"]) >= 1 and (self.only is None or obj.get("obj_label") in self.only)


def providers():
    """Return the execution providers: a GPU if onnxruntime can use one, and the CPU."""
    return [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in onnxruntime.get_available_providers()]


def letterbox(picture, height, width):
    """Fit a picture into a size without distortion: in the upper left corner, with a border. Return it, and its scale."""
    scale = min(height / picture.shape[0], width / picture.shape[1])
    lines, columns = (max(round(side * scale), 1) for side in picture.shape[:2])
    fitted = np.full((height, width, 3), BORDER, np.uint8)
    cv2.resize(picture, (columns, lines), fitted[:lines, :columns])
    return fitted, scale


def layout_of(shape, labels, size, wanted):
    """Return the layout of an output, for a number of labels (0: unknown), pictures of a size (height, width) and the option."""
    if wanted is not None and wanted not in LAYOUTS:
        raise ValueError(f"option layout is {wanted!r}, but must be one of {', '.join(LAYOUTS)}")
    if len(shape) != 3 or shape[0] != 1:
        raise ValueError(f"the first output of the model is {shape}, but must be one of {described(LAYOUTS)}; export it so")
    classes = {"yolov8": shape[1] - 4, "yolov8-transposed": shape[2] - 4, "yolov5": shape[2] - 5}
    possible = [name for name, count in classes.items() if count > 0 and (labels or wanted or is_longer(name, shape))]
    fitting = [name for name in possible if classes[name] == labels or not labels]
    fitting += ["end-to-end"] * (shape[2] == 6)
    if wanted in fitting:
        return wanted
    if wanted or not fitting:
        counts = ", ".join(f"{classes[name]} classes as {name}" for name in possible if wanted in (name, None))
        known = f", and option labels names {labels}" if counts and labels else ""
        raise ValueError(
            f"the model returned {shape}: {counts or f'it must be {described([wanted] if wanted else LAYOUTS)}'}{known}"
        )
    likely = [name for name in fitting if is_likely(name, shape[1], places(*size))] if len(fitting) > 1 else fitting
    if len(likely) != 1:
        raise ValueError(
            f"the model returned {shape}, which can be {described(likely or fitting)}; set the option layout"
            f"{'' if labels else ', or give option labels'}"
        )
    return likely[0]


def described(names):
    """Return layouts with their shapes, for a message."""
    return " or ".join(f"{name} {LAYOUTS[name]}" for name in names)


def is_longer(name, shape):
    """Return whether there are more boxes than numbers for each, which is true if the classes are not known."""
    return shape[2] > shape[1] if name == "yolov8" else shape[1] > shape[2]


def places(height, width):
    """Return the possible numbers of boxes of a model that has one for each place of a picture, in three or four scales."""
    of_scale = {step: -(-height // step) * -(-width // step) for step in (4, 8, 16, 32, 64)}
    three = of_scale[8] + of_scale[16] + of_scale[32]
    return {three, three + of_scale[64], three + of_scale[4]}


def is_likely(name, boxes, places):
    """Return whether a model of that layout has this number of boxes: a multiple of the places, unless it keeps only the best."""
    one, three = boxes in places, boxes / 3 in places
    return {"end-to-end": not (one or three), "yolov5": one or three, "yolov8-transposed": not three, "yolov8": True}[name]


def boxes_scores_classes(answer, layout):
    """Return boxes (n, 4), as left, top, right, bottom; the score of each, and its class."""
    rows = answer[0].T if layout == "yolov8" else answer[0]
    if layout == "end-to-end":
        return rows[:, :4], rows[:, 4], rows[:, 5]
    scores = rows[:, 4:5] * rows[:, 5:] if layout == "yolov5" else rows[:, 4:]
    half = rows[:, 2:4] / 2
    return np.hstack([rows[:, :2] - half, rows[:, :2] + half]), scores.max(axis=1), scores.argmax(axis=1)


def clipped(corners, picture):
    """Return (left, top, width, height) of the parts of boxes inside the picture."""
    height, width = picture.shape[:2]
    corners = np.clip(corners, 0, [width, height, width, height])
    return np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])


def input_size(session, options):
    """Return height and width of the model's pictures: its own, or those of the option if it accepts several."""
    shape = session.get_inputs()[0].shape
    if len(shape) != 4 or shape[1] != 3:
        raise ValueError(f"the model takes {shape}, but a picture (1, 3, height, width) is expected")
    size = options.get("size", 640)
    wanted = [size, size] if isinstance(size, int) else size
    return [own if isinstance(own, int) else int(wanted) for own, wanted in zip(shape[2:], wanted, strict=True)]


def labels_of(options, session):
    """Return the names of the classes, from a list, a file, or the model itself; the list may be empty."""
    labels = options.get("labels")
    if labels is None:
        try:  # Ultralytics writes {0: 'person', 1: 'car'}
            return list(ast.literal_eval(session.get_modelmeta().custom_metadata_map["names"]).values())
        except (KeyError, ValueError, SyntaxError, AttributeError):
            return []
    return labels if isinstance(labels, list) else needed_file(options, "labels").read_text(encoding="utf-8-sig").splitlines()


def needed_file(options, name):
    """Return the path in an option. Raises ValueError or FileNotFoundError if it is missing."""
    if not options.get(name):
        raise ValueError(f'option {name} is missing: --options \'{{"{name}": "path/of/the/file", ...}}\'')
    path = Path(options[name])
    if not path.is_file():
        raise FileNotFoundError(f"option {name}: there is no file {path.absolute()}")
    return path
