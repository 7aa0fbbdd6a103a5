"""A stand-in for nvinfer, which is in none of the packages: outputs of networks, attached as it attaches them.

It is C (fake_nvinfer.c), compiled under nvinfer's name, or another one's.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nvds

SOURCE = Path(__file__).with_name("fake_nvinfer.c")
WHY_NOT = "" if shutil.which("gcc") else "gcc, which compiles a stand-in for nvinfer, is not installed"
NAME, OTHER = "libnvdsgst_infer.so", "libother.so"
CODES = {"f4": 0, "f2": 1, "i1": 2, "i4": 3, "i8": 4}


class Layer(ctypes.Structure):
    """A NvDsInferLayerInfo."""

    _fields_ = (
        *(("type", ctypes.c_int), ("count", ctypes.c_uint), ("d", ctypes.c_uint * 8), ("elements", ctypes.c_uint)),
        *(("index", ctypes.c_int), ("name", ctypes.c_char_p), ("buffer", ctypes.c_void_p), ("is_input", ctypes.c_int)),
    )


def build(folder: Path, name: str = NAME) -> Path:
    """Compile it in a folder, under a name."""
    libraries = ["-l:libgstreamer-1.0.so.0", f"-L{nvds.FOLDER}", "-l:libnvds_meta.so", f"-Wl,-rpath,{nvds.FOLDER}"]
    subprocess.run(["gcc", "-O2", "-w", "-shared", "-fPIC", "-o", str(folder / name), str(SOURCE), *libraries], check=True)
    return folder / name


class Infer:
    """One network, of a number; ``arrays`` of NumPy are what it says."""

    def __init__(self, path: Path, unique_id: int = 1) -> None:
        self.library, self.unique_id, self.kept = ctypes.CDLL(str(path)), unique_id, []
        self.library.new_output.restype = self.library.memory_of.restype = ctypes.c_void_p
        self.library.new_output.argtypes = (ctypes.c_size_t,)

    @property
    def in_use(self) -> int:
        """So many outputs are held by somebody."""
        return self.library.outputs_in_use()

    @property
    def most_in_use(self) -> int:
        return self.library.most_outputs_in_use()

    def _output(self, arrays: list[Any]) -> tuple[Any, list[int]]:
        """Return an output, and where the arrays lie in it; None has no place."""
        output = ctypes.c_void_p(self.library.new_output(sum(each.nbytes for each in arrays if each is not None)))
        place, places = self.library.memory_of(output), []
        for each in arrays:
            places.append(0 if each is None else place)
            if each is not None:
                ctypes.memmove(place, each.ctypes.data, each.nbytes)
                place += each.nbytes
        return output, places

    def layers(self, arrays: dict[str, Any], **wrong: Any) -> Any:
        """Return the layers of arrays, which live as long as this; ``wrong`` are fields that are otherwise."""
        made = (Layer * len(arrays))()
        for layer, (name, array) in zip(made, arrays.items(), strict=True):
            layer.type, layer.count, layer.elements = CODES[array.dtype.str[1:]], array.ndim, array.size
            layer.d[: array.ndim] = array.shape
            layer.name = name.encode()
            for field, value in wrong.items():
                setattr(layer, field, value)
        self.kept.append(made)
        return made

    def tensors(
        self, batch: int, owner: int, arrays: dict[str, Any], *, layers: Any = None, hosts: Any = None, is_object: bool = False
    ) -> list[int]:
        """Attach tensors to a frame or an object, and return where they lie."""
        output, places = self._output([*arrays.values()])
        hosts = (ctypes.c_void_p * len(places))(*(places if hosts is None else hosts))
        described = self.layers(arrays) if layers is None else layers
        address = ctypes.c_void_p
        self.library.attach_tensors(
            address(batch), address(owner), is_object, output, self.unique_id, len(described), described, hosts
        )
        self.library.done_with(output)
        return places

    def segmentation(
        self, batch: int, frame: int, class_map: Any, probabilities: Any = None, classes: int = 0, size: Any = None
    ) -> list[int]:
        """Attach a map of classes to a frame, and return where it and the probabilities lie."""
        output, places = self._output([class_map, probabilities])
        height, width = size or class_map.shape
        address = ctypes.c_void_p
        self.library.attach_segmentation(
            address(batch), address(frame), output, self.unique_id, classes, width, height, *map(address, places)
        )
        self.library.done_with(output)
        return places
