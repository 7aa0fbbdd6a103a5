"""Classify each object by a model in PyTorch, with all objects of a frame in one call; frames on a GPU stay there.

    empycustom run street.mp4 --lib examples/people.py \
        --lib examples/torch_classes.py --options '{"model": "model.pt", "labels": ["umbrella", "none"]}' --out meta.jsonl

The model is a TorchScript file, whose input is pictures (n, 3, height, width), and whose output is scores (n, classes). One of
torchvision becomes a file by ``torch.jit.script(model.eval()).save("model.pt")``. For models in ONNX there is the library
``empycustom.libs.classify``; this file shows how frames become tensors: those in NVMM memory (RGBA) without a copy, and those in
system memory, of any format with ``frame.rgb``, such as RGBA, BGRx or RGB.

It needs PyTorch: ``pip install torch``, or Debian's package python3-torch (which warns once about NumPy 2, and works).
"""

import numpy as np
import torch
from torch.nn.functional import interpolate

import empycustom
from empycustom import Option

OPTIONS = {
    "model": Option("", "the TorchScript file"),
    "labels": Option([], "the names of the classes, in the order of the model"),
    "size": Option(224, "width and height of the model's pictures", limits=(1, None), unit="pixels"),
    "device": Option("", 'cpu, cuda or cuda:1; "": cuda, if there is a GPU'),
}
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # ImageNet's, for red, green and blue from 0 to 1


def start(options):
    """Load the model and run it once, so that errors are reported now, and the first frame does not wait."""
    global model, device, mean, std
    device = torch.device(options["device"] or ("cuda" if torch.cuda.is_available() else "cpu"))
    mean, std = (torch.tensor(values, device=device).reshape(1, 3, 1, 1) * 255 for values in (MEAN, STD))
    model = torch.jit.load(options["model"], map_location=device).eval()
    classify([torch.zeros(8, 8, 3, dtype=torch.uint8)], options)


def process_ip(io_buffer, in_meta, options):
    """Return a dict for each object, in their order; ``{}`` adds nothing to an object."""
    objects = in_meta["frame"][0]["object"]
    if not objects:
        return None  # nothing was mapped
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        crops = crops_of(frame, objects, on_gpu=in_meta["buffer"]["memory"] == "NVMM")
        # Inside the block, because a GPU reads the crops later; it has finished when the results are on the CPU.
        results = iter(classify([crop for crop in crops if crop.numel()], options))
    return [next(results) if crop.numel() else {} for crop in crops]


def crops_of(frame, objects, on_gpu):
    """Return the part of each object inside the picture as a tensor (height, width, 3), which may be empty.

    On a GPU they are views of the frame. In system memory they are copies, because views are read-only, which tensors cannot be.
    """
    if on_gpu:
        picture = torch.from_dlpack(frame.rgba)
        return [picture[place(obj)] for obj in objects]
    # Not torch.from_numpy: an older PyTorch does not support NumPy 2, and both support DLPack.
    return [torch.from_dlpack(np.array(frame.rgb[place(obj)])) for obj in objects]


def place(obj):
    """Return rows, columns and colours of an object as slices; slicing cuts off what is outside at the right and the bottom."""
    left, top, width, height = (int(obj["rect_params"][key]) for key in ("left", "top", "width", "height"))
    return slice(max(top, 0), max(top + height, 0)), slice(max(left, 0), max(left + width, 0)), slice(3)


@torch.inference_mode()
def classify(crops, options):
    """Return the label and the confidence of each picture, by one call of the model."""
    if not crops:
        return []
    batch = torch.cat([resized(crop, options["size"]) for crop in crops])
    scores = model((batch - mean) / std).float()
    if scores.shape != (len(crops), len(options["labels"])):
        raise ValueError(f"the model returned {tuple(scores.shape)}, but labels has {len(options['labels'])} names")
    confidences, classes = scores.softmax(dim=1).max(dim=1)
    pairs = zip(classes.tolist(), confidences.tolist(), strict=True)
    return [{"label": options["labels"][number], "confidence": round(confidence, 4)} for number, confidence in pairs]


def resized(crop, size):
    """Return a picture as the model needs it (1, 3, height, width), except for the scale of its values."""
    picture = crop.to(device).permute(2, 0, 1)[None].float()
    return interpolate(picture, (size, size), mode="bilinear", antialias=True, align_corners=False)
