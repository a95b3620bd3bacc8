"""Sequences and optionals at the border of a model, as the tensors in them: only tensors can enter a TF.js graph."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TypeProto, helper, numpy_helper

from tests.onnx_backend.suite import DataSet, free_inputs


def has_tensors_only(model: onnx.ModelProto) -> bool:
    """Whether everything that enters or leaves the model is a tensor."""
    return all(info.type.HasField("tensor_type") for info in (*model.graph.input, *model.graph.output))


def with_tensors_only(model: onnx.ModelProto, data: DataSet) -> tuple[onnx.ModelProto, DataSet]:
    """The model with nodes around it that make its sequences and optionals of tensors, and take them apart again.

    The tensors of input `x` are the inputs `x/0`, `x/1` …; a sequence leaves as its length and its tensors, an optional
    as whether it has an element, and that element.
    """
    border = _Border()
    for info in free_inputs(model.graph):
        border.enter(info.name, info.type, data.inputs[info.name])
    border.nodes.extend(model.graph.node)
    for info, value in zip(model.graph.output, data.outputs, strict=True):
        border.leave(info.name, info.type, value)
    adapted = onnx.ModelProto()
    adapted.CopyFrom(model)
    for field in ("node", "input", "output"):
        adapted.graph.ClearField(field)
    adapted.graph.node.extend(border.nodes)
    adapted.graph.input.extend(border.inputs)
    adapted.graph.output.extend(border.outputs)
    return adapted, DataSet(border.fed, border.expected)


class _Border:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.fed: dict[str, np.ndarray] = {}
        self.expected: list[np.ndarray] = []

    def enter(self, name: str, type_: TypeProto, value: Any) -> None:
        """Make `name`, of any type, from tensors that enter."""
        match type_.WhichOneof("value"):
            case "tensor_type":
                self.inputs.append(_info(name, value))
                self.fed[name] = value
            case "sequence_type":
                self._enter_sequence(name, type_.sequence_type.elem_type, value)
            case "optional_type":
                self._enter_optional(name, type_.optional_type.elem_type, value)

    def leave(self, name: str, type_: TypeProto, value: Any) -> None:
        """Let `name`, of any type, leave as tensors."""
        match type_.WhichOneof("value"):
            case "tensor_type":
                self.outputs.append(helper.make_tensor_value_info(name, type_.tensor_type.elem_type, None))
                self.expected.append(value)
            case "sequence_type":
                self._leave_sequence(name, type_.sequence_type.elem_type, value)
            case "optional_type":
                self._leave_optional(name, type_.optional_type.elem_type, value)

    def _enter_sequence(self, name: str, element: TypeProto, values: Sequence[Any]) -> None:
        names = [f"{name}/{index}" for index in range(len(values))]
        for part, value in zip(names, values, strict=True):
            self.enter(part, element, value)
        if names:
            self.nodes.append(helper.make_node("SequenceConstruct", names, [name]))
        else:
            self.nodes.append(helper.make_node("SequenceEmpty", [], [name], dtype=element.tensor_type.elem_type))

    def _enter_optional(self, name: str, element: TypeProto, value: Any) -> None:
        if value is None:
            self.nodes.append(helper.make_node("Optional", [], [name], type=element))
        else:
            self.enter(f"{name}/0", element, value)
            self.nodes.append(helper.make_node("Optional", [f"{name}/0"], [name]))

    def _leave_sequence(self, name: str, element: TypeProto, values: Sequence[Any]) -> None:
        self._tell(f"{name}/length", "SequenceLength", name, np.asarray(len(values), np.int64))
        for index, value in enumerate(values):
            at = numpy_helper.from_array(np.asarray(index, np.int64))
            self.nodes.append(helper.make_node("Constant", [], [f"{name}/at{index}"], value=at))
            self.nodes.append(helper.make_node("SequenceAt", [name, f"{name}/at{index}"], [f"{name}/{index}"]))
            self.leave(f"{name}/{index}", element, value)

    def _leave_optional(self, name: str, element: TypeProto, value: Any) -> None:
        self._tell(f"{name}/has", "OptionalHasElement", name, np.asarray(value is not None))
        if value is not None:
            self.nodes.append(helper.make_node("OptionalGetElement", [name], [f"{name}/0"]))
            self.leave(f"{name}/0", element, value)

    def _tell(self, name: str, op: str, about: str, expected: np.ndarray) -> None:
        self.nodes.append(helper.make_node(op, [about], [name]))
        self.outputs.append(_info(name, expected))
        self.expected.append(expected)


def _info(name: str, array: np.ndarray) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
