import numpy as np
import pytest

from converter.tfjs.weights import pieces_of


@pytest.mark.parametrize(
    ("shape", "perm"),
    [
        ((300, 700), (1, 0)),
        ((64, 32, 3, 3), (2, 3, 1, 0)),
        ((5, 1, 7), (1, 2, 0)),
        ((600, 900), (1, 0)),
        ((9, 0), (1, 0)),
    ],
)
def test_the_bytes_are_in_row_major_order_however_they_lie_in_memory(
    shape: tuple[int, ...], perm: tuple[int, ...]
) -> None:
    values = np.random.default_rng(0).random(shape, np.float32).transpose(perm)
    assert b"".join(map(bytes, pieces_of(values))) == values.tobytes()
