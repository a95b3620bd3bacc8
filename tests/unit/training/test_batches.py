import numpy as np
import pytest

from converter.training.batches import Sampler
from converter.training.rows import Rows

N_ROWS = 1000


def sampler(gathered: list[int] | None = None, **changes: int) -> Sampler:
    """Rows whose only feature is their number; those of odd number are labelled 1."""
    numbers = np.arange(N_ROWS, dtype=np.float32)[:, None]

    def inputs(features: np.ndarray) -> np.ndarray:
        if gathered is not None:
            gathered.append(len(features))
        return features

    settings = {"batch_size": 64, "shuffle_rows": 10_000, "seed": 0} | changes
    train = np.flatnonzero(np.arange(N_ROWS) % 10 != 0)
    return Sampler(Rows(numbers, np.arange(N_ROWS) % 2 == 1), train, inputs, np.array([1, 3], np.float32), **settings)


def numbers_of(source: Sampler, epoch: int, share: tuple[int, int] = (0, 1)) -> list[int]:
    return [int(x) for batch in source.epoch(epoch, share) for x in batch.inputs[:, 0]]


@pytest.mark.parametrize("shuffle_rows", [10_000, 900, 200, 1])
def test_an_epoch_is_all_training_rows_once(shuffle_rows: int) -> None:
    source = sampler(shuffle_rows=shuffle_rows)
    assert sorted(numbers_of(source, 1)) == [number for number in range(N_ROWS) if number % 10]
    assert numbers_of(source, 1) == numbers_of(source, 1)
    assert numbers_of(source, 1) != numbers_of(source, 2)
    assert numbers_of(source, 1) != numbers_of(sampler(shuffle_rows=shuffle_rows, seed=1), 1)


def test_batches_are_of_one_size_but_for_a_row() -> None:
    sizes = [len(batch.labels) for batch in sampler().epoch(1)]
    assert len(sizes) == sampler().n_batches == 15
    assert sum(sizes) == 900
    assert set(sizes) == {60}


def test_what_is_shuffled_together_is_bounded_and_comes_from_all_over() -> None:
    gathered: list[int] = []
    source = sampler(gathered, shuffle_rows=200)
    first = numbers_of(source, 1)[:180]
    assert max(gathered) <= 200
    assert len(gathered) == 5
    assert np.ptp(first) > 800
    assert abs(np.corrcoef(np.arange(180), first)[0, 1]) < 0.3


def test_labels_and_weights_belong_to_their_rows() -> None:
    for batch in sampler().epoch(1):
        odd = batch.inputs[:, 0] % 2
        assert batch.labels.tolist() == odd.tolist()
        assert batch.weights.tolist() == (1 + 2 * odd).tolist()
        assert batch.total_weight == batch.weights.sum()


def test_processes_share_each_batch() -> None:
    whole = [set(batch.inputs[:, 0].tolist()) for batch in sampler().epoch(1)]
    shares = [list(sampler().epoch(1, (rank, 2))) for rank in range(2)]
    for batch, one, other in zip(whole, *shares, strict=True):
        mine, theirs = set(one.inputs[:, 0].tolist()), set(other.inputs[:, 0].tolist())
        assert mine | theirs == batch
        assert not mine & theirs
        assert one.total_weight == other.total_weight == one.weights.sum() + other.weights.sum()
