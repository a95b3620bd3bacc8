import numpy as np
import pytest
from report_facts import TOLERANCE

from converter.parity.compare import Tolerance
from converter.report.plots import LIMIT_BIN
from converter.report.spread import N_BINS, PAIRS, SpreadCollector


def collected(reference, candidate, *, samples: int = 1):
    reference, candidate = np.asarray(reference), np.asarray(candidate)
    collector = SpreadCollector({f"s{i}": {"y": reference} for i in range(samples)}, lambda *_: TOLERANCE)
    for i in range(samples):
        collector("runtime", f"s{i}", {"y": candidate})
    return collector.spreads["runtime", "y"]


def test_every_value_is_counted_once():
    reference = np.linspace(-3, 3, 1000, dtype=np.float32)
    spread = collected(reference, reference + np.float32(1e-6))
    assert spread.total == 1000
    assert spread.equal + sum(spread.bins) == 1000


def test_errors_are_fractions_of_what_is_allowed():
    allowed = TOLERANCE.atol + TOLERANCE.rtol * 2.0
    spread = collected([2.0, 2.0, 2.0], [2.0 + allowed * 0.02, 2.0 + allowed * 0.5, 2.0 + allowed * 3])
    assert sum(spread.bins[:LIMIT_BIN]) == 2
    assert sum(spread.bins[LIMIT_BIN:]) == 1
    assert spread.largest == pytest.approx(3, rel=1e-6)


def test_equal_values_are_apart():
    spread = collected([1.0, np.nan, np.inf], [1.0, np.nan, np.inf])
    assert (spread.equal, spread.total, spread.largest) == (3, 3, 0.0)


@pytest.mark.parametrize("candidate", [np.nan, np.inf])
def test_a_number_against_none_cannot_be_compared(candidate):
    spread = collected([1.0, 2.0], [candidate, 2.0])
    assert (spread.equal, spread.not_comparable) == (1, 1)
    assert spread.largest == np.inf
    assert spread.pairs == [(2.0, 2.0)]


def test_integers_may_not_differ_at_all():
    spread = collected(np.array([1, 2]), np.array([1, 3]))
    assert spread.bins[N_BINS - 1] == 1
    assert spread.largest == np.inf


def test_pairs_are_bounded_and_hold_the_worst():
    reference = np.zeros(100_000, np.float32)
    candidate = reference.copy()
    candidate[54_321] = 7
    spread = collected(reference, candidate, samples=3)
    assert (0.0, 7.0) in spread.pairs
    assert len(spread.pairs) <= 2 * PAIRS


def test_many_samples_keep_pairs_bounded():
    reference = np.arange(50, dtype=np.float32)
    assert len(collected(reference, reference, samples=500).pairs) <= 2 * PAIRS


def test_empty_and_text_outputs_are_left_out():
    collector = SpreadCollector({"s": {"none": np.zeros((0, 3)), "words": np.array(["a"])}}, lambda *_: TOLERANCE)
    collector("runtime", "s", {"none": np.zeros((0, 3)), "words": np.array(["a"])})
    assert collector.spreads == {}


def test_each_runtime_and_output_has_its_tolerance():
    tolerances = {("coarse", "y"): Tolerance(1.0, 0.0), ("fine", "y"): Tolerance(0.1, 0.0)}
    collector = SpreadCollector({"s": {"y": np.zeros(1)}}, lambda runtime, output: tolerances[runtime, output])
    for runtime in ("coarse", "fine"):
        collector(runtime, "s", {"y": np.full(1, 0.5)})
    assert [collector.spreads[key].largest for key in tolerances] == [0.5, 5.0]
