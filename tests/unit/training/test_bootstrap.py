import numpy as np
import pytest

from converter.training.bootstrap import (
    FEWEST_RESAMPLES,
    affordable_resamples,
    interval,
    resampled_counts,
    resampled_metrics,
)
from converter.training.metrics import Scores, counted


def all_counts(*args: object, **kwargs: object) -> np.ndarray:
    return np.concatenate(list(resampled_counts(*args, **kwargs)))  # type: ignore[arg-type]


def test_every_resample_has_as_many_rows_as_there_are() -> None:
    counts = all_counts(50, 200, 1)
    assert counts.shape == (200, 50)
    assert (counts.sum(axis=1) == 50).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(50), abs=0.4)


def test_counts_come_from_the_seed_however_they_are_chunked(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = all_counts(20, 30, 1)
    monkeypatch.setattr("converter.training.bootstrap.CHUNK_ELEMENTS", 45)
    assert (all_counts(20, 30, 1) == whole).all()
    assert (all_counts(20, 30, 2) != whole).any()


def test_rows_of_a_group_are_drawn_together() -> None:
    groups = np.array(["a", "b", "a", "c", "c", "c"])
    counts = all_counts(6, 100, 1, groups)
    assert (counts[:, 0] == counts[:, 2]).all()
    assert (counts[:, 3:] == counts[:, 3:4]).all()
    assert (counts[:, [0, 1, 3]].sum(axis=1) == 3).all()  # three groups are drawn


def test_interval_of_an_accuracy_is_that_of_the_binomial_distribution() -> None:
    right = np.arange(1000) < 850
    metrics = {"model": counted(Scores(np.where(right, 0.9, 0.1), np.ones(1000, bool)))}
    found = resampled_metrics(metrics, resampled_counts(1000, 4000, 5))["model"]["accuracy"]
    half = 1.96 * np.sqrt(0.85 * 0.15 / 1000)
    assert interval(found) == pytest.approx((0.85 - half, 0.85 + half), abs=0.002)


def test_rows_that_are_alike_make_the_interval_wider() -> None:
    right = np.repeat(np.arange(40) < 34, 25)
    metrics = {"model": counted(Scores(np.where(right, 0.9, 0.1), np.ones(1000, bool)))}
    widths = []
    for groups in (None, np.repeat(np.arange(40), 25)):
        low, high = interval(resampled_metrics(metrics, resampled_counts(1000, 500, 5, groups))["model"]["accuracy"])
        widths.append(high - low)
    assert widths[1] > 4 * widths[0]


@pytest.mark.parametrize(("n_rows", "resamples"), [(100, 1000), (1_000_000, 268), (10_000_000, FEWEST_RESAMPLES)])
def test_many_rows_are_resampled_less_often(n_rows: int, resamples: int) -> None:
    assert affordable_resamples(n_rows, 1000) == resamples
