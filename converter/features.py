"""The feature contract: what each number of an input means, and how it becomes a value in [0, 1].

One definition drives the training data, the normaliser inside the graph, parity's edge values and the manifest.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Transform = Literal["identity", "saturate", "inverse"]


class Feature(BaseModel):
    """One feature: its name, unit, range, and the transform that maps it to [0, 1].

    Units: low, high and scale are in `unit`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    unit: str
    low: float
    high: float
    transform: Transform = "identity"
    scale: float = Field(default=1.0, gt=0)
    description: str = ""

    @model_validator(mode="after")
    def _range_is_ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"range of {self.name}: low {self.low} must be below high {self.high}")
        return self

    @property
    def affine(self) -> tuple[float, float]:
        """(slope, offset): the normalised value is clamp(slope * x + offset, 0, 1)."""
        match self.transform:
            case "identity":
                return 1.0, 0.0
            case "saturate":
                return 1.0 / self.scale, 0.0
            case "inverse":
                return -1.0 / self.scale, 1.0

    def normalised(self, value: float) -> float:
        """The value that the network sees for a raw feature value."""
        slope, offset = self.affine
        return min(max(slope * value + offset, 0.0), 1.0)
