"""`nn.Module` -> ONNX by one of torch's two exporters, with the names and dynamic dimensions of the contract."""

import math
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import onnx
import torch
from torch import nn

from converter.checkpoint.quiet import first_line, torch_is_quiet
from converter.config import TensorSpec
from converter.embedding_bags import bags_as_reductions
from converter.errors import ConfigError, InternalError, UnsupportedError
from converter.forward import InputBinding, bind_inputs, output_names, tensors_of

# the line of the network's code that torch names in its message
RAISING_LINE = re.compile(r'File "(?P<file>[^"]+)", line (?P<number>\d+), in \w+\n(?P<code>[^\n]+)')
# A dimension's size while tracing: primes, so that the graph cannot mistake one for a size of the network.
SAMPLE_PRIMES = (5, 7, 11, 13, 17, 19, 23, 29)
# Spatial and time dimensions often have a least size or must be a multiple of a power of two.
SAMPLE_SCALES = (1, 32, 1024, 8192)
SAMPLE_LIMIT = 1 << 22  # elements
SAMPLE_SEED = 0
FILE_LIMIT_BYTES = (1 << 31) - 1  # of one protobuf message
NOT_PART_OF_THE_MODEL = frozenset({"doc_string", "metadata_props"})  # stack traces, paths, class names
Exporter = Literal["dynamo", "torchscript"]
INSIDE = re.compile(r"(/?)network[./](.+)")
RECURRENT = frozenset({"GRU", "LSTM", "RNN"})
SYMBOL = re.compile(r"[A-Za-z_]\w*")
SPECIALISED = re.compile(r"static shape of \d+ for dimension inputs\['inputs'\]\[(\d+)\]\.shape\[(\d+)\]")


def onnx_from_module(
    module: nn.Module,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[str] = (),
    *,
    opset: int = 18,
    exporter: Exporter = "dynamo",
) -> onnx.ModelProto:
    """A checked ONNX model that computes what the module computes, with the names of the specs.

    `torchscript` is torch's older exporter, which writes opsets before 18.

    Shapes: a dimension with a name stays dynamic and keeps it; outputs are `output`, or `output_0`, … by default.
    Raises: ConfigError if the inputs or output names don't fit the network, or a named dimension has to be a number;
            UnsupportedError if torch can't export the network, or ONNX can't express it.
    """
    if not inputs:
        raise ConfigError("the network's inputs are unknown", hint="set inputs, or give --input NAME=SHAPE:DTYPE")
    _require_no_projection(module)
    binding = bind_inputs(module, inputs)
    examples, result = _fitting_examples(module, binding, inputs)
    names = _output_names(outputs, result, inputs)
    export = _exported if exporter == "dynamo" else _exported_by_torchscript
    model = export(_Flat(module, binding, inputs), examples, inputs, names, opset)
    _strip(model)
    _restore_names(model)
    if any(node.op_type in RECURRENT for node in model.graph.node):
        _infer_shapes_again(model)
    _name_dims(model, inputs)
    _check(model, inputs, names, opset)
    return model


def _require_no_projection(module: nn.Module) -> None:
    """Refuse LSTMs that project their state: torch exports them without complaint, as nodes that are not valid."""
    for name, part in module.named_modules():
        if isinstance(part, nn.LSTM) and part.proj_size:
            raise UnsupportedError(
                f"ONNX has no LSTM with a projection, and torch writes an invalid one for "
                f"nn.LSTM(…, proj_size={part.proj_size})",
                where=f"module {name or type(part).__name__}",
                hint="build and train the network without proj_size; an nn.Linear may follow the nn.LSTM",
            )


class ChannelsLast(nn.Module):
    """A network that takes some of its images as (batch, height, width, channel): those that `images` names."""

    def __init__(self, network: nn.Module, binding: InputBinding, images: Collection[str]) -> None:
        super().__init__()
        self.network = network
        self.binding = binding
        self.images = frozenset(images)

    def forward(self, **inputs: torch.Tensor) -> object:
        """Return what the network returns for the same images with their channels before height and width."""
        moved = {
            name: tensor.permute(0, 3, 1, 2).contiguous() if name in self.images else tensor
            for name, tensor in inputs.items()
        }
        return self.binding.call(self.network, moved)


class _Flat(nn.Module):
    """A network that takes its inputs in their declared order, and returns its tensors as one tuple."""

    def __init__(self, network: nn.Module, binding: InputBinding, inputs: Sequence[TensorSpec]) -> None:
        super().__init__()
        self.network = network
        self.binding = binding
        self.names = tuple(spec.name for spec in inputs)
        self.training = network.training  # which the exporter puts back, in the network as well

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(tensors_of(self.binding.call(self.network, dict(zip(self.names, inputs, strict=True)))))


def _fitting_examples(
    module: nn.Module, binding: InputBinding, inputs: Sequence[TensorSpec]
) -> tuple[list[torch.Tensor], object]:
    """Example inputs that the network accepts, and what it returns for them."""
    complaint: Exception | None = None
    for sizes in _sample_sizes(inputs):
        examples = [_example(spec, sizes) for spec in inputs]
        try:
            with torch_is_quiet(), torch.no_grad():
                result = binding.call(module, {spec.name: one for spec, one in zip(inputs, examples, strict=True)})
        except Exception as error:  # the network is the user's code
            complaint = complaint or error
        else:
            return examples, result
    shapes = ", ".join(f"{spec.name} {spec.dtype}[{', '.join(map(str, spec.shape))}]" for spec in inputs)
    raise ConfigError(
        f"the network doesn't accept {shapes}: {first_line(complaint or RuntimeError())}",
        where="inputs",
        hint="declare the inputs with the shapes, dtypes and ranges that forward() expects",
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


def _output_names(given: Sequence[str], result: object, inputs: Sequence[TensorSpec]) -> list[str]:
    """The names of the outputs: those that were given, else those that the network gives them."""
    n_outputs = len(tensors_of(result))
    names = list(given) or output_names(result)
    if len(names) != n_outputs:
        raise ConfigError(
            f"{len(names)} name(s) for {n_outputs} output(s)", where="outputs", hint=f"give {n_outputs} name(s)"
        )
    if len(set(names)) < len(names):
        raise ConfigError("a name is given twice", where="outputs", hint="give each output a name of its own")
    if both := {spec.name for spec in inputs}.intersection(names):
        others = " ".join(f"--output {name}_out" if name in both else f"--output {name}" for name in names)
        what = f"an input and an output are both called {sorted(both)[0]}, and ONNX takes equal names for one value"
        raise ConfigError(what, where="outputs", hint=f"name the outputs: {others}")
    return names


def _exported(
    module: nn.Module, examples: Sequence[torch.Tensor], inputs: Sequence[TensorSpec], names: Sequence[str], opset: int
) -> onnx.ModelProto:
    # Dim.DYNAMIC, not Dim(name): it tolerates the guards of strided convolutions, and torch never "refines" it to a
    # constant behind our back.
    dynamic = torch.export.Dim.DYNAMIC
    shapes = tuple({i: dynamic for i, dim in enumerate(spec.shape) if isinstance(dim, str)} for spec in inputs)
    try:
        with torch_is_quiet(), torch.no_grad(), bags_as_reductions():
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
                dynamic_shapes=(shapes,),
                input_names=[spec.name for spec in inputs],
                output_names=list(names),
            )
    except Exception as error:  # the exporter runs the user's code, and raises nearly any type itself
        raise _export_error(error, module, inputs) from error
    if program is None:
        raise InternalError("torch.onnx.export returned nothing")
    return program.model_proto


def _exported_by_torchscript(
    module: nn.Module, examples: Sequence[torch.Tensor], inputs: Sequence[TensorSpec], names: Sequence[str], opset: int
) -> onnx.ModelProto:
    try:
        with tempfile.TemporaryDirectory() as folder, torch_is_quiet(), torch.no_grad(), bags_as_reductions():
            file = Path(folder, "model.onnx")
            torch.onnx.export(
                module,
                tuple(examples),
                file,
                dynamo=False,
                opset_version=opset,
                dynamic_axes={
                    spec.name: {i: dim for i, dim in enumerate(spec.shape) if isinstance(dim, str)} for spec in inputs
                },
                input_names=[spec.name for spec in inputs],
                output_names=list(names),
            )
            return onnx.load(file)
    except Exception as error:  # the exporter runs the user's code, and raises nearly any type itself
        raise _export_error(error, module, inputs) from error


def _export_error(error: Exception, module: nn.Module, inputs: Sequence[TensorSpec]) -> ConfigError | UnsupportedError:
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    fixed = dict.fromkeys(_specialised(f"{error}\n{cause}", inputs))
    if fixed:
        hint = "the network's code fixes that size; write the dimension as a number"
        if any(isinstance(layer, nn.RNN) for layer in module.modules()):
            hint += "; of nn.RNN, torch.onnx.export(..., dynamo=False) keeps it dynamic: convert the file it writes"
        return ConfigError(f"can't be dynamic: {', '.join(fixed)}", where="inputs", hint=hint)
    line = RAISING_LINE.search(f"{cause}\n{error}")
    where = f"{Path(line['file']).name}, line {line['number']}: {line['code'].strip()}" if line else "export"
    return UnsupportedError(
        f"torch can't export this network: {type(cause).__name__}: {first_line(cause)}",
        where=where,
        hint="rewrite that part of forward(), often Python control flow over values, or convert from your own .onnx",
    )


def _specialised(complaint: str, inputs: Sequence[TensorSpec]) -> Iterator[str]:
    """The named dimensions that torch says are constants."""
    for element, axis in SPECIALISED.findall(complaint):
        spec = inputs[int(element)]
        yield f"{spec.shape[int(axis)]} of {spec.name}"


def _strip(message: Any) -> None:
    """Remove what tells where and how the model was made, at every depth."""
    for field, value in message.ListFields():
        if field.name in NOT_PART_OF_THE_MODEL:
            message.ClearField(field.name)
        elif field.message_type is not None:
            for item in [value] if hasattr(value, "ListFields") else value:
                _strip(item)


def _restore_names(model: onnx.ModelProto) -> None:
    """Remove the name under which `_Flat` holds the network from the names of weights, values and nodes."""
    interface = {info.name for info in (*model.graph.input, *model.graph.output)}
    names = {name for graph in _graphs(model.graph) for name in _names(graph)}
    restored = {name: match[1] + match[2] for name in names - interface if (match := INSIDE.fullmatch(name))}
    restored = {name: own for name, own in restored.items() if own not in names}
    for graph in _graphs(model.graph):
        named: list[Any] = [*graph.initializer, *graph.input, *graph.output, *graph.value_info, *graph.node]
        for one in named:
            one.name = restored.get(one.name, one.name)
        for node in graph.node:
            node.input[:] = [restored.get(name, name) for name in node.input]
            node.output[:] = [restored.get(name, name) for name in node.output]


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph, and those that its nodes hold."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _graphs(inner)


def _names(graph: onnx.GraphProto) -> Iterator[str]:
    """The names of the nodes and values of a graph."""
    values: list[Any] = [*graph.initializer, *graph.input, *graph.output, *graph.value_info]
    yield from (one.name for one in values)
    for node in graph.node:
        yield from (node.name, *node.input, *node.output)


def _infer_shapes_again(model: onnx.ModelProto) -> None:
    """Replace the declared shapes of all values that are not inputs, which have the example's number of steps.

    torch 2's exporter runs a recurrent layer step by step to find its shapes, and so fixes a dynamic number of steps.
    A dimension of an output that ONNX can't infer stays as declared.
    """
    del model.graph.value_info[:]
    declared = [onnx.TypeProto.FromString(value.type.SerializeToString()) for value in model.graph.output]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    for value, found, old in zip(model.graph.output, inferred.graph.output, declared, strict=True):
        dims = found.type.tensor_type.shape.dim
        for index, dim in enumerate(old.tensor_type.shape.dim):
            is_known = index < len(dims) and dims[index].WhichOneof("value") is not None
            value.type.tensor_type.shape.dim.add().CopyFrom(dims[index] if is_known else dim)


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
