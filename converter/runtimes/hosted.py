"""Runtimes that live in the Node process, or in a browser that it drives."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from converter.errors import ConverterError, InternalError, RuntimeMissing
from converter.runtimes.base import BenchResult, RunResult, RuntimeInfo
from converter.runtimes.node_process import NodeProcess, Reply
from converter.runtimes.storage import Slot


@dataclass(frozen=True)
class KernelTime:
    """What one kernel took, in milliseconds."""

    kernel: str
    time_ms: float


class HostedRuntime:
    """One thing that executes one format in one place; subclasses say what a loaded model is.

    `build` is a build of TF.js to run in the place of the whole of it.
    """

    def __init__(self, name: str, process: NodeProcess, build: Path | None = None) -> None:
        self.name = name
        self._process = process
        self._options = {} if build is None else {"bundle": str(build.resolve())}
        self._is_started = False

    def start(self) -> RuntimeInfo:
        """Initialise the runtime and prove that it computes; again if it died.

        Raises: RuntimeMissing if Node, the browser or the backend can't start.
        """
        header = self.ask("start", **self._options)
        self._is_started = True
        return RuntimeInfo(self.name, header["versions"], header["device"])

    def open(self, model: Path) -> Mapping[str, Any]:
        """What the runtime tells of a model that it has loaded, after a start where that was needed.

        Raises: ConverterError if a file is missing or leaves its folder, or the runtime refuses the model.
        """
        if not self._is_started:
            self.start()
        return self.ask("load", model=str(model.resolve()))

    def run(self, handle: int, arrays: Mapping[str, np.ndarray]) -> Reply:
        """Run a loaded model on arrays of the dtypes that its format stores."""
        return self._request("run", handle=handle, arrays=arrays)

    def bench(self, handle: int, arrays: Mapping[str, np.ndarray], n_runs: int) -> BenchResult:
        """Run a loaded model again and again where it is, as an app does."""
        header = self._request("bench", handle=handle, arrays=arrays, n_runs=n_runs).header
        return BenchResult(
            tuple(header["predict_ms"]),
            tuple(header["n_tensors"]),
            header["peak_bytes"],
            header["heap_bytes"],
            header["wasm_bytes"],
        )

    def profile(self, handle: int, arrays: Mapping[str, np.ndarray]) -> tuple[KernelTime, ...]:
        """The kernels of one run in their order; only TF.js tells, and times mean something on cpu and wasm only."""
        header = self._request("profile", handle=handle, arrays=arrays).header
        return tuple(KernelTime(one["kernel"], one["time_ms"]) for one in header["kernels"])

    def bench_legacy(self, columns: Sequence[str], rows: np.ndarray, n_runs: int) -> tuple[np.ndarray, BenchResult]:
        """The legacy formula's scores of raw rows, and what computing them in JavaScript takes where the model runs.

        Shapes: rows (row, column) float32 -> (row,) float64
        """
        reply = self._request("bench-legacy", columns=list(columns), arrays={"rows": rows}, n_runs=n_runs)
        return reply.arrays["score"], BenchResult(tuple(reply.header["predict_ms"]))

    def unload(self, handle: int) -> None:
        """Free a loaded model, if the runtime that held it still runs."""
        with suppress(RuntimeMissing):
            self.ask("unload", handle=handle)

    def close(self) -> None:
        """Free the thread or the page; the Node process belongs to its owner."""
        with suppress(RuntimeMissing):  # it is gone already
            self.ask("stop")
        self._is_started = False

    def ask(self, verb: str, **fields: Any) -> Mapping[str, Any]:
        """The answer to a request that carries no arrays."""
        return self._request(verb, **fields).header

    def _request(self, verb: str, **fields: Any) -> Reply:
        try:
            return self._process.request(verb, runtime=self.name, **fields)
        except RuntimeMissing:
            self._is_started = False
            raise


class Border(Protocol):
    """How arrays pass between ONNX's dtypes and those that a format stores."""

    def sent(self, slot: Slot, array: np.ndarray) -> np.ndarray:
        """An input as the runtime takes it."""

    def received(self, slot: Slot, array: np.ndarray) -> np.ndarray:
        """An output with the dtype that the model promises."""


class HostedModel:
    """A model in a hosted runtime's memory, addressed by ONNX names and dtypes; load_ms in milliseconds."""

    def __init__(
        self,
        runtime: HostedRuntime,
        header: Mapping[str, Any],
        border: Border,
        *,
        inputs: Sequence[Slot],
        outputs: Sequence[Slot],
    ) -> None:
        self._runtime, self._border = runtime, border
        self._handle: int | None = header["handle"]
        self.load_ms: float = header["load_ms"]
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)

    def run(self, inputs: Mapping[str, np.ndarray]) -> RunResult:
        """The outputs for named inputs.

        Raises: ConverterError if the names, dtypes, shapes or values don't fit, or the runtime can't execute the model.
        """
        reply = self._runtime.run(self._live_handle(), self._sent(inputs))
        outputs = {slot.name: self._border.received(slot, reply.arrays[slot.name]) for slot in self.outputs}
        return RunResult(outputs, reply.header["predict_ms"])

    def bench(self, inputs: Mapping[str, np.ndarray], n_runs: int) -> BenchResult:
        """What `n_runs` runs take, with nothing sent to and fro between them.

        Raises: ConverterError as `run`.
        """
        return self._runtime.bench(self._live_handle(), self._sent(inputs), n_runs)

    def close(self) -> None:
        """Free the model; closing twice, or after the runtime ended, is fine."""
        handle, self._handle = self._handle, None
        if handle is not None:
            self._runtime.unload(handle)

    def _sent(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        wanted = {slot.name for slot in self.inputs}
        if inputs.keys() != wanted:
            raise ConverterError(
                f"the inputs are {sorted(inputs)}, the model takes {sorted(wanted)}", where=self._runtime.name
            )
        return {slot.name: self._border.sent(slot, inputs[slot.name]) for slot in self.inputs}

    def _live_handle(self) -> int:
        if self._handle is None:
            raise InternalError(f"{self._runtime.name}: a closed model can't run")
        return self._handle
