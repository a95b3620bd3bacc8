"""A test of the suite as a TF.js graph model on disk, or the reason why it can't be one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from converter.errors import ConverterError, InternalError, UnsupportedError
from converter.onnx_model import load_bytes
from converter.pipeline.compile import Compiled, compile_onnx, write_graph
from tests.onnx_backend.borders import has_tensors_only, with_tensors_only
from tests.onnx_backend.suite import DataSet, SuiteCase, free_inputs

DIMENSIONS = "dimensions"  # what is bound where fixed sizes of the inputs are all that it takes
SMALL_ELEMENTS = 64  # an operand that says what to do has few elements; one that holds data may have more


@dataclass(frozen=True)
class Converted:
    """A test whose graph model is in a folder, with the data to run it on.

    `bound` names the inputs that became constants of the model, whose other inputs then have fixed sizes; `is_adapted`
    says that sequences or optionals enter or leave as the tensors in them.
    """

    folder: Path
    data_sets: Sequence[DataSet]
    bound: tuple[str, ...] = ()
    is_adapted: bool = False


@dataclass(frozen=True)
class Refused:
    """Why a test has no graph model."""

    stage: str
    reason: str


def convert(case: SuiteCase, folder: Path) -> Converted | Refused:
    """Compile a test into a folder; inputs are bound to their values only where it can't be compiled otherwise."""
    model, data_sets = case.model(), case.data_sets()
    is_adapted = not has_tensors_only(model)
    if is_adapted:
        (data,) = data_sets
        model, data = with_tensors_only(model, data)
        data_sets = [data]
    compiled = _compile(model, case.name)
    if isinstance(compiled, Compiled):
        return _written(compiled, Converted(folder, data_sets, (), is_adapted))
    if not _asks_for_more(compiled):
        return compiled
    for names in _choices(model, data_sets):
        bound = _compile(_with_constants(model, names, data_sets[0]), case.name)
        data = _without(data_sets[0], names)
        if isinstance(bound, Compiled) and _computes(bound, data):
            return _written(bound, Converted(folder, [data], names or (DIMENSIONS,), is_adapted))
        if isinstance(bound, Refused) and "must be known" not in bound.reason:
            compiled = bound  # what is wrong even when all that can be known is known
    return compiled


def _asks_for_more(refused: Refused) -> bool:
    """Whether more knowledge of the inputs might help."""
    return any(words in refused.reason for words in ("must be known", "is unknown", "--bind"))


def _compile(model: onnx.ModelProto, name: str) -> Compiled | Refused:
    try:
        return compile_onnx(load_bytes(model.SerializeToString(), where=name))
    except UnsupportedError as error:
        return Refused("refused", str(error))
    except (ConverterError, InternalError) as error:
        return Refused(type(error).__name__, str(error))
    except Exception as error:  # a bug of the converter is a result of the suite, not its end
        return Refused("crash", f"{type(error).__name__}: {error}")


def _written(compiled: Compiled, converted: Converted) -> Converted | Refused:
    try:
        write_graph(compiled, converted.folder)
    except (ConverterError, InternalError) as error:
        return Refused("write", str(error))
    return converted


def _choices(model: onnx.ModelProto, data_sets: Sequence[DataSet]) -> Iterator[tuple[str, ...]]:
    """Which inputs to bind, the fewest first: none, one … but not all, or there is nothing left to prove."""
    if len(data_sets) != 1:
        return
    names = [info.name for info in free_inputs(model.graph)]
    small = [name for name in names if _is_small(data_sets[0].inputs[name])]
    for count in range(len(names)):
        yield from combinations(reversed(small), count)


def _is_small(value: np.ndarray) -> bool:
    return value.size <= SMALL_ELEMENTS


def _with_constants(model: onnx.ModelProto, names: Sequence[str], data: DataSet) -> onnx.ModelProto:
    """The model with some inputs as constants, and with sizes for the others."""
    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    kept = [info for info in bound.graph.input if info.name not in names]
    del bound.graph.input[:]
    bound.graph.input.extend(kept)
    for info in free_inputs(bound.graph):
        for dim, size in zip(info.type.tensor_type.shape.dim, data.inputs[info.name].shape, strict=True):
            dim.dim_value = size
    bound.graph.initializer.extend(numpy_helper.from_array(data.inputs[name], name) for name in names)
    return bound


def _without(data: DataSet, names: Sequence[str]) -> DataSet:
    return DataSet({name: value for name, value in data.inputs.items() if name not in names}, data.outputs)


def _computes(compiled: Compiled, data: DataSet) -> bool:
    """Whether an output comes from an input, as far as there are values: else binding has left nothing to prove."""
    if any(value.size == 0 for value in [*data.inputs.values(), *data.outputs]):
        return True
    nodes = compiled.graph.nodes
    waiting = [ref.node for ref in compiled.graph.outputs.values()]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if nodes[name].op == "Placeholder":
            return True
        if name not in seen:
            seen.add(name)
            waiting.extend(ref.node for ref in nodes[name].inputs)
    return False
