"""PyTorch on the CPU: the reference for a model that comes from a checkpoint."""

import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from converter.checkpoint.quiet import first_line, torch_is_quiet
from converter.config import TensorSpec
from converter.dtypes import dtype_of
from converter.errors import ConverterError
from converter.forward import bind_inputs, tensors_of
from converter.runtimes.base import RunResult, RuntimeInfo


class TorchRuntime:
    """The runtime `torch`: the network itself, on one thread, called as an app would call it."""

    name = "torch"

    def __init__(self, module: nn.Module, inputs: Sequence[TensorSpec], outputs: Sequence[str]) -> None:
        self._model = LoadedTorch(module, tuple(inputs), tuple(outputs))

    def start(self) -> RuntimeInfo:
        """Who runs."""
        return RuntimeInfo(self.name, {"torch": torch.__version__}, f"cpu ({platform.machine()})")

    def load(self, model: Path) -> "LoadedTorch":
        """The network that the runtime was made with: its weights come from the checkpoint, not from `model`."""
        return self._model

    def close(self) -> None:
        """Nothing: the module belongs to the caller."""


class LoadedTorch:
    """A module in eval mode with names for its inputs and outputs; load_ms in milliseconds."""

    def __init__(self, module: nn.Module, inputs: tuple[TensorSpec, ...], outputs: tuple[str, ...]) -> None:
        self.load_ms = 0.0
        self._module, self._inputs, self._outputs = module, inputs, outputs
        self._binding = bind_inputs(module, inputs)

    def run(self, inputs: Mapping[str, np.ndarray]) -> RunResult:
        """The outputs for named inputs, with the dtypes and shapes that torch gives.

        Raises: ConverterError if the inputs don't fit the network, or it fails on them.
        """
        tensors = self._tensors(inputs)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # sums must not depend on how work is shared
        try:
            with torch_is_quiet(), torch.inference_mode():
                started = time.perf_counter()
                result = self._binding.call(self._module, tensors)
                arrays = [tensor.cpu().numpy().copy() for tensor in tensors_of(result)]
                predict_ms = (time.perf_counter() - started) * 1e3
        except ConverterError:
            raise
        except Exception as error:  # the network is the user's code
            shapes = ", ".join(f"{name} {array.dtype}{list(array.shape)}" for name, array in inputs.items())
            raise ConverterError(
                f"the network fails on {shapes}: {first_line(error)}",
                where=TorchRuntime.name,
                hint="check the shapes, dtypes and ranges of the inputs in the config",
            ) from error
        finally:
            torch.set_num_threads(threads)
        if len(arrays) != len(self._outputs):
            raise ConverterError(
                f"the network returns {len(arrays)} tensor(s) for {len(self._outputs)} name(s)",
                where=TorchRuntime.name,
                hint="name every output",
            )
        return RunResult(dict(zip(self._outputs, arrays, strict=True)), predict_ms)

    def close(self) -> None:
        """Nothing: the module belongs to the caller."""

    def _tensors(self, inputs: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
        declared = [spec.name for spec in self._inputs]
        if inputs.keys() != set(declared):
            raise ConverterError(
                f"inputs {sorted(inputs)} given, the network takes {declared}",
                where=TorchRuntime.name,
                hint="give each input by its name in the config",
            )
        for spec in self._inputs:
            given = dtype_of(inputs[spec.name]).name
            if given != spec.dtype:
                raise ConverterError(
                    f"{given} given, the network takes {spec.dtype}",
                    where=f"{TorchRuntime.name}: input {spec.name}",
                    hint="check the input's dtype in the config",
                )
        return {name: torch.from_numpy(np.array(inputs[name], order="C")) for name in declared}
