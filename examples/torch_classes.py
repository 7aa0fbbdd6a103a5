"""Classify each object by a model in PyTorch, with all objects of a frame in one call.

The model is a TorchScript file. Its input is a batch of pictures (n, 3, height, width), its output a score for each class
(n, classes). A classifier of torchvision becomes one by ``torch.jit.script(model.eval()).save("model.pt")``::

    empycustom run street.mp4 --lib examples/people.py \
        --lib examples/torch_classes.py --options '{"model": "model.pt", "labels": "labels.txt"}' --out meta.jsonl

The result for an object is ``{"label": "umbrella", "confidence": 0.93}``. It runs on a GPU if PyTorch finds one; frames in NVMM
memory (RGBA) stay on the GPU. Frames in system memory may have any format with ``frame.rgb``, such as RGBA, BGRx or RGB. It needs
PyTorch: ``pip install torch``, or Debian's package python3-torch (which warns once about NumPy 2, and works).

Options, of which the first two are required:

``model``
    The TorchScript file; a path is relative to the working directory.
``labels``
    The names of the classes, in the model's order: a list, or a text file with one per line.
``size`` (224)
    Width and height of the model's pictures, or ``[height, width]``.
``mean`` ([0.485, 0.456, 0.406]), ``std`` ([0.229, 0.224, 0.225])
    Red, green and blue, from 0 to 1, become (value - mean) / std. These are ImageNet's.
``device``
    "cpu", "cuda" or "cuda:1"; by default "cuda" if there is a GPU.
``min_confidence`` (0)
    Return nothing for objects with less confidence.
"""

from math import floor
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

import empycustom


def start(options):
    """Load the model and run it once, so that errors are reported now, and the first frame does not wait."""
    global classifier
    classifier = Classifier(options)


def process_ip(io_buffer, in_meta, options):
    """Return a dict for each object, in their order; ``{}`` adds nothing to an object."""
    objects = in_meta["frame"][0]["object"]
    if not objects:
        return None  # nothing was mapped
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        crops = crops_of(frame, objects, on_gpu=in_meta["buffer"]["memory"] == "NVMM")
        # Inside the block, because a GPU reads the crops later; it has finished when the results are on the CPU.
        results = iter(classifier.classify([crop for crop in crops if crop.numel()]))
    return [next(results) if crop.numel() else {} for crop in crops]


def stop(options):
    """Free the memory of the model."""
    global classifier
    classifier = None


def crops_of(frame, objects, on_gpu):
    """Return the part of each object inside the picture as a tensor (height, width, 3), which may be empty.

    On a GPU they are views of the frame. In system memory they are copies, because views are read-only, which tensors cannot be.
    """
    if on_gpu:
        picture = torch.from_dlpack(frame.rgba)
        return [picture[place(obj)] for obj in objects]
    picture = frame.rgb
    # Not torch.from_numpy: an older PyTorch does not support NumPy 2, and both support DLPack.
    return [torch.from_dlpack(np.array(picture[place(obj)])) for obj in objects]


def place(obj):
    """Return rows, columns and colours of an object as slices; slicing cuts off what is outside at the right and the bottom."""
    rect = obj["rect_params"]
    left, top = floor(rect["left"]), floor(rect["top"])
    right, bottom = left + floor(rect["width"]), top + floor(rect["height"])
    return slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0)), slice(3)


class Classifier:
    """The model and its input."""

    def __init__(self, options):
        path, self.labels = needed_file(options, "model"), labels_of(options)
        size = options.get("size", 224)
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.min_confidence = float(options.get("min_confidence", 0))
        self.device = device_of(options)
        # For values from 0 to 255, as in pictures.
        self.mean = self.colours(options.get("mean", [0.485, 0.456, 0.406]))
        self.std = self.colours(options.get("std", [0.229, 0.224, 0.225]))
        self.model = torch.jit.load(str(path), map_location=self.device).eval()
        self.scores([torch.zeros(8, 8, 3, dtype=torch.uint8)])

    def colours(self, values):
        """Return three numbers as a tensor that can be combined with a batch."""
        return torch.tensor(values, dtype=torch.float32, device=self.device).reshape(1, 3, 1, 1) * 255

    def classify(self, crops):
        """Return a dict for each picture, ``{}`` if the confidence is too low."""
        if not crops:
            return []
        confidences, classes = self.scores(crops).max(dim=1)
        pairs = zip(confidences.tolist(), classes.tolist(), strict=True)
        return [{"label": self.labels[n], "confidence": round(c, 4)} if c >= self.min_confidence else {} for c, n in pairs]

    @torch.inference_mode()
    def scores(self, crops):
        """Return the probability of each class (pictures, classes), by one call of the model."""
        batch = torch.cat([self.resized(crop) for crop in crops])
        scores = self.model((batch - self.mean) / self.std)
        expected = (len(crops), len(self.labels))
        if scores.shape != expected:
            raise ValueError(
                f"the model returned {tuple(scores.shape)} for {len(crops)} pictures, but {expected} is expected: as many "
                f"scores as there are labels ({len(self.labels)})"
            )
        return scores.float().softmax(dim=1)

    def resized(self, crop):
        """Return a picture as the model needs it (1, 3, height, width), except for the scale of its values."""
        picture = crop.to(self.device).permute(2, 0, 1)[None].float()
        return interpolate(picture, self.size, mode="bilinear", antialias=True, align_corners=False)


def device_of(options):
    """Return the device for the model."""
    wanted = options.get("device") or ("cuda" if torch.cuda.is_available() else "cpu")
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f'option device: PyTorch {torch.__version__} finds no GPU for {wanted!r}; "cpu" works everywhere')
    return torch.device(wanted)


def labels_of(options):
    """Return the names of the classes, from a list or from a file."""
    if isinstance(options.get("labels"), list):
        return [str(label) for label in options["labels"]]
    return needed_file(options, "labels").read_text(encoding="utf-8-sig").splitlines()


def needed_file(options, name):
    """Return the path in an option. Raises ValueError or FileNotFoundError if it is missing."""
    if not options.get(name):
        raise ValueError(f'option {name} is missing: --options \'{{"{name}": "path/of/the/file", ...}}\'')
    path = Path(options[name])
    if not path.is_file():
        raise FileNotFoundError(f"option {name}: there is no file {path.absolute()}")
    return path
