"""Measures an artifact in fresh pages and threads, and holds what it finds against the budgets of its config."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Protocol, runtime_checkable

import numpy as np

from converter.artifact.manifest import Manifest
from converter.artifact.store import open_artifact, verify_files
from converter.artifact.vectors import VECTORS_FOLDER, load_vectors
from converter.budget_settings import BudgetsSection
from converter.config import ParitySection
from converter.errors import ConfigError, InternalError
from converter.parity.inputs import make_samples
from converter.pipeline.budgets import (
    Exceeded,
    count_of,
    exceeded_metrics,
    exceeded_size,
    exceeded_speed,
    raise_if_exceeded,
)
from converter.pipeline.events import Emit, StepAdvanced, StepFinished, StepStarted, silent
from converter.pipeline.legacy import FormulaTime, Opponents, opponents_of, time_formula
from converter.pipeline.prove import choose_runtimes, model_for
from converter.pipeline.report import facts_of_artifact
from converter.pipeline.verify import formats_of, specs_of
from converter.report.facts import Facts, Size, Timing
from converter.runtimes import RuntimePool
from converter.runtimes.base import BenchResult, LoadedModel, Runtime, RuntimeInfo
from converter.runtimes.hosted import HostedRuntime
from converter.runtimes.node_process import WireSize

N_PAGES = 3  # fresh starts, of which loading and the first run are the median
MIN_RUNS = 10
CHUNK = 10
HINT = "make the model smaller or quicker, leave out a runtime (--runtimes), or change the budget"

Inputs = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class RuntimeBench:
    """What one runtime took, and held in memory.

    `n_leaked` counts the tensors that the runs left behind; None where a runtime counts none.
    Units: milliseconds and bytes; the percentiles are those of `n_runs` runs after the first.
    """

    info: RuntimeInfo
    load_ms: float
    warm_up_ms: float
    predict_p50_ms: float
    predict_p95_ms: float
    predict_p99_ms: float
    n_runs: int
    n_tensors: int | None
    n_leaked: int | None
    tensor_bytes: int | None
    heap_bytes: int | None
    wasm_bytes: int | None

    @property
    def memory_mb(self) -> float | None:
        """The JavaScript heap, and the tensors at their peak or the wasm module that holds them, in 1e6 bytes.

        None where nothing is known.
        """
        held = self.tensor_bytes if self.wasm_bytes is None else self.wasm_bytes
        known = [size for size in (held, self.heap_bytes) if size is not None]
        return sum(known) / 1e6 if known else None


@dataclass(frozen=True)
class BenchOutcome:
    """What an artifact takes: in each runtime, and over the wire."""

    folder: Path
    manifest: Manifest
    sample: str
    runtimes: tuple[RuntimeBench, ...]
    wire: Mapping[str, WireSize]  # by the file's path in the artifact
    not_run: Mapping[str, str]
    exceeded: tuple[Exceeded, ...]
    n_budgets: int
    opponents: Opponents | None = None
    formula_times: tuple[FormulaTime, ...] = ()

    def raise_if_exceeded(self) -> None:
        """Nothing, if every budget is met and no runtime leaks.

        Raises: BudgetError naming each budget that isn't, what was measured, and where.
        """
        raise_if_exceeded(self.exceeded, hint=HINT)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        against = {"against": self.opponents.as_json(self.formula_times)} if self.opponents else {}
        return against | {
            "status": "exceeded" if self.exceeded else "ok",
            "sample": self.sample,
            "runtimes": [_runtime_json(one) for one in self.runtimes],
            "wire": {path: asdict(size) for path, size in self.wire.items()},
            "not_run": dict(self.not_run),
            "n_budgets": self.n_budgets,
            "exceeded": [asdict(one) | {"message": str(one)} for one in self.exceeded],
        }

    def facts(self) -> Facts:
        """The facts as a document tells them."""
        facts = facts_of_artifact(self.manifest, self.folder)
        return replace(
            facts,
            timings=tuple(map(_timing, self.runtimes)),
            sizes=tuple(_sizes(facts.sizes, self.wire)),
            infos=tuple(one.info for one in self.runtimes),
            exceeded=tuple(map(str, self.exceeded)),
        )


@runtime_checkable
class _Benched(Protocol):
    """A model that runs again and again by itself."""

    def bench(self, inputs: Inputs, n_runs: int) -> BenchResult: ...


def bench(
    folder: Path,
    *,
    runtimes: tuple[str, ...] | None = None,
    budgets: Mapping[str, float] | None = None,
    browser: Path | None = None,
    n_runs: int = 100,
    seconds: float = 20.0,
    against_legacy: bool = False,
    emit: Emit = silent,
) -> BenchOutcome:
    """Measure every runtime on the artifact's first test vector; `budgets` come before those of the config.

    `against_legacy` adds the legacy formula: how right it is, and what it takes in the runtimes that run JavaScript.
    A runtime is given up to `seconds` for its runs, and ten runs at least.
    Raises: ArtifactError if a file is not as published; RuntimeMissing if a runtime can't start; ConfigError if the
            formula can't be applied to this model.
    """
    artifact = open_artifact(folder)
    verify_files(artifact)
    opponents = opponents_of(artifact.manifest, folder) if against_legacy else None
    limits = _budgets(artifact.manifest, budgets or {})
    sample, inputs = _inputs(artifact.manifest, folder)
    with RuntimePool(browser=browser) as pool:
        names, not_run = choose_runtimes(pool, runtimes, always=("onnxruntime",), formats=formats_of(artifact.manifest))
        wire = _wire(pool, folder)
        found, formula_times = [], []
        for name in names:
            emit(StepStarted(name, n_runs))
            runtime = pool.get(name)
            one = measure(runtime, model_for(name, folder), inputs, n_runs, seconds, emit)
            emit(StepFinished(name, f"median {one.predict_p50_ms:.2f} ms in {one.n_runs} runs"))
            found.append(one)
            if opponents and isinstance(runtime, HostedRuntime):
                columns = [feature.name for feature in artifact.manifest.features]
                formula_times.append(time_formula(runtime, columns, inputs, n_runs))
    fetched = sum(size.raw for path, size in wire.items() if path.startswith("tfjs/"))
    exceeded = [*exceeded_metrics(limits, artifact.manifest.metrics), *exceeded_size(limits, fetched)]
    for one in found:
        exceeded += exceeded_by(limits, one)
    return BenchOutcome(
        folder,
        artifact.manifest,
        sample,
        tuple(found),
        wire,
        not_run,
        tuple(exceeded),
        count_of(limits),
        opponents,
        tuple(formula_times),
    )


def _budgets(manifest: Manifest, given: Mapping[str, float]) -> BudgetsSection:
    settings = manifest.config.get("budgets") or {}
    if not isinstance(settings, dict):
        raise InternalError("the budgets of a manifest are no mapping")
    if unknown := sorted(given.keys() - BudgetsSection.model_fields.keys() | given.keys() & {"metrics"}):
        known = sorted(BudgetsSection.model_fields.keys() - {"metrics"})
        raise ConfigError(
            f"there is no budget {', '.join(unknown)}", where="--budget", hint=f"choose from {', '.join(known)}"
        )
    return BudgetsSection.model_validate(settings | dict(given))


def _inputs(manifest: Manifest, folder: Path) -> tuple[str, Inputs]:
    if (folder / VECTORS_FOLDER).is_dir():
        return next(iter(load_vectors(folder).inputs.items()))
    settings = ParitySection.model_validate(manifest.config["parity"], extra="ignore")
    first = make_samples(specs_of(manifest), seed=settings.seed, batches=settings.batches)[0]
    return first.label, first.inputs


def _wire(pool: RuntimePool, folder: Path) -> dict[str, WireSize]:
    files = [*sorted((folder / "tfjs").iterdir()), folder / "model.onnx"]
    return {file.relative_to(folder).as_posix(): size for file, size in zip(files, pool.wire_sizes(files), strict=True)}


def measure(runtime: Runtime, model: Path, inputs: Inputs, n_runs: int, seconds: float, emit: Emit) -> RuntimeBench:
    """What a runtime takes for a model: the medians of fresh starts, then `n_runs` runs in the last of them."""
    loads, first_runs = [], []
    for _ in range(N_PAGES - 1):
        _, loaded, warm = _fresh(runtime, model, inputs)
        loads.append(loaded.load_ms)
        first_runs.append(warm.predict_ms[0])
        loaded.close()
    info, loaded, warm = _fresh(runtime, model, inputs)
    runs = _runs(loaded, inputs, n_runs, seconds, lambda done: emit(StepAdvanced(info.name, done)))
    loaded.close()
    times = [time_ms for run in runs for time_ms in run.predict_ms]
    counts = [count for run in runs for count in run.n_tensors]
    before = warm.n_tensors[-1] if warm.n_tensors else None
    return RuntimeBench(
        info,
        load_ms=median([*loads, loaded.load_ms]),
        warm_up_ms=median([*first_runs, warm.predict_ms[0]]),
        predict_p50_ms=percentile(times, 50),
        predict_p95_ms=percentile(times, 95),
        predict_p99_ms=percentile(times, 99),
        n_runs=len(times),
        n_tensors=counts[-1] if counts else None,
        n_leaked=None if before is None or not counts else max(counts[-1] - before, 0),
        tensor_bytes=max((run.peak_bytes for run in runs if run.peak_bytes is not None), default=None),
        heap_bytes=max((run.heap_bytes for run in runs if run.heap_bytes is not None), default=None),
        wasm_bytes=max((run.wasm_bytes for run in runs if run.wasm_bytes is not None), default=None),
    )


def _fresh(runtime: Runtime, model: Path, inputs: Inputs) -> tuple[RuntimeInfo, LoadedModel, BenchResult]:
    """A page or thread that has seen no model yet, the model in it, and its first run."""
    runtime.close()
    info = runtime.start()
    loaded = runtime.load(model)
    return info, loaded, _bench(loaded, inputs, 1)


def _runs(
    loaded: LoadedModel, inputs: Inputs, n_runs: int, seconds: float, advance: Callable[[int], None]
) -> list[BenchResult]:
    began, runs, done = time.monotonic(), [], 0
    while done < n_runs and (done < MIN_RUNS or time.monotonic() - began < seconds):
        runs.append(_bench(loaded, inputs, min(CHUNK, n_runs - done)))
        done += len(runs[-1].predict_ms)
        advance(done)
    return runs


def _bench(loaded: LoadedModel, inputs: Inputs, n_runs: int) -> BenchResult:
    if isinstance(loaded, _Benched):
        return loaded.bench(inputs, n_runs)
    return BenchResult(tuple(loaded.run(inputs).predict_ms for _ in range(n_runs)))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that at least `percent` of them don't pass."""
    return float(np.percentile(values, percent, method="inverted_cdf"))


def exceeded_by(limits: BudgetsSection, one: RuntimeBench) -> Iterable[Exceeded]:
    """The budgets that one runtime doesn't keep; tensors left behind are one too, whatever the config says."""
    is_tfjs = one.info.name.startswith("tfjs-")
    measured = {name: getattr(one, name) for name in ("load_ms", "warm_up_ms", "predict_p50_ms", "predict_p99_ms")}
    may_be_silent = not is_tfjs and one.memory_mb is None  # nobody tells of the memory of onnxruntime
    own = limits.model_copy(update={"memory_mb": None}) if may_be_silent else limits
    yield from exceeded_speed(own, measured | {"memory_mb": one.memory_mb}, one.info.name)
    if one.n_leaked or (is_tfjs and one.n_leaked is None):
        yield Exceeded("tensors left behind", 0, one.n_leaked, one.info.name)


def _timing(one: RuntimeBench) -> Timing:
    return Timing(
        one.info.name,
        one.load_ms,
        one.warm_up_ms,
        one.predict_p50_ms,
        one.predict_p95_ms,
        one.predict_p99_ms,
        one.tensor_bytes,
        one.heap_bytes,
        one.wasm_bytes,
    )


def _sizes(sizes: Iterable[Size], wire: Mapping[str, WireSize]) -> Iterable[Size]:
    parts = {"TF.js graph": (".json",), "TF.js weights": (".bin",), "ONNX": (".onnx",)}
    for size in sizes:
        suffixes = next((found for part, found in parts.items() if size.part.startswith(part)), ())
        files = [one for path, one in wire.items() if path.endswith(suffixes)] if suffixes else []
        if files:
            size = replace(size, gzip=sum(one.gzip for one in files), brotli=sum(one.brotli for one in files))
        yield size


def _runtime_json(one: RuntimeBench) -> dict[str, Any]:
    value = asdict(one)
    info = value.pop("info")
    return {"name": info["name"], "info": info, "memory_mb": one.memory_mb} | value
