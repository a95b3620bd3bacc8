"""`nn.Module` -> ONNX by torch's current exporter, with the names and dynamic dimensions of the contract."""

import inspect
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import onnx
import torch
from torch import nn
from torch.utils import _pytree as pytree

from converter.checkpoint.quiet import first_line, torch_is_quiet
from converter.config import TensorSpec
from converter.errors import ConfigError, InternalError, UnsupportedError

# A dimension's size while tracing: primes, so that the graph cannot mistake one for a size of the network.
SAMPLE_PRIMES = (5, 7, 11, 13, 17, 19, 23, 29)
# Spatial and time dimensions often have a least size or must be a multiple of a power of two.
SAMPLE_SCALES = (1, 32, 1024, 8192)
SAMPLE_LIMIT = 1 << 22  # elements
SAMPLE_SEED = 0
FILE_LIMIT_BYTES = (1 << 31) - 1  # of one protobuf message
NOT_PART_OF_THE_MODEL = frozenset({"doc_string", "metadata_props"})  # stack traces, paths, class names
SYMBOL = re.compile(r"[A-Za-z_]\w*")
SPECIALISED = re.compile(r"static shape of \d+ for dimension inputs\['(\w+)'\](?:\[(\d+)\])?\.shape\[(\d+)\]")


def onnx_from_module(
    module: nn.Module, inputs: Sequence[TensorSpec], outputs: Sequence[str] = (), *, opset: int = 18
) -> onnx.ModelProto:
    """A checked ONNX model that computes what the module computes, with the names of the specs.

    Shapes: a dimension with a name stays dynamic and keeps it; outputs are `output`, or `output_0`, … by default.
    Raises: ConfigError if the inputs or output names don't fit the network, or a named dimension has to be a number;
            UnsupportedError if torch can't export the network.
    """
    if not inputs:
        raise ConfigError("the network's inputs are unknown", hint="set inputs, or give --input NAME=SHAPE:DTYPE")
    examples, n_outputs = _fitting_examples(module, inputs)
    names = _output_names(outputs, n_outputs)
    model = _exported(module, examples, inputs, names, opset)
    _strip(model)
    _name_dims(model, inputs)
    _check(model, inputs, names, opset)
    return model


class ChannelsLast(nn.Module):
    """A network that takes some of its images as (batch, height, width, channel), where `is_image` says so."""

    def __init__(self, network: nn.Module, is_image: Sequence[bool]) -> None:
        super().__init__()
        self.network = network
        self.is_image = tuple(is_image)

    def forward(self, *inputs: torch.Tensor) -> object:
        """What the network returns for the same images with their channels before height and width."""
        pairs = zip(inputs, self.is_image, strict=True)
        return self.network(*(x.permute(0, 3, 1, 2).contiguous() if is_image else x for x, is_image in pairs))


def tensors_of(result: object) -> list[torch.Tensor]:
    """The tensors that a network returned, in the order in which the exporter writes them.

    Raises: UnsupportedError if it returned anything else (None is passed over).
    """
    leaves = [leaf for leaf in pytree.tree_leaves(result) if leaf is not None]
    for leaf in leaves:
        if not isinstance(leaf, torch.Tensor):
            raise UnsupportedError(
                f"the network returns a {type(leaf).__name__}",
                where="export",
                hint="return tensors, alone or in tuples, lists and dictionaries",
            )
    if not leaves:
        raise UnsupportedError("the network returns no tensor", where="export", hint="return its result")
    return leaves


def _fitting_examples(module: nn.Module, inputs: Sequence[TensorSpec]) -> tuple[list[torch.Tensor], int]:
    """Example inputs that the network accepts, and how many outputs it returns for them."""
    complaint: Exception | None = None
    for sizes in _sample_sizes(inputs):
        examples = [_example(spec, sizes) for spec in inputs]
        try:
            with torch_is_quiet(), torch.no_grad():
                result = module(*examples)
        except Exception as error:  # the network is the user's code
            complaint = complaint or error
        else:
            return examples, len(tensors_of(result))
    shapes = ", ".join(f"{spec.name} {spec.dtype}[{', '.join(map(str, spec.shape))}]" for spec in inputs)
    raise ConfigError(
        f"the network doesn't accept {shapes}: {first_line(complaint or RuntimeError())}",
        where="inputs",
        hint="give the inputs in the order of forward(), with the shapes and dtypes that it expects",
    ) from complaint


def _sample_sizes(inputs: Sequence[TensorSpec]) -> Iterator[dict[str, int]]:
    """Sizes to try for the named dimensions; the first one (the batch) stays small."""
    names = list(dict.fromkeys(dim for spec in inputs for dim in spec.shape if isinstance(dim, str)))
    primes = {name: SAMPLE_PRIMES[i % len(SAMPLE_PRIMES)] for i, name in enumerate(names)}
    for scale in SAMPLE_SCALES if len(names) > 1 else (1,):
        sizes = {name: prime if name == names[0] else prime * scale for name, prime in primes.items()}
        if scale == 1 or all(math.prod(_sample_shape(spec, sizes)) <= SAMPLE_LIMIT for spec in inputs):
            yield sizes


def _sample_shape(spec: TensorSpec, sizes: Mapping[str, int]) -> list[int]:
    return [sizes[dim] if isinstance(dim, str) else dim for dim in spec.shape]


def _example(spec: TensorSpec, sizes: Mapping[str, int]) -> torch.Tensor:
    dtype: torch.dtype = getattr(torch, spec.dtype)
    share = torch.rand(
        _sample_shape(spec, sizes), generator=torch.Generator().manual_seed(SAMPLE_SEED), dtype=torch.float64
    )
    if dtype is torch.bool:
        return share < 0.5
    low, high = (torch.tensor(bound, dtype=torch.float64) for bound in (spec.low, spec.high))
    if not dtype.is_floating_point:
        low = torch.minimum(low.clamp(min=0), high)  # indices and masks are seldom negative
    try:
        return (low + share * (high - low)).to(dtype)
    except RuntimeError as error:
        raise ConfigError(
            "low and high don't fit its last dimension",
            where=f"inputs.{spec.name}",
            hint="give one bound, or one for each entry of the last dimension",
        ) from error


def _output_names(given: Sequence[str], n_outputs: int) -> list[str]:
    if not given:
        return ["output"] if n_outputs == 1 else [f"output_{i}" for i in range(n_outputs)]
    if len(given) != n_outputs:
        raise ConfigError(
            f"{len(given)} name(s) for {n_outputs} output(s)", where="outputs", hint=f"give {n_outputs} name(s)"
        )
    if len(set(given)) < len(given):
        raise ConfigError("a name is given twice", where="outputs", hint="give each output a name of its own")
    return list(given)


def _exported(
    module: nn.Module, examples: Sequence[torch.Tensor], inputs: Sequence[TensorSpec], names: Sequence[str], opset: int
) -> onnx.ModelProto:
    # Dim.DYNAMIC, not Dim(name): it tolerates the guards of strided convolutions, and torch never "refines" it to a
    # constant behind our back.
    dynamic = torch.export.Dim.DYNAMIC
    shapes = tuple({i: dynamic for i, dim in enumerate(spec.shape) if isinstance(dim, str)} for spec in inputs)
    try:
        with torch_is_quiet(), torch.no_grad():
            program = torch.onnx.export(
                module,
                tuple(examples),
                dynamo=True,
                optimize=True,
                verify=False,
                report=False,
                verbose=False,
                external_data=False,
                opset_version=opset,
                dynamic_shapes=_as_forward_takes_them(module, shapes),
                input_names=[spec.name for spec in inputs],
                output_names=list(names),
            )
    except Exception as error:  # the exporter runs the user's code, and raises nearly any type itself
        raise _export_error(error, module, inputs) from error
    if program is None:
        raise InternalError("torch.onnx.export returned nothing")
    return program.model_proto


def _as_forward_takes_them(module: nn.Module, shapes: tuple[dict[int, Any], ...]) -> tuple[Any, ...]:
    """The dynamic dimensions in the structure of forward()'s arguments: `*args` takes all of the rest as one."""
    for position, parameter in enumerate(inspect.signature(module.forward).parameters.values()):
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            return (*shapes[:position], shapes[position:])
    return shapes


def _export_error(error: Exception, module: nn.Module, inputs: Sequence[TensorSpec]) -> ConfigError | UnsupportedError:
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    fixed = dict.fromkeys(_specialised(f"{error}\n{cause}", module, inputs))
    if fixed:
        return ConfigError(
            f"can't be dynamic: {', '.join(fixed)}",
            where="inputs",
            hint="the network's code fixes that size; write the dimension as a number",
        )
    return UnsupportedError(
        f"torch can't export this network: {type(cause).__name__}: {first_line(cause)}",
        where="export",
        hint="rewrite that part of forward(), often Python control flow over values, or convert from your own .onnx",
    )


def _specialised(complaint: str, module: nn.Module, inputs: Sequence[TensorSpec]) -> Iterator[str]:
    """The named dimensions that torch says are constants."""
    arguments = list(inspect.signature(module.forward).parameters)
    for argument, element, axis in SPECIALISED.findall(complaint):
        if argument in arguments:
            spec = inputs[arguments.index(argument) + int(element or 0)]
            yield f"{spec.shape[int(axis)]} of {spec.name}"


def _strip(message: Any) -> None:
    """Remove what tells where and how the model was made, at every depth."""
    for field, value in message.ListFields():
        if field.name in NOT_PART_OF_THE_MODEL:
            message.ClearField(field.name)
        elif field.message_type is not None:
            for item in [value] if hasattr(value, "ListFields") else value:
                _strip(item)


def _name_dims(model: onnx.ModelProto, inputs: Sequence[TensorSpec]) -> None:
    """Give torch's symbols (s77, …) the names of the specs, wherever they occur."""
    declared = [
        (spec, name, dim)
        for spec, value in zip(inputs, model.graph.input, strict=True)
        for name, dim in zip(spec.shape, value.type.tensor_type.shape.dim, strict=True)
        if isinstance(name, str)
    ]
    names: dict[str, str] = {}
    for spec, name, dim in declared:
        if not dim.dim_param:
            raise ConfigError(
                f"can't be dynamic: {name} of {spec.name}",
                where="inputs",
                hint=f"the network's code fixes that size; write the dimension as {dim.dim_value}",
            )
        names.setdefault(dim.dim_param, name)
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param = SYMBOL.sub(lambda match: names.get(match[0], match[0]), dim.dim_param)
    for _, name, dim in declared:
        dim.dim_param = name


def _check(model: onnx.ModelProto, inputs: Sequence[TensorSpec], outputs: Sequence[str], opset: int) -> None:
    """The exported file keeps the contract.

    Raises: UnsupportedError where the exporter could not; InternalError where it broke a promise.
    """
    found = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    if found.get("ai.onnx") != opset:
        raise UnsupportedError(
            f"torch wrote opset {found.get('ai.onnx')}, not {opset}", where="export.opset", hint="choose another opset"
        )
    if [value.name for value in model.graph.input] != [spec.name for spec in inputs]:
        raise InternalError(f"exported inputs are {[value.name for value in model.graph.input]}")
    if [value.name for value in model.graph.output] != list(outputs):
        raise InternalError(f"exported outputs are {[value.name for value in model.graph.output]}")
    size_bytes = model.ByteSize()
    if size_bytes > FILE_LIMIT_BYTES:
        raise UnsupportedError(
            f"the model has {size_bytes / 1e9:.1f} GB, and one ONNX file holds 2.1 GB",
            where="export",
            hint="use a smaller network, or float16 weights",
        )
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise UnsupportedError(
            f"torch wrote a model that ONNX refuses: {first_line(error)}", where="export", hint="try another opset"
        ) from error
