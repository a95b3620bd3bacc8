import itertools
from math import inf, isinf, nan

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from converter.errors import InternalError, ParityError
from converter.parity.compare import Rule, Tolerance, compare, compare_by_rules, compare_outputs

EXACT = Tolerance(0.0, 0.0)
LOOSE = Tolerance(1e-5, 1e-4)


def verdict_on(reference, candidate, tolerance=LOOSE):
    [verdict] = compare({"y": np.asarray(reference)}, {"y": np.asarray(candidate)}, tolerance)
    return verdict


def test_equal_arrays_have_no_gap():
    verdict = verdict_on(np.float32([[1, 2], [3, 4]]), np.float32([[1, 2], [3, 4]]), EXACT)
    assert (verdict.compared, verdict.bad, verdict.max_abs, verdict.needed_atol) == (4, 0, 0.0, 0.0)


def test_a_gap_is_counted_and_located():
    reference, candidate = np.zeros((2, 3), np.float64), np.zeros((2, 3), np.float64)
    candidate[1, 2], candidate[0, 1] = 0.5, -0.25
    verdict = verdict_on(reference, candidate)
    assert (verdict.name, verdict.compared, verdict.bad, verdict.max_abs) == ("y", 6, 2, 0.5)
    assert (verdict.worst, verdict.reference, verdict.candidate) == ((1, 2), 0.0, 0.5)
    assert verdict.mean_abs == pytest.approx(0.75 / 6)


def test_the_worst_element_is_the_one_furthest_outside_the_tolerance():
    verdict = verdict_on([1e6, 1.0], [1e6 + 1, 1.5], Tolerance(1e-5, 1e-3))
    assert (verdict.bad, verdict.worst, verdict.max_abs) == (1, (1,), 1.0)


def test_the_tolerance_itself_still_passes():
    assert verdict_on([0.0, 100.0], [0.5, 125.0], Tolerance(0.5, 0.25)).bad == 0
    assert verdict_on([0.0], [np.nextafter(0.5, 1)], Tolerance(0.5, 0.25)).bad == 1


def test_rtol_is_a_fraction_of_the_reference_not_of_the_candidate():
    assert verdict_on([100.0], [125.0], Tolerance(0.0, 0.2)).bad == 1
    assert verdict_on([125.0], [100.0], Tolerance(0.0, 0.2)).bad == 0


def test_max_rel_ignores_zeros_of_the_reference():
    assert verdict_on([0.0, 2.0, inf], [1.0, 3.0, inf]).max_rel == 0.5
    assert verdict_on([0.0], [1.0]).max_rel == 0.0


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_the_same_special_value_on_both_sides_agrees(value):
    verdict = verdict_on([1.0, value], [1.0, value], EXACT)
    assert (verdict.bad, verdict.max_abs) == (0, 0.0)


@pytest.mark.parametrize(("reference", "candidate"), list(itertools.permutations([1.0, nan, inf, -inf], 2)))
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_special_value_against_another_value_is_bad(reference, candidate, dtype):
    verdict = verdict_on(np.array([0, reference], dtype), np.array([0, candidate], dtype), Tolerance(1e30, 1.0))
    assert (verdict.bad, verdict.worst, verdict.max_abs, verdict.needed_atol) == (1, (1,), inf, inf)


def test_a_nan_is_worse_than_any_finite_gap():
    assert verdict_on([0.0, 1.0, 2.0], [1e300, nan, 2.0]).worst == (1,)


@pytest.mark.parametrize(
    ("dtype", "reference", "candidate", "gap"),
    [
        ("int64", 2**53, 2**53 + 1, 1),
        ("int64", -(2**63), 2**63 - 1, 2**64 - 1),
        ("int64", 2**63 - 1, -(2**63), 2**64 - 1),
        ("uint64", 2**64 - 1, 2**64 - 2, 1),
        ("uint64", 0, 2**64 - 1, 2**64 - 1),
        ("uint8", 0, 255, 255),
        ("int8", 127, -128, 255),
        ("int32", 5, 6, 1),
    ],
)
def test_integers_are_compared_exactly_whatever_the_tolerance(dtype, reference, candidate, gap):
    verdict = verdict_on(np.array([7, reference], dtype), np.array([7, candidate], dtype), Tolerance(1e9, 1.0))
    assert (verdict.bad, verdict.worst, verdict.max_abs, verdict.needed_atol) == (1, (1,), float(gap), inf)
    assert (verdict.reference, verdict.candidate) == (reference, candidate)


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2fnuz", "bfloat16"])
def test_narrow_real_numbers_are_compared_as_real_numbers(dtype):
    one, other = (np.float32([1, value, nan]).astype(getattr(ml_dtypes, dtype)) for value in (2, 2.5))
    verdict = verdict_on(one, other, Tolerance(0.1, 0.0))
    assert (verdict.compared, verdict.bad, verdict.worst, verdict.max_abs) == (3, 1, (1,), 0.5)
    assert verdict_on(one, one, EXACT).bad == 0


def test_narrow_integers_are_compared_exactly():
    one, other = (np.array([-8, value]).astype(ml_dtypes.int4) for value in (-1, 7))
    verdict = verdict_on(one, other, Tolerance(1e9, 1.0))
    assert (verdict.bad, verdict.worst, verdict.max_abs, verdict.reference) == (1, (1,), 8.0, -1)


def test_booleans_and_strings_are_compared_exactly():
    verdict = verdict_on([True, False, True], [True, True, True], Tolerance(10.0, 1.0))
    assert (verdict.bad, verdict.worst, verdict.reference, verdict.candidate) == (1, (1,), False, True)
    words = np.array(["a", "b"], object)
    verdict = verdict_on(words, np.array(["a", "c"], object), Tolerance(10.0, 1.0))
    assert (verdict.bad, verdict.worst, verdict.reference, verdict.candidate) == (1, (1,), "b", "c")
    assert verdict_on(words, np.array(["a", "b"]), EXACT).bad == 0


def test_complex_numbers_are_compared_by_their_parts():
    verdict = verdict_on(np.complex64([1 + 2j]), np.complex64([1 + 5j]))
    assert (verdict.bad, verdict.worst, verdict.max_abs) == (1, (0, 1), 3.0)


def test_a_scalar_has_an_empty_index():
    assert verdict_on(np.float32(1), np.float32(2)).worst == ()
    assert verdict_on(np.int64(1), np.int64(2)).worst == ()


def test_an_empty_output_is_no_evidence():
    empty, full = np.zeros((0, 3), np.float32), np.ones(2, np.float32)
    assert [v.compared for v in compare({"a": empty, "b": full}, {"a": empty, "b": full}, EXACT)] == [0, 2]
    assert compare_outputs({"a": empty}, {"a": empty}, EXACT)[0].worst is None
    for outputs in ({"a": empty}, {}):
        with pytest.raises(ParityError, match="no element was compared"):
            compare(outputs, outputs, EXACT)


def test_different_names_are_an_error_that_lists_them():
    array = np.ones(1, np.float32)
    with pytest.raises(ParityError, match=r"missing \['b'\], unexpected \['c'\]"):
        compare({"a": array, "b": array}, {"a": array, "c": array}, LOOSE)


@pytest.mark.parametrize(
    "candidate", [np.ones((1, 2), np.float32), np.ones((2, 1), np.float64), np.ones((), np.float32)]
)
def test_a_different_shape_or_dtype_is_an_error_not_a_broadcast(candidate):
    with pytest.raises(ParityError, match=r"against float32\[2, 1\] in the reference") as caught:
        compare({"y": np.ones((2, 1), np.float32)}, {"y": candidate}, Tolerance(1e9, 1e9))
    assert (caught.value.where, caught.value.exit_code) == ("output y", 5)


def test_verdicts_come_in_the_order_of_the_reference():
    one, two = np.float32([1]), np.float32([2])
    verdicts = compare({"b": one, "a": two}, {"a": two, "b": one}, EXACT)
    assert [verdict.name for verdict in verdicts] == ["b", "a"]


@pytest.mark.parametrize("value", [-1.0, nan, inf])
def test_a_tolerance_is_finite_and_not_negative(value):
    with pytest.raises(InternalError, match="rtol"):
        Tolerance(0.0, value)


FLOATS = npst.arrays(np.float64, 5, elements=st.floats(-1e12, 1e12))


@given(FLOATS, FLOATS, st.floats(0, 0.5))
def test_needed_atol_passes_and_nothing_much_smaller_does(reference, candidate, rtol):
    needed = verdict_on(reference, candidate, Tolerance(0.0, rtol)).needed_atol
    assert verdict_on(reference, candidate, Tolerance(needed, rtol)).bad == 0
    if needed > 1e-3:
        assert verdict_on(reference, candidate, Tolerance(needed * 0.99, rtol)).bad > 0 or isinf(needed)


@given(FLOATS, FLOATS, st.floats(1e-9, 1e3))
def test_needed_rtol_passes_and_nothing_much_smaller_does(reference, candidate, atol):
    needed = verdict_on(reference, candidate, Tolerance(atol, 0.0)).needed_rtol
    if isinf(needed):
        assert np.abs(reference[np.abs(candidate - reference) > atol]).min() < 1e-290
        return
    assert verdict_on(reference, candidate, Tolerance(atol, needed)).bad == 0
    if needed > 1e-3:
        assert verdict_on(reference, candidate, Tolerance(atol, needed * 0.99)).bad > 0


def test_relative_errors_are_of_the_reference():
    verdict = verdict_on([2.0, -4.0, 0.0], [3.0, -4.0, 0.0])
    assert (verdict.max_rel, verdict.mean_rel, verdict.counted_rel) == (0.5, 0.25, 2)


def test_values_that_are_not_finite_are_counted_on_both_sides():
    reference = [nan, nan, 1.0, inf, -inf, inf, 2.0, 3.0]
    candidate = [nan, 1.0, nan, inf, inf, nan, inf, 3.0]
    counts = verdict_on(reference, candidate).nonfinite
    assert (counts.nan_in_both, counts.nan_in_one, counts.inf_in_both, counts.inf_in_one) == (1, 3, 1, 3)


def test_every_wrong_form_is_named_at_once():
    one = {"a": np.zeros((2, 1), np.float32), "b": np.zeros(3, np.int64), "c": np.zeros(1)}
    other = {"a": np.zeros((2,), np.float32), "b": np.zeros(3, np.int32), "c": np.zeros(1)}
    with pytest.raises(ParityError, match=r"float32\[2\] against float32\[2, 1\].*; output b: int32\[3\]") as caught:
        compare(one, other, EXACT)
    assert caught.value.where == "output a"


def test_each_output_has_its_own_rule():
    arrays = {"a": np.zeros(2), "b": np.zeros(2)}
    rules = {"a": Rule(Tolerance(0.5, 0.0)), "b": Rule(Tolerance(0.1, 0.0))}
    verdicts = compare_by_rules(arrays, {name: array + 0.3 for name, array in arrays.items()}, rules.__getitem__)
    assert [(verdict.name, verdict.bad) for verdict in verdicts] == [("a", 0), ("b", 2)]


def test_gaps_are_kept_for_every_element():
    np.testing.assert_allclose(verdict_on([[1.0, 2.0], [nan, 4.0]], [[1.5, 2.0], [0.0, 3.0]]).gaps, [0.5, 0, inf, 1])
