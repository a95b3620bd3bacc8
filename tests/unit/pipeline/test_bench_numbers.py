"""What bench makes of what runtimes give: runtimes of a few lines stand for slow, leaking and silent ones."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from converter.budget_settings import BudgetsSection
from converter.pipeline.bench import MIN_RUNS, N_PAGES, exceeded_by, measure, percentile
from converter.pipeline.events import StepAdvanced, silent
from converter.runtimes.base import BenchResult, RunResult, RuntimeInfo

INPUTS = {"x": np.zeros(2, np.float32)}


@dataclass
class Leaky:
    """Leaves `leak` tensors behind at each prediction; each start is a fresh page."""

    name: str = "tfjs-cpu@node"
    leak: int = 0
    run_ms: float = 2.0
    n_starts: int = 0
    n_tensors: int = 10
    is_open: bool = False
    loads: list[float] = field(default_factory=lambda: [30.0, 10.0, 20.0])

    def start(self):
        assert not self.is_open, "a page that has run a model is not fresh"
        self.n_starts, self.n_tensors, self.is_open = self.n_starts + 1, 10, True
        return RuntimeInfo(self.name, {}, "cpu")

    def load(self, model):
        self.load_ms = self.loads[self.n_starts - 1]
        self.n_runs = 0
        return self

    def bench(self, inputs, n_runs):
        counts, times = [], []
        for _ in range(n_runs):
            self.n_tensors += self.leak
            counts.append(self.n_tensors)
            times.append(self.run_ms * (100 if self.n_runs == 0 else 1))
            self.n_runs += 1
        return BenchResult(tuple(times), tuple(counts), 4_000_000, 6_000_000)

    def run(self, inputs):
        raise AssertionError("it measures itself")

    def close(self):
        self.is_open = False


class Plain(Leaky):
    """Can only run."""

    bench = None

    def run(self, inputs):
        return RunResult({}, 3.0)


def measured(runtime, **options):
    return measure(runtime, Path("model"), INPUTS, **({"n_runs": 25, "seconds": 60.0, "emit": silent} | options))


def test_loading_and_the_first_run_are_medians_of_fresh_pages():
    runtime = Leaky()
    one = measured(runtime)
    assert runtime.n_starts == N_PAGES
    assert (one.load_ms, one.warm_up_ms, one.predict_p50_ms, one.n_runs) == (20.0, 200.0, 2.0, 25)
    assert (one.memory_mb, one.n_tensors, one.n_leaked) == (10.0, 10, 0)


def test_leaked_tensors_exceed_whatever_the_config_says():
    one = measured(Leaky(leak=1))
    assert one.n_leaked == 25
    (exceeded,) = exceeded_by(BudgetsSection(), one)
    assert str(exceeded) == "tfjs-cpu@node: tensors left behind is 25, the budget is at most 0"
    assert list(exceeded_by(BudgetsSection(), measured(Leaky()))) == []


def test_each_budget_is_held_against_its_own_number():
    one = measured(Leaky())
    limits = BudgetsSection(load_ms=19, warm_up_ms=199, predict_p50_ms=1, predict_p99_ms=1, memory_mb=9)
    assert [exceeded.budget for exceeded in exceeded_by(limits, one)] == [
        "load_ms", "warm_up_ms", "predict_p50_ms", "predict_p99_ms", "memory_mb",
    ]  # fmt: skip
    assert list(exceeded_by(BudgetsSection(load_ms=20, warm_up_ms=200, predict_p99_ms=2, memory_mb=10), one)) == []


def test_a_slow_runtime_gets_fewer_runs_but_some():
    told = []
    one = measured(Leaky(), n_runs=10_000, seconds=0.0, emit=told.append)
    assert one.n_runs == MIN_RUNS
    assert [event.done for event in told if isinstance(event, StepAdvanced)] == [MIN_RUNS]


def test_a_runtime_that_tells_nothing_of_memory_is_timed():
    one = measured(Plain("onnxruntime"))
    assert (one.predict_p99_ms, one.n_tensors, one.memory_mb) == (3.0, None, None)
    assert list(exceeded_by(BudgetsSection(memory_mb=1), one)) == []


def test_tfjs_that_counts_no_tensors_is_not_trusted():
    assert [str(one) for one in exceeded_by(BudgetsSection(memory_mb=50), measured(Plain("tfjs-webgl@chromium")))] == [
        "tfjs-webgl@chromium: memory_mb is not measured, the budget is at most 50",
        "tfjs-webgl@chromium: tensors left behind is not measured, the budget is at most 0",
    ]


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (95, 95), (99, 99), (100, 100)])
def test_percentiles_are_values_that_occurred(percent, value):
    assert percentile(list(range(1, 101)), percent) == value
    assert percentile([7.0], percent) == 7.0
