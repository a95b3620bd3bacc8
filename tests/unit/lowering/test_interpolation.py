import numpy as np
import pytest

from converter.lowering.interpolation import (
    COORDINATES,
    NEAREST,
    Flags,
    Sampling,
    Scaling,
    matrix,
    nearest_indices,
    outside,
    tfjs_flags,
    tfjs_nearest_indices,
)

UP, DOWN = Scaling(5, 10, 2.0), Scaling(9, 4, 4 / 9)


@pytest.mark.parametrize("coordinates", sorted(set(COORDINATES) - {"tf_half_pixel_for_nn"}))
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("axis", [UP, DOWN, Scaling(6, 1, 1 / 6), Scaling(1, 4, 4.0)])
@pytest.mark.parametrize("more", [{}, {"antialias": True}, {"exclude_outside": True}])
def test_weights_of_each_output_sum_to_one(coordinates, mode, axis, more):
    assert matrix(Sampling(mode, coordinates, **more), axis).sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("rounding", NEAREST)
@pytest.mark.parametrize("axis", [UP, DOWN, Scaling(1, 4, 4.0)])
def test_nearest_elements_exist_and_come_in_order(coordinates, rounding, axis):
    indices = nearest_indices(Sampling("nearest", coordinates, rounding), axis)
    assert indices.shape == (axis.n_out,)
    assert indices.min() >= 0
    assert indices.max() < axis.n_in
    assert np.all(np.diff(indices) >= 0)


def test_ties_go_where_the_rounding_says():
    axis = Scaling(4, 2, 0.5)  # half_pixel looks at 0.5 and 2.5
    found = {rounding: nearest_indices(Sampling(nearest=rounding), axis).tolist() for rounding in NEAREST}
    assert found == {"ceil": [1, 3], "floor": [0, 2], "round_prefer_ceil": [1, 3], "round_prefer_floor": [0, 2]}


@pytest.mark.parametrize(
    ("sampling", "axis", "expected"),
    [
        (Sampling("linear", "half_pixel"), UP, Flags(False, True)),
        (Sampling("linear", "align_corners"), UP, Flags(True, False)),
        (Sampling("linear", "asymmetric"), UP, Flags(False, False)),
        (Sampling("linear", "half_pixel"), Scaling(5, 6, 1.3), None),
        (Sampling("linear", "half_pixel", antialias=True), DOWN, None),
        (Sampling("linear", "half_pixel", antialias=True), UP, Flags(False, True)),
        (Sampling("cubic", "half_pixel"), UP, None),
        (Sampling("nearest", "asymmetric", "floor"), UP, Flags(False, True)),
        (Sampling("nearest", "asymmetric", "ceil"), UP, None),
        (Sampling("linear", "tf_crop_and_resize"), Scaling(5, 10, 2.0, (-0.5, 1.0)), None),
    ],
)
def test_the_kernel_is_used_only_where_it_does_the_same(sampling, axis, expected):
    assert tfjs_flags(sampling, [axis]) == expected


def test_a_kernel_whose_rounding_depends_on_the_backend_is_not_used():
    axis = Scaling(1, 41, 41.0)
    assert tfjs_nearest_indices(Flags(False, False), Scaling(3, 123, 41.0)) is None
    assert tfjs_nearest_indices(Flags(False, True), axis).tolist() == [0] * 41


def test_only_a_crop_looks_outside():
    axis = Scaling(5, 4, 0.8, (-0.5, 1.5))
    assert outside(Sampling("linear", "tf_crop_and_resize"), axis).tolist() == [True, False, False, True]
    assert not outside(Sampling("linear", "half_pixel"), axis).any()
