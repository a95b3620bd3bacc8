import numpy as np
import pytest

from converter.parity.ranking import Ranking, is_distribution, ranking_of

ROWS = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])


def test_rows_that_sum_to_one_are_distributions():
    assert is_distribution(ROWS)
    assert is_distribution(ROWS.reshape(2, 1, 3))
    assert not is_distribution(ROWS * 0.5)
    assert not is_distribution(np.array([[1.5, -0.5]]))
    assert not is_distribution(np.array([[1.0, np.nan]]))
    assert not is_distribution(np.vstack([ROWS, [[0.1, 0.1, 0.1]]]))


def test_the_largest_entries_are_compared_row_by_row():
    swapped = ROWS[:, [1, 0, 2]]
    assert ranking_of(ROWS, ROWS, declared=None) == Ranking(rows=2, top1=2, k=2, topk=2)
    assert ranking_of(ROWS, swapped, declared=None) == Ranking(rows=2, top1=1, k=2, topk=1)


def test_the_order_inside_the_k_largest_does_not_matter():
    reference = np.array([[0.4, 0.3, 0.2, 0.1]])
    ranking = ranking_of(reference, np.array([[0.3, 0.4, 0.2, 0.1]]), declared=None)
    assert (ranking.top1, ranking.k, ranking.topk) == (0, 3, 1)


def test_any_of_equal_entries_is_the_largest():
    reference = np.array([[0.5, 0.5, 0.0]])
    assert ranking_of(reference, np.array([[0.4999, 0.5, 0.0001]]), declared=None).top1 == 1
    assert ranking_of(reference, np.array([[0.2, 0.3, 0.5]]), declared=None).top1 == 0


def test_a_candidate_of_nans_has_no_largest_entry():
    ranking = ranking_of(ROWS, np.array([[np.nan, 0.5, 0.5], ROWS[1]]), declared=None)
    assert ranking.top1 == 1


@pytest.mark.parametrize(
    ("declared", "array", "expected"),
    [
        (True, np.array([[5.0, -3.0]]), True),
        (None, np.array([[5.0, -3.0]]), False),
        (False, ROWS, False),
        (True, np.array([5.0]), False),
        (True, np.array(5.0), False),
    ],
)
def test_what_is_declared_comes_first_but_one_entry_ranks_nothing(declared, array, expected):
    assert (ranking_of(array, array, declared=declared) is not None) is expected


def test_many_classes_are_ranked_by_their_first_five():
    logits = np.random.default_rng(0).normal(size=(4, 100))
    assert ranking_of(logits, logits, declared=True).k == 5
