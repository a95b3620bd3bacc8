"""Which weights can take fewer bytes than the others, so that the outputs stay inside an error budget."""

from collections.abc import Mapping, Sequence

import numpy as np

from converter.pipeline.encode_choice import Encodings
from converter.pipeline.encode_effects import Effects
from converter.pipeline.encode_measure import Bench, Measured
from converter.pipeline.events import Emit, StepAdvanced, StepFinished, StepStarted
from converter.tfjs.encodings import Encoding, encoded
from converter.tfjs.weights import stored_bytes

STEP = "mixed weights"
SMALL_SHARE = 0.01  # of the bytes to be saved: the weights with which less is saved are one group
MAX_GROUPS = 64  # that are probed alone; of more weights, the smallest are one group
MAX_PROBED = 4  # samples on which groups are probed
MAX_PROPOSED = 12  # choices that follow from probes
MAX_ADDED = 8  # groups that are tried on top of the best choice


class Mix:
    """Puts weights into another encoding, as many as there can be.

    Each group of weights is probed alone on the sample that is worst with all of them changed. What is measured, on all
    samples, is what saves most by the sum of these effects. A sample that it breaks the budget on is probed as well,
    and where that doesn't help, less is allowed of the sum. At most 66 · 4 + 12 + 8 graphs are loaded.
    """

    def __init__(
        self,
        bench: Bench,
        weights: Mapping[str, np.ndarray],
        encodings: Encodings,
        narrow: Encoding,
        max_error: float,
        emit: Emit,
    ) -> None:
        self._bench, self._encodings, self._narrow, self._max_error = bench, encodings, narrow, max_error
        self._groups, self._effects = _groups(weights, encodings, narrow)
        self._labels: list[str] = []
        self._emit, self._n_done = emit, 0

    def run(self, all_narrow: Measured) -> tuple[Encodings, Measured] | None:
        """The encodings that take least of those measured inside the budget, None where nothing can change.

        `all_narrow` is what was measured with all these weights in the other encoding.
        """
        if not self._groups:
            return None
        self._emit(StepStarted(STEP))
        self._labels = sorted(all_narrow.errors, key=lambda label: -all_narrow.errors[label])
        chosen, measured = self._extended(*self._proposed())
        changed = sum(len(self._groups[group]) for group in chosen)
        n_weights = sum(map(len, self._groups))
        self._emit(StepFinished(STEP, f"{changed} of {n_weights} {self._narrow}, {self._n_done} graphs measured"))
        return None if measured is None else (self._with(chosen), measured)

    def _proposed(self) -> tuple[list[int], Measured | None]:
        """What the effects of single groups propose, until a proposal is inside the budget."""
        allowed, probed = self._max_error, [self._labels[0]]
        self._probe(probed[0])
        for _ in range(MAX_PROPOSED):
            chosen = self._effects.picked(allowed)
            if not chosen:
                break
            measured = self._measured(chosen)
            if measured.max_error <= self._max_error:
                return chosen, measured
            if measured.worst in probed or len(probed) == MAX_PROBED:
                allowed *= min(0.9, max(0.5, self._max_error / measured.max_error))
            else:
                probed.append(measured.worst)
                self._probe(measured.worst)
        return [], None

    def _extended(self, chosen: list[int], measured: Measured | None) -> tuple[list[int], Measured | None]:
        """A choice with more groups, those that save most first."""
        others = sorted(set(self._effects.left) - set(chosen), key=lambda group: -self._effects.saved_bytes([group]))
        n_tried = 0
        for group in others:
            if n_tried == MAX_ADDED:
                break
            if self._effects.error([*chosen, group]) > self._max_error:
                continue
            n_tried += 1
            larger = self._measured([*chosen, group])
            if larger.max_error <= self._max_error:
                chosen, measured = [*chosen, group], larger
        return chosen, measured

    def _probe(self, label: str) -> None:
        """Measure what each group does alone on a sample; those that break the budget there are out."""
        self._advance(f"sample {label}")
        _, base = self._bench.probe(self._encodings, label)
        alone = {}
        for group in self._effects.left:
            self._advance(f"sample {label}, {self._groups[group][0]}")
            error, differences = self._bench.probe(self._with([group]), label)
            if error <= self._max_error:
                alone[group] = differences
        self._effects.add(base, alone)

    def _measured(self, chosen: Sequence[int]) -> Measured:
        """The errors with these groups changed; of a choice that breaks the budget, up to the sample that shows it."""
        self._advance(f"{sum(len(self._groups[group]) for group in chosen)} weights {self._narrow}")
        measured = self._bench.measure(self._with(chosen), order=self._labels, limit=self._max_error)
        if measured.max_error > self._max_error:
            self._labels.remove(measured.worst)
            self._labels.insert(0, measured.worst)
        return measured

    def _with(self, chosen: Sequence[int]) -> Encodings:
        return {**self._encodings, **{name: self._narrow for group in chosen for name in self._groups[group]}}

    def _advance(self, note: str) -> None:
        self._n_done += 1
        self._emit(StepAdvanced(STEP, self._n_done, note))


def _groups(
    weights: Mapping[str, np.ndarray], encodings: Encodings, narrow: Encoding
) -> tuple[list[tuple[str, ...]], Effects]:
    """The weights that an encoding makes smaller, alone where they matter, and nothing known of their effects."""
    saved = {name: _size(values, encodings[name]) - _size(values, narrow) for name, values in weights.items()}
    order = sorted((name for name in saved if saved[name] > 0), key=lambda name: -saved[name])
    left = sum(saved[name] for name in order)
    small = SMALL_SHARE * left
    n_alone = 0
    while n_alone < min(len(order), MAX_GROUPS) and left >= small:
        left -= saved[order[n_alone]]
        n_alone += 1
    rest = tuple(order[n_alone:])
    groups = [*((name,) for name in order[:n_alone]), *([rest] if rest else [])]
    return groups, Effects([sum(saved[name] for name in group) for group in groups])


def _size(values: np.ndarray, encoding: Encoding) -> int:
    return stored_bytes(encoded(values, encoding) or values)
