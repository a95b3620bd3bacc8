"""A problem for a runtime: a graph with sub-graphs, sequences or functions, and several inputs for it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import defs, parser

from converter.runtimes.base import LoadedModel

Feed = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class GraphCase:
    """An ONNX model as text, without its header.

    `left` names the calls that must be in the TF.js graph, those of functions included; empty where everything is
    decided before the graph runs. Outputs that are sequences are compared as `name/0`, `name/1` and so on.
    """

    id: str
    text: str
    feeds: Sequence[Feed]
    left: frozenset[str] = frozenset()
    opset: int = 18
    imports: str = ""
    atol: float = 1e-5
    rtol: float = 1e-4
    reference: str = "onnxruntime"

    def model(self) -> onnx.ModelProto:
        ir_version = 8 if self.opset <= 18 else 10
        head = f'<ir_version: {ir_version}, opset_import: ["" : {self.opset}{self.imports}]>\n'
        return parser.parse_model(head + self.text)

    def versions(self) -> set[tuple[str, int]]:
        """The operators that it has, sub-graphs included, each with the opset in which its semantics began."""
        return {(op, defs.get_schema(op, self.opset, "").since_version) for op in _operators(self.model().graph)}


def _operators(graph: onnx.GraphProto) -> Iterator[str]:
    for node in graph.node:
        if not node.domain:
            yield node.op_type
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _operators(attribute.g)


CONTROL_VERSIONS = (1, 11, 13, 16, 19, 21, 23, 24, 25)  # of If and Loop
OLDEST_OPSET = 7  # onnxruntime runs no older model
IF = frozenset({"StatelessIf"})
WHILE = frozenset({"StatelessWhile"})


def floats(*values: float, shape: tuple[int, ...] | None = None) -> np.ndarray:
    array = np.asarray(values, dtype=np.float32)
    return array if shape is None else array.reshape(shape)


def ramp(*shape: int) -> np.ndarray:
    """Different values of both signs, none of them zero."""
    return (np.arange(np.prod(shape), dtype=np.float32) * 0.5 - 1.3).reshape(shape)


def run_twice(model: LoadedModel, feed: Feed, runtime: str) -> dict[str, np.ndarray]:
    """Return the outputs of a run, having seen that a second one gives the same: the same bits but on WebGPU.

    WebGPU's ScatterNd adds in the order in which its threads come.
    """
    first, second = (model.run(feed).outputs for _ in range(2))
    atol = 1e-5 if runtime.startswith("tfjs-webgpu@") else 0.0
    for name, array in first.items():
        np.testing.assert_allclose(second[name], array, rtol=0, atol=atol, err_msg=f"{name} differs in a second run")
    return first
