"""ONNX models on ONNX Runtime's WebAssembly build, in Node and in a browser."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from converter.dtypes import BY_NAME, dtype_of
from converter.errors import ConverterError, UnsupportedError
from converter.runtimes.frames import DTYPES
from converter.runtimes.hosted import HostedModel, HostedRuntime
from converter.runtimes.storage import Slot


class _Same:
    """ONNX Runtime has ONNX's own dtypes: nothing is converted, everything is checked."""

    def sent(self, slot: Slot, array: np.ndarray) -> np.ndarray:
        given = dtype_of(array).name
        if given != slot.dtype.name:
            raise ConverterError(f"the array is {given}, the model takes {slot.dtype.name}", where=slot.name)
        slot.check_shape(array)
        return array

    def received(self, slot: Slot, array: np.ndarray) -> np.ndarray:
        got = dtype_of(array).name
        if got != slot.dtype.name:
            raise ConverterError(f"ONNX Runtime gave {got} where {slot.dtype.name} was promised", where=slot.name)
        return array


class OnnxRuntimeWeb(HostedRuntime):
    """The runtime `onnxruntime-web@node` or `onnxruntime-web@chromium`."""

    def load(self, model: Path) -> HostedModel:
        """Load an ONNX file, after a start where there was none or the runtime died since.

        Raises: ConverterError if there is no such file, or ONNX Runtime refuses it; UnsupportedError if an input or
                output has a dtype that can't be handed over.
        """
        header = self.open(model)
        try:
            inputs, outputs = (tuple(_slot(entry, self.name) for entry in header[key]) for key in ("inputs", "outputs"))
        except ConverterError:
            self.unload(header["handle"])
            raise
        return HostedModel(self, header, _Same(), inputs=inputs, outputs=outputs)


def _slot(entry: Mapping[str, Any], where: str) -> Slot:
    if entry["dtype"] not in DTYPES:
        raise UnsupportedError(
            f"{entry['name']} is of type {entry['dtype']}, which can't be handed over",
            where=where,
            hint="leave it inside the model, or leave this runtime out",
        )
    return Slot(entry["name"], BY_NAME[entry["dtype"]], tuple(dim if dim != "" else None for dim in entry["shape"]))
