"""Where the rows come from: the table that a config names, or the synthetic world."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from converter.artifact.training_record import TrainingData
from converter.config import Config
from converter.errors import ConfigError
from converter.features import Feature
from converter.fileio import sha256_of
from converter.training.data import generate_pairs
from converter.training.rows import Rows, Split, chunks, require_both_classes, split_rows
from converter.training.table import read_rows

SYNTHETIC = "synthetic pairs"


def open_rows(config: Config, root: Path) -> tuple[Rows, Split, TrainingData]:
    """The rows of a config, which of them are held out, and what the training record says of them.

    Raises: ConfigError if the table can't be read, a cell of it doesn't fit, or a part of the split lacks a class.
    """
    seed, data = config.training.seed, config.data
    if data.path is None:
        pairs = generate_pairs([feature.name for feature in config.features], config.training.n_rows, seed)
        rows = Rows(pairs.features, pairs.matched, probability=pairs.probability)
        where = name = SYNTHETIC
        sha256 = hashlib.sha256(pairs.features.tobytes() + pairs.matched.tobytes()).hexdigest()
    else:
        path = root / data.path
        rows = read_rows(path, data, config.features)
        where, name, sha256 = str(path), path.name, sha256_of(path)
    split = split_rows(rows, data.split_by, data.split, seed)
    require_both_classes(rows, split, data.split_by, where)
    parts = split.parts().items()
    facts = {
        "name": name,
        "is_synthetic": data.path is None,
        "sha256": sha256,
        "n_rows": {part: len(numbers) for part, numbers in parts},
        "positives": {part: int(rows.labels[numbers].sum()) for part, numbers in parts},
        "filled": {name: count for name, count in rows.filled.items() if count},
        "split_by": data.split_by,
        "label": data.label,
        "group": data.group,
        "time": data.time,
    }
    return rows, split, TrainingData.model_validate(facts)


def with_statistics(features: tuple[Feature, ...], rows: Rows, train: np.ndarray) -> tuple[Feature, ...]:
    """The features with the mean and the deviation of the training rows where they have none of their own.

    Raises: ConfigError if a feature to standardise has one value only.
    """
    columns = [place for place, feature in enumerate(features) if feature.lacks_statistics]
    if not columns:
        return features
    means = _mean(rows, train, columns, lambda values: values)
    variances = _mean(rows, train, columns, lambda values: (values - means) ** 2)
    learned = list(features)
    for place, mean, std in zip(columns, means, np.sqrt(variances), strict=True):
        if not std > 0:
            raise ConfigError(
                f"{features[place].name} is {mean:g} in all training rows, which can't be standardised",
                where="features",
                hint="leave it out, or choose another transform",
            )
        learned[place] = features[place].model_copy(update={"mean": float(mean), "std": float(std)})
    return tuple(learned)


def _mean(rows: Rows, numbers: np.ndarray, columns: list[int], of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The mean over rows of what a function makes of some columns, in float64.

    Shapes: (column,)
    """
    total = np.zeros(len(columns))
    for block in chunks(numbers):
        total += of(np.asarray(rows.features[block][:, columns], np.float64)).sum(axis=0)
    return total / len(numbers)
