"""What a model may cost and must reach: each budget of the config held against what was measured."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from converter.budget_settings import BudgetsSection, MetricBudget
from converter.errors import BudgetError

SPEED_BUDGETS = ("load_ms", "warm_up_ms", "predict_p50_ms", "predict_p99_ms", "memory_mb")


@dataclass(frozen=True)
class Exceeded:
    """One budget that isn't met; `measured` is None where there is nothing to measure, which can't meet a budget.

    Units: limit and measured as the budget's name says.
    """

    budget: str
    limit: float
    measured: float | None
    where: str
    kind: Literal["at most", "at least"] = "at most"

    def __str__(self) -> str:
        measured = "not measured" if self.measured is None else f"{self.measured:.4g}"
        return f"{self.where}: {self.budget} is {measured}, the budget is {self.kind} {self.limit:g}"


def count_of(budgets: BudgetsSection) -> int:
    """Return how many limits the budgets have."""
    single = sum(value is not None for name, value in budgets if name != "metrics")
    return single + sum(limit is not None for one in budgets.metrics.values() for limit in (one.min, one.max))


def exceeded_metrics(budgets: BudgetsSection, metrics: Mapping[str, float] | None) -> list[Exceeded]:
    """The metric budgets that the metrics of a checkpoint don't meet."""
    wanted = dict(budgets.metrics)
    if budgets.accuracy is not None:
        wanted["accuracy"] = MetricBudget(min=budgets.accuracy)
    found = []
    for name, budget in wanted.items():
        value = (metrics or {}).get(name)
        if budget.min is not None and not (value is not None and value >= budget.min):
            found.append(Exceeded(name, budget.min, value, "training metrics", "at least"))
        if budget.max is not None and not (value is not None and value <= budget.max):
            found.append(Exceeded(name, budget.max, value, "training metrics"))
    return found


def exceeded_size(budgets: BudgetsSection, size_bytes: int) -> list[Exceeded]:
    """The size budget, if the files that an app fetches don't fit it."""
    measured = size_bytes / 1e3
    limit = budgets.artifact_kb
    return [] if limit is None or measured <= limit else [Exceeded("artifact_kb", limit, measured, "TF.js files")]


def exceeded_speed(budgets: BudgetsSection, measured: Mapping[str, float | None], where: str) -> Iterable[Exceeded]:
    """The budgets that one runtime's measurements, by the budget's name, don't fit."""
    for name in SPEED_BUDGETS:
        limit: float | None = getattr(budgets, name)
        value = measured.get(name)
        if limit is not None and not (value is not None and isfinite(value) and value <= limit):
            yield Exceeded(name, limit, value, where)


def raise_if_exceeded(exceeded: Sequence[Exceeded], *, hint: str) -> None:
    """Nothing, if every budget is met.

    Raises: BudgetError naming each budget that isn't, what was measured, and where.
    """
    if len(exceeded) == 1:
        raise BudgetError(str(exceeded[0]), where="budgets", hint=hint)
    if exceeded:
        lines = [f"{len(exceeded)} budgets are exceeded:", *(f"  - {one}" for one in exceeded)]
        raise BudgetError("\n".join(lines), where="budgets", hint=hint)
