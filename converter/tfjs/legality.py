"""What runs, but not rightly on every backend: dtypes, ranks, sizes and values that a lowering must avoid.

Each rule holds for one application of an op. File names in the reasons are those of the npm packages of TF.js 4.22.0;
"probed" means that a run on all four backends showed it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from converter.errors import InternalError
from converter.tfjs.graph import Attr, DataType, TensorType
from converter.tfjs.infer.call import Call, describe
from converter.tfjs.optable import OPTABLE

_MAX_RANK: Mapping[str, int] = {
    **dict.fromkeys(("BatchToSpaceND", "Cumprod", "Cumsum", "MirrorPad", "Pad", "PadV2", "ReverseV2", "ScatterNd"), 4),
    **dict.fromkeys(("SelectV2", "SpaceToBatchND", "StridedSlice", "TensorScatterUpdate"), 4),
    "GatherNd": 5,
}
_ANY_RANK = frozenset({
    "BatchMatMulV2", "BroadcastTo", "EnsureShape", "ExpandDims", "GatherV2", "Identity", "IdentityN", "Rank", "Reshape",
    "Shape", "Size", "Squeeze", "StatelessIf", "StatelessWhile", "StopGradient", "Tile", "TopKV2", "Where",
    "_FusedMatMul",
})  # fmt: skip
_DEFAULT_RANK = 6

_REDUCTIONS = frozenset({"All", "Any", "Max", "Mean", "Min", "Prod", "Sum"})
_ALONG_ONE_AXIS = frozenset({"ArgMax", "ArgMin", "Cumprod", "Cumsum"})
_NOT_EMPTY = _REDUCTIONS | _ALONG_ONE_AXIS | {
    "AvgPool", "AvgPool3D", "BatchMatMulV2", "Conv2D", "Conv2DBackpropInput", "Conv3D", "DepthwiseConv2dNative",
    "FusedDepthwiseConv2dNative", "LogSoftmax", "MatMul", "MaxPool", "Softmax", "StridedSlice", "TopKV2",
    "_FusedConv2D", "_FusedMatMul",
}  # fmt: skip

_FOR_STRINGS = frozenset({
    "ConcatV2", "ExpandDims", "Identity", "IdentityN", "Rank", "Reshape", "Shape", "Size", "Squeeze", "StopGradient",
})  # fmt: skip
_BROKEN_FOR_BOOL = frozenset({"MirrorPad", "Pad", "PadV2", "ReverseV2", "ScatterNd", "SelectV2", "TensorScatterUpdate"})
_BROKEN_FOR_INTS: Mapping[str, str] = {
    "BatchToSpaceND": "transposes inside, which is invalid WGSL for int32",
    "ResizeNearestNeighbor": "wasm returns float32 (kernels/ResizeNearestNeighbor.js)",
    "SpaceToBatchND": "transposes inside, which is invalid WGSL for int32",
}
_TRANSPOSES = (
    "webgpu transposes int32 and bool of rank >= 3 with invalid WGSL (transpose_webgpu.js:44); go through float32"
)


def check_legal(
    op: str,
    operands: Sequence[TensorType],
    attrs: Mapping[str, Attr],
    constants: Sequence[np.ndarray | None],
    outputs: Sequence[TensorType],
) -> None:
    """Refuse an op that some backend would run wrongly with these operands.

    Raises: InternalError naming every reason.
    """
    if problems := legality_problems(op, operands, attrs, constants, outputs):
        raise InternalError(f"{op}({', '.join(map(describe, operands))}): " + "; ".join(problems))


def legality_problems(
    op: str,
    operands: Sequence[TensorType],
    attrs: Mapping[str, Attr],
    constants: Sequence[np.ndarray | None],
    outputs: Sequence[TensorType],
) -> list[str]:
    """Why some backend would run this op wrongly; nothing where all is well."""
    call = Call(op, tuple(operands), attrs, tuple(constants), {})
    return [problem for rule in _RULES for problem in rule(call, outputs)]


def _check_ranks(call: Call, outputs: Sequence[TensorType]) -> Iterator[str]:
    if call.op in _ANY_RANK or (call.op == "StridedSlice" and _unit_strides(call)):
        return
    limit = _MAX_RANK.get(call.op, _DEFAULT_RANK)
    for value in (*call.operands, *outputs):
        if value.rank is not None and value.rank > limit:
            yield f"rank {value.rank} is more than the {limit} that webgl and webgpu do (probed); reshape first"
            return


def _check_types(call: Call, outputs: Sequence[TensorType]) -> Iterator[str]:
    dtypes = {value.dtype for value in (*call.operands, *outputs)}
    if "complex64" in dtypes:
        yield "complex64 does not exist on wasm"
    if "string" in dtypes and call.op not in _FOR_STRINGS:
        yield "strings can only be reshaped, joined and passed on"


def _check_bools(call: Call, outputs: Sequence[TensorType]) -> Iterator[str]:
    moved = call.operands[1:] if call.op in ("SelectV2", "ScatterNd") else call.operands[:1]
    if call.op in _BROKEN_FOR_BOOL and any(value.dtype == "bool" for value in moved):
        yield "wasm moves 4 bytes per element through 1-byte bool buffers (probed); cast to int32 and back by NotEqual"
    target = call.attrs.get("DstT")
    if call.op == "Cast" and target == DataType("DT_BOOL") and call.operands[0].dtype != "bool":
        yield "wasm copies the raw bytes (kernels/Cast.js:23); emit NotEqual(x, 0)"


def _check_ints(call: Call, outputs: Sequence[TensorType]) -> Iterator[str]:
    if not call.operands or call.operands[0].dtype not in ("int32", "bool"):
        return
    if call.op in _BROKEN_FOR_INTS:
        yield _BROKEN_FOR_INTS[call.op] + "; go through float32"
    if call.op == "StridedSlice" and not _unit_strides(call):
        yield "wasm returns float32 bits when a stride is not 1 (kernels/StridedSlice.js:56); go through float32"
    if call.op == "Transpose" and (call.operands[0].rank or 0) >= 3:
        yield _TRANSPOSES
    if call.op in _REDUCTIONS | _ALONG_ONE_AXIS and (call.operands[0].rank or 0) >= 3 and not _ends_last(call):
        yield _TRANSPOSES


def _ends_last(call: Call) -> bool:
    """Whether the axes are the innermost ones, so that no backend transposes first."""
    axes, rank = call.ints(1), call.operands[0].rank or 0
    return axes is not None and sorted(axis % rank for axis in axes) == list(range(rank - len(axes), rank))


def _unit_strides(call: Call) -> bool:
    strides = call.ints(3)
    return strides is not None and set(strides) <= {1}


def _check_sizes(call: Call, outputs: Sequence[TensorType]) -> Iterator[str]:
    if call.op not in _NOT_EMPTY:
        return
    parameters = OPTABLE[call.op].parameters(len(call.operands))
    data = [value for index, value in enumerate(call.operands) if index not in parameters]
    if any(0 in (value.shape or ()) for value in (*data, *outputs)):
        yield "zero-size values throw or give garbage here (probed); resolve them statically"


def _check_axes(call: Call, outputs: Sequence[TensorType]) -> Iterator[str]:
    if call.op not in _REDUCTIONS | _ALONG_ONE_AXIS:
        return
    axes = call.ints(1)
    if axes == ():
        yield "no axes to reduce: leave the op out"
    if call.op in ("Cumprod", "Cumsum") and axes is not None and axes[0] < 0:
        yield "a negative axis gives an empty or corrupt result (kernels/Cumsum.js); count from the front"
    if call.op in ("ArgMax", "ArgMin") and call.operands[0].rank == 1:
        yield "webgpu returns shape [1] for rank 1 (kernels/ArgMax.js); reshape to [1, n] and use axis 1"
    if call.op == "Prod" and call.flag("keep_dims"):
        yield "webgpu drops keep_dims for small tensors (kernel_utils/reduce.js:57); reshape the result"


def _check_values(call: Call, outputs: Sequence[TensorType]) -> Iterator[str]:
    if call.op == "ClipByValue" and _exceeds(call.constants[1], call.constants[2]):
        yield "the lower bound is above the upper one (ops/clip_by_value.js throws)"
    if call.op in ("GatherNd", "GatherV2") and _exceeds(np.array(0), call.constants[1]):
        yield "negative indices throw on cpu and wasm and read 0 on GPUs; add the size first"
    if call.op == "SplitV" and (call.ints(1) or (0,))[0] == -1:
        yield "a size of -1 that comes first is added up (ops/split_util.js); give the number"
    if call.op == "Range" and _exceeds(call.constants[0], call.constants[1]):
        step = call.constants[2]
        if step is not None and 0 < step.reshape(-1)[0] <= 1:
            yield "counts down instead of being empty (kernels/Range_impl.js)"


def _check_fused_products(call: Call, outputs: Sequence[TensorType]) -> Iterator[str]:
    if call.op != "_FusedMatMul":
        return
    stacks = [shape[:-2] for shape in (call.shape(0), call.shape(1)) if shape is not None]
    if call.flag("transpose_a") or call.flag("transpose_b") or any(set(stack) - {1} for stack in stacks):
        yield "wasm adds a wrong bias from the second row on unless two matrices multiply as they are (probed)"


def _exceeds(low: np.ndarray | None, high: np.ndarray | None) -> bool:
    """Whether two constants are known and the first is above the least of the second."""
    return low is not None and high is not None and high.size > 0 and bool(low.reshape(-1)[0] > high.min())


_RULES: tuple[Callable[[Call, Sequence[TensorType]], Iterator[str]], ...] = (
    _check_ranks,
    _check_types,
    _check_bools,
    _check_ints,
    _check_sizes,
    _check_axes,
    _check_values,
    _check_fused_products,
)
