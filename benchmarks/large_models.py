"""What large models cost against their bytes: `python -m benchmarks.large_models [NAME ...]`.

The yardstick is a program that reads the ONNX files, hashes them, writes as many bytes as the artifact holds into files
of the same sizes, has them reach the disk, and makes the two digests of a manifest of them once. Both are whole
processes; `cpu` is processor time, which other programs stretch less than the time on the clock.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.processes import run

MB = 1e6
YARDSTICK = """
import hashlib, json, os, pathlib, sys
sources, sizes = json.loads(sys.argv[1])
for source in sources:
    digest = hashlib.sha256()
    with open(source, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
pieces = memoryview(bytes(1 << 20))
for index, size_bytes in enumerate(sizes):
    digest, integrity = hashlib.sha256(), hashlib.sha384()
    with open(f"{sys.argv[2]}/{index}", "wb") as file:
        for start in range(0, size_bytes, 1 << 20):
            piece = pieces[: size_bytes - start]
            digest.update(piece)
            integrity.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
"""


def resnet_50(file: Path) -> None:
    """Bottleneck blocks as in ResNet-50, batch norms included: 26 million weights."""
    build = _Builder("image", ["batch", 3, 224, 224])
    value = build.conv("image", 3, 64, 7, stride=2)
    value = build.node("MaxPool", [value], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for stage, n_blocks in enumerate((3, 4, 6, 3)):
        width = 64 << stage
        for block in range(n_blocks):
            stride = 2 if stage and not block else 1
            inner = build.conv(value, channels, width, 1)
            inner = build.conv(inner, width, width, 3, stride=stride)
            inner = build.conv(inner, width, 4 * width, 1, relu=False)
            beside = value if block else build.conv(value, channels, 4 * width, 1, stride=stride, relu=False)
            value, channels = build.node("Relu", [build.node("Add", [inner, beside])]), 4 * width
    value = build.node("Flatten", [build.node("GlobalAveragePool", [value])])
    value = build.node("Gemm", [value, build.weight(1000, channels), build.weight(1000)], transB=1)
    build.save(file, value, ["batch", 1000])


def dense_600mb(file: Path) -> None:
    """Ten products of 4096 by 3662: 600 MB of weights."""
    _dense(file, width=4096, inner=3662, n_layers=5)


def dense_2gb(file: Path) -> None:
    """Products of 8192 by 8192, 2.1 GB of weights in a file beside the model."""
    _dense(file, width=8192, inner=8192, n_layers=4, is_external=True)


def nodes_5000(file: Path) -> None:
    """A chain of 5,000 nodes."""
    _chain(file, 5_000)


def nodes_20000(file: Path) -> None:
    """A chain of 20,000 nodes."""
    _chain(file, 20_000)


MODELS: dict[str, Callable[[Path], None]] = {
    "resnet-50": resnet_50,
    "dense-600mb": dense_600mb,
    "dense-2gb": dense_2gb,
    "nodes-5000": nodes_5000,
    "nodes-20000": nodes_20000,
}


class _Builder:
    """Nodes and random weights of an ONNX graph."""

    def __init__(self, name: str, shape: Sequence[int | str]) -> None:
        self.input = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._rng = np.random.default_rng(0)

    def node(self, op: str, inputs: Sequence[str], **attrs: Any) -> str:
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], name=f"{op}_{len(self.nodes)}", **attrs))
        return output

    def weight(self, *shape: int) -> str:
        values = self._rng.random(shape, np.float32)
        values *= 0.1
        self.weights.append(numpy_helper.from_array(values, f"w{len(self.weights)}"))
        return self.weights[-1].name

    def conv(self, value: str, inner: int, outer: int, size: int, *, stride: int = 1, relu: bool = True) -> str:
        pads = [size // 2] * 4
        value = self.node("Conv", [value, self.weight(outer, inner, size, size)], strides=[stride] * 2, pads=pads)
        value = self.node("BatchNormalization", [value, *(self.weight(outer) for _ in range(4))])
        return self.node("Relu", [value]) if relu else value

    def save(self, file: Path, output: str, shape: Sequence[int | str], *, is_external: bool = False) -> None:
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, "large", [self.input], [result], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        onnx.save(model, file, save_as_external_data=is_external, location=f"{file.name}.data")


def _dense(file: Path, *, width: int, inner: int, n_layers: int, is_external: bool = False) -> None:
    build = _Builder("x", ["batch", width])
    value = "x"
    for _ in range(n_layers):
        value = build.node("Relu", [build.node("MatMul", [value, build.weight(width, inner)])])
        value = build.node("Gemm", [value, build.weight(width, inner), build.weight(width)], transB=1)
    build.save(file, value, ["batch", width], is_external=is_external)


def _chain(file: Path, n_nodes: int) -> None:
    build = _Builder("x", ["batch", 16])
    value = "x"
    while len(build.nodes) < n_nodes:
        sides = [build.node("Sigmoid", [value]), build.node("Mul", [value, build.weight(16)])]
        value = build.node("Tanh", [build.node("Add", sides)])
    build.save(file, value, ["batch", 16])


def taken(command: Sequence[str]) -> dict[str, float]:
    """What a program took; units: seconds, and bytes at the peak, files that it mapped included.

    Raises: SystemExit if it fails.
    """
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    took = run(command, environment=environment)
    if took.status:
        raise SystemExit(f"ended with status {took.status}: {' '.join(command)}")
    return asdict(took)


def measured(name: str, n_runs: int) -> dict[str, Any]:
    """What converting a model takes beside the yardstick, the least of some runs in turn."""
    with tempfile.TemporaryDirectory(prefix="large-") as folder:
        model, artifacts = Path(folder, f"{name}.onnx"), Path(folder, "artifacts")
        subprocess.run([sys.executable, "-m", "benchmarks.large_models", "--make", name, str(model)], check=True)
        command = [sys.executable, "-m", "converter", "convert", str(model), "--no-verify", "--quiet"]
        converting: list[dict[str, float]] = []
        bare: list[dict[str, float]] = []
        for index in range(n_runs):
            converting.append(taken([*command, "--artifacts", str(artifacts), "--version", f"{index}.0.0"]))
            files = [file for file in (artifacts / name / f"{index}.0.0").rglob("*") if file.is_file()]
            sizes = [file.stat().st_size for file in files]
            sources = [str(file) for file in Path(folder).glob("*.onnx*")]
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                bare.append(taken([sys.executable, "-c", YARDSTICK, json.dumps([sources, sizes]), scratch]))
            for file in files:
                file.unlink()
        weights_mb = sum(file.stat().st_size for file in Path(folder).glob("*.onnx*")) / MB
    return {"model": name, "source_mb": weights_mb, "artifact_mb": sum(sizes) / MB} | _row(converting, bare)


def _row(converting: Sequence[dict[str, float]], bare: Sequence[dict[str, float]]) -> dict[str, float]:
    least = {key: min(one[key] for one in converting) for key in converting[0]}
    yardstick = {key: min(one[key] for one in bare) for key in bare[0]}
    return {
        "convert_wall_s": least["wall_s"],
        "bare_wall_s": yardstick["wall_s"],
        "wall_ratio": least["wall_s"] / yardstick["wall_s"],
        "convert_cpu_s": least["cpu_s"],
        "bare_cpu_s": yardstick["cpu_s"],
        "cpu_ratio": least["cpu_s"] / yardstick["cpu_s"],
        "peak_mb": least["peak_bytes"] / MB,
    }


def main(arguments: Sequence[str]) -> None:
    """Print a row of JSON for each model."""
    if arguments[:1] == ["--make"]:
        MODELS[arguments[1]](Path(arguments[2]))
        return
    for name in arguments or MODELS:
        row = measured(name, n_runs=3)
        print(json.dumps({key: value if isinstance(value, str) else round(value, 2) for key, value in row.items()}))


if __name__ == "__main__":
    main(sys.argv[1:])
