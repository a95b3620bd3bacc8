"""Where a model comes from: a checkpoint with the code of its network, or an ONNX file."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from converter.artifact.store import FormatPlan
from converter.config import InputDType, ResolvedConfig, TensorSpec, dim_name, unnamed_dim
from converter.dtypes import BY_NAME
from converter.errors import ConfigError
from converter.onnx_model import LoadedOnnx, folded, load, load_bytes
from converter.onnx_model.bind import with_shapes
from converter.onnx_model.model import ValueType, value_type
from converter.pipeline.events import Emit, StepFinished, StepStarted
from converter.tensorflow_chain.conversions import OPSET

if TYPE_CHECKING:
    import onnx
    import torch

    from converter.export import Exporter

ONNX_SUFFIX = ".onnx"

DimNames = dict[str | tuple[str, int], str]
"""The name of each dynamic dimension, by what the model calls it, or by input and axis where it has no name there."""


@dataclass(frozen=True)
class Source:
    """A model as ONNX, the inputs that parity draws, and what it was before it was ONNX.

    `module` is the network where there is one: then it is the reference. `file` is what was read. `notes` are sentences
    on what was decided for the user.
    """

    onnx: LoadedOnnx
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[str, ...]
    module: "torch.nn.Module | None"
    file: FormatPlan
    notes: tuple[str, ...] = ()

    @property
    def checkpoint(self) -> FormatPlan | None:
        """The checkpoint, None where an ONNX file was read."""
        return self.file if self.module is not None else None


def open_source(resolved: ResolvedConfig, *, emit: Emit) -> Source:
    """The model that a config names.

    Raises: ConfigError if the config names none, or inputs that it doesn't have; CheckpointError if it can't be read.
    """
    path = resolved.config.model.checkpoint
    if resolved.config.engine == "onnx-tf" and resolved.sources.get("export.opset") == "flag":
        what = f"the engine onnx-tf reads opset {OPSET}, which is older than what can be chosen"
        raise ConfigError(what, where="--opset", hint="leave it out, or use the engine direct")
    if path is None:
        raise ConfigError("no model is named", where="model.checkpoint", hint="give the path of a .pth or .onnx file")
    path = resolved.path(path)
    if path.suffix == ONNX_SUFFIX:
        return _from_onnx(resolved, path, emit)
    return _from_checkpoint(resolved, path, emit)


def _from_onnx(resolved: ResolvedConfig, path: Path, emit: Emit) -> Source:
    emit(StepStarted("read"))
    config = resolved.config
    if config.model.factory:
        raise ConfigError("an ONNX file needs no factory", where="model.factory", hint="drop it (--factory)")
    declared = {spec.name: spec for spec in config.inputs}
    loaded = _with_missing_shapes(load(path), declared)
    inputs = _graph_inputs(loaded)
    if unknown := sorted(declared.keys() - inputs.keys()):
        raise ConfigError(
            f"the model has no input {', '.join(unknown)}", where="inputs", hint=f"its inputs: {', '.join(inputs)}"
        )
    specs = tuple(_merged(found, declared.get(name)) for name, found in inputs.items())
    emit(StepFinished("read", f"{path.name}, {len(loaded.proto.graph.node)} nodes"))
    outputs = tuple(info.name for info in loaded.proto.graph.output)
    return Source(loaded, specs, outputs, None, FormatPlan("source", sha256=loaded.sha256))


def _from_checkpoint(resolved: ResolvedConfig, path: Path, emit: Emit) -> Source:
    from converter.checkpoint import KeyRules, StateOptions, load_module, resolve_factory
    from converter.forward import bind_inputs
    from converter.training.network import OUTPUT, input_spec, reference_factory

    config = resolved.config
    kwargs: Mapping[str, Any] = config.model.kwargs
    inputs, outputs = config.inputs, config.outputs
    if config.model.factory:
        factory = resolve_factory(config.model.factory, resolved.root)
    elif config.features:
        factory, kwargs = reference_factory(config), {}
    else:
        factory = None
    if config.features:
        inputs, outputs = inputs or (input_spec(config),), outputs or (OUTPUT,)
    emit(StepStarted("read"))
    rules = KeyRules(config.model.ignore_keys, config.model.allow_missing)
    checkpoint = load_module(path, factory, kwargs, options=StateOptions(config.model.state_key, rules))
    emit(StepFinished("read", "; ".join([f"{path.name}, sha256 {checkpoint.sha256[:12]}", *checkpoint.notes])))
    inputs = inputs or checkpoint.inputs
    if not inputs:
        raise ConfigError(
            "a PyTorch model doesn't say what its inputs are",
            where="inputs",
            hint="declare them in the config, or give --input name=batch,8:float32",
        )
    binding = bind_inputs(checkpoint.module, inputs)
    if binding.note:
        emit(StepStarted("bind inputs"))
        emit(StepFinished("bind inputs", binding.note))
    export = exported_for_chain if config.engine == "onnx-tf" else partial(_exported, opset=config.export.opset)
    loaded = export(checkpoint.module, inputs, outputs, emit=emit)
    names = tuple(info.name for info in loaded.proto.graph.output)
    plan = FormatPlan("checkpoint", sha256=checkpoint.sha256)
    notes = [*checkpoint.notes, *([f"inputs are bound {binding.note}"] if binding.note else [])]
    return Source(loaded, tuple(inputs), names, checkpoint.module, plan, tuple(notes))


def exported_for_chain(
    module: "torch.nn.Module", inputs: Sequence[TensorSpec], outputs: Sequence[str], *, emit: Emit
) -> LoadedOnnx:
    """A module as ONNX that onnx-tf can read.

    torch's older exporter computes the sizes of a padding by int64 constants that TF.js can't hold: they are folded.
    """
    return folded(_exported(module, inputs, outputs, opset=OPSET, exporter="torchscript", emit=emit))


def _exported(
    module: "torch.nn.Module",
    inputs: Sequence[TensorSpec],
    outputs: Sequence[str],
    *,
    opset: int,
    exporter: "Exporter" = "dynamo",
    emit: Emit,
) -> LoadedOnnx:
    from converter.export import onnx_from_module

    emit(StepStarted("export to ONNX"))
    proto = onnx_from_module(module, inputs, outputs, opset=opset, exporter=exporter)
    loaded = load_bytes(proto.SerializeToString(deterministic=True), where="the exported model")
    emit(StepFinished("export to ONNX", f"opset {opset}, {len(proto.graph.node)} nodes"))
    return loaded


def _graph_inputs(loaded: LoadedOnnx) -> dict[str, TensorSpec]:
    """The inputs that a caller must give, from the ONNX graph."""
    weights = {*loaded.constants, *(tensor.name for tensor in loaded.proto.graph.initializer)}
    infos = [info for info in loaded.proto.graph.input if info.name not in weights]
    names = _dim_names({info.name: value_type(info.type) for info in infos})
    return {info.name: _spec(info, names) for info in infos}


def _with_missing_shapes(loaded: LoadedOnnx, declared: Mapping[str, TensorSpec]) -> LoadedOnnx:
    """Return the model with the shapes that the user declares for inputs of which the file has none."""
    shapeless = {info.name for info in loaded.proto.graph.input if not info.type.tensor_type.HasField("shape")}
    shapes = {name: spec.shape for name, spec in declared.items() if name in shapeless}
    return with_shapes(loaded, shapes) if shapes else loaded


def _spec(info: "onnx.ValueInfoProto", names: DimNames) -> TensorSpec:
    type_ = value_type(info.type)
    if type_ is None or type_.shape is None:
        raise ConfigError(
            "the model does not have its shape",
            where=f"input {info.name!r}",
            hint=f"give it, for example `--input {info.name}=batch,8`",
        )
    row = type_.dtype
    if row.name not in get_args(InputDType):
        raise ConfigError(
            f"inputs of {row.name} are not supported", where=f"input {info.name!r}", hint="cast it inside"
        )
    shape = [dim if isinstance(dim, int) else names[dim or (info.name, axis)] for axis, dim in enumerate(type_.shape)]
    low = -1.0 if BY_NAME[row.name].is_float else 0.0  # an integer input is most often an index
    return TensorSpec.model_validate({"name": info.name, "dtype": row.name, "shape": shape, "low": low, "high": 1.0})


def _dim_names(types: Mapping[str, ValueType | None]) -> DimNames:
    """Names for the dynamic dimensions of inputs; dimensions are equal only if the model gives them one name."""
    dims = [
        (name, axis, dim) for name, type_ in types.items() for axis, dim in enumerate((type_ and type_.shape) or ())
    ]
    names: DimNames = {}
    for text in dict.fromkeys(dim for _, _, dim in dims if isinstance(dim, str)):
        names[text] = _unused(dim_name(text), names.values())
    for name, axis, dim in dims:
        if dim is None:
            names[name, axis] = _unused(unnamed_dim(name, axis), names.values())
    return names


def _unused(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _merged(found: TensorSpec, declared: TensorSpec | None) -> TensorSpec:
    """What the config says of an input, held against what the model says."""
    if declared is None:
        return found
    ranks = len(declared.shape) == len(found.shape)
    fits = ranks and all(a == b or isinstance(b, str) for a, b in zip(declared.shape, found.shape, strict=True))
    if declared.dtype != found.dtype or not fits:
        raise ConfigError(
            f"declared {declared.dtype}{list(declared.shape)}, the model has {found.dtype}{list(found.shape)}",
            where=f"input {found.name!r}",
            hint="declare what the model has; `--bind name=size` fixes a dimension",
        )
    return declared
