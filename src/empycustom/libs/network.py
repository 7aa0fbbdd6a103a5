"""A network in an ONNX file that takes pictures: its session, what its metadata says, and several pictures in one call."""

from __future__ import annotations

import ast
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from empycustom import Option
from empycustom.libs.batching import Batcher
from empycustom.libs.shapes import Array
from empycustom.text import syntax_tree

PROVIDERS = {  # by name: what onnxruntime calls it, and the package that has it
    "cpu": ("CPUExecutionProvider", "onnxruntime"),
    "cuda": ("CUDAExecutionProvider", "onnxruntime-gpu"),
    "tensorrt": ("TensorrtExecutionProvider", "onnxruntime-gpu, and NVIDIA's TensorRT"),
    "openvino": ("OpenVINOExecutionProvider", "onnxruntime-openvino"),
}
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
OPTIONS = {  # of every library that runs one; all of them are needed to load it
    "model": Option("", "the ONNX file; a path is relative to the working directory", required=True),
    "labels": Option(None, "names of the classes: a list, or a text file with one a line; null: those in the model"),
    "size": Option([], "of the input, [height, width], where the model takes any"),
    "providers": Option(["cpu"], "what computes, in the order of preference: cpu, cuda, tensorrt, openvino"),
    "threads": Option(1, "of the CPU; 0: as many as there are cores", limits=(0, 1024)),
    "batch": Option(0, "most pictures in one call, where the model takes any number; 0: 8 on a GPU, else 1", limits=(0, 256)),
}
_OF_A_GPU = 8
_log = logging.getLogger(__name__)


class Network:
    """A network. ``run`` may be called by several threads at once.

    ``size`` is height and width of its input, ``labels`` are the names of its classes, ``metadata`` is what the file says,
    ``shapes`` are those of its outputs, for one picture. ``most``: so many pictures go into one call.
    """

    def __init__(self, options: Mapping[str, Any], *, size: int) -> None:
        self._session = _session(options)
        self.metadata = _metadata(self._session)
        self._input = _input_of(self._session)
        self._type = TYPES[self._input.type]
        self._has_colours_last = self._input.shape[1] != 3
        sides = self._input.shape[1:3] if self._has_colours_last else self._input.shape[2:]
        self.size = _size_of(sides, self.metadata, options["size"], size)
        self.labels = _labels(options["labels"], self.metadata)
        fixed = self._input.shape[0]
        self._fixed = fixed if isinstance(fixed, int) else 0
        self.most = self._fixed or 1
        self.shapes = tuple(each.shape for each in self.run([self.blank])[0])
        wanted = options["batch"] or (1 if options["providers"] == ["cpu"] else _OF_A_GPU)
        if not self._fixed and wanted > 1 and self._takes_two():
            self.most = wanted
        self._batcher = Batcher(self._called, self.most, _calls_at_once(options)) if self.most > 1 else None

    @property
    def takes_bytes(self) -> bool:
        """True if it takes colours as whole numbers, as pictures have them."""
        return bool(self._type == np.uint8)

    @property
    def outputs(self) -> list[str]:
        """The names of its outputs."""
        return [each.name for each in self._session.get_outputs()]

    @property
    def blank(self) -> Array:
        """A picture as ``run`` takes it."""
        return np.zeros((*self.size, 3) if self._has_colours_last else (3, *self.size), self._type)

    def prepared(self, picture: Array, *, bgr: bool = False, scale: float = 1 / 255, mean: Any = None, std: Any = None) -> Array:
        """Return an RGB picture of the size of the input as ``run`` takes it, its values as ``(value * scale - mean) / std``.

        ``mean`` and ``std`` are three numbers, or None. A network that takes whole numbers gets them as they are.
        """
        colours = picture[..., ::-1] if bgr else picture
        planes = np.ascontiguousarray(colours if self._has_colours_last else colours.transpose(2, 0, 1))
        if self.takes_bytes:
            return planes
        values = planes.astype(np.float32) * np.float32(scale)
        if mean and std:
            across = (3,) if self._has_colours_last else (3, 1, 1)
            values = (values - np.array(mean, np.float32).reshape(across)) / np.array(std, np.float32).reshape(across)
        typed: Array = values.astype(self._type, copy=False)
        return typed

    def run(self, pictures: Sequence[Array]) -> list[list[Array]]:
        """Return for each prepared picture the outputs of the network, with a first axis of 1; numbers are float32.

        Pictures of other threads that wait go into the same call.
        """
        call: Callable[[Sequence[Array]], list[list[Array]]] = getattr(self, "_batcher", None) or self._called
        found: list[list[Array]] = []
        for first in range(0, len(pictures), self.most):
            found += call(pictures[first : first + self.most])
        return found

    def _called(self, pictures: Sequence[Array]) -> list[list[Array]]:
        """Return the outputs for pictures that go into one call; an input for more is filled up."""
        blanks = [self.blank] * (self._fixed - len(pictures))
        given: dict[str, Array] = {self._input.name: np.stack([*pictures, *blanks])}
        count = len(pictures) + len(blanks)
        for other in self._session.get_inputs():
            if other.name == "orig_target_sizes":
                given[other.name] = np.array([self.size[::-1]] * count, np.int64)
        outputs = self._session.run(None, given)
        if count > 1 and any(each.shape[:1] != (count,) for each in outputs):
            shapes = " and ".join(str(each.shape) for each in outputs)
            raise ValueError(f"the model returned {shapes} for {count} pictures, and not something for each of them")
        typed = [each.astype(np.float32) if each.dtype == np.float16 else each for each in outputs]
        return [typed if count == 1 else [each[n : n + 1] for each in typed] for n in range(len(pictures))]

    def _takes_two(self) -> bool:
        """Return whether a call may have several pictures, and not only the declaration of the input says so."""
        try:
            self._called([self.blank] * 2)
        except Exception as error:  # noqa: BLE001 - onnxruntime has many kinds
            _log.warning("pictures go to the model one by one, because it fails with two: %s", str(error).splitlines()[0])
            return False
        return True


def _calls_at_once(options: Mapping[str, Any]) -> int:
    """Return how many calls may be under way before it is better to put pictures together: on CPUs there is a core for each."""
    threads = options["threads"]
    cores = len(os.sched_getaffinity(0))
    return max(cores // threads, 1) if threads and options["providers"] == ["cpu"] else 1


def _onnxruntime() -> ModuleType:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError('This library needs onnxruntime: pip install "empycustom[libs]"') from error
    module: ModuleType = onnxruntime
    return module


def _session(options: Mapping[str, Any]) -> Any:
    """Return the session of the model. Raises ValueError or FileNotFoundError where the options are wrong."""
    onnxruntime = _onnxruntime()
    path = needed_file("model", options["model"])
    known = onnxruntime.get_available_providers()
    for name in options["providers"]:
        if name not in PROVIDERS:
            raise ValueError(f"the option providers has {name!r}, but there are {', '.join(PROVIDERS)}")
        if PROVIDERS[name][0] not in known:
            raise ValueError(f"the provider {name} is not in this onnxruntime: install {PROVIDERS[name][1]} in its place")
    how = onnxruntime.SessionOptions()
    how.intra_op_num_threads = how.inter_op_num_threads = options["threads"]
    wanted = [PROVIDERS[name][0] for name in options["providers"]]
    try:
        session = onnxruntime.InferenceSession(str(path), how, providers=wanted)
    except Exception as error:  # onnxruntime has many kinds
        why = str(error).partition("\n")[0]
        raise ValueError(f"the option model: {path.absolute()} is not an ONNX file that onnxruntime can load: {why}") from error
    if missing := [name for name in options["providers"] if PROVIDERS[name][0] not in session.get_providers()]:
        raise RuntimeError(f"onnxruntime could not start the provider {missing[0]}, for the reason that it has printed")
    return session


def _metadata(session: Any) -> dict[str, Any]:
    """Return the metadata of a model, as Ultralytics writes it: values are Python's, or texts."""
    return {key: _literal(text) for key, text in session.get_modelmeta().custom_metadata_map.items()}


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(syntax_tree(text.strip(), mode="eval"))
    except (ValueError, SyntaxError):
        return text


def _input_of(session: Any) -> Any:
    """Return the input of a model that takes pictures."""
    taken, *others = session.get_inputs()
    strange = [each.name for each in others if each.name != "orig_target_sizes"]
    if strange or len(taken.shape) != 4 or 3 not in (taken.shape[1], taken.shape[3]):
        raise ValueError(
            f"the model takes {', '.join(f'{each.name} {each.shape}' for each in session.get_inputs())}, but pictures "
            "(n, 3, height, width) or (n, height, width, 3) are expected: export it so"
        )
    if taken.type not in TYPES:
        raise ValueError(f"the input of the model is a {taken.type}, but it has to be one of {', '.join(TYPES)}")
    return taken


def _size_of(sides: list[Any], metadata: Mapping[str, Any], wanted: list[Any], otherwise: int) -> tuple[int, int]:
    """Return height and width of the input: fixed ones, else those of the option, of the metadata, or ``otherwise``.

    Raises ValueError, also where it is to be ``otherwise``, and that is 0.
    """
    if wanted and (len(wanted) != 2 or not all(isinstance(each, int) and each >= 1 for each in wanted)):
        raise ValueError(f"the option size has to be [height, width], whole numbers, not {wanted}")
    own = [side if isinstance(side, int) else None for side in sides]
    for fixed, side in zip(own, wanted, strict=False):
        if fixed not in (None, side):
            raise ValueError(f"the option size is {wanted}, but the model takes {sides[0]} rows and {sides[1]} columns")
    said = wanted or metadata.get("imgsz") or [otherwise] * 2
    if not isinstance(said, (list, tuple)) or len(said) != 2 or not all(isinstance(each, (int, float)) for each in said):
        raise ValueError(f"imgsz in the metadata of the model has to be [height, width], not {said!r}: set the option size")
    height, width = (fixed or int(side) for fixed, side in zip(own, said, strict=True))
    if not height or not width:
        raise ValueError("the model takes pictures of any size: set the option size to the [height, width] of its training")
    return height, width


def _labels(given: Any, metadata: Mapping[str, Any]) -> list[str]:
    """Return the names of the classes: a list, those in a file, or those in the metadata; [] where there are none."""
    if isinstance(given, list):
        return [str(each) for each in given]
    if given:
        return needed_file("labels", given).read_text(encoding="utf-8-sig").splitlines()
    names = metadata.get("names") or []
    return [str(each) for each in (names.values() if isinstance(names, dict) else names)] if not isinstance(names, str) else []


def needed_file(option: str, given: Any) -> Path:
    """Return the path that an option has. Raises ValueError where it is not set, FileNotFoundError where there is no file."""
    if not given:
        raise ValueError(f"the option {option} is missing: it is the path of a file")
    path = Path(str(given))
    if not path.is_file():
        raise FileNotFoundError(f"the option {option}: there is no file {path.absolute()}")
    return path
