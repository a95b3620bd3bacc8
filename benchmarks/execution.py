"""Runs graphs side by side where they are deployed: in turn, in the same process or page, so that ratios hold."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any, cast

import numpy as np

from benchmarks.subjects import Subject
from converter.errors import ConverterError
from converter.runtimes import RuntimePool
from converter.runtimes.hosted import HostedRuntime

TOLERANCE = 5e-3  # of the largest value of an output; onnxruntime-web itself is off by 1.7e-3 on ppocr-det
TYPES = {
    "DT_FLOAT": np.float32,
    "DT_INT32": np.int32,
    "DT_INT64": np.int32,
    "DT_BOOL": np.bool_,
}  # int64 is int32 in TF.js
ORT = "onnxruntime-web"
MIN_ROUNDS, MAX_ROUNDS = 8, 60
SLICE_MS = 25.0  # about how long a graph runs before the next one's turn
N_PROFILED = 5


@dataclass(frozen=True)
class Execution:
    """What one tool's graph of one model took in one runtime, or why it can't be told.

    `error` is the largest error as a part of the largest value; `ratio` is ours by this one, the median of the rounds
    of their trimmed means (the clock of a page ticks every 0.1 ms), and `ratio_low` and `ratio_high` are its quartiles.
    Units: milliseconds.
    """

    runtime: str
    model: str
    tool: str
    n_runs: int = 0
    median_ms: float | None = None
    p99_ms: float | None = None
    error: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    failure: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


class _Runner:
    """A graph in a runtime, its inputs at hand, proved right once."""

    def __init__(self, runtime: HostedRuntime, place: Path, subject: Subject, expected: Sequence[np.ndarray]) -> None:
        self.runtime = runtime
        header = runtime.open(place)
        self.handle = header["handle"]
        try:
            given = subject.inputs()
            self.arrays = given if "inputs" in header else laid_out(header["signature"], given)
            outputs = list(runtime.run(self.handle, self.arrays).arrays.values())
            self.error = largest_error(expected, outputs)
        except ConverterError:
            self.close()
            raise

    def times(self, n_runs: int) -> tuple[float, ...]:
        return self.runtime.bench(self.handle, self.arrays, n_runs).predict_ms

    def close(self) -> None:
        self.runtime.unload(self.handle)


def execute(
    pool: RuntimePool, backend: str, subject: Subject, graphs: Mapping[str, Path], seconds: float
) -> list[Execution]:
    """Every graph on `backend`, such as `tfjs-wasm@node`, beside onnxruntime-web in the same place.

    `graphs` are TF.js folders by tool; "ours" is first.
    """
    hosted = cast(HostedRuntime, pool.get(backend))
    expected = subject.outputs()
    runners: dict[str, _Runner] = {}
    failures: list[Execution] = []
    places = {tool: (hosted, place) for tool, place in graphs.items()}
    if backend.startswith("tfjs-wasm@"):
        web = cast(HostedRuntime, pool.get(f"{ORT}@{backend.partition('@')[2]}"))
        places[ORT] = (web, subject.onnx_file)
    for tool, (runtime, place) in places.items():
        try:
            runner = _Runner(runtime, place, subject, expected)
        except ConverterError as error:
            failures.append(Execution(backend, subject.name, tool, failure=_one_line(error)))
            continue
        if runner.error <= TOLERANCE:
            runners[tool] = runner
        else:
            error_known = runner.error if math.isfinite(runner.error) else None
            failures.append(Execution(backend, subject.name, tool, error=error_known, failure="wrong results"))
            runner.close()
    rounds, broken = _rounds(runners, seconds)
    failures += [Execution(backend, subject.name, tool, failure=reason) for tool, reason in broken.items()]
    for runner in runners.values():
        runner.close()
    return [*_judged(backend, subject.name, rounds, runners), *failures]


def profile(pool: RuntimePool, subject: Subject, graph: Path) -> dict[str, float]:
    """The milliseconds that each kind of kernel takes on wasm in Node, the longest first: of the quickest run."""
    runtime = cast(HostedRuntime, pool.get("tfjs-wasm@node"))
    runner = _Runner(runtime, graph, subject, subject.outputs())
    runs = []
    for _ in range(N_PROFILED + 1):
        took: Counter[str] = Counter()
        for one in runtime.profile(runner.handle, runner.arrays):
            if not one.kernel.endswith("__op"):  # what wraps a kernel counts it again
                took[one.kernel] += one.time_ms  # type: ignore[assignment]
        runs.append(took)
    runner.close()
    best = min(runs[1:], key=lambda run: sum(run.values()))
    return dict(best.most_common())


def make_runnable(graph: Path) -> None:
    """Tell our runtimes that a peer's graph holds control flow, which `execute` of TF.js refuses."""
    file = graph / "model.json"
    model = json.loads(file.read_text(encoding="utf-8"))
    nodes = model["modelTopology"]["node"] + [
        node
        for function in model["modelTopology"].get("library", {}).get("function", ())
        for node in function.get("nodeDef", ())
    ]
    needs_async = {"While", "StatelessWhile", "If", "StatelessIf", "Switch", "Merge", "Enter", "LoopCond", "Where"}
    if "userDefinedMetadata" not in model and any(node["op"] in needs_async for node in nodes):
        file.write_text(json.dumps(model | {"userDefinedMetadata": {"async": True}}), encoding="utf-8")


def laid_out(signature: Mapping[str, Any], given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Inputs by the names, dtypes and layouts that a graph wants: by name, else in their order.

    Raises: ConverterError if none of the axes' orders fits.
    """
    wanted = signature["inputs"]
    if len(wanted) != len(given):
        raise ConverterError(f"the graph has {len(wanted)} inputs, the model {len(given)}", where="signature")
    left = [name for name in given if name not in wanted]
    arrays = {}
    for name, entry in wanted.items():
        array = given[name] if name in given else given[left.pop(0)]
        dims = [int(dim.get("size", -1)) for dim in entry.get("tensorShape", {}).get("dim", ())]
        arrays[name] = _fitted(array, dims).astype(TYPES[entry["dtype"]])
    return arrays


def _fitted(array: np.ndarray, dims: Sequence[int]) -> np.ndarray:
    orders = [tuple(range(array.ndim))]
    if array.ndim > 2:  # channels last is what the peers do, and what is tried first among the others
        orders = [orders[0], (0, *range(2, array.ndim), 1), *permutations(range(array.ndim))]
    for order in orders:
        found = array.transpose(order)
        if len(dims) == found.ndim and all(dim in (-1, size) for dim, size in zip(dims, found.shape, strict=True)):
            return np.asarray(found, order="C")  # ascontiguousarray gives a number an axis
    raise ConverterError(f"an input of shape {list(array.shape)} doesn't fit {list(dims)}", where="signature")


def largest_error(expected: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> float:
    """How far outputs are from what is expected, as a part of its largest value; names and axes may have moved."""
    return max(min((_error(one, got) for got in outputs), default=math.inf) for one in expected)


def _error(expected: np.ndarray, got: np.ndarray) -> float:
    if expected.size != got.size:
        return math.inf
    scale = float(np.abs(expected).max()) or 1.0
    squeezed = np.squeeze(got)
    orders = [tuple(range(squeezed.ndim)), *permutations(range(squeezed.ndim))] if squeezed.ndim < 5 else []
    target = np.squeeze(expected).astype(np.float64)
    errors = [
        float(np.abs(turned - target).max()) / scale
        for order in orders
        if (turned := squeezed.transpose(order)).shape == target.shape
    ]
    return min((error for error in errors if not math.isnan(error)), default=math.inf)


def _rounds(runners: dict[str, _Runner], seconds: float) -> tuple[list[dict[str, tuple[float, ...]]], dict[str, str]]:
    """The times of each round by tool, and why tools fell out of `runners`, and so out of every round."""
    rounds: list[dict[str, tuple[float, ...]]] = []
    broken: dict[str, str] = {}
    counts: dict[str, int] = {}
    shuffle = Random(0).shuffle  # what ran before a graph leaves caches and pools as it likes them
    began = monotonic()
    while len(rounds) < MIN_ROUNDS or (len(rounds) < MAX_ROUNDS and monotonic() - began < seconds):
        rounds.append({})
        tools = list(runners)
        shuffle(tools)
        for tool in tools:
            try:
                counts[tool] = counts.get(tool) or _count(runners[tool])
                rounds[-1][tool] = runners[tool].times(counts[tool])
            except ConverterError as error:
                broken[tool] = _one_line(error)
                del runners[tool]
    return rounds, broken


def _count(runner: _Runner) -> int:
    warm = runner.times(2)
    return max(1, min(50, int(SLICE_MS / max(min(warm), 0.05))))


def _judged(
    backend: str, model: str, rounds: Sequence[Mapping[str, Sequence[float]]], runners: Mapping[str, _Runner]
) -> list[Execution]:
    found = []
    for tool, runner in runners.items():
        times = [time for one in rounds for time in one[tool]]
        pairs = [(_trimmed_mean(one["ours"]), _trimmed_mean(one[tool])) for one in rounds if "ours" in one]
        ratios = [float(ours / theirs) for ours, theirs in pairs if theirs > 0]
        low, middle, high = np.percentile(ratios, [25, 50, 75]) if ratios else (None, None, None)
        found.append(
            Execution(
                backend,
                model,
                tool,
                len(times),
                float(np.median(times)) or _trimmed_mean(times),
                float(np.percentile(times, 99, method="inverted_cdf")),
                runner.error,
                *(None if value is None else float(value) for value in (middle, low, high)),
            )
        )
    return found


def _trimmed_mean(times: Sequence[float]) -> float:
    """Without the fifth of the runs that other work on the machine disturbed most."""
    return float(np.mean(sorted(times)[: math.ceil(len(times) * 0.8)]))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:240]
