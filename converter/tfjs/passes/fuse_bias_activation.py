"""Joins a convolution or matrix product with the bias and the activation that follow it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from converter.tfjs.discontinuity import are_integers
from converter.tfjs.graph import Attr, Graph, Node, Ref
from converter.tfjs.rewrite import Rewrite, rewrite

_FUSED = {
    "BatchMatMulV2": "_FusedMatMul",
    "Conv2D": "_FusedConv2D",
    "DepthwiseConv2dNative": "FusedDepthwiseConv2dNative",
    "MatMul": "_FusedMatMul",
}
_ACTIVATIONS = ("Elu", "LeakyRelu", "Prelu", "Relu", "Relu6", "Sigmoid")
_ATTRS = {
    "_FusedConv2D": ("strides", "padding", "explicit_paddings", "data_format", "dilations"),
    "FusedDepthwiseConv2dNative": ("strides", "padding", "explicit_paddings", "data_format", "dilations"),
    "_FusedMatMul": ("transpose_a", "transpose_b"),
}
_LARGEST_WEIGHT, _LARGEST_BIAS = 2**9, 2**23  # of a product of integers in float32
_RENAMED = {"adj_x": "transpose_a", "adj_y": "transpose_b"}


@dataclass(frozen=True)
class _Product:
    """A product, and the bias that has joined it."""

    node: Node
    bias: Ref | np.ndarray | None
    last: Node


def fuse_bias_activation(graph: Graph) -> Graph:
    """The graph with `_FusedConv2D`, `FusedDepthwiseConv2dNative` and `_FusedMatMul` for all that they do at once."""
    return rewrite(graph, lambda rw: _Fusing(rw).visit)


class _Fusing:
    """Keeps products back as long as what reads them may join them."""

    def __init__(self, rw: Rewrite) -> None:
        self.rw = rw
        self.kept: dict[Ref, _Product] = {}
        self.joined: dict[Ref, tuple[_Product, ...]] = {}

    def visit(self, node: Node) -> bool:
        if node.op == "ConcatV2":
            return self._join(node)
        if node.op in _FUSED:
            return self._is_fusible(node) and self._keep(_Product(node, None, node))
        if node.op in ("AddV2", "BiasAdd"):
            return self._add_bias(node)
        return node.op in _ACTIVATIONS and self._activate(node)

    def _is_fusible(self, node: Node) -> bool:
        """Whether the fused op is right on every backend.

        _FusedMatMul of wasm adds the wrong element of the bias from the second row on, unless it runs one plain product
        of two matrices (probed; its path without XNNPACK clamps the index into the bias).
        """
        if node.outputs[0].dtype != "float32" or _depth(node) is None:
            return False
        if _FUSED[node.op] != "_FusedMatMul":
            return True
        shapes = [self.rw.old_type(ref).shape for ref in node.inputs]
        is_plain = not any(node.attrs.get(name) for name in ("adj_x", "adj_y", "transpose_a", "transpose_b"))
        return is_plain and all(shape is not None and set(shape[:-2]) <= {1} for shape in shapes)

    def _keep(self, product: _Product) -> bool:
        old = Ref(product.last.name)
        if len(self.rw.readers(old)) == 1:
            self.kept[old] = product
        self.rw.bind_lazily(old, lambda: self._emit(product, product.last, None))
        return True

    def _add_bias(self, node: Node) -> bool:
        for side in (0, 1):
            product, other = self.kept.get(node.inputs[side]), node.inputs[1 - side]
            array = self.rw.known(other)
            if product is None or product.bias is not None or array is None:
                continue
            if self.rw.must_stay_exact(node) and not self._adds_integers(product, array):
                continue
            depth = _depth(product.node) or 0
            if array.shape == (depth,):
                return self._keep(replace(product, bias=other, last=node))
            if (
                array.ndim <= (product.node.outputs[0].rank or 0)
                and array.shape[-1:] == (depth,)
                and array.size == depth
            ):
                return self._keep(replace(product, bias=array.reshape(depth), last=node))
        return False

    def _adds_integers(self, product: _Product, bias: np.ndarray) -> bool:
        """Return whether it makes no difference that a kernel starts its sums with the bias.

        It does not for 8-bit integers whose sums stay below 2 ** 24, as those of quantized models do.
        """
        filters = self.rw.known(product.node.inputs[1])
        return filters is not None and are_integers(filters, _LARGEST_WEIGHT) and are_integers(bias, _LARGEST_BIAS)

    def _join(self, node: Node) -> bool:
        """Products side by side in the channels: what activates them all activates each."""
        axis, rank, readers = self.rw.known(node.inputs[-1]), node.outputs[0].rank, self.rw.readers(Ref(node.name))
        parts = tuple(self.kept[ref] for ref in node.inputs[:-1] if ref in self.kept)
        is_whole = len(parts) == len(node.inputs) - 1 and all(part.bias is not None for part in parts)
        if axis is None or rank is None or not is_whole or len(readers) != 1:
            return False
        self.joined[Ref(node.name)] = parts
        self.rw.bind_lazily(Ref(node.name), lambda: self._emit_joined(node, node, self.rw.operands(node)[:-1]))
        return True

    def _emit_joined(self, node: Node, name: Node, parts: Sequence[Ref]) -> Ref:
        return self.rw.emit("ConcatV2", *parts, self.rw.operand(node, len(parts)), name=name, **node.attrs)

    def _activate(self, node: Node) -> bool:
        if (parts := self.joined.get(node.inputs[0])) is not None and node.op != "Prelu":
            if any(not _can_activate(part, node) for part in parts):
                return False
            activated = [self._emit(part, f"{part.last.name}/{node.op}", node) for part in parts]
            joined = self.rw.source.nodes[node.inputs[0].node]
            return self.rw.forward(node, self._emit_joined(joined, node, activated))
        product = self.kept.get(node.inputs[0])
        if product is None or not _can_activate(product, node):
            return False
        if node.op == "Prelu":
            alpha = self.rw.known(node.inputs[1])
            if alpha is None or alpha.size != _depth(product.node) or alpha.shape[-1] != alpha.size:
                return False
        return self.rw.forward(node, self._emit(product, node, node))

    def _emit(self, product: _Product, name: Node | str, activation: Node | None) -> Ref:
        node = product.node
        if product.bias is None and activation is None:
            return self.rw.emit(node.op, *self.rw.operands(node), name=name, **node.attrs)
        fused_ops = ["BiasAdd"] + ([] if activation is None else [activation.op])
        arguments = [self._bias(product)]
        attrs = self._attrs(node)
        if activation is not None and activation.op == "Prelu":
            arguments.append(self._alpha(activation))
        if activation is not None and activation.op == "LeakyRelu":
            attrs["leakyrelu_alpha"] = activation.attrs.get("alpha", 0.2)
        operands = (*self.rw.operands(node), *arguments)
        attrs.update(fused_ops=fused_ops, num_args=len(arguments))
        return self.rw.emit(_FUSED[node.op], *operands, name=name, **attrs)

    def _attrs(self, node: Node) -> dict[str, Attr]:
        taken = _ATTRS[_FUSED[node.op]]
        named = {_RENAMED.get(name, name): value for name, value in node.attrs.items()}
        return {name: value for name, value in named.items() if name in taken}

    def _bias(self, product: _Product) -> Ref:
        if isinstance(product.bias, Ref):
            return self.rw.value(product.bias)
        zeros = np.zeros(_depth(product.node) or 0, dtype=np.float32)
        return self.rw.data(zeros if product.bias is None else product.bias, f"{product.last.name}/bias")

    def _alpha(self, node: Node) -> Ref:
        alpha = self.rw.known(node.inputs[1])
        assert alpha is not None
        return self.rw.value(node.inputs[1]) if alpha.ndim == 1 else self.rw.data(alpha.ravel(), f"{node.name}/alpha")


def _can_activate(product: _Product, node: Node) -> bool:
    """Whether the product has the activation on every backend; depthwise, a LeakyRelu loses its slope."""
    return node.op != "LeakyRelu" or _FUSED[product.node.op] != "FusedDepthwiseConv2dNative"


def _depth(node: Node) -> int | None:
    """The number of channels, or columns, of a value."""
    last = node.outputs[0].shape[-1] if node.outputs[0].shape else None
    return last if isinstance(last, int) else None
