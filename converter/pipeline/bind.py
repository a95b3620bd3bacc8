"""Dimensions and inputs that a person fixes before the model is compiled."""

from collections.abc import Mapping
from dataclasses import replace

from converter.config import TensorSpec
from converter.errors import ConfigError
from converter.onnx_model.bind import with_values
from converter.pipeline.source import Source


def bound(source: Source, bind: Mapping[str, int]) -> Source:
    """The source with named dimensions fixed, and with inputs of one element, by name, that have become constants.

    Raises: ConfigError if there is nothing of a name that can be fixed.
    """
    dims = {dim for spec in source.inputs for dim in spec.shape if isinstance(dim, str)}
    inputs = {spec.name: spec for spec in source.inputs if source.module is None and _is_single(spec)}
    if unknown := sorted(bind.keys() - dims - inputs.keys()):
        raise ConfigError(
            f"no input has a dimension named {', '.join(unknown)}",
            where="--bind",
            hint=f"named dimensions: {', '.join(sorted(dims)) or 'none'}; "
            f"inputs of one number: {', '.join(sorted(inputs)) or 'none'}",
        )
    values = {name: value for name, value in bind.items() if name in inputs}
    kept = tuple(_sized(spec, bind) for spec in source.inputs if spec.name not in values)
    return replace(source, onnx=with_values(source.onnx, values), inputs=kept)


def _is_single(spec: TensorSpec) -> bool:
    return all(dim == 1 for dim in spec.shape)


def _sized(spec: TensorSpec, bind: Mapping[str, int]) -> TensorSpec:
    shape = tuple(bind.get(dim, dim) if isinstance(dim, str) else dim for dim in spec.shape)
    return spec.model_copy(update={"shape": shape})
