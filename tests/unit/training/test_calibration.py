import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit

from converter.training.calibration import COLDEST, HOTTEST, fit_temperature, reliability, sigmoid
from converter.training.metrics import calibration_error


def sure_of_itself(factor: float, n_rows: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are `factor` times too large for what comes true."""
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2, n_rows)
    return logits * factor, rng.random(n_rows) < expit(logits)


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_temperature_is_where_the_log_loss_is_least(factor: float) -> None:
    logits, labels = sure_of_itself(factor)

    def loss(temperature: float) -> float:
        return float((np.logaddexp(0, logits / temperature) - labels * logits / temperature).mean())

    found = minimize_scalar(loss, bounds=(COLDEST, HOTTEST), method="bounded", options={"xatol": 1e-9})
    assert fit_temperature(logits, labels) == pytest.approx(found.x, rel=1e-4)


def test_temperature_undoes_what_was_too_sure() -> None:
    logits, labels = sure_of_itself(3.0)
    temperature = fit_temperature(logits, labels)
    assert temperature == pytest.approx(3.0, rel=0.05)
    assert calibration_error(sigmoid(logits), labels) > 0.1
    assert calibration_error(sigmoid(logits / temperature), labels) < 0.02


@pytest.mark.parametrize(
    ("labels", "limit"), [([False, True], COLDEST), ([True, False], HOTTEST)], ids=["separable", "the-wrong-way"]
)
def test_temperature_stays_within_its_bounds(labels: list[bool], limit: float) -> None:
    assert fit_temperature(np.array([-1.0, 1.0]), np.array(labels)) == pytest.approx(limit)


def test_sigmoid_of_large_logits_overflows_nowhere() -> None:
    assert sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]


def test_reliability_has_every_row_once_in_the_bin_of_its_score() -> None:
    score = np.array([0.0, 0.05, 0.5, 1.0])
    bins = reliability(score, np.array([False, True, True, True]))
    assert [(one.n_rows, one.mean_score, one.share_of_yes) for one in bins] == [
        (2, pytest.approx(0.025), 0.5),
        (1, 0.5, 1.0),
        (1, 1.0, 1.0),
    ]
    assert all(one.low <= one.mean_score <= one.high for one in bins)
