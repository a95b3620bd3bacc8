"""TF.js graph models in Node and in Chromium, each backend a runtime."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from converter.errors import ConverterError, InternalError, RuntimeMissing
from converter.runtimes.base import RunResult, RuntimeInfo
from converter.runtimes.node_process import NodeProcess, Reply
from converter.runtimes.storage import Slot, from_storage, slot_from_metadata, to_storage


class TfjsRuntime:
    """One TF.js backend in one place; `name` is `tfjs-<backend>@node` or `tfjs-<backend>@chromium`."""

    def __init__(self, name: str, process: NodeProcess) -> None:
        self.name = name
        self._process = process
        self._is_started = False

    def start(self) -> RuntimeInfo:
        """Initialise the backend and prove that it computes; again if it died.

        Raises: RuntimeMissing if Node, the browser or the backend can't start.
        """
        header = self._ask("start")
        self._is_started = True
        return RuntimeInfo(self.name, header["versions"], header["device"])

    def load(self, model: Path) -> "TfjsModel":
        """Load the graph model of a folder, after a start where there was none or the runtime died since.

        Raises: ConverterError if a file is missing or leaves the folder, or TF.js refuses the graph.
        """
        if not self._is_started:
            self.start()
        return TfjsModel(self, self._ask("load", model=str(model.resolve())))

    def memory(self) -> Mapping[str, int]:
        """What the backend holds: `n_tensors` and `size_bytes`."""
        header = self._ask("memory")
        return {"n_tensors": header["n_tensors"], "size_bytes": header["size_bytes"]}

    def run(self, handle: int, arrays: Mapping[str, np.ndarray]) -> Reply:
        """Run a loaded model on arrays of float32, int32 or bool."""
        return self._request("run", handle=handle, arrays=arrays)

    def unload(self, handle: int) -> None:
        """Free a loaded model, if the runtime that held it still runs."""
        with suppress(RuntimeMissing):
            self._ask("unload", handle=handle)

    def close(self) -> None:
        """Free the thread or the page; the Node process belongs to its owner."""
        with suppress(RuntimeMissing):  # it is gone already
            self._ask("stop")
        self._is_started = False

    def _ask(self, verb: str, **fields: Any) -> Mapping[str, Any]:
        return self._request(verb, **fields).header

    def _request(self, verb: str, **fields: Any) -> Reply:
        try:
            return self._process.request(verb, runtime=self.name, **fields)
        except RuntimeMissing:
            self._is_started = False
            raise


class TfjsModel:
    """A graph model in a backend's memory, addressed by ONNX names and dtypes."""

    def __init__(self, runtime: TfjsRuntime, header: Mapping[str, Any]) -> None:
        self._runtime = runtime
        self._handle: int | None = header["handle"]
        self.load_ms: float = header["load_ms"]
        metadata = header.get("metadata") or {}
        try:
            self.inputs: tuple[Slot, ...] = tuple(map(slot_from_metadata, metadata["inputs"]))
            self.outputs: tuple[Slot, ...] = tuple(map(slot_from_metadata, metadata["outputs"]))
        except (KeyError, TypeError, ConverterError) as error:
            self.close()
            raise ConverterError(
                "model.json doesn't tell the ONNX names and dtypes of its inputs and outputs in userDefinedMetadata",
                where=runtime.name,
                hint="convert the model with compat-export",
            ) from error

    def run(self, inputs: Mapping[str, np.ndarray]) -> RunResult:
        """The outputs for named inputs.

        Raises: ConverterError if the names, dtypes, shapes or values don't fit, or the backend can't execute the graph.
        """
        wanted = {slot.name for slot in self.inputs}
        if inputs.keys() != wanted:
            raise ConverterError(
                f"the inputs are {sorted(inputs)}, the model takes {sorted(wanted)}", where=self._runtime.name
            )
        arrays = {slot.name: to_storage(slot, inputs[slot.name]) for slot in self.inputs}
        reply = self._runtime.run(self._live_handle(), arrays)
        outputs = {slot.name: from_storage(slot, reply.arrays[slot.name]) for slot in self.outputs}
        return RunResult(outputs, reply.header["predict_ms"])

    def close(self) -> None:
        """Free the model's tensors; closing twice, or after the runtime ended, is fine."""
        handle, self._handle = self._handle, None
        if handle is not None:
            self._runtime.unload(handle)

    def _live_handle(self) -> int:
        if self._handle is None:
            raise InternalError(f"{self._runtime.name}: a closed model can't run")
        return self._handle
