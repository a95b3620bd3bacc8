"""The feature contract: what each number of an input means, and how it becomes a value that a network learns well from.

One definition drives the training data, the normaliser inside the graph, parity's edge values, the manifest and the
clients that read it.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Transform = Literal["identity", "saturate", "inverse", "log1p", "standardize"]
Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class Normaliser:
    """Five numbers that are any transform: (f(clamp(x, low, high)) - subtract) / divide, f being log(1 + x) or nothing.

    The clamp comes first and the scale is divided by, not multiplied with: a raw value of 60 000 and its reciprocal
    are at the two ends of what a float16 texture holds.

    Units: low and high in the feature's unit; subtract and divide too, after the logarithm where there is one.
    """

    low: float
    high: float
    log1p: bool
    subtract: float
    divide: float

    def __call__(self, value: float) -> float:
        """The value that the layers see for a raw value."""
        clamped = min(max(value, self.low), self.high)
        return ((math.log1p(clamped) if self.log1p else clamped) - self.subtract) / self.divide


class Feature(BaseModel):
    """One feature: its name, unit and range, the transform that the network sees it through, and what fills a gap.

    x is clamped to low and high before anything else, then

    identity     x                              at least 0, at most 1
    saturate     x / scale                      at least 0, at most 1
    inverse      1 - x / scale                  at least 0, at most 1
    log1p        log(1 + x) / log(1 + scale)    at least 0, at most 1
    standardize  (x - mean) / std

    `mean` and `std` are learned from the training rows where they aren't given. `missing` says what becomes of a value
    that isn't there: it is refused, or the number given here takes its place before the network sees the row.

    Units: low, high, scale, mean, std and missing are in `unit`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    unit: str
    low: Finite
    high: Finite
    transform: Transform = "identity"
    scale: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    mean: Finite | None = None
    std: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    missing: Literal["refuse"] | Finite = "refuse"
    description: str = ""

    @model_validator(mode="after")
    def _range_is_ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"range of {self.name}: low {self.low} must be below high {self.high}")
        return self

    @model_validator(mode="after")
    def _varies(self) -> Self:
        bottom, top = self._clamp
        if not bottom < top:
            raise ValueError(
                f"{self.name}: between low {self.low} and high {self.high}, {self.transform} has one value only"
            )
        return self

    @model_validator(mode="after")
    def _statistics_are_of_use(self) -> Self:
        if (self.mean is None) != (self.std is None):
            raise ValueError(f"{self.name} needs both mean and std, or neither")
        if self.mean is not None and self.transform != "standardize":
            raise ValueError(f"{self.name}: mean and std are for the transform standardize, not {self.transform}")
        return self

    @model_validator(mode="after")
    def _fill_is_in_range(self) -> Self:
        if self.missing != "refuse" and not self.low <= self.missing <= self.high:
            raise ValueError(f"{self.name}: missing {self.missing} is outside {self.low} to {self.high}")
        return self

    @property
    def lacks_statistics(self) -> bool:
        """Whether the transform needs a mean and a deviation that nobody has given or learned yet."""
        return self.transform == "standardize" and self.std is None

    @property
    def _clamp(self) -> tuple[float, float]:
        """Where values are clamped: the range, and where the transform's own ends are inside it, those."""
        if self.transform == "standardize":
            return self.low, self.high
        return max(self.low, 0.0), min(self.high, 1.0 if self.transform == "identity" else self.scale)

    @property
    def normaliser(self) -> Normaliser:
        """The numbers of the transform; those of `standardize` are 0 and 1 until they are learned."""
        low, high = self._clamp
        match self.transform:
            case "identity":
                return Normaliser(low, high, False, 0.0, 1.0)
            case "saturate":
                return Normaliser(low, high, False, 0.0, self.scale)
            case "inverse":
                return Normaliser(low, high, False, self.scale, -self.scale)
            case "log1p":
                return Normaliser(low, high, True, 0.0, math.log1p(self.scale))
            case "standardize":
                mean, std = (0.0, 1.0) if self.mean is None or self.std is None else (self.mean, self.std)
                return Normaliser(low, high, False, mean, std)

    @property
    def normalised_range(self) -> tuple[float, float]:
        """The lowest and the highest value that the layers can see."""
        normaliser = self.normaliser
        ends = normaliser(normaliser.low), normaliser(normaliser.high)
        return min(ends), max(ends)
