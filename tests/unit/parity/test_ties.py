"""Indices of extrema are right if what they point at is."""

import numpy as np
import pytest

from converter.parity.compare import Tolerance
from converter.parity.ties import Searched, settle

TOLERANCE = Tolerance(1e-5, 1e-4)
ROW = np.array([[3.0, 7.0, 7.0000001, 1.0, 7.0]], np.float32)


@pytest.mark.parametrize(
    ("values", "reference", "candidate", "is_right"),
    [
        pytest.param(ROW, [[1]], [[4]], True, id="tie"),
        pytest.param(ROW, [[2]], [[1]], True, id="tie-within-the-tolerance"),
        pytest.param(ROW, [[1]], [[0]], False, id="smaller"),
        pytest.param(ROW, [1], [4], True, id="axis-dropped"),
        pytest.param(ROW, [[1, 2, 4]], [[4, 1, 2]], True, id="other-order-of-equals"),
        pytest.param(ROW, [[1, 2, 4]], [[1, 1, 1]], False, id="one-element-three-times"),
        pytest.param(ROW, [[1, 2, 0]], [[1, 2, 3]], False, id="last-is-smaller"),
        pytest.param(ROW, [[1, 2]], [[1, 5]], False, id="beyond-the-end"),
        pytest.param(ROW, [[1, 2]], [[1, -1]], False, id="before-the-start"),
        pytest.param(np.full((1, 3), -np.inf), [[0]], [[2]], True, id="infinities"),
        pytest.param(np.array([[np.nan, 1.0]]), [[0]], [[1]], False, id="nan"),
        pytest.param(np.float32([[1], [1]]), [[0]], [[1]], False, id="along-another-axis"),
    ],
)
def test_an_index_is_right_if_its_value_is(values, reference, candidate, is_right):
    wanted, got = np.array(reference, np.int64), np.array(candidate, np.int64)
    settled = settle(wanted, got, Searched(values, 1), TOLERANCE)
    assert settled.dtype == got.dtype
    assert settled.shape == got.shape
    assert np.array_equal(settled, wanted) == is_right


def test_the_axis_may_be_any():
    values = np.zeros((4, 2, 3), np.float32)
    wanted, got = np.zeros((1, 2, 3), np.int32), np.full((1, 2, 3), 3, np.int32)
    assert np.array_equal(settle(wanted, got, Searched(values, -3), TOLERANCE), wanted)


def test_only_the_wrong_index_stays():
    values = np.float32([[5, 5, 1], [5, 5, 1]])
    settled = settle(np.array([0, 0]), np.array([1, 2]), Searched(values, 1), TOLERANCE)
    assert settled.tolist() == [0, 2]
