"""What it may cost to leave a Transpose for later, so that one value read by many is not transposed by each of them."""

from collections.abc import Callable, Sequence

from converter.tfjs.graph import Node, Ref
from converter.tfjs.passes.families import BROADCASTING, UNARY
from converter.tfjs.passes.nhwc_layout.groups import regrouped
from converter.tfjs.permute import Perm, after, dropped, inserted, is_identity, keeps_order
from converter.tfjs.rewrite import Rewrite

MOVABLE = ("float32", "bool")  # int32 only survives a Transpose on every backend below 2^24, as float32
_HORIZON = 40  # operations to look ahead; further on, all is taken to be free
_KEEPING = frozenset(UNARY) | frozenset(BROADCASTING) | {
    "AddN", "BroadcastTo", "ConcatV2", "Cumprod", "Cumsum", "GatherV2", "MirrorPad", "PadV2", "ReverseV2", "Slice",
    "Split", "SplitV", "StridedSlice", "Tile",
}  # fmt: skip
_JOINING = frozenset(BROADCASTING) | {"AddN", "ConcatV2"}
_ALONG_LAST = frozenset({"LogSoftmax", "Prelu", "Softmax"})
_REDUCING = frozenset({"ArgMax", "ArgMin", "Max", "Mean", "Min", "Prod", "Sum"})


class Prices:
    """Numbers of Transposes, as far as can be told before any is made.

    `takes_parts` says whether a Reshape of a value that owes a permutation needs no Transpose though its axes lie
    apart.
    """

    def __init__(self, rw: Rewrite, takes_parts: Callable[[Node, Perm], bool]) -> None:
        self._rw = rw
        self._takes_parts = takes_parts
        self._later: dict[tuple[Ref, Perm], int] = {}
        self._left: dict[Ref, int] = {}
        self._owing = _owing(rw)

    def is_better_now(self, old: Ref, perm: Perm) -> bool:
        """Whether making the Transpose that an old value owes takes less than leaving it to all that read the value."""
        return 1 + self._remaining(old, _HORIZON) < self._of_later(old, perm, _HORIZON)

    def _of_later(self, old: Ref, perm: Perm, horizon: int) -> int:
        """How many Transposes the readers of a value that owes `perm` may need; a shared one counts once."""
        if is_identity(perm) or keeps_order(self._rw.old_type(old).shape, perm) or not horizon:
            return 0
        if (old, perm) not in self._later:
            self._later[old, perm] = 0
            moved = [self._moved(reader, old, perm) for reader in self._rw.readers(old)]
            n_stuck = any(one is None for one in moved)
            onward = [pair for one in moved if one is not None for pair in one]
            self._later[old, perm] = n_stuck + sum(self._of_later(*pair, horizon - 1) for pair in onward)
        return self._later[old, perm]

    def _remaining(self, old: Ref, horizon: int) -> int:
        """How many Transposes there are on from a value that owes nothing."""
        if old not in self._left and horizon:
            self._left[old] = 0
            readers = self._rw.readers(old)
            onward = [out for reader in readers if reader.op in _KEEPING for out in _outputs(reader)]
            here = sum(1 for reader in readers if reader.op == "Transpose")
            self._left[old] = here + sum(self._remaining(out, horizon - 1) for out in onward)
        return self._left.get(old, 0)

    def _moved(self, node: Node, old: Ref, perm: Perm) -> list[tuple[Ref, Perm]] | None:
        """What a node's results owe if an operand does, None if it needs the Transpose."""
        if node.op == "Shape":
            return []
        if node.op == "Transpose":
            total = self._rw.known(node.inputs[1])
            owed = None if total is None else after(perm, [int(axis) for axis in total])
            return [] if owed is not None and is_identity(owed) else None
        if node.op == "Reshape" and self._takes_parts(node, perm):
            return []
        if node.op in _JOINING and not all(self._comes_along(ref, perm) for ref in node.inputs):
            return None
        changed = self._changed(node, old, perm)
        if changed is None or (node.outputs[0].dtype not in MOVABLE and not is_identity(changed)):
            return None
        return [(out, changed) for out in _outputs(node)]

    def _changed(self, node: Node, old: Ref, perm: Perm) -> Perm | None:
        rank = len(perm)
        if node.op in _REDUCING and not node.attrs.get("keep_dims"):
            axes = self._rw.known(node.inputs[1])
            return None if axes is None else dropped(perm, [int(axis) % rank for axis in axes.ravel()])
        if node.op == "Squeeze":
            named = node.attrs.get("axis") or node.attrs.get("squeeze_dims")
            return dropped(perm, [int(axis) % rank for axis in named]) if isinstance(named, list) else None
        if node.op == "Unpack":
            return dropped(perm, [int(node.attrs.get("axis", 0)) % rank])  # type: ignore[arg-type]
        if node.op == "ExpandDims":
            axis = self._rw.known(node.inputs[1])
            return None if axis is None else inserted(perm, int(axis) % (rank + 1))
        if node.op == "Reshape":
            group = regrouped(self._rw.old_type(old).shape, node.outputs[0].shape, perm)
            return group.perm if group is not None and group.is_ready else None
        if node.op == "GatherV2" and self._rw.old_type(node.inputs[1]).rank == 0:
            axes = self._rw.known(node.inputs[2])
            return None if axes is None else dropped(perm, [int(axes) % rank])
        if node.outputs[0].rank != rank:  # a BroadcastTo or an operand that is broadcast to more axes
            return None
        is_kept = node.op in _KEEPING or node.op in _REDUCING or (node.op in _ALONG_LAST and perm[-1] == rank - 1)
        return perm if is_kept else None

    def _comes_along(self, old: Ref, perm: Perm) -> bool:
        """Whether an operand can be in the layout of the others without a Transpose of its own."""
        shape = self._rw.old_type(old).shape or ()
        is_flat = sum(1 for dim in shape if dim != 1) <= 1
        return is_flat or old in self._owing or self._rw.known(old) is not None or not shape


def _owing(rw: Rewrite) -> frozenset[Ref]:
    """The old values behind a Transpose, with nothing but movable operations between."""
    found: set[Ref] = set()
    for node in rw.live:
        is_movable = node.op in _KEEPING or node.op in _REDUCING or node.op in ("ExpandDims", "Reshape", "Squeeze")
        if node.op == "Transpose" or (is_movable and any(ref in found for ref in node.inputs)):
            found.update(_outputs(node))
    return frozenset(found)


def _outputs(node: Node) -> Sequence[Ref]:
    return [Ref(node.name, index) for index in range(len(node.outputs))]
