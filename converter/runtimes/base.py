"""What a runtime is: one thing that executes one format, with named arrays in and out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class RuntimeInfo:
    """A runtime as it runs on this machine: versions of what it is made of, and what it computes on."""

    name: str
    versions: Mapping[str, str]
    device: str


@dataclass(frozen=True)
class RunResult:
    """The outputs of one run by ONNX name, in the model's order, with ONNX dtypes and shapes.

    Units:  predict_ms in milliseconds, from the inputs being handed over until every output is read back.
    """

    outputs: "dict[str, np.ndarray]"
    predict_ms: float


@dataclass(frozen=True)
class BenchResult:
    """What many runs of one model on the same inputs took, in order, and what the runtime held meanwhile.

    `n_tensors` has the tensors that were alive after each run, and is empty where a runtime counts none.
    Units:  predict_ms in milliseconds, as in RunResult; the others in bytes, None where nobody tells. wasm_bytes is all
            that a WebAssembly module has taken, tensors included.
    """

    predict_ms: tuple[float, ...]
    n_tensors: tuple[int, ...] = ()
    peak_bytes: int | None = None
    heap_bytes: int | None = None
    wasm_bytes: int | None = None


class LoadedModel(Protocol):
    """A model in a runtime's memory."""

    @property
    def load_ms(self) -> float:
        """How long loading took, in milliseconds."""

    def run(self, inputs: "Mapping[str, np.ndarray]") -> RunResult:
        """The outputs for inputs that carry ONNX names, dtypes and shapes.

        Raises: ConverterError if an input doesn't fit the model or the runtime can't execute it.
        """

    def close(self) -> None:
        """Free the model."""


class Runtime(Protocol):
    """Executes models of one format in one place."""

    @property
    def name(self) -> str:
        """`<format>@<where>`, such as `tfjs-wasm@node`."""

    def start(self) -> RuntimeInfo:
        """Get ready; calling it again is cheap.

        Raises: RuntimeMissing, with what to do about it, if the runtime can't run on this machine.
        """

    def load(self, model: Path) -> LoadedModel:
        """Load a model: `model.onnx`, or the folder that holds `model.json`.

        Raises: ConverterError if the runtime refuses the model.
        """

    def close(self) -> None:
        """Free what `start` took."""
