"""Which weights may take fewer bytes, as far as that can be told from what each does alone."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np


class Effects:
    """What storing single groups of weights in fewer bytes does to a model's outputs, and what several may do together.

    Rounding is a small change, so that its effects on an output add up, signs included. That is a prediction, which
    helps to choose what to measure, and no result.
    """

    def __init__(self, saved_bytes: Sequence[int]) -> None:
        self._saved = tuple(saved_bytes)
        self._base = np.empty(0)
        self._alone = np.empty((len(self._saved), 0))
        self._is_left = np.ones(len(self._saved), bool)

    @property
    def left(self) -> list[int]:
        """The groups that may take fewer bytes by all that is known; all, before anything is."""
        return [int(group) for group in np.flatnonzero(self._is_left)]

    def add(self, base: np.ndarray, alone: Mapping[int, np.ndarray]) -> None:
        """Take in another sample: how far outputs are from their reference, and how far with one group changed.

        A group without an entry is too far off to be among any choice.
        Shapes: all of them (value,), and finite
        """
        added = np.zeros((len(self._saved), base.size))
        for group in self.left:
            if group in alone:
                added[group] = alone[group] - base
            else:
                self._is_left[group] = False
        self._base = np.concatenate([self._base, base])
        self._alone = np.hstack([self._alone, added])

    def saved_bytes(self, groups: Sequence[int]) -> int:
        """How many bytes less these groups take."""
        return sum(self._saved[group] for group in groups)

    def error(self, groups: Sequence[int]) -> float:
        """The largest error that is to be expected with these groups changed."""
        return _largest(self._base + self._alone[list(groups)].sum(axis=0))

    def picked(self, allowed: float) -> list[int]:
        """The groups that save most of some choices whose error is to be expected inside what is allowed."""
        harm = {group: self.error([group]) for group in self.left}
        orders: tuple[Callable[[int], float], ...] = (
            lambda group: -self._saved[group],
            lambda group: harm[group] ** 2 / self._saved[group],
            lambda group: harm[group] / self._saved[group],
            lambda group: harm[group],
        )
        choices = [self._walk(sorted(self.left, key=order), allowed) for order in orders]
        return max(choices, key=self.saved_bytes)

    def _walk(self, order: Sequence[int], allowed: float) -> list[int]:
        chosen, error = [], self._base
        for group in order:
            with_it = error + self._alone[group]
            if _largest(with_it) <= allowed:
                chosen.append(group)
                error = with_it
        return chosen


def _largest(values: np.ndarray) -> float:
    return float(np.abs(values).max(initial=0.0))
