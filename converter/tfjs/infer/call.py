"""One application of an op, as an inference rule sees it, and the arithmetic of dimensions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from converter.dtypes import Storage
from converter.errors import InternalError
from converter.tfjs.graph import Attr, DataType, Dim, Graph, Shape, TensorType, merge_shapes

TF_OF_STORAGE: Mapping[str, str] = {
    "float32": "DT_FLOAT",
    "int32": "DT_INT32",
    "bool": "DT_BOOL",
    "string": "DT_STRING",
    "complex64": "DT_COMPLEX64",
    "variant": "DT_VARIANT",
}
"""What a `type` attribute calls the dtypes of a graph."""

STORAGE_OF_TF: Mapping[str, str] = {tf: storage for storage, tf in TF_OF_STORAGE.items()}

NUMBERS = ("float32", "int32")
ANY = ("float32", "int32", "bool", "string", "complex64")


@dataclass(frozen=True)
class Call:
    """An op with its operands' types, its attributes and those operands that are constants."""

    op: str
    operands: tuple[TensorType, ...]
    attrs: Mapping[str, Attr]
    constants: tuple[np.ndarray | None, ...]
    functions: Mapping[str, Graph]

    def error(self, why: str) -> InternalError:
        """The error that says why these operands don't fit."""
        return InternalError(f"{self.op}({', '.join(map(describe, self.operands))}): {why}")

    def need(self, condition: bool, why: str) -> None:
        """Insist on something. Raises: InternalError."""
        if not condition:
            raise self.error(why)

    def shape(self, index: int) -> Shape:
        """The shape of an operand."""
        return self.operands[index].shape

    def dtype(self, index: int, *allowed: str) -> Storage | str:
        """The dtype of an operand. Raises: InternalError if it isn't one of those allowed."""
        dtype = self.operands[index].dtype
        self.need(not allowed or dtype in allowed, f"operand {index} must be {' or '.join(allowed)}")
        return dtype

    def same_dtype(self, indices: Iterable[int], *allowed: str) -> Storage | str:
        """The one dtype of several operands. Raises: InternalError if they differ or it isn't allowed."""
        dtypes = [self.dtype(index, *allowed) for index in indices]
        self.need(len(set(dtypes)) == 1, "the operands must have one dtype")
        return dtypes[0]

    def ranked(self, index: int, *ranks: int) -> Shape:
        """The shape of an operand. Raises: InternalError if its rank is known and isn't one of those."""
        shape = self.shape(index)
        wanted = " or ".join(map(str, ranks))
        self.need(shape is None or len(shape) in ranks, f"operand {index} must have rank {wanted}")
        return shape

    def ints(self, index: int) -> tuple[int, ...] | None:
        """The values of a constant operand in row-major order, None where the operand is not a constant."""
        value = self.constants[index]
        return None if value is None else tuple(int(one) for one in value.reshape(-1))

    def scalar(self, index: int) -> int | None:
        """The value of a constant operand of one element."""
        values = self.ints(index)
        self.need(values is None or len(values) == 1, f"operand {index} must have one element")
        return None if values is None else values[0]

    def flag(self, name: str) -> bool:
        """A bool attribute, False where it is absent."""
        return bool(self.attrs.get(name, False))

    def number(self, name: str, default: int) -> int:
        """An integer attribute."""
        value = self.attrs.get(name, default)
        self.need(isinstance(value, int), f"attribute {name} must be an integer")
        return int(value)  # type: ignore[arg-type]

    def numbers(self, name: str) -> list[int] | None:
        """A list attribute of integers, None where it is absent."""
        value = self.attrs.get(name)
        return [int(one) for one in value] if isinstance(value, list) else None

    def dtype_attr(self, name: str, default: Storage) -> Storage | str:
        """A `type` attribute as the dtype it stands for."""
        value = self.attrs.get(name)
        return STORAGE_OF_TF[value.tf] if isinstance(value, DataType) else default

    def axis(self, value: int, rank: int) -> int:
        """An axis counted from the front. Raises: InternalError if there is no such axis."""
        self.need(-rank <= value < rank, f"axis {value} is not an axis of rank {rank}")
        return value % rank

    def broadcast(self, *shapes: Shape) -> Shape:
        """The shape that these broadcast to. Raises: InternalError if they don't."""
        result: Shape = ()
        for shape in shapes:
            if result is None or shape is None:
                return None
            result = self._broadcast_two(result, shape)
        return result

    def merge(self, *shapes: Shape) -> Shape:
        """What shapes say together that must be equal. Raises: InternalError if they can't be."""
        merged: Shape = None
        try:
            for shape in shapes:
                merged = merge_shapes(merged, shape)
        except InternalError as error:
            raise self.error(str(error)) from error
        return merged

    def _broadcast_two(self, one: Sequence[Dim], other: Sequence[Dim]) -> tuple[Dim, ...]:
        rank = max(len(one), len(other))
        padded = [(*([1] * (rank - len(shape))), *shape) for shape in (one, other)]
        return tuple(self._broadcast_dims(a, b) for a, b in zip(*padded, strict=True))

    def _broadcast_dims(self, a: Dim, b: Dim) -> Dim:
        if a == b or b == 1:
            return a
        if a == 1:
            return b
        if isinstance(a, int) and isinstance(b, int):
            raise self.error(f"dimensions {a} and {b} do not broadcast")
        if isinstance(a, int):
            return a
        return b if isinstance(b, int) else None


Rule = Callable[[Call], tuple[TensorType, ...]]


def describe(value: TensorType) -> str:
    """`float32[N,3,?]`, for messages."""
    if value.shape is None:
        return f"{value.dtype}[…]"
    return f"{value.dtype}[{','.join('?' if dim is None else str(dim) for dim in value.shape)}]"


def add_dims(*dims: Dim) -> Dim:
    """The sum of dimensions; a name stays itself plus zero."""
    named = [dim for dim in dims if not isinstance(dim, int)]
    total = sum(dim for dim in dims if isinstance(dim, int))
    if not named:
        return total
    return named[0] if len(named) == 1 and total == 0 else None


def multiply_dims(*dims: Dim) -> Dim:
    """The product of dimensions; a name stays itself times one."""
    if 0 in dims:
        return 0
    named = [dim for dim in dims if not isinstance(dim, int)]
    total = 1
    for dim in dims:
        total *= dim if isinstance(dim, int) else 1
    if not named:
        return total
    return named[0] if len(named) == 1 and total == 1 else None


def may_equal(a: Dim, b: Dim) -> bool:
    """Whether two dimensions can be the same number."""
    return not (isinstance(a, int) and isinstance(b, int) and a != b)
