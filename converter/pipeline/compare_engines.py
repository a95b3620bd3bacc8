"""Two engines' graphs of one model, on the same inputs: held against each other and the reference."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from converter.parity.agreement import Agreement
from converter.parity.inputs import Sample
from converter.parity.run import OnOutputs, Outputs, Reference
from converter.parity.verdict import ParityReport
from converter.pipeline.events import Emit
from converter.pipeline.prove import prove
from converter.pipeline.report import graph_bytes
from converter.report.facts import EngineFigures
from converter.runtimes import RuntimePool
from converter.runtimes.catalog import LAYERS_RUNTIMES
from converter.tensorflow_chain.conversions import ENGINE
from converter.tfjs.foreign import count_ops


@dataclass(frozen=True)
class EngineComparison:
    """The proof of the second engine's graph, the figures of both, and how far they are from each other.

    `distances` has the largest gap between the outputs of the two in each runtime, in the output's unit.
    """

    report: ParityReport
    engines: tuple[EngineFigures, EngineFigures]
    distances: Mapping[str, float]

    @property
    def faults(self) -> tuple[str, ...]:
        """A sentence for each runtime in which the second engine's graph fails."""
        failing = [one for one in self.report.runtimes if one.status != "passed"]
        return tuple(f"the graph of {ENGINE} fails in {one.name}: {one}" for one in failing)

    def as_json(self, *, timings: bool = False) -> dict[str, Any]:
        """Plain JSON values, without the latencies unless asked: they differ from run to run."""
        figures = [asdict(one) | {"max_abs": _finite(one.max_abs)} for one in self.engines]
        kept = [one if timings else {key: part for key, part in one.items() if key != "predict_ms"} for one in figures]
        return {
            "figures": kept,
            "distances": _finite(self.distances),
            "parity": self.report.as_json(timings=timings),
        }


@dataclass
class Recorder:
    """Keeps the outputs of the graphs that have a rival, runtime by runtime, to hold the rival's against them."""

    outputs: dict[tuple[str, str], Outputs] = field(default_factory=dict)
    distances: dict[str, float] = field(default_factory=dict)

    def keep(self, runtime: str, label: str, outputs: Outputs) -> None:
        """Remember what the first engine's graph gave."""
        if has_rival(runtime):
            self.outputs[runtime, label] = outputs

    def compare(self, runtime: str, label: str, outputs: Outputs) -> None:
        """Hold what the second engine's graph gave against it."""
        if (runtime, label) not in self.outputs:
            return  # the first engine's graph failed there, which its own proof tells
        gaps = [_distance(first, outputs[name]) for name, first in self.outputs[runtime, label].items()]
        self.distances[runtime] = max(self.distances.get(runtime, 0.0), *gaps)


def has_rival(runtime: str) -> bool:
    """Whether a runtime runs graph models, which both engines make."""
    return runtime.startswith("tfjs-") and runtime not in LAYERS_RUNTIMES


def all_of(*listeners: OnOutputs) -> OnOutputs:
    """A listener that tells all of these."""

    def tell(runtime: str, label: str, outputs: Outputs) -> None:
        for listener in listeners:
            listener(runtime, label, outputs)

    return tell


def compare_engines(
    pool: RuntimePool,
    reference: Reference,
    first: tuple[Path, ParityReport],
    second: Path,
    samples: Sequence[Sample],
    agreement: Agreement,
    recorder: Recorder,
    *,
    emit: Emit,
) -> EngineComparison:
    """Prove the second engine's graph in each runtime that ran the first's, whose folder and proof are given."""
    folder, proof = first
    models = {one.name: second for one in proof.runtimes if has_rival(one.name)}
    report = prove(
        pool,
        reference,
        models,
        samples,
        agreement,
        not_run={},
        emit=emit,
        on_outputs=recorder.compare,
        step=f"parity of {ENGINE}",
    )
    engines = (_figures("direct", folder, proof), _figures(ENGINE, second, report))
    return EngineComparison(report, engines, recorder.distances)


def _figures(name: str, folder: Path, report: ParityReport) -> EngineFigures:
    ops = count_ops(folder)
    ran = [one for one in report.runtimes if has_rival(one.name)]
    return EngineFigures(
        name=name,
        n_nodes=sum(ops.values()),
        n_transposes=ops.get("Transpose", 0),
        size_bytes=graph_bytes(folder),
        max_abs={one.name: one.max_abs for one in ran if one.outputs},
        predict_ms={one.name: one.predict_ms for one in ran if one.predict_ms is not None},
    )


def _finite(gaps: Mapping[str, float]) -> dict[str, float | None]:
    """The gaps as JSON can hold them: None for an infinite one."""
    return {name: gap if isfinite(gap) else None for name, gap in gaps.items()}


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """The largest gap between two outputs; infinite where one is a number and the other isn't."""
    if one.shape != other.shape:
        return float("inf")
    with np.errstate(invalid="ignore"):
        gaps = np.abs(one.astype(np.float64) - other.astype(np.float64))
    same = (one == other) | (np.isnan(one.astype(np.float64)) & np.isnan(other.astype(np.float64)))
    return float(np.max(np.where(same, 0.0, np.where(np.isnan(gaps), np.inf, gaps)), initial=0.0))
