from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.lowering.window import Axis, Window, same_pads


def axes_of(kernel: int) -> st.SearchStrategy[Axis]:
    pads = st.integers(0, min(2, kernel - 1))
    return st.builds(
        Axis,
        size=st.integers(8, 20),
        kernel=st.just(kernel),
        stride=st.integers(1, 4),
        dilation=st.integers(1, 2),
        pads=st.tuples(pads, pads),
        ceil=st.booleans(),
    )


AXES = st.integers(1, 4).flatmap(axes_of)


def starts(axis: Axis) -> list[int]:
    """Every place where a window begins, by trying them all."""
    before, after = axis.pads
    end = axis.size + after
    found = []
    for start in range(-before, end, axis.stride):
        fits = start + axis.extent <= end
        begins_early = start < axis.size and start + axis.extent - axis.stride < end
        if fits or (axis.ceil and begins_early):
            found.append(start)
    return found


@given(AXES)
def test_windows_are_counted_as_if_one_tried_them_all(axis):
    assert axis.n_windows == len(starts(axis))


@given(AXES)
def test_the_last_window_ends_within_padding_and_tail(axis):
    last = starts(axis)[-1] + axis.extent
    assert max(0, last - axis.size - axis.pads[1]) == axis.tail


@given(AXES, st.booleans())
def test_elements_are_counted_as_if_one_looked_at_each(axis, include_pads):
    low, high = (-axis.pads[0], axis.size + axis.pads[1]) if include_pads else (0, axis.size)
    taps = np.arange(axis.kernel) * axis.dilation
    expected = [sum(low <= start + tap < high for tap in taps) for start in starts(axis)]
    assert axis.counts(include_pads).tolist() == expected


@given(AXES, st.booleans())
def test_same_pads_make_size_over_stride_windows(axis, lower):
    padded = replace(axis, pads=same_pads(axis, axis.size, lower=lower), ceil=False)
    assert padded.n_windows == -(-axis.size // axis.stride)


@given(AXES.map(lambda axis: replace(axis, ceil=True)))
def test_a_dynamic_axis_makes_as_many_windows_as_a_known_one(axis):
    dynamic = replace(axis, size="length")
    if dynamic.tail is None:
        assert axis.pads[1] + axis.stride > axis.extent
    else:
        padded = axis.size + axis.pads[0] + axis.pads[1] + dynamic.tail
        assert (padded - axis.extent) // axis.stride + 1 == axis.n_windows


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (Axis("length", 3, 1, 1, (1, 1), ceil=False), True),
        (Axis("length", 3, 2, 1, (1, 1), ceil=False), False),
        (Axis("length", 3, 2, 1, None, ceil=False), True),
        (Axis(7, 3, 2, 1, (1, 1), ceil=False), True),
        (Axis(8, 3, 2, 1, (1, 1), ceil=False), False),
        (Axis(8, 3, 2, 1, (0, 1), ceil=False), True),
        (Axis(8, 2, 2, 1, (0, 0), ceil=False), False),
    ],
)
def test_tf_same_is_recognised(axis, expected):
    assert Window((axis,)).is_tf_same is expected


def test_a_volume_whose_stride_outgrows_its_window_is_not_tf_same():
    axes = (Axis(7, 2, 3, 1, None, ceil=False),) * 3
    assert not Window(axes).is_tf_same
    assert Window(axes[:2]).is_tf_same
