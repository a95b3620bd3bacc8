"""Multiplies the matrices of two small stacks pair by pair, where that is quicker than a product of stacks.

wasm runs a product of two matrices with XNNPACK, and one of stacks with a plain loop (tfjs-backend-wasm,
batch_mat_mul_impl.cc). Source: an attention with its four Linears, medians in turn, pair by pair over stacks, heads x
tokens x depth: 3x197x64 0.47 on wasm and 0.65 on webgl, 8x128x64 0.72 and 0.92. Below `LEAST_WORK` wasm gains and
webgl loses, 3x65x64 0.68 and up to 1.8, or both lose.
"""

from collections.abc import Sequence
from math import prod

from converter.tfjs.graph import Graph, Node, Ref
from converter.tfjs.permute import identity
from converter.tfjs.rewrite import Rewrite, rewrite

MOST_PAIRS = 16  # each is a kernel, and a program that a GPU is handed
LEAST_WORK = 1 << 20  # multiplications for one pair; a GPU is handed a smaller one in more time than it takes
_HEADS = (0, 2, 1, 3)  # the permutation between (batch, token, head, depth) and (batch, head, token, depth)
_TURNED_HEADS = (0, 2, 3, 1)  # from the former to (batch, head, depth, token)


def split_stacks(graph: Graph) -> Graph:
    """The graph with SplitV, MatMul for each pair, and ConcatV2 for each BatchMatMulV2 of two such stacks.

    Heads that a Transpose brought forward are cut from the columns instead, and put back there. A Softmax of a product
    takes the rows of all its pairs, as they are joined.
    """
    return rewrite(graph, lambda rw: _Splitting(rw).visit, only=("BatchMatMulV2",))


class _Splitting:
    def __init__(self, rw: Rewrite) -> None:
        self.rw = rw
        self.products: dict[Ref, list[Ref]] = {}

    def visit(self, node: Node) -> bool:
        match node.op:
            case "BatchMatMulV2":
                return self._split(node)
            case "Reshape":
                return self._reshape_once(node)
            case "Softmax":
                return self._is_only_reader(node) and self._softmax_of_rows(node)
            case "Transpose":
                return self._is_only_reader(node) and self._join_columns(node)
        return False

    def _split(self, node: Node) -> bool:
        sizes = _sizes(self.rw, node)
        if sizes is None:
            return False
        n_pairs, n_rows, depth, n_columns = sizes
        one = self._matrices(node, 0, (n_pairs, n_rows, depth), is_turned=bool(node.attrs.get("adj_x")))
        other = self._matrices(node, 1, (n_pairs, depth, n_columns), is_turned=bool(node.attrs.get("adj_y")))
        pairs = zip(one, other, strict=True)
        plain = {"transpose_a": False, "transpose_b": False}
        self.products[Ref(node.name)] = [
            self.rw.emit("MatMul", a, b, name=f"{node.name}/pair", **plain) for a, b in pairs
        ]
        self.rw.bind_lazily(Ref(node.name), lambda: self._join_rows(node))
        return True

    def _matrices(self, node: Node, index: int, sizes: tuple[int, int, int], *, is_turned: bool) -> Sequence[Ref]:
        """The matrices of a stack.

        Shapes: sizes (matrix, row, column), of what is multiplied; the operand has rows and columns the other way round
                if it is turned.
        """
        n_pairs, n_rows, n_columns = sizes
        path = f"{node.name}/{'ab'[index]}"
        perm, tokens = self._before_heads(node.inputs[index])
        if tokens is not None:
            if is_turned == (perm == _TURNED_HEADS):
                flat = self._reshaped(tokens, (n_rows, n_pairs * n_columns), path)
                return self._cut(flat, [n_columns] * n_pairs, 1, path)
            flat = self._reshaped(tokens, (n_columns, n_pairs * n_rows), path)
            return self._cut(self._turned(flat, path), [n_rows] * n_pairs, 0, path)
        value = self.rw.value(node.inputs[index])
        value = self._turned(value, path) if is_turned else value
        return self._cut(self._reshaped(value, (n_pairs * n_rows, n_columns), path), [n_rows] * n_pairs, 0, path)

    def _turned(self, value: Ref, path: str) -> Ref:
        rank = self.rw.type_of(value).rank or 2
        perm = (*identity(rank - 2), rank - 1, rank - 2)
        return self.rw.emit("Transpose", value, self.rw.param(perm), name=f"{path}/turned")

    def _before_heads(self, old: Ref) -> tuple[tuple[int, ...], Ref | None]:
        """How the heads of a value with one batch were brought forward, and what they were in, if for this alone."""
        mover = self.rw.source.nodes[old.node]
        perm = _permutation_of_heads(self.rw, mover)
        if perm not in (_HEADS, _TURNED_HEADS) or len(self.rw.readers(old)) != 1:
            return (), None
        return perm, self.rw.value(mover.inputs[0])

    def _reshaped(self, value: Ref, shape: tuple[int, int], path: str) -> Ref:
        while (producer := self.rw.graph.nodes[value.node]).op == "Reshape":
            value = producer.inputs[0]
        if self.rw.type_of(value).shape == shape:
            return value
        return self.rw.emit("Reshape", value, self.rw.param(shape), name=f"{path}/flat")

    def _reshape_once(self, node: Node) -> bool:
        """A Reshape of what this pass has put in its last shape already, from where that came."""
        source = self.rw.value(node.inputs[0])
        producer, shape = self.rw.graph.nodes[source.node], _static(node)
        if producer.op != "Reshape" or len(shape) != node.outputs[0].rank:
            return False
        return self.rw.put(node, "Reshape", producer.inputs[0], self.rw.param(shape))

    def _cut(self, flat: Ref, sizes: list[int], axis: int, path: str) -> Sequence[Ref]:
        return self.rw.emit_all("SplitV", flat, self.rw.param(sizes), self.rw.param(axis), name=path)

    def _is_only_reader(self, node: Node) -> bool:
        """Whether a node takes a product that was split, and nothing else does."""
        return node.inputs[0] in self.products and len(self.rw.readers(node.inputs[0])) == 1

    def _rows(self, node: Node) -> Ref:
        parts = self.products[Ref(node.name)]
        return self.rw.emit("ConcatV2", *parts, self.rw.param(0), name=f"{node.name}/rows", N=len(parts))

    def _join_rows(self, node: Node) -> Ref:
        return self.rw.emit("Reshape", self._rows(node), self.rw.param(_static(node)), name=node)

    def _softmax_of_rows(self, node: Node) -> bool:
        rows = self._rows(self.rw.source.nodes[node.inputs[0].node])
        softmax = self.rw.emit("Softmax", rows, name=f"{node.name}/rows")
        return self.rw.put(node, "Reshape", softmax, self.rw.param(_static(node)))

    def _join_columns(self, node: Node) -> bool:
        if _permutation_of_heads(self.rw, node) != _HEADS:
            return False
        parts = self.products[node.inputs[0]]
        joined = self.rw.emit("ConcatV2", *parts, self.rw.param(1), name=f"{node.name}/columns", N=len(parts))
        return self.rw.put(node, "Reshape", joined, self.rw.param(_static(node)))


def _sizes(rw: Rewrite, node: Node) -> tuple[int, int, int, int] | None:
    """The number of pairs, and the rows, depth and columns of each; None if they are not to be split."""
    one, other = (rw.old_type(ref).shape for ref in node.inputs)
    if one is None or other is None or one[:-2] != other[:-2] or any(rw.known(ref) is not None for ref in node.inputs):
        return None
    dims = [dim for dim in (*one, *other) if isinstance(dim, int)]
    if len(dims) != len(one) + len(other):
        return None
    n_rows, depth = dims[len(one) - 2 : len(one)][:: -1 if node.attrs.get("adj_x") else 1]
    n_columns = dims[-2 if node.attrs.get("adj_y") else -1]
    n_pairs = prod(dims[: len(one) - 2])
    is_worth_it = 1 < n_pairs <= MOST_PAIRS and n_rows * depth * n_columns >= LEAST_WORK
    return (n_pairs, n_rows, depth, n_columns) if is_worth_it else None


def _permutation_of_heads(rw: Rewrite, node: Node) -> tuple[int, ...]:
    """How a Transpose moves the axes of one batch; empty for any other node."""
    shape = node.outputs[0].shape
    perm = rw.known(node.inputs[1]) if node.op == "Transpose" and shape is not None and shape[0] == 1 else None
    return () if perm is None else tuple(int(axis) for axis in perm)


def _static(node: Node) -> list[int]:
    return [dim for dim in node.outputs[0].shape or () if isinstance(dim, int)]
