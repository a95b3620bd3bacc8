import json
from math import inf

import numpy as np
import pytest

from converter.fileio import canonical_json
from converter.parity.compare import Rule, Tolerance, compare_by_rules
from converter.parity.output import OutputVerdict

RULE = Rule(Tolerance(1e-5, 1e-4))


def over(*pairs, rule=RULE):
    verdicts = []
    for place, (reference, candidate) in enumerate(pairs):
        [verdict] = compare_by_rules({"y": np.asarray(reference)}, {"y": np.asarray(candidate)}, lambda _: rule)
        verdicts.append((f"s{place}", verdict))
    return OutputVerdict.over_samples(verdicts, rule)


def test_percentiles_are_errors_that_were_there():
    reference = np.zeros(200)
    first, second = np.arange(100) / 100, np.arange(100, 200) / 100
    output = over((reference[:100], first), (reference[:100], second))
    assert output.percentiles == pytest.approx({50: 0.99, 90: 1.79, 99: 1.97})
    assert output.max_abs == pytest.approx(1.99)


def test_means_weigh_samples_by_their_size():
    output = over(([1.0], [2.0]), ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0]))
    assert (output.mean_abs, output.mean_rel, output.max_rel) == (0.25, 0.25, 1.0)


def test_an_infinite_error_leaves_the_other_percentiles_alone():
    output = over((np.zeros(10), np.r_[np.zeros(9), np.nan]))
    assert output.percentiles == {50: 0.0, 90: 0.0, 99: inf}
    assert json.loads(canonical_json(output.as_json()))["percentiles_abs"] == {
        "p50": 0.0,
        "p90": 0.0,
        "p99": "Infinity",
    }


def test_a_nan_on_one_side_is_said():
    text = str(over(([1.0, 2.0], [np.nan, 2.0])))
    assert "output y: 1 of 2 values differ" in text
    assert "1 are NaN on one side only" in text


def test_an_infinity_on_one_side_is_said():
    assert "1 are infinite on one side only" in str(over(([1.0, 2.0], [inf, 2.0])))


def test_rankings_are_summed_where_every_sample_holds_distributions():
    row, other = [[0.6, 0.4]], [[0.4, 0.6]]
    output = over((row, row), (row, other))
    assert (output.ranking.rows, output.ranking.top1) == (2, 1)
    assert over((row, row), ([[5.0, 1.0]], [[5.0, 1.0]])).ranking is None


def test_too_few_rows_that_rank_alike_fail_an_output_whose_values_agree():
    rule = Rule(Tolerance(1.0, 0.0), min_top1=0.9)
    output = over(([[0.6, 0.4]], [[0.4, 0.6]]), rule=rule)
    assert (output.bad, output.agrees) == (0, False)
    assert "the largest entry is the reference's in 0 of 1 rows (0.00%), and min_top1 asks for 90.00%" in str(output)
    assert over(([[0.6, 0.4]], [[0.5, 0.45]]), rule=rule).agrees


def test_a_share_that_is_asked_of_what_has_no_rows_fails():
    output = over(([5.0], [5.0]), rule=Rule(Tolerance(1.0, 0.0), min_top1=0.5))
    assert not output.agrees
    assert "no distributions to rank" in str(output)


def test_the_json_says_what_the_output_was_held_to():
    value = over(([1.0, 2.0], [1.0, 2.5])).as_json()
    assert value["tolerance"] == {"atol": 1e-5, "rtol": 1e-4}
    assert value["needed_rtol"] == pytest.approx(0.25, abs=1e-4)
    assert value["nonfinite"] == {"nan_in_both": 0, "nan_in_one": 0, "inf_in_both": 0, "inf_in_one": 0}
    assert value["worst"]["index"] == [1]
