import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from converter.artifact.manifest import ParityRuntime, ParityTolerance
from converter.config import OutputSection, TensorSpec
from converter.errors import ConfigError, InternalError, ParityError, RuntimeMissing, UnsupportedError
from converter.fileio import canonical_json
from converter.parity.agreement import Agreement
from converter.parity.compare import Tolerance
from converter.parity.inputs import make_samples
from converter.parity.run import Candidate, check_parity, compute_reference

MODEL = Path("model.onnx")
SAMPLES = make_samples([TensorSpec(name="x", shape=("batch", 3))], seed=0, batches=[1, 4])
AGREEMENT = Agreement.everywhere(Tolerance(1e-5, 1e-4))


@dataclass
class PlainInfo:
    name: str
    versions: dict[str, str] = field(default_factory=lambda: {"numpy": np.__version__})
    device: str = "cpu"


@dataclass
class PlainResult:
    outputs: dict[str, np.ndarray]
    predict_ms: float = 2.0


@dataclass
class Formula:
    """A runtime of a few lines of numpy: it doubles its input, and adds what `error` gives."""

    name: str
    error: Callable[[np.ndarray], np.ndarray | float] = lambda x: 0.0
    n_loaded: int = 0
    load_ms: float = 5.0

    def start(self):
        return PlainInfo(self.name)

    def load(self, model):
        assert model == MODEL
        self.n_loaded += 1
        return self

    def run(self, inputs):
        y = inputs["x"] * 2 + self.error(inputs["x"])
        return PlainResult({"y": y.astype(np.float32), "top": inputs["x"].argmax(axis=-1)})

    def close(self):
        self.n_loaded -= 1


class Absent(Formula):
    def start(self):
        raise RuntimeMissing("no browser", where=self.name, hint="install Chromium")


def raising(error):
    def fail(x):
        raise error

    return fail


def report_on(*runtimes, samples=SAMPLES, **options):
    reference = compute_reference(Formula("torch"), MODEL, samples)
    return check_parity(reference, [Candidate(one, MODEL) for one in runtimes], samples, AGREEMENT, **options)


def test_runtimes_that_agree_pass():
    one, other = Formula("one"), Formula("other", error=lambda x: 1e-6)
    report = report_on(one, other)
    assert report.passed
    report.raise_if_failed()
    assert [(r.name, r.status, r.load_ms, r.predict_ms) for r in report.runtimes] == [
        ("one", "passed", 5.0, 2.0),
        ("other", "passed", 5.0, 2.0),
    ]
    rows = sum(len(sample.inputs["x"]) for sample in SAMPLES)
    assert [(o.name, o.compared, o.bad) for o in report.runtimes[0].outputs] == [("y", rows * 3, 0), ("top", rows, 0)]
    assert report.runtimes[0].max_abs == 0
    assert 0 < report.runtimes[1].max_abs < 2e-6
    assert (one.n_loaded, other.n_loaded) == (0, 0)


def test_one_wrong_value_in_one_sample_fails_and_is_located():
    def late_error(x):
        error = np.zeros_like(x)
        if len(x) == 4 and np.all(x == x.min()) and x.min() < 0:
            error[2, 1] = 0.25
        return error

    report = report_on(Formula("good"), Formula("wrong", error=late_error))
    assert not report.passed
    output = report.runtimes[1].outputs[0]
    assert (output.bad, output.max_abs, output.worst_sample, output.worst) == (1, 0.25, "batch4-low", (2, 1))
    assert (output.reference, output.candidate) == (-2.0, -1.75)
    assert output.mean_abs == pytest.approx(0.25 / output.compared)
    with pytest.raises(ParityError) as caught:
        report.raise_if_failed()
    text = str(caught.value)
    assert "1 of 2 runtimes don't agree with torch" in text
    assert "good" not in text
    assert f"wrong: output y: 1 of {output.compared} values differ, max |error| 0.25" in text
    assert "worst at [2, 1] of batch4-low: -1.75, not -2.0" in text
    assert "the smallest tolerance that would pass: --atol 2.6e-01" in caught.value.hint
    assert (caught.value.where, caught.value.exit_code) == ("parity", 5)


def test_a_nan_fails_and_the_report_is_still_json():
    report = report_on(Formula("wrong", error=lambda x: np.nan))
    value = json.loads(canonical_json(report.as_json(timings=True)))
    assert value["status"] == "failed"
    assert value["runtimes"][0]["outputs"][0]["max_abs"] == "Infinity"
    assert value["runtimes"][0]["outputs"][0]["worst"]["candidate"] == "NaN"


def test_a_runtime_that_cannot_start_is_a_failure_never_a_skip():
    report = report_on(Formula("good"), Absent("tfjs-webgl@chromium"))
    assert not report.passed
    assert [(r.name, r.status) for r in report.runtimes] == [("good", "passed"), ("tfjs-webgl@chromium", "error")]
    with pytest.raises(RuntimeMissing, match="tfjs-webgl@chromium: tfjs-webgl@chromium: no browser") as caught:
        report.raise_if_failed()
    assert (caught.value.hint, caught.value.exit_code) == ("install Chromium", 7)


def test_a_disagreement_outranks_a_missing_runtime():
    report = report_on(Absent("absent"), Formula("wrong", error=lambda x: 1.0))
    with pytest.raises(ParityError, match="2 of 2 runtimes") as caught:
        report.raise_if_failed()
    assert "no browser" in str(caught.value)
    assert "output y" in str(caught.value)


def test_a_runtime_that_breaks_is_recorded_and_stops_no_other():
    broken = Formula("broken", error=raising(UnsupportedError("no kernel for Foo", where="node a", hint="use wasm")))
    report = report_on(broken, Formula("good"))
    assert [(r.name, r.status, r.message) for r in report.runtimes] == [
        ("broken", "error", "node a: no kernel for Foo"),
        ("good", "passed", ""),
    ]
    assert broken.n_loaded == 0
    with pytest.raises(ParityError, match="broken: node a: no kernel for Foo") as caught:
        report.raise_if_failed()
    assert caught.value.hint == "use wasm"


def test_a_bug_in_a_runtime_is_an_internal_error():
    report = report_on(Formula("good"), Formula("buggy", error=raising(KeyError("shape"))))
    assert (report.passed, report.runtimes[1].status) == (False, "error")
    with pytest.raises(InternalError, match="buggy: KeyError: 'shape'") as caught:
        report.raise_if_failed()
    assert isinstance(caught.value.__cause__, KeyError)


@dataclass
class Reshaping(Formula):
    """Right values under another name, shape or dtype."""

    change: Callable[[dict], dict] = dict

    def run(self, inputs):
        return PlainResult(self.change(super().run(inputs).outputs))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda out: {"y": out["y"]}, r"batch1-random: output names differ: missing \['top'\]"),
        (lambda out: out | {"y": out["y"].T}, r"output y: float32\[3, 1\] against float32\[1, 3\]"),
        (lambda out: out | {"top": out["top"].astype(np.int32)}, r"int32\[1\] against int64\[1\]"),
        (lambda out: {}, "output names differ"),
    ],
)
def test_a_form_that_differs_fails_before_any_value(change, message):
    report = report_on(Reshaping("other", change=change))
    assert report.runtimes[0].status == "failed"
    with pytest.raises(ParityError, match=message):
        report.raise_if_failed()


def test_a_wrong_index_has_no_tolerance_that_would_pass():
    report = report_on(Reshaping("wrong", change=lambda out: out | {"top": out["top"] + 1}))
    with pytest.raises(ParityError, match="no tolerance would pass"):
        report.raise_if_failed()


def test_outputs_that_are_always_empty_do_not_pass():
    class Empty(Formula):
        def run(self, inputs):
            return PlainResult({"y": np.zeros((0, 3), np.float32)})

    reference = compute_reference(Empty("torch"), MODEL, SAMPLES)
    report = check_parity(reference, [Candidate(Empty("other"), MODEL)], SAMPLES, AGREEMENT)
    assert not report.passed
    with pytest.raises(ParityError, match="no value was compared"):
        report.raise_if_failed()


def test_nothing_compared_never_passes():
    report = report_on(not_run={"tfjs-cpu@node": "not asked for"})
    assert not report.passed
    with pytest.raises(ParityError, match="no runtime was compared"):
        report.raise_if_failed()
    with pytest.raises(ParityError, match="no runtime was compared"):
        report.summary()
    with pytest.raises(ParityError, match="no sample"):
        compute_reference(Formula("torch"), MODEL, [])
    reference = compute_reference(Formula("torch"), MODEL, SAMPLES)
    with pytest.raises(ParityError, match="no sample"):
        check_parity(reference, [Candidate(Formula("a"), MODEL)], [], AGREEMENT)
    with pytest.raises(InternalError, match="not computed on these samples"):
        check_parity(reference, [Candidate(Formula("a"), MODEL)], SAMPLES[:2], AGREEMENT)


def test_a_runtime_is_not_compared_with_itself_or_twice():
    with pytest.raises(ConfigError, match="torch is the reference itself"):
        report_on(Formula("torch"))
    with pytest.raises(ConfigError, match="a is named twice"):
        report_on(Formula("a"), Formula("a"))


def test_the_reference_keeps_its_outputs_when_a_runtime_reuses_its_buffers():
    class Reusing(Formula):
        buffer = np.zeros((4, 3), np.float32)

        def run(self, inputs):
            view = self.buffer[: len(inputs["x"])]
            view[:] = inputs["x"] * 2
            return PlainResult({"y": view})

    reference = compute_reference(Reusing("torch"), MODEL, SAMPLES)
    np.testing.assert_array_equal(reference.outputs[SAMPLES[0].label]["y"], SAMPLES[0].inputs["x"] * 2)


def test_progress_is_told_for_every_sample():
    steps = []
    report_on(Formula("a"), Formula("b"), on_progress=steps.append)
    n = len(SAMPLES)
    assert [(step.runtime, step.done, step.total) for step in steps] == [
        (name, done, n) for name in "ab" for done in range(1, n + 1)
    ]


def test_the_json_has_no_latencies_unless_asked_and_repeats_byte_for_byte():
    reports = [report_on(Formula("a", load_ms=ms), not_run={"z": "no browser", "b": "not asked for"}) for ms in (1, 2)]
    one, other = (canonical_json(report.as_json()) for report in reports)
    assert one == other
    assert b"_ms" not in one
    value = json.loads(one)
    assert value["status"] == "passed"
    assert value["not_run"] == {"b": "not asked for", "z": "no browser"}
    assert value["reference"] == {"name": "torch", "versions": {"numpy": np.__version__}, "device": "cpu"}
    assert [sample["label"] for sample in value["samples"]] == [sample.label for sample in SAMPLES]
    assert reports[0].as_json(timings=True)["runtimes"][0]["load_ms"] == 1


def test_the_summary_is_what_the_manifest_states():
    summary = report_on(Formula("a"), not_run={"b": "no browser"}).summary()
    held_to = ParityTolerance(atol=1e-5, rtol=1e-4)
    rows = sum(len(sample.inputs["x"]) for sample in SAMPLES)
    assert (summary.status, summary.reference, summary.not_run) == ("passed", "torch", {"b": "no browser"})
    assert summary.runtimes == (
        ParityRuntime(
            name="a", compared=rows * 4, max_abs=0.0, device="cpu", tolerances={"y": held_to, "top": held_to}
        ),
    )


def test_a_class_of_runtimes_has_its_own_tolerance():
    tolerances = {"float32": Tolerance(1e-5, 0.0), "float16-textures": Tolerance(0.1, 0.0)}
    reference = compute_reference(Formula("torch"), MODEL, SAMPLES)
    coarse = [Formula(name, error=lambda x: 0.01) for name in ("phone", "desktop")]
    candidates = [Candidate(coarse[0], MODEL, ("float16-textures",)), Candidate(coarse[1], MODEL)]
    report = check_parity(reference, candidates, SAMPLES, Agreement(tolerances, {}))
    assert [one.status for one in report.runtimes] == ["passed", "failed"]
    assert [one["tolerances"] for one in report.as_json()["runtimes"]] == [["float16-textures"], ["float32"]]
    assert report.as_json()["tolerances"]["float16-textures"] == {"atol": 0.1, "rtol": 0.0}


def test_what_a_runtime_computed_itself_is_not_compared_with_it():
    own = frozenset(sample.label for sample in SAMPLES[1:])
    reference = compute_reference(Formula("torch"), MODEL, SAMPLES)
    rows = len(SAMPLES[0].inputs["x"])
    [some] = check_parity(reference, [Candidate(Formula("a"), MODEL, own=own)], SAMPLES, AGREEMENT).runtimes
    assert (some.status, some.compared) == ("passed", rows * 4)
    every = own | {SAMPLES[0].label}
    [none] = check_parity(reference, [Candidate(Formula("a"), MODEL, own=every)], SAMPLES, AGREEMENT).runtimes
    assert (none.status, none.message) == ("failed", "no value was compared: every output is empty")


def test_settings_for_an_output_that_there_is_not_are_refused():
    agreement = Agreement(AGREEMENT.tolerances, {"z": OutputSection()})
    reference = compute_reference(Formula("torch"), MODEL, SAMPLES)
    with pytest.raises(ConfigError, match="no output z"):
        check_parity(reference, [Candidate(Formula("a"), MODEL)], SAMPLES, agreement)


def test_a_ranking_that_fails_is_no_matter_of_tolerance():
    agreement = Agreement(
        dict.fromkeys(AGREEMENT.tolerances, Tolerance(1e3, 0)), {"y": OutputSection(min_top1=1.0, distribution=True)}
    )
    reference = compute_reference(Formula("torch"), MODEL, SAMPLES)
    mirrored = Formula("mirrored", error=lambda x: -4 * x)
    report = check_parity(reference, [Candidate(mirrored, MODEL)], SAMPLES, agreement)
    with pytest.raises(ParityError, match="min_top1 asks for") as caught:
        report.raise_if_failed()
    assert "lower min_top1" in caught.value.hint


def message_of(runtime, samples=SAMPLES):
    report = report_on(runtime, samples=samples)
    assert (report.passed, report.runtimes[0].status) == (False, "failed")
    return report.runtimes[0].message


def test_a_second_run_that_differs_fails():
    counter = iter(range(100))
    message = message_of(Formula("drifting", error=lambda x: next(counter)), samples=SAMPLES[:1])
    gap = "3 of 3 values of output y differ, by up to 1"
    assert message == f"batch1-random: a second run on the same inputs gives other outputs: {gap}"


def test_a_first_sample_that_later_ones_change_fails():
    class Remembering(Formula):
        """Adds 1 from then on when it has seen the last sample, whose outputs are still right."""

        seen = 0

        def run(self, inputs):
            is_last = np.array_equal(inputs["x"], SAMPLES[-1].inputs["x"])
            result = super().run(inputs)
            result.outputs["y"] += np.float32(self.seen)
            self.seen += is_last
            return result

    message = message_of(Remembering("remembering"))
    assert message.startswith("batch1-random: a run on the same inputs after the other samples gives other outputs: ")


def test_noise_within_the_tolerance_is_no_difference_between_runs():
    noise = iter(np.linspace(-2e-6, 2e-6, 100))
    assert report_on(Formula("noisy", error=lambda x: next(noise))).passed


def test_a_run_that_overwrites_its_inputs_fails():
    class Overwriting(Formula):
        def run(self, inputs):
            result = super().run(inputs)
            inputs["x"][0] = 7
            return result

    samples = make_samples([TensorSpec(name="x", shape=("batch", 3))], seed=3, batches=[1])
    assert message_of(Overwriting("overwriting"), samples) == "batch1-random: the model overwrites its input x"


def test_only_the_first_sample_of_each_size_is_run_twice():
    runs = []

    class Counting(Formula):
        def run(self, inputs):
            runs.append(inputs["x"])
            return super().run(inputs)

    assert report_on(Counting("counting")).passed
    assert len(runs) == len(SAMPLES) + 3
    assert [len(x) for x in runs[-2:]] == [4, 1]


@dataclass
class Counting(Formula):
    """It counts its runs, and its output is what `output` makes of the count and the input."""

    output: Callable[[int, np.ndarray], np.ndarray] = lambda n, x: x
    n_runs: int = 0

    def run(self, inputs):
        self.n_runs += 1
        return PlainResult({"y": self.output(self.n_runs, inputs["x"])})


@pytest.mark.parametrize(
    ("output", "what"),
    [
        pytest.param(
            lambda n, x: x + np.float32(n / 4), "output y differs .* in 3 of 3 values, by up to", id="counter"
        ),
        pytest.param(lambda n, x: x + np.float32(n > len(SAMPLES)), "by up to 1", id="changes-after-all-samples"),
        pytest.param(lambda n, x: np.int64([n]), "1 of 1 values", id="integers"),
        pytest.param(lambda n, x: np.zeros(n, np.float32), r"float32\[\d+\] against float32\[1\]", id="shape"),
    ],
)
def test_a_reference_that_does_not_repeat_itself_is_no_reference(output, what):
    with pytest.raises(ParityError, match=f"does not repeat itself: .*{what}") as caught:
        compute_reference(Counting("torch", output=output), MODEL, SAMPLES)
    assert "would pass" not in str(caught.value)
    assert caught.value.where.startswith("reference torch, sample batch1")
    assert "random" in caught.value.hint
    assert caught.value.exit_code == 5


def test_a_reference_may_vary_by_a_small_part_of_the_tolerance():
    wobble = Counting("torch", output=lambda n, x: x + np.float32(5e-7 * (n > len(SAMPLES))))
    assert compute_reference(wobble, MODEL, SAMPLES).outputs.keys() == {sample.label for sample in SAMPLES}
    strict, wobble.n_runs = Agreement.everywhere(Tolerance(1e-7, 0)), 0
    with pytest.raises(ParityError, match="does not repeat itself"):
        compute_reference(wobble, MODEL, SAMPLES, agreement=strict)
