"""SavedModels in TensorFlow, which runs in the environment of the engine, never in this process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from converter.dtypes import dtype_of
from converter.errors import ConverterError, InternalError, UnsupportedError
from converter.runtimes.base import RunResult, RuntimeInfo
from converter.tensorflow_chain.process import WorkerProcess

FILE_KINDS = "biuf"  # what an .npz file holds without pickles


class SavedModelRuntime:
    """The runtime `saved-model`: TensorFlow on the CPU, on one thread; the process belongs to its owner."""

    name = "saved-model"

    def __init__(self, process: WorkerProcess) -> None:
        self._process = process

    def start(self) -> RuntimeInfo:
        """Who runs.

        Raises: RuntimeMissing if the engine isn't installed, or is broken.
        """
        reply = self._process.ask("versions")
        return RuntimeInfo(self.name, reply["versions"], reply["device"])

    def load(self, model: Path) -> "LoadedSavedModel":
        """The SavedModel of a folder that the engine wrote.

        Raises: ConverterError if TensorFlow refuses it.
        """
        if not model.is_dir():
            raise ConverterError("no such SavedModel", where=str(model), hint="convert with --also saved-model")
        return LoadedSavedModel(self._process, self._process.ask("load", saved_model=str(model.resolve())))

    def close(self) -> None:
        """End the process; the next request starts it again."""
        self._process.close()


class LoadedSavedModel:
    """A SavedModel in TensorFlow's memory, addressed by ONNX names; load_ms in milliseconds."""

    def __init__(self, process: WorkerProcess, reply: Mapping[str, Any]) -> None:
        self._process, self._handle = process, reply["handle"]
        self._pid = process.pid
        self.load_ms: float = reply["load_ms"]
        self.inputs, self.outputs = (tuple(one["name"] for one in reply[role]) for role in ("inputs", "outputs"))

    def run(self, inputs: Mapping[str, np.ndarray]) -> RunResult:
        """The outputs for named inputs.

        Raises: ConverterError if the names, dtypes or shapes don't fit, or TensorFlow can't execute the model.
        """
        if inputs.keys() != set(self.inputs):
            what = f"the inputs are {sorted(inputs)}, the model takes {sorted(self.inputs)}"
            raise ConverterError(what, where=SavedModelRuntime.name)
        if unfit := [name for name, array in inputs.items() if array.dtype.kind not in FILE_KINDS]:
            what = f"{dtype_of(inputs[unfit[0]]).name} inputs can't be handed over"
            raise UnsupportedError(what, where=f"{SavedModelRuntime.name}: {unfit[0]}")
        if self._process.pid != self._pid:
            raise InternalError(f"{SavedModelRuntime.name}: a closed model can't run")
        scratch = self._process.scratch
        given, given_back = scratch / "inputs.npz", scratch / "outputs.npz"
        arrays: dict[str, Any] = {f"a{i}": inputs[name] for i, name in enumerate(self.inputs)}
        np.savez(given, **arrays)
        reply = self._process.ask("run", handle=self._handle, inputs=str(given), outputs=str(given_back))
        with np.load(given_back, allow_pickle=False) as file:
            outputs = {name: file[f"a{i}"] for i, name in enumerate(self.outputs)}
        return RunResult(outputs, reply["predict_ms"])

    def close(self) -> None:
        """Free the model; closing twice, or after the process ended, is fine."""
        if self._process.pid == self._pid and self._pid is not None:
            self._process.ask("unload", handle=self._handle)
        self._pid = None
