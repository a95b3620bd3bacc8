"""ONNX Runtime on the CPU: the reference where torch is not at hand."""

import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converter.dtypes import dtype_of
from converter.errors import CheckpointError, ConverterError, RuntimeMissing, UnsupportedError
from converter.runtimes.base import RunResult, RuntimeInfo

Dim = int | str | None  # a size, the name of a dynamic size, or unknown
SAME_NAMES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "bool", "string")
DTYPE_NAMES = {f"tensor({name})": name for name in SAME_NAMES} | {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
}
ERRORS_ALREADY_RAISED = 4  # log fatal errors only: the others arrive as exceptions as well


@dataclass(frozen=True)
class Value:
    """One input or output of an ONNX model, with its name, our name for its dtype, and its shape."""

    name: str
    dtype: str
    shape: tuple[Dim, ...]


@dataclass(frozen=True)
class Signature:
    """The inputs and outputs of an ONNX model, in its order."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


class OnnxRuntime:
    """The runtime `onnxruntime`: one thread and only rewrites that no hardware decides, so that runs repeat exactly."""

    name = "onnxruntime"

    def start(self) -> RuntimeInfo:
        """Who runs.

        Raises: RuntimeMissing if onnxruntime can't be imported.
        """
        return RuntimeInfo(self.name, {"onnxruntime": str(_imported().__version__)}, f"cpu ({platform.machine()})")

    def load(self, model: Path | bytes) -> "LoadedOnnx":
        """A model from its file, or from its bytes if it has no external data.

        Raises: CheckpointError if it can't be read; UnsupportedError if it holds what ONNX Runtime lacks.
        """
        where = "the ONNX model" if isinstance(model, bytes) else str(model)
        if isinstance(model, Path) and not model.is_file():
            raise CheckpointError("no such file", where=where, hint="check the path of the ONNX model")
        ort = _imported()
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.log_severity_level = ERRORS_ALREADY_RAISED
        source = model if isinstance(model, bytes) else os.fspath(model)
        started = time.perf_counter()
        session = _mapped(
            where, lambda: ort.InferenceSession(source, options, providers=["CPUExecutionProvider"]), CheckpointError
        )
        return LoadedOnnx(session, where, load_ms=(time.perf_counter() - started) * 1e3)

    def close(self) -> None:
        """Nothing: models hold their own memory."""


class LoadedOnnx:
    """An ONNX model in ONNX Runtime; load_ms in milliseconds."""

    def __init__(self, session: Any, where: str, *, load_ms: float) -> None:
        self.load_ms = load_ms
        self._session, self._where = session, where
        self._signature = Signature(_values(session.get_inputs(), where), _values(session.get_outputs(), where))

    def signature(self) -> Signature:
        """The model's inputs and outputs."""
        return self._signature

    def run(self, inputs: Mapping[str, np.ndarray]) -> RunResult:
        """The outputs for named inputs.

        Raises: ConverterError if the inputs don't fit the model, or it fails on them.
        """
        if self._session is None:
            raise ConverterError("the model was closed", where=self._where, hint="load it again")
        self._require_fit(inputs)
        names = [value.name for value in self._signature.outputs]
        started = time.perf_counter()
        arrays = _mapped(self._where, lambda: self._session.run(names, dict(inputs)), ConverterError)
        predict_ms = (time.perf_counter() - started) * 1e3
        return RunResult(dict(zip(names, arrays, strict=True)), predict_ms)

    def close(self) -> None:
        """Free the model."""
        self._session = None

    def _require_fit(self, inputs: Mapping[str, np.ndarray]) -> None:
        expected = {value.name: value for value in self._signature.inputs}
        if inputs.keys() != expected.keys():
            raise ConverterError(
                f"inputs {sorted(inputs)} given, the model has {sorted(expected)}",
                where=self._where,
                hint="give each input by its name in the model",
            )
        for name, array in inputs.items():
            value = expected[name]
            if dtype_of(array).name != value.dtype or not _fits(array.shape, value.shape):
                raise ConverterError(
                    f"{array.dtype}{list(array.shape)} given, the model takes {value.dtype}{list(value.shape)}",
                    where=f"{self._where}: input {name}",
                    hint="check the input's dtype and shape in the config",
                )


def _fits(shape: tuple[int, ...], declared: tuple[Dim, ...]) -> bool:
    return len(shape) == len(declared) and all(
        size == dim for size, dim in zip(shape, declared, strict=True) if isinstance(dim, int)
    )


def _values(arguments: Iterable[Any], where: str) -> tuple[Value, ...]:
    values = []
    for argument in arguments:
        if argument.type not in DTYPE_NAMES:
            raise UnsupportedError(
                f"{argument.name} is a {argument.type}, which can't be handed over as an array",
                where=where,
                hint="make it a tensor of a common type, or leave it inside the model",
            )
        values.append(Value(argument.name, DTYPE_NAMES[argument.type], tuple(argument.shape)))
    return tuple(values)


def _imported() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise RuntimeMissing(
            f"onnxruntime can't be imported: {error}", where=OnnxRuntime.name, hint="pip install onnxruntime"
        ) from error
    return onnxruntime


def _mapped(where: str, action: Callable[[], Any], kind: type[ConverterError]) -> Any:
    """What `action` gives; whatever ONNX Runtime raises becomes an error of ours."""
    try:
        return action()
    except Exception as error:  # its own exceptions share no base class but this one
        text = " ".join(str(error).split())
        if type(error).__name__ == "NotImplemented":
            raise UnsupportedError(text, where=where, hint="ONNX Runtime has no kernel for this on the CPU") from error
        hint = "check the file with onnx.checker" if kind is CheckpointError else "check the inputs and the model"
        raise kind(f"ONNX Runtime: {text}", where=where, hint=hint) from error
