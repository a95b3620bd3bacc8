"""What the config says of data, of the reference network and of how it is trained."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkSection(_Strict):
    """The reference network: a multilayer perceptron over the features.

    `norm` goes between a layer and its activation. `normalization` says who normalises: the graph, or the client.
    """

    hidden: tuple[int, ...] = (32, 16)
    activation: Literal["relu", "gelu", "silu", "tanh", "elu"] = "relu"
    norm: Literal["none", "batch", "layer"] = "none"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    normalization: Literal["graph", "client"] = "graph"


class SplitSection(_Strict):
    """Which rows are held out: those that stop the training (`validation`) and those that judge it (`test`).

    `random` draws rows; `stratified` draws as many of each class; `group` keeps all rows of a group on one side, which
    side being decided by a hash of the group's value; `time` holds out the newest rows. Without `by` it is `group`
    where the data name a group, else `time` where they name a time, else `stratified`.
    """

    by: Literal["random", "stratified", "group", "time"] | None = None
    validation: float = Field(default=0.15, gt=0, lt=1)
    test: float = Field(default=0.15, gt=0, lt=1)

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave no rows to learn from")
        return self


class DataSection(_Strict):
    """The rows to learn from: a table with a column for each feature and one for the label; other columns are left out.

    Without `path`, rows come from the synthetic generator. The label is 0 or 1, or false or true.
    """

    path: Path | None = None
    format: Literal["csv", "parquet"] | None = None
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    label: str = "match"
    group: str | None = None
    time: str | None = None
    split: SplitSection = SplitSection()

    @model_validator(mode="after")
    def _columns_of_the_split_are_named(self) -> Self:
        if self.split.by == "group" and self.group is None:
            raise ValueError("a split by group needs data.group, the column that says which group a row is of")
        if self.split.by == "time" and self.time is None:
            raise ValueError("a split by time needs data.time, the column that says when a row happened")
        return self

    @property
    def split_by(self) -> Literal["random", "stratified", "group", "time"]:
        """What the split goes by."""
        return self.split.by or ("group" if self.group else "time" if self.time else "stratified")


class TrainingSection(_Strict):
    """How the reference network is trained.

    `n_rows` are drawn from the synthetic generator where `data` names no table. The learning rate grows over
    `warmup_epochs`, then falls along half a cosine to 0 at the end of `epochs`. `patience` epochs without a lower
    validation loss end the training early; 0 never does. `clip_norm` bounds the gradient. `class_weights: balanced`
    lets both classes count alike. `precision: auto` is bfloat16 where an accelerator has it. Rows are shuffled within
    `shuffle_rows` of them, drawn from all over the table. Every `checkpoint_s` seconds, and after each epoch, the state
    is saved, for `train --resume`.
    """

    n_rows: int = Field(default=20_000, ge=100)
    seed: int = Field(default=20260101, ge=0)
    epochs: int = Field(default=30, ge=1)
    batch_size: int = Field(default=256, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    warmup_epochs: float = Field(default=1.0, ge=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    clip_norm: float | None = Field(default=1.0, gt=0)
    patience: int = Field(default=10, ge=0)
    class_weights: Literal["none", "balanced"] | tuple[float, float] = "none"
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    precision: Literal["auto", "float32", "bfloat16-mixed", "float16-mixed"] = "auto"
    shuffle_rows: int = Field(default=1_000_000, ge=1)
    checkpoint_s: float = Field(default=30.0, gt=0)


class EvaluationSection(_Strict):
    """How the trained network is judged on the test rows.

    `threshold` is the score from which on it says yes; `balanced` chooses the one that gets both classes right in equal
    measure, on the validation rows. `resamples` are drawn for the intervals.
    """

    threshold: Annotated[float, Field(gt=0, lt=1)] | Literal["balanced"] = 0.5
    resamples: int = Field(default=1000, ge=100)
