"""What a trained network is judged by: rows that it never saw, what it says of them, and ways to ask it again."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Score = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Part:
    """The rows of one side of the split; `logits` are there for validation and test, before temperature.

    Shapes: features (row, feature) float32; labels (row,) bool; all others (row,)
    Units:  features in the unit of each; `probability` is the true one, None where nobody knows it; `groups` are names.
    """

    features: np.ndarray
    labels: np.ndarray
    logits: np.ndarray | None = None
    probability: np.ndarray | None = None
    groups: np.ndarray | None = None


@dataclass(frozen=True)
class HeldOut:
    """The three parts of the data, and the network as functions of raw features.

    `normalised` gives the values that the layers see, `score` the probability with the temperature in it: that of the
    graph, 1 where a network has no place for one.
    """

    names: tuple[str, ...]
    train: Part
    validation: Part
    test: Part
    normalised: Score
    score: Score
    temperature: float
    seed: int
