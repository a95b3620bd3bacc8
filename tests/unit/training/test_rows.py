import numpy as np
import pytest

from converter.training.rows import Rows, split_rows
from converter.training_settings import DataSection, SplitSection

SHARES = SplitSection(validation=0.1, test=0.2)


def rows(n_rows: int, n_groups: int = 50, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, n_groups, n_rows).astype(np.int32)
    return Rows(
        rng.random((n_rows, 2), np.float32),
        rng.random(n_rows) < 0.1,
        group,
        tuple(f"person-{number}" for number in range(n_groups)),
        rng.permutation(n_rows).astype(np.float64),
    )


@pytest.mark.parametrize("by", ["random", "stratified", "group", "time"])
def test_a_split_is_a_seeded_partition(by: str) -> None:
    split = split_rows(rows(1001), by, SHARES, 3)
    together = np.concatenate([split.train, split.validation, split.test])
    assert sorted(together) == list(range(1001))
    for name, part in split.parts().items():
        assert np.array_equal(part, np.sort(part))
        assert np.array_equal(part, split_rows(rows(1001), by, SHARES, 3).parts()[name])
    if by != "time":
        assert not np.array_equal(split.test, split_rows(rows(1001), by, SHARES, 4).test)
    if by != "group":
        assert [len(split.validation), len(split.test)] == pytest.approx([100, 200], abs=1)


def test_a_stratified_split_has_as_many_of_each_class() -> None:
    source = rows(1000)
    split = split_rows(source, "stratified", SHARES, 0)
    wanted = source.labels.mean()
    assert [source.labels[part].mean() for part in split.parts().values()] == pytest.approx([wanted] * 3, abs=0.006)


def test_a_split_by_group_has_no_group_on_two_sides() -> None:
    source = rows(5000, n_groups=500)
    split = split_rows(source, "group", SHARES, 0)
    sides = [set(source.groups_of(part)) for part in split.parts().values()]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 500
    assert [len(side) / 500 for side in sides] == pytest.approx([0.7, 0.1, 0.2], abs=0.05)


def test_a_group_is_on_the_same_side_in_every_file() -> None:
    large, small = rows(5000, n_groups=500), rows(300, n_groups=40, seed=1)
    test = set(large.groups_of(split_rows(large, "group", SHARES, 0).test))
    for name in small.groups_of(split_rows(small, "group", SHARES, 0).test):
        assert name in test


def test_a_split_by_time_holds_out_the_newest() -> None:
    source = rows(1000)
    split = split_rows(source, "time", SHARES, 0)
    assert source.time[split.train].max() < source.time[split.validation].min()
    assert source.time[split.validation].max() < source.time[split.test].min()


@pytest.mark.parametrize(
    ("settings", "by"),
    [
        ({}, "stratified"),
        ({"group": "person"}, "group"),
        ({"time": "day"}, "time"),
        ({"group": "person", "time": "day"}, "group"),
        ({"group": "person", "time": "day", "split": {"by": "time"}}, "time"),
        ({"group": "person", "split": {"by": "random"}}, "random"),
    ],
)
def test_the_split_goes_by_what_the_data_name(settings: dict, by: str) -> None:
    assert DataSection.model_validate(settings).split_by == by
