"""The model against the formula it replaces: how right both are, and what both take where an app runs them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converter.artifact.evaluation import LEGACY_FORMULA, Gain, Scored
from converter.artifact.manifest import Manifest
from converter.errors import ConfigError, InternalError
from converter.legacy import OPTIONAL_COLUMNS, legacy_score, missing_columns
from converter.pipeline.card import published_record
from converter.runtimes.hosted import HostedRuntime

CLOSE_ENOUGH = 1e-9  # both compute in float64, in the same order
OPTION = "--against legacy"


@dataclass(frozen=True)
class FormulaTime:
    """What the formula takes in JavaScript, for the rows that the model was timed on.

    Units: milliseconds.
    """

    runtime: str
    p50_ms: float
    p99_ms: float
    n_runs: int


@dataclass(frozen=True)
class Opponents:
    """The model and the formula on the rows that the training held out; `missing` columns count 0 in the formula."""

    n_rows: int
    model: Scored
    formula: Scored
    gains: tuple[Gain, ...]
    missing: tuple[str, ...]
    is_synthetic: bool

    def as_json(self, times: Sequence[FormulaTime]) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": LEGACY_FORMULA,
            "n_rows": self.n_rows,
            "is_synthetic": self.is_synthetic,
            "missing": list(self.missing),
            "model": self.model.model_dump(mode="json"),
            "formula": self.formula.model_dump(mode="json"),
            "gains": [gain.model_dump(mode="json") for gain in self.gains],
            "runtimes": [asdict(time) for time in times],
        }


def opponents_of(manifest: Manifest, folder: Path) -> Opponents:
    """The model of an artifact and the formula, as its training compared them.

    Raises: ConfigError if the formula can't be applied to what the model takes, or no training is on record.
    """
    record = published_record(folder)
    if record is None:
        raise ConfigError(
            "the artifact has no record of a training, which would know how right both are",
            where=OPTION,
            hint="train with compat-export train, then convert; or leave the option out",
        )
    formula = record.evaluation.baseline(LEGACY_FORMULA)
    if formula is None:
        names = ", ".join(feature.name for feature in record.features)
        raise ConfigError(
            f"no term of the legacy formula can be computed from {names}", where=OPTION, hint="leave the option out"
        )
    missing = missing_columns(feature.name for feature in record.features)
    if needed := [name for name in missing if name not in OPTIONAL_COLUMNS]:
        raise ConfigError(
            f"the app's formula needs {', '.join(needed)}, and the model has no such feature",
            where=OPTION,
            hint="leave the option out; the model card compares both with what there is",
        )
    if _normalization(manifest) != "graph":
        raise ConfigError(
            "the model takes normalised values, and the formula raw ones",
            where=OPTION,
            hint="set network.normalization to graph, then train and convert",
        )
    return Opponents(
        n_rows=record.evaluation.n_rows["test"],
        model=record.evaluation.model,
        formula=formula,
        gains=tuple(gain for gain in record.evaluation.gains if gain.baseline == LEGACY_FORMULA),
        missing=missing,
        is_synthetic=record.data.is_synthetic,
    )


def time_formula(
    runtime: HostedRuntime, names: Sequence[str], inputs: Mapping[str, np.ndarray], n_runs: int
) -> FormulaTime:
    """What the formula takes where the runtime is, on the rows that the model gets.

    Raises: InternalError if it gives other scores there than in Python.
    """
    (rows,) = inputs.values()
    scores, taken = runtime.bench_legacy(names, rows, n_runs)
    wanted = legacy_score(dict(zip(names, rows.T, strict=True)))
    if not np.allclose(scores, wanted, rtol=0, atol=CLOSE_ENOUGH):
        raise InternalError(f"{runtime.name}: the legacy formula gives {scores}, in Python {wanted}")
    p50_ms, p99_ms = (float(np.percentile(taken.predict_ms, percent, method="inverted_cdf")) for percent in (50, 99))
    return FormulaTime(runtime.name, p50_ms, p99_ms, len(taken.predict_ms))


def _normalization(manifest: Manifest) -> object:
    network = manifest.config.get("network")
    return network.get("normalization") if isinstance(network, dict) else None
