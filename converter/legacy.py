"""The weighted formula that the app scored pairs with before there was a model.

Each term is held to [0, 1] before it is weighted, and so is the sum. A term whose columns aren't there counts 0:
`swingerTraits` is no feature of the model, so its tenth is missing from every score.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Term:
    """One part of the formula: what it is computed from, and what it counts."""

    columns: tuple[str, ...]
    weight: float
    value: Callable[..., np.ndarray]


TERMS = (
    Term(("likesGiven", "likesReceived"), 0.15, lambda given, received: (given + received) / 10),
    Term(("commentsCount",), 0.10, lambda comments: comments / 50),
    Term(("proximityKm",), 0.15, lambda km: 1 - km / 100),
    Term(("sharedInterestsCount",), 0.20, lambda shared: shared / 10),
    Term(("ageGap",), 0.10, lambda years: 1 - years / 20),
    Term(("bigFiveCompatibility",), 0.20, lambda agreement: agreement),
    Term(("swingerTraits",), 0.10, lambda agreement: agreement),
)

OPTIONAL_COLUMNS = ("swingerTraits",)  # the app's own formula does without it too


def missing_columns(names: Iterable[str]) -> tuple[str, ...]:
    """The columns of the formula that are not among these; their terms count 0."""
    known = set(names)
    return tuple(column for term in TERMS for column in term.columns if column not in known)


def has_terms(names: Iterable[str]) -> bool:
    """Whether any term of the formula can be computed from these columns."""
    known = set(names)
    return any(known.issuperset(term.columns) for term in TERMS)


def legacy_score(columns: Columns) -> np.ndarray:
    """The formula's score of each row.

    Shapes: each column (row,) -> (row,) float64
    Units:  each column in its own unit, as configs/compatibility.yaml has it; the score in [0, 1], no probability
    """
    n_rows = len(next(iter(columns.values())))
    total = np.zeros(n_rows)
    for term in TERMS:
        if all(name in columns for name in term.columns):
            values = [np.asarray(columns[name], np.float64) for name in term.columns]
            total += term.weight * np.clip(term.value(*values), 0.0, 1.0)
    return np.clip(total, 0.0, 1.0)
