"""Computes the tensors that a model's index outputs point into, when the verification of one needs them."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from converter.parity.inputs import Sample
from converter.parity.ties import Searched

if TYPE_CHECKING:
    from converter.onnx_model import LoadedOnnx
    from converter.onnx_model.origins import IndexOutput
    from converter.runtimes.onnxruntime_ import LoadedOnnx as Session


class IndexSearch:
    """What the indices of ArgMax, ArgMin and TopK point into, computed by onnxruntime; nothing is loaded before."""

    def __init__(self, model: Path) -> None:
        self._path = model

    def __call__(self, output: str, sample: Sample) -> Searched | None:
        """Return the values that an output's indices point into, None for an output of another kind."""
        found = self._outputs.get(output)
        if found is None:
            return None
        inputs = dict(sample.inputs)
        values = inputs.get(found.searched)
        if values is None:
            values = self._session.run(inputs).outputs[found.searched]
        return Searched(values, found.axis)

    @cached_property
    def _model(self) -> "LoadedOnnx":
        from converter.onnx_model import load

        return load(self._path)

    @cached_property
    def _outputs(self) -> "dict[str, IndexOutput]":
        from converter.onnx_model.origins import index_outputs

        return index_outputs(self._model)

    @cached_property
    def _session(self) -> "Session":
        from converter.onnx_model import with_outputs
        from converter.runtimes.onnxruntime_ import OnnxRuntime

        names = {one.searched for one in self._outputs.values()} - {info.name for info in self._model.proto.graph.input}
        return OnnxRuntime().load(with_outputs(self._model, sorted(names)))
