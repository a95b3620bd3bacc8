"""What the TF.js executors get wrong, ignore or refuse: ops not to emit, attributes that must be there, values allowed.

File names in the reasons are those of the npm packages @tensorflow/tfjs-converter (`executors/`, `op_list/`),
@tensorflow/tfjs-core (`ops/`) and the backends (`kernels/`), version 4.22.0.
"""

from collections.abc import Callable, Mapping, Sequence

from converter.tfjs.graph import Attr, DataType

_FRAMES = "executes one node at a time with frames; emit StatelessIf or StatelessWhile"
_ARRAYS = "loops emit TensorListReserve, SetItem and Stack instead"
_TABLES = "needs a resource initialiser, which this format library does not write"

BANNED: Mapping[str, str] = {
    "BatchMatMul": "emit BatchMatMulV2 (executors/matrices_executor.js runs both alike)",
    "Concat": "emit ConcatV2",
    "Conv1D": "knows no explicit padding (executors/convolution_executor.js:64); emit Conv2D of height 1",
    "DepthwiseConv2d": "emit DepthwiseConv2dNative",
    "Dilation2D": "wasm starts the maximum from FLT_MIN: wrong where it is <= 0; emit Maximum of StridedSlices",
    "Div": "emit RealDiv",
    "Enter": _FRAMES,
    "EuclideanNorm": "a composite of Square, Sum and Sqrt: emit those",
    "Exit": _FRAMES,
    "FakeQuantWithMinMaxVars": "runs as Identity (executors/graph_executor.js:32)",
    "Gather": "emit GatherV2",
    "HashTable": _TABLES,
    "HashTableV2": _TABLES,
    "If": "not recognised as a dynamic op (executor/model_analysis.js:266); emit StatelessIf",
    "ImageProjectiveTransformV3": "cpu and wasm disagree about batches (probed); emit GatherNd",
    "InitializeTable": _TABLES,
    "InitializeTableV2": _TABLES,
    "ListDiff": "emit Equal and Where",
    "LoopCond": _FRAMES,
    "LookupTableFind": _TABLES,
    "LookupTableFindV2": _TABLES,
    "LookupTableImport": _TABLES,
    "LookupTableImportV2": _TABLES,
    "LookupTableSize": _TABLES,
    "LookupTableSizeV2": _TABLES,
    "MatrixBandPart": "reads num_upper from operand 1 (op_list/matrices.js:259); emit Range and LessEqual",
    "MaxPool3D": "wasm starts the maximum from FLT_MIN (probed): wrong where it is <= 0; emit MaxPool twice",
    "MaxPoolWithArgmax": "wasm starts from FLT_MIN, webgl returns float32 indices; emit ArgMax of stacked slices",
    "Merge": _FRAMES,
    "NextIteration": _FRAMES,
    "NoOp": "returns a scalar that nothing may read (executors/graph_executor.js:51)",
    "NonMaxSuppressionV2": "no score threshold; emit NonMaxSuppressionV3",
    "PlaceholderWithDefault": "a default has no place in a signature that lists every input",
    "Print": "writes to the console of whoever runs the model",
    "Reverse": "reads a bool mask on the host; emit ReverseV2",
    "Select": "emit SelectV2",
    "ShapeN": "returns float32 (executors/graph_executor.js:44); emit Shape",
    "Snapshot": "emit Identity",
    "SparseSegmentMean": "emit GatherV2 and ScatterNd",
    "SparseSegmentSum": "emit GatherV2 and ScatterNd",
    "SparseToDense": "emit ScatterNd or TensorScatterUpdate",
    "StringNGrams": "strings can only be passed on",
    "Switch": _FRAMES,
    "TensorArrayCloseV3": _ARRAYS,
    "TensorArrayConcatV3": _ARRAYS,
    "TensorArrayGatherV3": _ARRAYS,
    "TensorArrayReadV3": _ARRAYS,
    "TensorArrayScatterV3": _ARRAYS,
    "TensorArraySizeV3": _ARRAYS,
    "TensorArraySplitV3": _ARRAYS,
    "TensorArrayV3": _ARRAYS,
    "TensorArrayWriteV3": _ARRAYS,
    "TensorListPopBack": "returns the item without the list (executors/control_executor.js:265)",
    "TensorListSplit": "takes the element shape for that of a part (executor/tensor_list.js); emit SplitV",
    "While": "not recognised as a dynamic op (executor/model_analysis.js:266); emit StatelessWhile",
}

OVERWRITTEN_OPERANDS: Mapping[str, int] = {
    "TensorScatterUpdate": 0,  # cpu scatters into the buffer of its operand (kernels/Scatter_impl.js)
}
"""The operand into whose buffer a kernel writes its result: no other op does so (each kernel was run and compared)."""

REDUCTION_LIMIT = 9e19
"""Up to here, either side of zero, every reduction is right."""

LIMITED_REDUCTIONS: Mapping[str, str] = {
    "LogSoftmax": "low",
    "Max": "low",  # webgl starts at -1e20 (reduce_gpu.js)
    "MaxPool": "low",  # webgl and webgpu start at -1e20 (pool_gpu.js, pool_webgpu.js)
    "Min": "high",  # webgl starts at 1e20 (reduce_gpu.js)
    "Softmax": "low",  # webgl as its Max; webgpu starts at -3.402823e38, above finfo.min (softmax_webgpu.js)
}
"""The ops that are wrong where everything they reduce lies beyond the limit, below (`low`) or above it (`high`).

ArgMax, ArgMin and TopKV2 start from the first element, or from an infinity, and are right.
"""

_CONV_2D = frozenset({"Conv2D", "_FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2dNative"})
_POOLS_3D = frozenset({"AvgPool3D"})
_POOLS = frozenset({"AvgPool", "MaxPool"}) | _POOLS_3D
_FUSED = frozenset({"_FusedConv2D", "FusedDepthwiseConv2dNative", "_FusedMatMul"})
_VOLUMES = _POOLS_3D | {"Conv3D"}

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "AvgPool": ("ksize", "strides", "padding"),
    "AvgPool3D": ("ksize", "strides", "padding"),
    "Cast": ("DstT",),
    "ConcatV2": ("N",),
    "Conv2D": ("strides", "padding", "dilations"),
    "Conv2DBackpropInput": ("strides", "padding"),
    "Conv3D": ("strides", "padding", "dilations", "data_format"),
    "CropAndResize": ("method",),
    "DepthToSpace": ("block_size", "data_format"),
    "DepthwiseConv2dNative": ("strides", "padding", "dilations"),
    "EmptyTensorList": ("element_dtype",),
    "Fill": ("T",),
    "FusedDepthwiseConv2dNative": ("strides", "padding", "fused_ops", "num_args"),
    "MaxPool": ("ksize", "strides", "padding"),
    "MirrorPad": ("mode",),
    "OneHot": ("T",),
    "Ones": ("T",),
    "RandomStandardNormal": ("dtype",),
    "RandomUniform": ("dtype",),
    "RandomUniformInt": ("minval", "maxval"),
    "Range": ("Tidx",),
    "Split": ("num_split",),
    "StatelessIf": ("then_branch", "else_branch"),
    "StatelessWhile": ("cond", "body"),
    "TensorListConcat": ("element_dtype", "element_shape"),
    "TensorListConcatV2": ("element_dtype", "element_shape"),
    "TensorListFromTensor": ("element_dtype",),
    "TensorListGather": ("element_dtype",),
    "TensorListGetItem": ("element_dtype",),
    "TensorListReserve": ("element_dtype",),
    "TensorListScatter": ("element_dtype",),
    "TensorListScatterV2": ("element_dtype",),
    "TensorListSetItem": ("element_dtype",),
    "TensorListStack": ("element_dtype",),
    "TruncatedNormal": ("dtype",),
    "Zeros": ("T",),
    "_FusedConv2D": ("strides", "padding", "fused_ops", "num_args"),
    "_FusedMatMul": ("fused_ops", "num_args"),
}
"""Attributes that the executor reads without a default, or with one that is wrong for us."""

_NUMERIC = ("DT_FLOAT", "DT_INT32")
_FILLABLE = (*_NUMERIC, "DT_BOOL")
DTYPE_VALUES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("Fill", "T"): _FILLABLE,
    ("OneHot", "T"): ("DT_INT32",),  # wasm writes int32 bits whatever the dtype (kernels/OneHot.js)
    ("Ones", "T"): _FILLABLE,
    ("RandomStandardNormal", "dtype"): ("DT_FLOAT",),
    ("RandomUniform", "dtype"): ("DT_FLOAT",),
    ("Range", "Tidx"): _NUMERIC,
    ("TruncatedNormal", "dtype"): ("DT_FLOAT",),
    ("Zeros", "T"): _FILLABLE,
}
_STORAGE_TYPES = ("DT_FLOAT", "DT_INT32", "DT_BOOL", "DT_STRING", "DT_COMPLEX64")

STRING_VALUES: Mapping[str, tuple[str, ...]] = {
    "method": ("bilinear", "nearest"),
    "mode": ("REFLECT", "SYMMETRIC"),
}
"""Values of string attributes; `data_format` and `padding` depend on the op. TF.js lower-cases every one of them."""

ACTIVATIONS = ("Elu", "LeakyRelu", "Prelu", "Relu", "Relu6", "Sigmoid")
"""Activations that are right on all four backends behind BiasAdd (ops/fused_util.js)."""

Attrs = Mapping[str, Attr]


def attr_problems(op: str, n_inputs: int, attrs: Attrs) -> list[str]:
    """What is wrong with the values of well-typed attributes."""
    missing = [f"attribute {name!r} is missing" for name in REQUIRED.get(op, ()) if name not in attrs]
    if missing:
        return missing
    return [problem for rule in _RULES for problem in rule(op, n_inputs, attrs)]


def _check_dtypes(op: str, n_inputs: int, attrs: Attrs) -> list[str]:
    problems = []
    for name, value in attrs.items():
        allowed = DTYPE_VALUES.get((op, name), _STORAGE_TYPES)
        if isinstance(value, DataType) and value.tf not in allowed:
            problems.append(f"{name}={value.tf} is not one of {', '.join(allowed)}")
    return problems


def _check_strings(op: str, n_inputs: int, attrs: Attrs) -> list[str]:
    allowed = {
        **STRING_VALUES,
        "data_format": ("NDHWC",) if op in _VOLUMES else ("NHWC",),
        "padding": ("SAME", "VALID") if op in _POOLS or op == "Conv3D" else ("SAME", "VALID", "EXPLICIT"),
    }
    return [
        f"{name}={value!r} is not one of {', '.join(allowed[name]) or 'none'}"
        for name, value in attrs.items()
        if isinstance(value, str) and value not in allowed.setdefault(name, ())
    ]


def _ints(attrs: Attrs, name: str) -> list[int] | None:
    value = attrs.get(name)
    return [int(one) for one in value] if isinstance(value, list) else None


def _check_windows(op: str, n_inputs: int, attrs: Attrs) -> list[str]:
    if op not in _CONV_2D | _POOLS | {"Conv3D", "Conv2DBackpropInput"}:
        return []
    rank = 5 if op in _VOLUMES else 4
    problems = []
    for name in ("ksize", "strides", "dilations"):
        value = _ints(attrs, name)
        if value is not None and (len(value) != rank or value[0] != 1 or value[-1] != 1 or min(value) < 1):
            problems.append(f"{name}={value} is not [1, …, 1] of {rank} positive numbers")
    strides, dilations = _ints(attrs, "strides") or [1], _ints(attrs, "dilations") or [1]
    if max(dilations) > 1 and op == "Conv2DBackpropInput":
        problems.append("dilations are ignored (op_list/convolution.js); spread the filter with zeros")
    elif max(dilations) > 1 and max(strides) > 1:
        problems.append(
            "strides and dilations are both > 1, which ops/conv2d.js:72 refuses; spread the filter with zeros"
        )
    return problems


def _check_explicit_paddings(op: str, n_inputs: int, attrs: Attrs) -> list[str]:
    pads = _ints(attrs, "explicit_paddings") or []
    if attrs.get("padding") != "EXPLICIT":
        return ["explicit_paddings is read only with padding='EXPLICIT'"] if pads else []
    if len(pads) != 8 or any(pads[:2] + pads[6:]) or min(pads) < 0:
        return [f"explicit_paddings={pads} is not [0, 0, top, bottom, left, right, 0, 0]"]
    return []


def _check_fusion(op: str, n_inputs: int, attrs: Attrs) -> list[str]:
    if op not in _FUSED:
        return []
    fused = attrs["fused_ops"]
    if not (isinstance(fused, list) and fused and fused[0] == "BiasAdd" and len(fused) <= 2):
        return [f"fused_ops={fused} is not ['BiasAdd'] or ['BiasAdd', activation]"]
    activation = fused[1] if len(fused) == 2 else None
    if activation is not None and activation not in ACTIVATIONS:
        return [f"activation {activation!r} is not one of {', '.join(ACTIVATIONS)}"]
    if op == "FusedDepthwiseConv2dNative" and activation == "LeakyRelu":
        return ["LeakyRelu gives NaN: the op has no leakyrelu_alpha (op_list/convolution.js:560)"]
    expected = 2 if activation == "Prelu" else 1
    if attrs["num_args"] != expected or n_inputs != expected + 2:
        return [f"fused_ops={fused} takes num_args={expected} and {expected + 2} operands"]
    return []


def _check_counts(op: str, n_inputs: int, attrs: Attrs) -> list[str]:
    if op == "ConcatV2" and attrs["N"] != n_inputs - 1:
        return [f"N={attrs['N']} with {n_inputs - 1} tensors: the executor drops those past N"]
    if op in ("ConcatV2", "Pack", "AddN", "IdentityN") and n_inputs < (2 if op == "ConcatV2" else 1):
        return ["there is nothing to join"]
    return []


def _check_single_values(op: str, n_inputs: int, attrs: Attrs) -> list[str]:
    value: object
    for (rule_op, name), (allowed, reason) in _SINGLE_VALUES.items():
        value = attrs.get(name, allowed[0])
        if op == rule_op and value not in allowed:
            return [f"{name}={value}: {reason}"]
    if op == "DepthToSpace" and attrs["block_size"] in (0, 1):
        return ["block_size must be > 1 (ops/depth_to_space.js)"]
    if op == "Squeeze" and not (attrs.get("axis") or attrs.get("squeeze_dims")):
        return ["name the axes: without them the rank of the result depends on the data"]
    if attrs.get("align_corners") and attrs.get("half_pixel_centers"):
        return ["align_corners and half_pixel_centers exclude each other (ops/image/resize_bilinear.js)"]
    return []


_BATCHES = "wasm reads past its buffers when it is not 0 (probed); emit GatherNd with the batch in the indices"
_SINGLE_VALUES: Mapping[tuple[str, str], tuple[Sequence[object], str]] = {
    ("GatherV2", "batch_dims"): ((0,), _BATCHES),
    ("OneHot", "axis"): ((-1,), "ignored, the new axis is always the last (op_list/creation.js)"),
}

_RULES: tuple[Callable[[str, int, Attrs], list[str]], ...] = (
    _check_dtypes,
    _check_strings,
    _check_windows,
    _check_explicit_paddings,
    _check_fusion,
    _check_counts,
    _check_single_values,
)
