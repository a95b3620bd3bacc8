import pytest
from pydantic import ValidationError

from converter.budget_settings import BudgetsSection
from converter.errors import BudgetError
from converter.pipeline.budgets import exceeded_metrics, exceeded_size, exceeded_speed, raise_if_exceeded


def budgets(**values) -> BudgetsSection:
    return BudgetsSection.model_validate(values)


def test_no_budget_is_always_met():
    assert exceeded_metrics(budgets(), None) == []
    assert exceeded_size(budgets(), 10**12) == []
    assert list(exceeded_speed(budgets(), {"load_ms": 1e9}, "tfjs")) == []


@pytest.mark.parametrize(("accuracy", "met"), [(0.85, True), (0.9, True), (0.8499, False), (None, False)])
def test_accuracy_is_at_least(accuracy, met):
    metrics = None if accuracy is None else {"accuracy": accuracy}
    assert (exceeded_metrics(budgets(accuracy=0.85), metrics) == []) == met


@pytest.mark.parametrize(
    ("value", "sentences"),
    [
        pytest.param(0.3, [], id="between"),
        pytest.param(0.1, ["training metrics: loss is 0.1, the budget is at least 0.2"], id="below"),
        pytest.param(0.6, ["training metrics: loss is 0.6, the budget is at most 0.5"], id="above"),
        pytest.param(float("nan"), ["at least", "at most"], id="nan"),
    ],
)
def test_any_metric_can_have_a_budget(value, sentences):
    found = [str(one) for one in exceeded_metrics(budgets(metrics={"loss": {"min": 0.2, "max": 0.5}}), {"loss": value})]
    assert len(found) == len(sentences)
    assert all(part in sentence for part, sentence in zip(sentences, found, strict=True))


def test_a_metric_that_was_not_measured_meets_no_budget():
    (one,) = exceeded_metrics(budgets(metrics={"auc": {"min": 0.5}}), {"accuracy": 1.0})
    assert str(one) == "training metrics: auc is not measured, the budget is at least 0.5"


def test_size_is_that_of_1000_bytes():
    assert exceeded_size(budgets(artifact_kb=5), 5000) == []
    assert (
        str(exceeded_size(budgets(artifact_kb=5), 5001)[0])
        == "TF.js files: artifact_kb is 5.001, the budget is at most 5"
    )


@pytest.mark.parametrize("value", [201.0, float("inf"), float("nan"), None])
def test_what_is_too_slow_or_unknown_is_named_with_its_runtime(value):
    (one,) = exceeded_speed(budgets(predict_p99_ms=200), {"predict_p99_ms": value, "load_ms": 1.0}, "tfjs-wasm@node")
    assert (one.budget, one.limit, one.where) == ("predict_p99_ms", 200, "tfjs-wasm@node")


def test_every_exceeded_budget_is_in_the_error():
    exceeded = [
        *exceeded_metrics(budgets(accuracy=0.9), {"accuracy": 0.5}),
        *exceeded_speed(budgets(load_ms=1), {"load_ms": 2.0}, "tfjs-cpu@node"),
    ]
    with pytest.raises(BudgetError) as caught:
        raise_if_exceeded(exceeded, hint="do something")
    assert "accuracy is 0.5" in caught.value.what
    assert "tfjs-cpu@node: load_ms is 2, the budget is at most 1" in caught.value.what
    assert (caught.value.exit_code, caught.value.hint) == (8, "do something")
    raise_if_exceeded([], hint="")


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"load_ms": 0}, id="zero"),
        pytest.param({"load_ms": float("inf")}, id="infinite"),
        pytest.param({"accuracy": 85}, id="percent"),
        pytest.param({"metrics": {"auc": {}}}, id="says-nothing"),
        pytest.param({"speed": 3}, id="unknown"),
    ],
)
def test_budgets_that_make_no_sense_are_refused(values):
    with pytest.raises(ValidationError):
        budgets(**values)
