"""The smallest encodings of weights with which a model's outputs stay near enough to their reference."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from converter.errors import BudgetError
from converter.parity.compare import Tolerance, compare
from converter.parity.inputs import Sample
from converter.parity.run import Reference
from converter.pipeline.compile import Compiled, write_graph
from converter.pipeline.encode_choice import Choice, Encodings, Trial
from converter.pipeline.events import Emit, StepAdvanced, StepFinished, StepStarted
from converter.runtimes.base import Runtime
from converter.tfjs.encodings import ENCODINGS, Encoding

STEP = "weights"
EXACT = Tolerance(0.0, 0.0)


class Search:
    """Tries encodings on a runtime: all weights alike first, then the ones that matter least in fewer bytes."""

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
        self._compiled, self._pinned, self._runtime = compiled, pinned, runtime
        self._samples, self._reference, self._emit = samples, reference, emit
        self._weights, self._free = weights, [name for name in weights if name not in pinned]
        self._n_measured = 0

    def run(self, max_error: float) -> Choice:
        """The encodings that take least of those tried with an error of `max_error` at most.

        Raises: BudgetError if there are none.
        """
        self._emit(StepStarted(STEP, len(ENCODINGS) + len(self._free) + len(self._free).bit_length()))
        alike = {one: self._all(one) for one in ENCODINGS}
        trials = {one: self._trial(one, encodings) for one, encodings in alike.items()}
        fitting = [one for one in ENCODINGS if trials[one].max_error <= max_error]
        if not fitting:
            raise BudgetError(
                f"outputs are {trials['float32'].max_error:.3g} from their reference with float32 weights already, "
                f"and {max_error:g} is allowed",
                where="weights.max_error",
                hint="allow more, or find out why with `compat-export verify` and `bisect`",
            )
        smallest = min(fitting, key=lambda one: (trials[one].size_bytes, trials[one].max_error))
        trial, encodings = trials[smallest], alike[smallest]
        if smallest != "uint8":
            trial, encodings = self._mixed(trial, encodings, max_error)
        self._emit(StepFinished(STEP, f"{trial.name}: {trial.size_bytes:,} bytes, max |error| {trial.max_error:.2g}"))
        others = [one for one in trials.values() if one is not trial]
        return Choice(encodings, (*others, trial))

    def _all(self, encoding: Encoding) -> dict[str, Encoding]:
        return dict.fromkeys(self._free, encoding) | dict(self._pinned)

    def _mixed(
        self, base: Trial, encodings: dict[str, Encoding], max_error: float
    ) -> tuple[Trial, dict[str, Encoding]]:
        """As many weights in uint8 as fit, those first whose bytes cost least: errors add up by their squares."""
        harm = {name: self._error(_with_uint8(encodings, [name]), self._samples[:1]) for name in self._free}
        order = sorted(self._free, key=lambda name: harm[name] ** 2 / self._weights[name].size)
        best, low, high = (base, encodings), 0, len(order)
        while low < high:
            middle = (low + high + 1) // 2
            mixed = _with_uint8(encodings, order[:middle])
            trial = self._trial(f"{base.name}, {middle} of {len(order)} weights uint8", mixed)
            if trial.max_error <= max_error:
                best, low = (trial, mixed), middle
            else:
                high = middle - 1
        return best

    def _trial(self, name: str, encodings: Encodings) -> Trial:
        with tempfile.TemporaryDirectory(prefix="compat-export-") as folder:
            error = self._measured(encodings, self._samples, Path(folder))
            size_bytes = sum(file.stat().st_size for file in Path(folder).glob("*.bin"))
        return Trial(name, size_bytes, error)

    def _error(self, encodings: Encodings, samples: Sequence[Sample]) -> float:
        with tempfile.TemporaryDirectory(prefix="compat-export-") as folder:
            return self._measured(encodings, samples, Path(folder))

    def _measured(self, encodings: Encodings, samples: Sequence[Sample], folder: Path) -> float:
        """The largest error of any output; a NaN on one side only is an infinite one."""
        self._n_measured += 1
        self._emit(StepAdvanced(STEP, self._n_measured))
        write_graph(self._compiled, folder, encodings)
        model = self._runtime.load(folder)
        try:
            found = [
                compare(self._reference.outputs[one.label], model.run(one.inputs).outputs, EXACT) for one in samples
            ]
        finally:
            model.close()
        return max(verdict.max_abs for verdicts in found for verdict in verdicts)


def _with_uint8(encodings: Encodings, names: Iterable[str]) -> dict[str, Encoding]:
    return {**encodings, **dict.fromkeys(names, "uint8")}
