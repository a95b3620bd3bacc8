"""A problem for a runtime: one ONNX node, its inputs, and what may differ."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from converter.onnx_model.contributed import VERSION, register

register()  # cases are made without a file that would ask for it

Dims = Sequence[int | str | None]


@dataclass(frozen=True, eq=False)
class Case:
    """One ONNX node as a model of its own.

    `inputs` maps each operand, in order, to a shape (seeded float32 values in [-1, 1]) or to an array; an operand that
    the node skips is named by blanks. Those in `constants` become initializers. `declared` gives an input other dims
    than its array has: names for dynamic ones. `outputs` gives the ONNX element type of each output (blanks skip one).
    `domain` is that of the operator; `opset` is of ONNX's own in any case.
    `reference` is what decides: onnxruntime; ONNX's own evaluator where onnxruntime has no kernel; where neither has
    one, a function of the operands.
    """

    id: str
    op: str
    inputs: Mapping[str, tuple[int, ...] | np.ndarray]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    opset: int = 18
    constants: Sequence[str] = ()
    declared: Mapping[str, Dims] = field(default_factory=dict)
    outputs: Mapping[str, int] = field(default_factory=lambda: {"Y": TensorProto.FLOAT})
    atol: float = 1e-5
    rtol: float = 1e-4
    reference: str | Callable[..., np.ndarray] = "onnxruntime"
    domain: str = ""

    def arrays(self) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(crc32(self.id.encode()))
        values = {}
        for name, value in self.inputs.items():
            if name.strip():
                drawn = rng.uniform(-1, 1, value).astype(np.float32) if isinstance(value, tuple) else np.asarray(value)
                values[name] = drawn
        return values

    def feed(self) -> dict[str, np.ndarray]:
        return {name: array for name, array in self.arrays().items() if name not in self.constants}

    def model(self) -> onnx.ModelProto:
        arrays = self.arrays()
        names = [list(map(str.strip, side)) for side in (self.inputs, self.outputs)]
        node = helper.make_node(self.op, *names, name="case", domain=self.domain, **self.attrs)
        graph = helper.make_graph(
            [node],
            "case",
            [self._input(name, array) for name, array in arrays.items() if name not in self.constants],
            [helper.make_tensor_value_info(name, code, None) for name, code in self.outputs.items() if name.strip()],
            [numpy_helper.from_array(arrays[name], name) for name in self.constants],
        )
        ir_version = 8 if self.opset <= 18 else 10
        opsets = [helper.make_opsetid("", self.opset)]
        if self.domain:
            opsets.append(helper.make_opsetid(self.domain, VERSION))
        return shape_inference.infer_shapes(
            helper.make_model(graph, opset_imports=opsets, ir_version=ir_version), data_prop=True
        )

    def _input(self, name: str, array: np.ndarray) -> onnx.ValueInfoProto:
        code = helper.np_dtype_to_tensor_dtype(array.dtype)
        return helper.make_tensor_value_info(name, code, list(self.declared.get(name, array.shape)))
