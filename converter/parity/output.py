"""What a parity run found about one output, over all samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import ceil, isfinite
from operator import add
from typing import Any

import numpy as np

from converter.parity.compare import NonFinite, Rule, TensorVerdict, Tolerance, Value
from converter.parity.ranking import Ranking

PERCENTILES = (50, 90, 99)


@dataclass(frozen=True)
class OutputVerdict:
    """The verdicts on one output over all samples; units and terms as in TensorVerdict.

    `percentiles` of the absolute error: the smallest errors that so many percent of the values don't pass.
    """

    name: str
    compared: int
    bad: int
    max_abs: float
    mean_abs: float
    max_rel: float
    mean_rel: float
    needed_atol: float
    needed_rtol: float
    percentiles: Mapping[int, float]
    nonfinite: NonFinite
    ranking: Ranking | None
    rule: Rule
    worst_sample: str | None
    worst: tuple[int, ...] | None
    reference: Value | None
    candidate: Value | None

    @classmethod
    def over_samples(cls, verdicts: Sequence[tuple[str, TensorVerdict]], rule: Rule) -> "OutputVerdict":
        """One output's (sample label, verdict) pairs taken together."""
        found = [verdict for _, verdict in verdicts]
        label, worst = max(verdicts, key=lambda pair: (pair[1].needed_atol, pair[1].max_abs, pair[1].compared > 0))
        return cls(
            worst.name,
            compared=sum(one.compared for one in found),
            bad=sum(one.bad for one in found),
            max_abs=max(one.max_abs for one in found),
            mean_abs=_mean([(one.mean_abs, one.compared) for one in found]),
            max_rel=max(one.max_rel for one in found),
            mean_rel=_mean([(one.mean_rel, one.counted_rel) for one in found]),
            needed_atol=worst.needed_atol,
            needed_rtol=max(one.needed_rtol for one in found),
            percentiles=_percentiles(np.concatenate([one.gaps for one in found])),
            nonfinite=reduce(add, (one.nonfinite for one in found)),
            ranking=_ranking_of_all(found),
            rule=rule,
            worst_sample=label if worst.compared else None,
            worst=worst.worst,
            reference=worst.reference,
            candidate=worst.candidate,
        )

    @property
    def tolerance(self) -> Tolerance:
        """How far a value may be from its reference."""
        return self.rule.tolerance

    @property
    def agrees(self) -> bool:
        """Whether every value is within the tolerance, and as many rows rank alike as the rule asks for."""
        return not self.bad and not self._ranks_wrong

    @property
    def _ranks_wrong(self) -> bool:
        wanted = self.rule.min_top1
        return wanted is not None and not (self.ranking is not None and self.ranking.top1_share >= wanted)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values; numbers that JSON lacks become strings."""
        return {
            "name": self.name,
            "compared": self.compared,
            "bad": self.bad,
            "tolerance": {"atol": self.tolerance.atol, "rtol": self.tolerance.rtol}
            | ({"reason": self.rule.reason} if self.rule.reason else {}),
            "max_abs": json_number(self.max_abs),
            "mean_abs": json_number(self.mean_abs),
            "max_rel": json_number(self.max_rel),
            "mean_rel": json_number(self.mean_rel),
            "percentiles_abs": {f"p{percent}": json_number(value) for percent, value in self.percentiles.items()},
            "needed_atol": json_number(self.needed_atol),
            "needed_rtol": json_number(self.needed_rtol),
            "nonfinite": vars(self.nonfinite),
            "ranking": self.ranking and vars(self.ranking) | {"min_top1": self.rule.min_top1},
            "worst": self.worst
            and {
                "sample": self.worst_sample,
                "index": list(self.worst),
                "reference": json_number(self.reference),
                "candidate": json_number(self.candidate),
            },
        }

    def __str__(self) -> str:
        return "; ".join([*self._value_faults(), *self._ranking_faults()]) or f"output {self.name}: agrees"

    def _value_faults(self) -> list[str]:
        if not self.bad or self.worst is None:
            return []
        index = ", ".join(map(str, self.worst))
        faults = [f"output {self.name}: {self.bad} of {self.compared} values differ, max |error| {self.max_abs:.3g}"]
        if self.rule.reason:
            faults.append(self.rule.reason)
        if self.nonfinite.nan_in_one:
            faults.append(f"{self.nonfinite.nan_in_one} are NaN on one side only")
        if self.nonfinite.inf_in_one:
            faults.append(f"{self.nonfinite.inf_in_one} are infinite on one side only")
        return [*faults, f"worst at [{index}] of {self.worst_sample}: {self.candidate!r}, not {self.reference!r}"]

    def _ranking_faults(self) -> list[str]:
        if not self._ranks_wrong:
            return []
        wanted = f"min_top1 asks for {self.rule.min_top1:.2%}"
        if self.ranking is None:
            return [f"output {self.name}: it holds no distributions to rank, and {wanted}"]
        return [
            f"output {self.name}: the largest entry is the reference's in {self.ranking.top1} of {self.ranking.rows} "
            f"rows ({self.ranking.top1_share:.2%}), and {wanted}"
        ]


def json_number(value: Value | None) -> Value | None:
    """A number as JSON can hold it: NaN and infinities as strings."""
    if isinstance(value, float) and not isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value


def _mean(parts: Sequence[tuple[float, int]]) -> float:
    count = sum(counted for _, counted in parts)
    return sum(mean * counted for mean, counted in parts if counted) / count if count else 0.0


def _percentiles(gaps: np.ndarray) -> dict[int, float]:
    if not gaps.size:
        return dict.fromkeys(PERCENTILES, 0.0)
    ordered = np.sort(gaps)
    return {percent: float(ordered[ceil(percent / 100 * gaps.size) - 1]) for percent in PERCENTILES}


def _ranking_of_all(verdicts: Sequence[TensorVerdict]) -> Ranking | None:
    """Together, if every array that holds anything holds distributions."""
    rankings = [one.ranking for one in verdicts if one.compared]
    known = [ranking for ranking in rankings if ranking is not None]
    return reduce(add, known) if known and len(known) == len(rankings) else None
