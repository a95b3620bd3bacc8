"""The config's section on what a model may cost, and must reach."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MetricBudget(_Strict):
    """The limits that a training metric must reach, or may not pass."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("a metric's budget needs min or max")
        return self


_Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class BudgetsSection(_Strict):
    """The limits of what the model may cost, and must reach; a budget that isn't named isn't checked.

    Units:  memory_mb of 1e6 bytes, the JavaScript heap with the tensors or the wasm module; artifact_kb of 1000 bytes,
            the files that an app fetches, as stored; accuracy a fraction, at least.
    """

    load_ms: _Limit | None = None
    warm_up_ms: _Limit | None = None
    predict_p50_ms: _Limit | None = None
    predict_p99_ms: _Limit | None = None
    memory_mb: _Limit | None = None
    artifact_kb: _Limit | None = None
    accuracy: float | None = Field(default=None, ge=0, le=1)
    metrics: dict[str, MetricBudget] = {}
