"""The feature contract on whole arrays, with numpy: what the normaliser in the graph does."""

from collections.abc import Iterable, Sequence

import numpy as np

from converter.features import Feature


class Normalisation:
    """The numbers of every feature's normaliser, side by side.

    Shapes: all (feature,) float32; `is_log` holds 1 where there is a logarithm, else 0
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        normalisers = [feature.normaliser for feature in features]
        self.low = _vector(one.low for one in normalisers)
        self.high = _vector(one.high for one in normalisers)
        self.is_log = _vector(float(one.log1p) for one in normalisers)
        self.subtract = _vector(one.subtract for one in normalisers)
        self.divide = _vector(one.divide for one in normalisers)

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """What the layers see.

        Shapes: (row, feature) -> (row, feature) float32
        """
        values = np.maximum(np.minimum(np.asarray(raw, np.float32), self.high), self.low)
        if self.is_log.any():
            logged = values * self.is_log
            values = (values - logged) + np.log1p(logged)
        return np.asarray((values - self.subtract) / self.divide, np.float32)


def _vector(numbers: Iterable[float]) -> np.ndarray:
    return np.array(list(numbers), dtype=np.float32)
