"""What encodings of weights take and do, measured on a runtime."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, inf
from pathlib import Path

import numpy as np

from converter.errors import ParityError
from converter.parity.compare import Tolerance, compare_outputs
from converter.parity.inputs import Sample
from converter.parity.run import Outputs, Reference
from converter.pipeline.compile import GENERATOR
from converter.pipeline.encode_choice import Encodings
from converter.runtimes.base import LoadedModel, Runtime
from converter.tfjs.graph import Graph
from converter.tfjs.variants import Variants

EXACT = Tolerance(0.0, 0.0)
N_VALUES = 1 << 14  # of a sample's outputs that a probe keeps


@dataclass(frozen=True)
class Measured:
    """What a choice of encodings takes, and the largest error of any output by the label of the sample.

    Units: size_bytes of all shards
    """

    size_bytes: int
    errors: Mapping[str, float]

    @property
    def max_error(self) -> float:
        """The largest error of all."""
        return max(self.errors.values())

    @property
    def worst(self) -> str:
        """The label of the sample that has it."""
        return max(self.errors, key=lambda label: self.errors[label])


class Bench:
    """A graph on a runtime, with ever other encodings of its weights in a folder of its own."""

    def __init__(
        self, graph: Graph, folder: Path, runtime: Runtime, samples: Sequence[Sample], reference: Reference
    ) -> None:
        self._variants, self._folder = Variants(graph, folder, generator=GENERATOR), folder
        self._runtime, self._reference = runtime, reference
        self._samples = {one.label: one for one in samples}

    def measure(self, encodings: Encodings, *, order: Sequence[str] = (), limit: float = inf) -> Measured:
        """The errors on all samples, up to the first beyond the limit; `order` has their labels where it matters."""
        size_bytes = self._variants.write(encodings)
        errors: dict[str, float] = {}
        with self._loaded() as model:
            for label in order or self._samples:
                errors[label] = self._error(label, model.run(self._samples[label].inputs).outputs)
                if errors[label] > limit:
                    break
        return Measured(size_bytes, errors)

    def probe(self, encodings: Encodings, label: str) -> tuple[float, np.ndarray]:
        """The largest error on one sample, and how far single values of outputs are from their reference.

        Shapes: (value,), no more than `N_VALUES`; none where the error is infinite. What isn't finite counts as 0
        """
        self._variants.write(encodings)
        with self._loaded() as model:
            outputs = model.run(self._samples[label].inputs).outputs
        error = self._error(label, outputs)
        if error == inf:
            return inf, np.empty(0)
        differences = _values(outputs) - _values(self._reference.outputs[label])
        return error, differences[:: max(1, ceil(differences.size / N_VALUES))]

    @contextmanager
    def _loaded(self) -> Iterator[LoadedModel]:
        model = self._runtime.load(self._folder)
        try:
            yield model
        finally:
            model.close()

    def _error(self, label: str, outputs: Outputs) -> float:
        """The largest error of any output; infinite for a NaN on one side only, and for an output of another form."""
        try:
            verdicts = compare_outputs(self._reference.outputs[label], outputs, EXACT)
        except ParityError:
            return inf
        return max(verdict.max_abs for verdict in verdicts)


def _values(outputs: Outputs) -> np.ndarray:
    numbers = [outputs[name] for name in sorted(outputs) if outputs[name].dtype.kind in "biuf"]
    flat = [np.nan_to_num(np.asarray(one, np.float64), nan=0.0, posinf=0.0, neginf=0.0).ravel() for one in numbers]
    return np.concatenate(flat) if flat else np.empty(0)
