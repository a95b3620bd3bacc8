"""Run the same samples through a reference and every candidate, and compare."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Protocol

import numpy as np

from converter.config import ParitySection
from converter.errors import ConfigError, ConverterError, InternalError, ParityError
from converter.parity.agreement import Agreement
from converter.parity.compare import Rules, TensorVerdict, compare_by_rules
from converter.parity.inputs import Sample
from converter.parity.output import OutputVerdict
from converter.parity.repeat import require_repeated
from converter.parity.ties import Search, with_ties_settled
from converter.parity.verdict import Info, ParityReport, RuntimeVerdict, Status

Outputs = Mapping[str, np.ndarray]
REFERENCE_RUNS = 2  # of each sample

_STATEFUL = "remove random operations from the model; if it has none, report it: a kernel writes into its operands"


class Result(Protocol):
    """What one run of a model gave."""

    @property
    def outputs(self) -> Outputs:
        """The outputs by name."""

    @property
    def predict_ms(self) -> float:
        """How long the run took."""


class Loaded(Protocol):
    """A model in a runtime."""

    @property
    def load_ms(self) -> float:
        """How long loading took."""

    def run(self, inputs: Outputs, /) -> Result:
        """The outputs for named inputs."""

    def close(self) -> None:
        """Give the model's memory back."""


class Runtime(Protocol):
    """Something that executes models; the caller owns it and closes it."""

    @property
    def name(self) -> str:
        """The runtime's name."""

    def start(self) -> Info:
        """Get ready to load models."""

    def load(self, model: Path, /) -> Loaded:
        """A model, ready to run."""


@dataclass(frozen=True)
class Reference:
    """The truth of a run: who computed it, and its outputs for each sample's label.

    `by` names the runtimes that computed some of it, with the labels of those samples, where it isn't one runtime's.
    `search` gives what an output's indices point into: an index that points at an equal value is right as well.
    """

    info: Info
    outputs: Mapping[str, Outputs]
    by: Mapping[str, frozenset[str]] = field(default_factory=dict)
    search: Search | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Candidate:
    """A runtime, the model that it is to run, and the classes whose tolerances it is held to.

    `own` labels the samples whose reference it computed itself: comparing these would prove nothing.
    """

    runtime: Runtime
    model: Path
    classes: tuple[str, ...] = ("float32",)
    own: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Progress:
    """Where a run is: `done` of `total` samples are through `runtime`."""

    runtime: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]
OnOutputs = Callable[[str, str, Outputs], None]  # (runtime, sample label, outputs of the form that the reference has)


@dataclass(frozen=True)
class _Watch:
    on_progress: OnProgress | None
    on_outputs: OnOutputs | None


def compute_reference(
    runtime: Runtime,
    model: Path,
    samples: Sequence[Sample],
    *,
    agreement: Agreement | None = None,
    on_progress: OnProgress | None = None,
) -> Reference:
    """The reference outputs of a runtime for every sample: what the candidates, and the test vectors, are held to.

    Each sample is run again after all have been run: then the outputs must be the same, within a tenth of the tolerance
    that the agreement (by default that of a config without settings) has for float32.

    Raises: RuntimeMissing or another ConverterError of the runtime; ParityError if there is no sample, or the runtime
            doesn't repeat itself.
    """
    _require_samples(samples)
    info = runtime.start()
    loaded = runtime.load(model)
    rules = (agreement or Agreement.of(ParitySection())).rules(("float32",))
    outputs: dict[str, Outputs] = {}
    try:
        for done, sample in enumerate([*samples] * REFERENCE_RUNS, start=1):
            found = {name: np.array(array) for name, array in loaded.run(sample.inputs).outputs.items()}
            first = outputs.setdefault(sample.label, found)
            if first is not found:
                require_repeated(first, found, rules, runtime=runtime.name, label=sample.label)
            _tell(on_progress, runtime.name, done, REFERENCE_RUNS * len(samples))
    finally:
        loaded.close()
    return Reference(info, outputs)


def check_parity(
    reference: Reference,
    candidates: Sequence[Candidate],
    samples: Sequence[Sample],
    agreement: Agreement,
    *,
    not_run: Mapping[str, str] | None = None,
    on_progress: OnProgress | None = None,
    on_outputs: OnOutputs | None = None,
) -> ParityReport:
    """The verdict on each candidate; one that can't start or breaks is a failure of its own and stops no other.

    `on_outputs` sees every candidate's outputs, which are not kept.

    Raises: ParityError if there is no sample; ConfigError if a candidate is named twice or is the reference itself, or
            the agreement has settings for an output that there isn't.
    """
    _require_samples(samples)
    if {sample.label for sample in samples} != reference.outputs.keys():
        raise InternalError("the reference was not computed on these samples")
    agreement.require_known({name for outputs in reference.outputs.values() for name in outputs})
    names = [candidate.runtime.name for candidate in candidates]
    for name in names:
        if names.count(name) > 1 or name == reference.info.name:
            what = "named twice" if names.count(name) > 1 else "the reference itself, so comparing it proves nothing"
            raise ConfigError(f"{name} is {what}", where="parity.runtimes", hint="name each runtime to compare once")
    watch = _Watch(on_progress, on_outputs)
    verdicts = tuple(_verdict_on(one, reference, samples, agreement, watch) for one in candidates)
    hashes = {sample.label: sample.sha256 for sample in samples}
    given = frozenset(sample.label for sample in samples if sample.is_given)
    return ParityReport(reference.info, agreement.tolerances, hashes, verdicts, dict(not_run or {}), given)


def _require_samples(samples: Sequence[Sample]) -> None:
    if not samples:
        raise ParityError("there is no sample to compare on", hint="give at least one batch size")
    if len({sample.label for sample in samples}) != len(samples):
        raise InternalError("two samples have the same label")


def _verdict_on(
    candidate: Candidate,
    reference: Reference,
    samples: Sequence[Sample],
    agreement: Agreement,
    watch: _Watch,
) -> RuntimeVerdict:
    name, rules = candidate.runtime.name, agreement.rules(candidate.classes)
    info: Info | None = None
    try:
        info = candidate.runtime.start()
        loaded = candidate.runtime.load(candidate.model)
        try:
            chosen = [sample for sample in samples if sample.label not in candidate.own]
            verdict = _compare_all(info, loaded, reference, chosen, rules, watch)
        finally:
            loaded.close()
    except Exception as error:  # recorded as this runtime's failure; ParityReport.raise_if_failed raises it
        verdict = RuntimeVerdict(name, "error", info, message=_one_line(error), cause=error)
    return replace(verdict, classes=candidate.classes)


def _compare_all(
    info: Info,
    loaded: Loaded,
    reference: Reference,
    samples: Sequence[Sample],
    rules: Rules,
    watch: _Watch,
) -> RuntimeVerdict:
    found: dict[str, list[tuple[str, TensorVerdict]]] = {}
    times_ms: list[float] = []
    runs = _RepeatedRuns(loaded, rules)

    def failed(label: str, error: ParityError) -> RuntimeVerdict:
        return RuntimeVerdict(info.name, "failed", info, message=f"{label}: {_one_line(error)}", cause=error)

    for done, sample in enumerate(samples, start=1):
        try:
            result = runs.run(sample)
            verdicts = _compare_sample(reference, sample, result.outputs, rules)
        except ParityError as error:
            return failed(sample.label, error)
        times_ms.append(result.predict_ms)
        if watch.on_outputs:
            watch.on_outputs(info.name, sample.label, result.outputs)
        for verdict in verdicts:
            found.setdefault(verdict.name, []).append((sample.label, verdict))
        _tell(watch.on_progress, info.name, done, len(samples))
    try:
        runs.repeat_first()
    except ParityError as error:
        return failed(samples[0].label, error)
    outputs = tuple(OutputVerdict.over_samples(pairs, rules(name)) for name, pairs in found.items())
    compared = sum(output.compared for output in outputs)
    status: Status = "passed" if compared and all(output.agrees for output in outputs) else "failed"
    message = "" if compared else "no value was compared: every output is empty"
    predict_ms = median(times_ms) if times_ms else None
    return RuntimeVerdict(info.name, status, info, outputs, message, loaded.load_ms, predict_ms)


def _compare_sample(reference: Reference, sample: Sample, outputs: Outputs, rules: Rules) -> list[TensorVerdict]:
    wanted = reference.outputs[sample.label]
    if reference.search is not None:
        outputs = with_ties_settled(wanted, outputs, reference.search, sample, rules)
    return compare_by_rules(wanted, outputs, rules)


class _RepeatedRuns:
    """Runs a model on samples, and repeats some of them: its outputs must depend on nothing but the inputs.

    The first sample of each size runs twice in a row, and the first of all once more after the others, so that a kernel
    that writes into a constant is found. Repeating each sample would double the cost of a verification and add little:
    every first run is compared with the reference.
    """

    def __init__(self, loaded: Loaded, rules: Rules) -> None:
        self._loaded, self._rules = loaded, rules
        self._sizes: set[tuple[tuple[int, ...], ...]] = set()
        self._first: tuple[Sample, Outputs] | None = None
        self._n_samples = 0

    def run(self, sample: Sample) -> Result:
        """Return the result of the first run on a sample.

        Raises: ParityError if a run overwrites its inputs, or a second one gives something else.
        """
        self._n_samples += 1
        result = self._run(sample)
        size = tuple(array.shape for array in sample.inputs.values())
        if size not in self._sizes:
            self._sizes.add(size)
            outputs = {name: np.array(array) for name, array in result.outputs.items()}
            self._first = self._first or (sample, outputs)
            self._repeat(sample, outputs, "a second run on the same inputs")
        return result

    def repeat_first(self) -> None:
        """Run the first sample again, after others.

        Raises: ParityError if it gives something else than before.
        """
        if self._first and self._n_samples > 1:
            self._repeat(*self._first, "a run on the same inputs after the other samples")

    def _run(self, sample: Sample) -> Result:
        before = {name: array.tobytes() for name, array in sample.inputs.items()}
        result = self._loaded.run(sample.inputs)
        if changed := [name for name, array in sample.inputs.items() if array.tobytes() != before[name]]:
            raise ParityError(f"the model overwrites its input {', '.join(changed)}", hint=_STATEFUL)
        return result

    def _repeat(self, sample: Sample, outputs: Outputs, run: str) -> None:
        verdicts = compare_by_rules(outputs, self._run(sample).outputs, self._rules)
        for one in verdicts:
            if one.bad:
                gap = f"{one.bad} of {one.compared} values of output {one.name} differ, by up to {one.max_abs:.3g}"
                raise ParityError(f"{run} gives other outputs: {gap}", hint=_STATEFUL)


def _one_line(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, ConverterError):
        text = f"{error.where}: {error.what}" if error.where else error.what
    return " ".join(line.strip() for line in text.splitlines())


def _tell(on_progress: OnProgress | None, runtime: str, done: int, total: int) -> None:
    if on_progress:
        on_progress(Progress(runtime, done, total))
