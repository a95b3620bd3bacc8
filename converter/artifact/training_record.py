"""What is known of a training, bound to the checkpoint that it wrote: its data, its features, how good it is."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from converter.artifact.evaluation import Evaluation
from converter.features import Feature

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
PartName = Literal["train", "validation", "test"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrainingData(_Frozen):
    """The rows that a network learned from and was judged by.

    `name` is the table's file name, `sha256` the digest of its bytes; of synthetic rows, that of features and labels.
    `positives` counts the rows labelled 1, `filled` the cells of a feature that were missing and got its fill value.
    """

    name: str
    is_synthetic: bool
    sha256: Sha256
    n_rows: dict[PartName, Count]
    positives: dict[PartName, Count]
    filled: dict[str, Count] = {}
    split_by: Literal["random", "stratified", "group", "time"]
    label: str
    group: str | None = None
    time: str | None = None


class TrainingRecord(_Frozen):
    """A training: what went in, and what came out on rows that it never saw.

    `features` is the contract with the statistics that were learned.
    """

    schema_version: Literal["1"] = "1"
    checkpoint_sha256: Sha256
    features: tuple[Feature, ...]
    data: TrainingData
    seed: int
    n_epochs: Annotated[int, Field(ge=1)]
    best_epoch: Annotated[int, Field(ge=1)]
    evaluation: Evaluation
