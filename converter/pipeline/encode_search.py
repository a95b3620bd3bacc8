"""The smallest encodings of weights with which a model's outputs stay near enough to their reference."""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from converter.errors import BudgetError
from converter.parity.inputs import Sample
from converter.parity.run import Reference
from converter.pipeline.compile import Compiled
from converter.pipeline.encode_choice import Choice, Encodings, Trial
from converter.pipeline.encode_measure import Bench, Measured
from converter.pipeline.encode_mix import Mix
from converter.pipeline.events import Emit, StepAdvanced, StepFinished, StepStarted
from converter.runtimes.base import Runtime
from converter.tfjs.encodings import ENCODINGS, Encoding

STEP = "weights"
_NARROWER: Mapping[Encoding, tuple[Encoding, ...]] = {
    "float32": ("uint16", "uint8"),
    "float16": ("uint8",),
    "uint16": ("uint8",),
    "uint8": (),
}


class Search:
    """Tries encodings on a runtime: all weights alike first, then mixes of the smallest that fits with smaller ones.

    What is chosen was measured on all samples, and takes least of all that was measured inside the budget.
    """

    def __init__(
        self,
        compiled: Compiled,
        weights: Mapping[str, np.ndarray],
        pinned: Encodings,
        runtime: Runtime,
        samples: Sequence[Sample],
        reference: Reference,
        emit: Emit,
    ) -> None:
        self._graph, self._pinned, self._runtime = compiled.graph, pinned, runtime
        self._samples, self._reference, self._emit = samples, reference, emit
        self._weights, self._free = weights, [name for name in weights if name not in pinned]

    def run(self, max_error: float) -> Choice:
        """The encodings that take least of those tried with an error of `max_error` at most.

        Raises: BudgetError if there are none.
        """
        with tempfile.TemporaryDirectory(prefix="compat-export-") as folder:
            bench = Bench(self._graph, Path(folder), self._runtime, self._samples, self._reference)
            return self._run(bench, max_error)

    def _run(self, bench: Bench, max_error: float) -> Choice:
        alike: dict[Encoding, Encodings] = {
            one: dict.fromkeys(self._free, one) | dict(self._pinned) for one in ENCODINGS
        }
        found = self._alike(bench, alike)
        fitting = [one for one in ENCODINGS if found[one].max_error <= max_error]
        if not fitting:
            raise BudgetError(
                f"outputs are {found['float32'].max_error:.3g} from their reference with float32 weights already, "
                f"and {max_error:g} is allowed",
                where="weights.max_error",
                hint="allow more, or find out why with `compat-export verify` and `bisect`",
            )
        base = min(fitting, key=lambda one: (found[one].size_bytes, found[one].max_error))
        name, encodings, measured = str(base), alike[base], found[base]
        note = f"{base}: {measured.size_bytes:,} bytes, max |error| {measured.max_error:.2g}"
        self._emit(StepFinished(STEP, note))
        free = {one: self._weights[one] for one in self._free}
        for narrow in _NARROWER[base]:
            better = Mix(bench, free, encodings, narrow, max_error, self._emit).run(found[narrow])
            if better:
                encodings, measured = better
                name = self._name(base, encodings)
        others = [Trial(one, found[one].size_bytes, found[one].max_error) for one in ENCODINGS if one != name]
        return Choice(encodings, (*others, Trial(name, measured.size_bytes, measured.max_error)))

    def _alike(self, bench: Bench, alike: Mapping[Encoding, Encodings]) -> dict[Encoding, Measured]:
        self._emit(StepStarted(STEP, len(ENCODINGS)))
        found: dict[Encoding, Measured] = {}
        for done, one in enumerate(ENCODINGS, start=1):
            found[one] = bench.measure(alike[one])
            self._emit(StepAdvanced(STEP, done, one))
        return found

    def _name(self, base: Encoding, encodings: Encodings) -> str:
        """Such as `uint16, 65 of 76 weights uint8`."""
        counts = Counter(encodings[name] for name in self._free)
        n_weights = len(self._free)
        others = [f"{counts[one]} of {n_weights} weights {one}" for one in _NARROWER[base] if counts[one]]
        return ", ".join([base, *others])
