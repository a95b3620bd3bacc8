"""What the held-out rows said of a trained model, beside the baselines that give its numbers a meaning."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Interval = tuple[Finite, Finite]

MODEL = "model"
MAJORITY = "majority class"
LOGISTIC_REGRESSION = "logistic regression"
LEGACY_FORMULA = "legacy formula"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)


class Scored(_Frozen):
    """How good one way of scoring the held-out rows is; it says yes to scores of `threshold` and above.

    Units:  log_loss in nats, every other metric a share in [0, 1]; an interval holds the metric at the level of the
            evaluation, and has no entry for a metric that resampling would distort.
    """

    name: str
    threshold: Finite
    metrics: dict[str, Finite]
    intervals: dict[str, Interval] = {}


class Gain(_Frozen):
    """How much higher a metric of the model is than a baseline's on the same rows, with an interval of the difference.

    An interval that holds 0 means that these rows can't tell the two apart.
    """

    baseline: str
    metric: str
    difference: Finite
    interval: Interval


class Confusion(_Frozen):
    """How many held-out rows were called what, at the model's threshold."""

    true_positives: int = Field(ge=0)
    false_positives: int = Field(ge=0)
    false_negatives: int = Field(ge=0)
    true_negatives: int = Field(ge=0)


class ReliabilityBin(_Frozen):
    """The held-out rows with scores in [low, high): what the model says of them, and what came true."""

    low: Share
    high: Share
    n_rows: int = Field(ge=1)
    mean_score: Share
    share_of_yes: Share


class Calibration(_Frozen):
    """Whether scores are probabilities: the logits are divided by the temperature, which is part of the graph."""

    temperature: float = Field(gt=0, allow_inf_nan=False)
    ece_before: Share
    ece: Share
    bins: tuple[ReliabilityBin, ...]


class Importance(_Frozen):
    """How much of the ROC-AUC goes when the values of one feature are shuffled between the rows."""

    feature: str
    auc_drop: Finite
    deviation: float = Field(ge=0, allow_inf_nan=False)


class GroupScored(_Frozen):
    """How the model does on the held-out rows of one group; no AUC where a class is missing."""

    group: str
    n_rows: int = Field(ge=1)
    share_of_yes: Share
    mean_score: Share
    accuracy: Share
    roc_auc: Share | None


class Groups(_Frozen):
    """The groups of the held-out rows, of which the largest are listed.

    Units:  spread has the 10th, 50th and 90th percentile of the accuracies of the groups of `min_rows` rows and more,
            None where no group has that many.
    """

    count: int = Field(ge=1)
    min_rows: int = Field(ge=1)
    spread: tuple[Share, Share, Share] | None
    largest: tuple[GroupScored, ...]

    def without_names(self) -> "Groups":
        """Return the groups numbered from the largest, for their names may be ids of persons."""
        numbered = (one.model_copy(update={"group": str(number)}) for number, one in enumerate(self.largest, 1))
        return self.model_copy(update={"largest": tuple(numbered)})


class Evaluation(_Frozen):
    """A model on rows that it never saw.

    `resampled` says what was drawn for the intervals: rows, or whole groups where rows of a group are alike.
    `bayes_accuracy` is what the best classifier there can be reaches, where the data's true probabilities are known.
    """

    n_rows: dict[str, int]
    level: Share
    resamples: int = Field(ge=1)
    resampled: str
    bayes_accuracy: Share | None
    model: Scored
    baselines: tuple[Scored, ...]
    gains: tuple[Gain, ...]
    confusion: Confusion
    calibration: Calibration
    importance: tuple[Importance, ...]
    groups: Groups | None = None

    def baseline(self, name: str) -> Scored | None:
        """The baseline of that name, None where the data have no use for it."""
        return next((one for one in self.baselines if one.name == name), None)

    @property
    def metrics(self) -> dict[str, float]:
        """Every number that a budget can be set on, by name; the ends of an interval end on `_low` and `_high`."""
        flat = {"n_rows": float(self.n_rows["test"]), "temperature": self.calibration.temperature}
        flat |= self.model.metrics | {"ece_before_temperature": self.calibration.ece_before}
        for metric, (low, high) in self.model.intervals.items():
            flat |= {f"{metric}_low": low, f"{metric}_high": high}
        for scored in self.baselines:
            prefix = scored.name.replace(" ", "_").removesuffix("_class").removesuffix("_formula")
            flat |= {f"{prefix}_{metric}": value for metric, value in scored.metrics.items()}
        if self.bayes_accuracy is not None:
            flat["bayes_accuracy"] = self.bayes_accuracy
        return flat
