import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression as Judge

from converter.training.baselines import fit_logistic_regression


@pytest.mark.parametrize(("n_rows", "spread", "ridge"), [(2000, 1.0, 1.0), (50, 3.0, 0.1), (400, 0.01, 1.0)])
def test_weights_are_those_of_scikit_learn(n_rows: int, spread: float, ridge: float) -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(0.5, spread, (n_rows, 4))
    matched = rng.random(n_rows) < 1 / (1 + np.exp(-features @ [2.0, -1.0, 0.0, 0.5] + 0.3))
    found = fit_logistic_regression(features, matched, ridge)
    judge = Judge(C=1 / ridge, tol=1e-10, max_iter=10_000).fit(features, matched)
    assert found.weights == pytest.approx(judge.coef_[0], rel=1e-3, abs=1e-4)
    assert found.score(features) == pytest.approx(judge.predict_proba(features)[:, 1], abs=1e-4)


def test_separable_rows_and_a_constant_column_are_fitted_all_the_same() -> None:
    features = np.stack([np.repeat([-50.0, 50.0], 40), np.ones(80)], axis=1)
    matched = features[:, 0] > 0
    found = fit_logistic_regression(features, matched)
    assert np.isfinite(found.weights).all()
    assert ((found.score(features) > 0.5) == matched).all()
