"""Drops the detour of whole numbers through int32, which quantized models take between any two operators.

A float32 that is rounded, shifted and limited is the same number as int32; a layout can move through the operations
that remain, and WebGPU needs no copy of its buffer.
"""

import numpy as np

from converter.tfjs.graph import Graph, Node, Ref
from converter.tfjs.rewrite import Rewrite, rewrite

_ROUNDING = frozenset({"Ceil", "Floor", "Round", "Sign"})
_KEEPING = frozenset({
    "Abs", "AddV2", "ClipByValue", "ConcatV2", "Conv2D", "DepthwiseConv2dNative", "ExpandDims", "Identity", "MatMul",
    "Max", "MaxPool", "Maximum", "Min", "Minimum", "Mul", "Neg", "Relu", "Reshape", "Slice", "Squeeze", "Sub", "Sum",
    "Transpose",
})  # fmt: skip


def whole_numbers(graph: Graph) -> Graph:
    """The graph without casts of whole numbers to int32 whose result is only cast back to float32."""
    return rewrite(graph, lambda rw: _Detours(rw).visit)


class _Detours:
    def __init__(self, rw: Rewrite) -> None:
        self.rw = rw
        self._whole: dict[Ref, bool] = {}

    def visit(self, node: Node) -> bool:
        if node.op != "Cast" or node.outputs[0].dtype != "float32" or self.rw.known(node.inputs[0]) is not None:
            return False
        inner = self.rw.source.nodes[node.inputs[0].node]
        if inner.op != "Cast" or inner.outputs[0].dtype != "int32":
            return False
        source = inner.inputs[0]
        is_detour = self.rw.old_type(source).dtype == "float32" and self._is_whole(source)
        return is_detour and self.rw.forward(node, self.rw.value(source))

    def _is_whole(self, old: Ref) -> bool:
        """Whether a value can only hold whole numbers."""
        if old not in self._whole:
            self._whole[old] = False  # until it is shown
            self._whole[old] = self._prove(old)
        return self._whole[old]

    def _prove(self, old: Ref) -> bool:
        type_, array = self.rw.old_type(old), self.rw.known(old)
        if type_.dtype != "float32":
            return True
        if array is not None:
            return bool(np.all(np.isfinite(array)) and np.all(array == np.rint(array)))
        node = self.rw.source.nodes[old.node]
        if node.op in _ROUNDING or node.op == "Cast":
            return True if node.op in _ROUNDING else self._is_whole(node.inputs[0])
        constants_first = sorted(node.inputs, key=lambda operand: self.rw.known(operand) is None)
        return node.op in _KEEPING and all(map(self._is_whole, constants_first))
