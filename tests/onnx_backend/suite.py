"""ONNX's own backend suite as data: a model, sets of inputs with the outputs they must give, and tolerances."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test import loader
from onnx.backend.test.case.test_case import TestCase

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator", "real")
LIGHT = Path(loader.__file__).parents[1] / "data" / "light"
FREE_DIMENSION = 1  # what the suite's own runner takes for a dimension without a size


@dataclass(frozen=True)
class DataSet:
    """Inputs by name, and the outputs they must give, in the model's order."""

    inputs: dict[str, Any]
    outputs: list[Any]


@dataclass(frozen=True)
class SuiteCase:
    """One test of the suite."""

    name: str
    kind: str
    rtol: float
    atol: float
    source: TestCase

    @cached_property
    def path(self) -> Path | None:
        """The model's file, None for a model that is made in memory."""
        if self.kind == "node":
            return None
        if self.source.model_dir is not None:
            return Path(self.source.model_dir) / "model.onnx"
        return LIGHT / Path(str(self.source.url)).name

    def model(self) -> onnx.ModelProto:
        """The model, read anew."""
        if self.path is not None:
            return onnx.load(self.path)
        assert self.source.model is not None
        copy = onnx.ModelProto()
        copy.CopyFrom(self.source.model)
        return copy

    def data_sets(self) -> list[DataSet]:
        """Every set of inputs and outputs, read anew."""
        model = self.model()
        names = [info.name for info in free_inputs(model.graph)]
        return [
            DataSet(dict(zip(names, map(_array, inputs), strict=True)), [_array(value) for value in outputs])
            for inputs, outputs in self._raw(model)
        ]

    def _raw(self, model: onnx.ModelProto) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
        if self.path is None:
            yield from self.source.data_sets or ()
        elif self.kind == "real":
            yield [_ramp(info) for info in free_inputs(model.graph)], list(_stored(self.path, model))
        else:
            for folder in sorted(self.path.parent.glob("test_data_set*")):
                yield _protos(folder, "input", model.graph.input), _protos(folder, "output", model.graph.output)


@cache
def suite() -> dict[str, SuiteCase]:
    """Every test of the suite by name, the slowest first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the suite casts and divides what has no result, on purpose
        raw = [case for kind in reversed(KINDS) for case in loader.load_model_tests(kind=kind)]
    return {case.name: SuiteCase(case.name, case.kind, case.rtol, case.atol, case) for case in raw}


def free_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """The inputs that have no value in the model itself."""
    constants = {tensor.name for tensor in graph.initializer}
    return [info for info in graph.input if info.name not in constants]


def _array(value: Any) -> Any:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _protos(folder: Path, role: str, infos: Sequence[onnx.ValueInfoProto]) -> list[Any]:
    count = len(list(folder.glob(f"{role}_*.pb")))
    return [_read(folder / f"{role}_{index}.pb", infos[index].type) for index in range(count)]


def _read(file: Path, type_: onnx.TypeProto) -> Any:
    content = file.read_bytes()
    match type_.WhichOneof("value"):
        case "sequence_type":
            return numpy_helper.to_list(onnx.SequenceProto.FromString(content))
        case "optional_type":
            return numpy_helper.to_optional(onnx.OptionalProto.FromString(content))
        case _:
            return numpy_helper.to_array(onnx.TensorProto.FromString(content))


def _ramp(info: onnx.ValueInfoProto) -> np.ndarray:
    """The input that the suite's runner gives to its light models: a ramp from 0 to 1."""
    dims = info.type.tensor_type.shape.dim
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else FREE_DIMENSION for dim in dims)
    size = int(np.prod(shape))
    return (np.arange(size).reshape(shape) / size).astype(np.float32)


def _stored(path: Path, model: onnx.ModelProto) -> Iterator[np.ndarray]:
    for index in range(len(model.graph.output)):
        content = path.with_name(f"{path.stem}_output_{index}.pb").read_bytes()
        yield numpy_helper.to_array(onnx.TensorProto.FromString(content))
