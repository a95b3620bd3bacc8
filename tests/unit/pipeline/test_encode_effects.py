import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.pipeline.encode_effects import Effects


def effects(saved: list[int], alone: dict[int, list[float]], base: list[float] | None = None) -> Effects:
    found = Effects(saved)
    zeros = np.array(base or [0.0] * len(next(iter(alone.values()))))
    found.add(zeros, {group: np.array(values) for group, values in alone.items()})
    return found


def test_effects_add_up_with_their_signs() -> None:
    found = effects([1, 1, 1], {0: [0.5, 0.0], 1: [-0.4, 0.3], 2: [0.6, 0.0]}, base=[0.1, 0.0])
    assert found.error([]) == pytest.approx(0.1)
    assert found.error([0]) == pytest.approx(0.5)
    assert found.error([0, 1]) == pytest.approx(0.3)
    assert found.error([0, 2]) == pytest.approx(1.0)


def test_many_small_groups_may_save_more_than_the_largest() -> None:
    found = effects([10, 6, 6], {0: [1.0], 1: [0.5], 2: [0.5]})
    assert sorted(found.picked(1.0)) == [1, 2]
    assert found.saved_bytes(found.picked(1.0)) == 12


def test_the_largest_may_save_more_than_many_small_groups() -> None:
    found = effects([10, 4, 4], {0: [1.0], 1: [0.1], 2: [0.1]})
    assert found.picked(1.0) == [0]


def test_a_group_that_was_too_far_off_once_is_out() -> None:
    found = effects([5, 5], {0: [0.1], 1: [0.1]})
    assert found.left == [0, 1]
    found.add(np.zeros(2), {1: np.array([0.1, 0.3])})
    assert found.left == [1]
    assert found.picked(0.5) == [1]
    assert found.error([1]) == pytest.approx(0.3)
    assert found.picked(0.2) == []


def test_without_values_everything_is_proposed() -> None:
    found = Effects([2, 1])
    found.add(np.empty(0), {0: np.empty(0), 1: np.empty(0)})
    assert found.picked(1e-3) == [0, 1]


@given(
    st.lists(st.integers(1, 100), min_size=1, max_size=6),
    st.integers(0, 2**32 - 1),
    st.floats(0.01, 3),
    st.integers(1, 5),
)
def test_what_is_picked_is_expected_inside(saved: list[int], seed: int, allowed: float, n_values: int) -> None:
    rng = np.random.default_rng(seed)
    alone = {group: rng.normal(size=n_values) for group in range(len(saved)) if rng.random() < 0.8}
    found = Effects(saved)
    found.add(np.zeros(n_values), alone)
    picked = found.picked(allowed)
    assert set(picked) <= set(alone)
    assert len(set(picked)) == len(picked)
    assert found.error(picked) <= allowed * (1 + 1e-9)
    alone_fit = [group for group in alone if found.error([group]) <= allowed]
    assert found.saved_bytes(picked) >= max((saved[group] for group in alone_fit), default=0)
