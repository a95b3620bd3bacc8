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
from converter.pipeline.compile import compile_onnx, write_graph
from tests.onnx_backend.suite import DataSet, SuiteCase, free_inputs

SMALL_ELEMENTS = 64  # an operand that says what to do has few elements; one that holds data may have more


@dataclass(frozen=True)
class Converted:
    """A graph model in a folder; `bound` names the inputs that became constants of it."""

    folder: Path
    bound: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """Why a test has no graph model."""

    stage: str
    reason: str


def convert(case: SuiteCase, data_sets: Sequence[DataSet], folder: Path) -> Converted | Refused:
    """Compile a test into a folder; inputs are bound to their values only where it can't be compiled otherwise."""
    model = case.model()
    refused = _compile(model, case.name, folder)
    if refused is None:
        return Converted(folder, ())
    if "must be known" in refused.reason or "--bind" in refused.reason:
        for bound in _choices(model, data_sets):
            if _compile(_with_constants(model, bound, data_sets[0]), case.name, folder) is None:
                return Converted(folder, bound)
    return refused


def _compile(model: onnx.ModelProto, name: str, folder: Path) -> Refused | None:
    try:
        write_graph(compile_onnx(load_bytes(model.SerializeToString(), where=name)), folder)
    except UnsupportedError as error:
        return Refused("refused", str(error))
    except (ConverterError, InternalError) as error:
        return Refused(type(error).__name__, str(error))
    except Exception as error:  # a bug of the converter is a result of the suite, not its end
        return Refused("crash", f"{type(error).__name__}: {error}")
    return None


def _choices(model: onnx.ModelProto, data_sets: Sequence[DataSet]) -> Iterator[tuple[str, ...]]:
    """Which inputs to bind, the fewest first; one at least stays free, or there is nothing left to prove."""
    if len(data_sets) != 1:
        return
    names = [info.name for info in free_inputs(model.graph)]
    small = [name for name in names if _is_small(data_sets[0].inputs[name])]
    for count in range(1, len(names)):
        yield from combinations(reversed(small), count)


def _is_small(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.size <= SMALL_ELEMENTS


def _with_constants(model: onnx.ModelProto, names: Sequence[str], data: DataSet) -> onnx.ModelProto:
    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    kept = [info for info in bound.graph.input if info.name not in names]
    del bound.graph.input[:]
    bound.graph.input.extend(kept)
    bound.graph.initializer.extend(numpy_helper.from_array(data.inputs[name], name) for name in names)
    return bound
