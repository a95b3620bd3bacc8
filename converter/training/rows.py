"""The rows that a network learns from, wherever they came from, and which of them are held out."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from converter.errors import ConfigError
from converter.training_settings import SplitSection

MIN_ROWS = 20  # fewer leave a part of the split without one of the classes, or nearly so
CHUNK_ROWS = 65_536

SplitBy = str


@dataclass(frozen=True)
class Rows:
    """Every row, in the order of its source; `features` may be mapped from disk.

    Shapes: features (row, feature) float32; labels (row,) bool; group (row,) int32, an index of `group_names`;
            time (row,) sorts by when; probability (row,) is the true one, where it is known
    `filled` counts the cells of a feature that were missing.
    Units:  features in the unit of each
    """

    features: np.ndarray
    labels: np.ndarray
    group: np.ndarray | None = None
    group_names: tuple[str, ...] = ()
    time: np.ndarray | None = None
    probability: np.ndarray | None = None
    filled: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    def groups_of(self, rows: np.ndarray) -> np.ndarray | None:
        """The name of the group of each of these rows."""
        return None if self.group is None else np.array(self.group_names)[self.group[rows]]


@dataclass(frozen=True)
class Split:
    """Row numbers of the three parts, ascending."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def parts(self) -> dict[str, np.ndarray]:
        """The three parts by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def split_rows(rows: Rows, by: SplitBy, shares: SplitSection, seed: int) -> Split:
    """A seeded partition of the rows."""
    if by == "group":
        side = _side_by_group(rows, shares, seed)
    elif by == "time":
        assert rows.time is not None, "the settings name a column for time"
        side = np.empty(len(rows), np.uint8)
        side[np.argsort(rows.time, kind="stable")[::-1]] = _sides(len(rows), shares)
    else:
        side = np.empty(len(rows), np.uint8)
        rng = np.random.default_rng([seed, 1])
        strata = [np.flatnonzero(rows.labels == label) for label in (False, True)] if by == "stratified" else []
        for stratum in strata or [np.arange(len(rows))]:
            side[rng.permutation(stratum)] = _sides(len(stratum), shares)
    return Split(*(np.flatnonzero(side == which) for which in range(3)))


def _sides(n_rows: int, shares: SplitSection) -> np.ndarray:
    """Test, validation, train: in that order, and of the sizes that are wanted."""
    n_validation, n_test = round(n_rows * shares.validation), round(n_rows * shares.test)
    return np.repeat(np.array([2, 1, 0], np.uint8), [n_test, n_validation, n_rows - n_test - n_validation])


def _side_by_group(rows: Rows, shares: SplitSection, seed: int) -> np.ndarray:
    assert rows.group is not None, "the settings name a column for groups"
    places = np.array([_place(name, seed) for name in rows.group_names])
    side = np.select([places < shares.test, places < shares.test + shares.validation], [2, 1], 0)
    return np.asarray(side.astype(np.uint8)[rows.group])


def _place(name: str, seed: int) -> float:
    """Where in [0, 1) a group stands: the same in every file that it occurs in."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=7).digest()
    return int.from_bytes(digest) / 2**56


def require_enough(rows: Rows, label: str, where: str) -> None:
    """Raises: ConfigError if there are too few rows to hold some out, or only one class."""
    if not len(rows):
        raise ConfigError("it has no rows", where=where, hint="give a file with a header and rows below it")
    if len(rows) < MIN_ROWS:
        raise ConfigError(
            f"it has {len(rows)} rows, and some have to be held out", where=where, hint=f"give {MIN_ROWS} or more"
        )
    if rows.labels.all() or not rows.labels.any():
        raise ConfigError(
            f"column {label} is {int(rows.labels[0])} in all {len(rows)} rows, from the first to the last",
            where=where,
            hint="learning to tell two classes apart needs rows of both",
        )


def require_both_classes(rows: Rows, split: Split, by: SplitBy, where: str) -> None:
    """Raises: ConfigError if a part of the split lacks a class."""
    for name, part in split.parts().items():
        n_yes = int(rows.labels[part].sum())
        if n_yes in (0, len(part)):
            held = f"only rows labelled {int(n_yes > 0)}" if len(part) else "no rows"
            raise ConfigError(
                f"the {name} part of the {by} split has {held} ({len(part)} of {len(rows)} rows)",
                where=where,
                hint="give more rows or groups, other shares in data.split, or another training.seed",
            )


def chunks(rows: np.ndarray) -> Iterator[np.ndarray]:
    """The row numbers in pieces small enough to be gathered from disk."""
    for start in range(0, len(rows), CHUNK_ROWS):
        yield rows[start : start + CHUNK_ROWS]
