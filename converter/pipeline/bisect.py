"""Finds the first node of a model whose value a runtime computes otherwise than onnxruntime does."""

import itertools
import shlex
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from converter.dtypes import dtype_of
from converter.errors import ConfigError, ConverterError, InternalError
from converter.lowering import REGISTRY, Registry
from converter.onnx_model import NodeFacts, known_values, nodes_of
from converter.parity.compare import Tolerance
from converter.parity.inputs import Sample
from converter.pipeline.compile import GENERATOR
from converter.pipeline.events import Emit, StepAdvanced, StepFinished, StepStarted, silent
from converter.pipeline.probe import PLAIN, Allow, Gap, Probe, scaled
from converter.pipeline.reproducer import (
    EXPECTED_NAME,
    INPUTS_NAME,
    MODEL_NAME,
    Piece,
    failing_piece,
    fails_alone,
    write_piece,
)
from converter.pipeline.target import Target
from converter.runtimes import RuntimePool
from converter.runtimes.base import RuntimeInfo
from converter.runtimes.catalog import LAYERS_RUNTIMES
from converter.tfjs.passes import PASSES

CHUNK = 32  # values that one graph hands out at a time
MAX_SUSPECTS = 32  # diverging nodes that are tried alone before errors count as accumulated


@dataclass(frozen=True)
class Divergence:
    """Where a model goes wrong.

    `node` is the first node that fails alone, else the first whose value differs; `pass_name` is the first pass that
    the fault needs, None where it is there without any; `inputs` has dtype and shape of what the node reads;
    `piece` is the smallest model found that goes wrong by itself.
    """

    node: NodeFacts
    gap: Gap
    sample: str
    inputs: Mapping[str, tuple[str, tuple[int, ...]]]
    pass_name: str | None
    piece: Piece | None

    @property
    def is_alone(self) -> bool:
        """Whether the node goes wrong by itself, on the inputs that it should have had."""
        return self.piece is not None and len(self.piece.nodes) == 1


@dataclass(frozen=True)
class BisectOutcome:
    """What the search found; no divergence means that the runtime agrees on every sample."""

    info: RuntimeInfo
    tolerance: Tolerance
    n_samples: int
    n_nodes: int
    divergence: Divergence | None

    def write_reproducer(self, folder: Path) -> bool:
        """Write the piece that fails by itself, if one was found, with the command that shows it.

        Raises: ConfigError if the folder holds something else.
        """
        found = self.divergence
        if found is None or found.piece is None:
            return False
        write_piece(found.piece, folder, "\n".join(self._explained(found)) + "\n")
        return True

    def command(self, folder: Path) -> str:
        """What shows the fault of a reproducer again."""
        options = f"--samples {shlex.quote(str(folder / INPUTS_NAME))} --runtime {self.info.name}"
        piece = self.divergence.piece if self.divergence else None
        limits = piece.tolerance if piece else self.tolerance
        tolerance = f"--atol {limits.atol!r} --rtol {limits.rtol!r}"
        return f"compat-export bisect {shlex.quote(str(folder / MODEL_NAME))} {options} {tolerance}"

    def _explained(self, found: Divergence) -> Iterable[str]:
        versions = ", ".join(f"{name} {version}" for name, version in sorted(self.info.versions.items()))
        nodes = found.piece.nodes if found.piece else ()
        yield f"# {self.info.name} is not onnxruntime at {found.node}"
        yield ""
        yield f"- value `{found.gap.value}`: {found.gap}"
        yield f"- runtime: {self.info.device}; {versions}; {GENERATOR}"
        yield f"- first pass that the fault needs: {found.pass_name or 'none'}"
        yield f"- nodes in {MODEL_NAME}: {', '.join(map(str, nodes))}"
        yield ""
        yield f"{INPUTS_NAME} has what they read in the whole model, {EXPECTED_NAME} what onnxruntime makes of it."
        yield ""
        yield f"    {self.command(Path())}"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        found = self.divergence
        return {
            "status": "diverges" if found else "agrees",
            "runtime": {"name": self.info.name, "versions": dict(self.info.versions), "device": self.info.device},
            "tolerance": {"atol": self.tolerance.atol, "rtol": self.tolerance.rtol},
            "n_samples": self.n_samples,
            "n_nodes": self.n_nodes,
            "divergence": found and _divergence_json(found),
        }


def bisect(
    target: Target,
    runtime: str,
    *,
    browser: Path | None = None,
    registry: Registry = REGISTRY,
    emit: Emit = silent,
) -> BisectOutcome:
    """Search a model for the first node that a TF.js runtime computes otherwise than onnxruntime.

    Raises: ConfigError if the runtime isn't one of TF.js; RuntimeMissing if it can't start.
    """
    if not runtime.startswith("tfjs-") or runtime in LAYERS_RUNTIMES:
        raise ConfigError(
            f"{runtime} runs no TF.js graph, and only those can be looked into",
            where="--runtime",
            hint="such as tfjs-webgl@chromium",
        )
    with tempfile.TemporaryDirectory(prefix="compat-export-") as scratch, RuntimePool(browser=browser) as pool:
        candidate = pool.get(runtime)
        info = candidate.start()
        probe = Probe(
            target.onnx,
            candidate,
            Path(scratch),
            shapes=target.shapes,
            without_passes=target.without_passes,
            unroll_limit=target.unroll_limit,
            registry=registry,
        )
        tolerance = target.tolerance_in(runtime)
        search = _Search(probe, tolerance, emit)
        found = search.run(target.samples)
    return BisectOutcome(info, tolerance, len(target.samples), len(search.nodes), found)


class _Search:
    """One search: the model as a whole, then the passes, then the nodes."""

    def __init__(self, probe: Probe, tolerance: Tolerance, emit: Emit) -> None:
        self.nodes = nodes_of(probe.loaded)
        self._probe, self._emit = probe, emit
        self._strict: Allow = lambda _: tolerance
        self._scaled = scaled(tolerance)
        self._maker = {name: node for node in self.nodes for name in node.outputs}
        self._values = [name for name in self._maker if probe.can_compare(name)]

    def run(self, samples: Sequence[Sample]) -> Divergence | None:
        if not self._probe.outputs:
            raise ConverterError("no output of the model can be compared", hint="its outputs must be numbers")
        sample = self._failing(samples)
        if sample is None:
            return None
        if self._output_gaps(sample, skip=PLAIN):
            return self._in_nodes(sample)
        return self._in_passes(sample)

    def _failing(self, samples: Sequence[Sample]) -> Sample | None:
        """The smallest sample that the whole model fails on."""
        step = "the whole model"
        self._emit(StepStarted(step, len(samples)))
        by_label = {one.label: one for one in samples}
        smallest_first = sorted(samples, key=lambda one: sum(array.nbytes for array in one.inputs.values()))
        n_agreeing = itertools.count(1)
        failing = self._probe.first_failing(
            [(one.label, one.inputs) for one in smallest_first],
            self._strict,
            lambda label: self._emit(StepAdvanced(step, next(n_agreeing), label)),
        )
        self._emit(StepFinished(step, f"{failing} differs" if failing else f"{len(samples)} samples agree"))
        return by_label[failing] if failing else None

    def _output_gaps(self, sample: Sample, skip: frozenset[str] = frozenset()) -> dict[str, Gap]:
        expected = self._probe.reference(self._probe.outputs, sample.inputs)
        return self._probe.gaps(expected, sample.inputs, self._strict, skip=skip)

    def _in_nodes(self, sample: Sample) -> Divergence:
        """Node by node, with the value of each where its lowering left it."""
        step = "values without passes"
        self._emit(StepStarted(step, 2 * len(self._values)))
        suspects: list[tuple[NodeFacts, Gap]] = []
        for allow in (self._scaled, self._strict):
            for start in range(0, len(self._values), CHUNK):
                chunk = self._values[start : start + CHUNK]
                expected = self._probe.reference(chunk, sample.inputs)
                gaps = self._probe.gaps(expected, sample.inputs, allow, skip=PLAIN)
                self._emit(StepAdvanced(step, start + len(chunk), chunk[-1]))
                for value in [name for name in chunk if name in gaps]:
                    suspects.append((self._maker[value], gaps[value]))
                    piece = fails_alone(self._probe, self._maker[value], sample.inputs, allow)
                    if piece or len(suspects) >= MAX_SUSPECTS:
                        self._emit(StepFinished(step, f"{len(suspects)} differ"))
                        return self._found(suspects, piece, sample, allow)
            if suspects:
                self._emit(StepFinished(step, f"{len(suspects)} differ, none alone"))
                return self._found(suspects, None, sample, allow)
        raise InternalError("an output differs, and no value inside the model does")

    def _found(
        self, suspects: Sequence[tuple[NodeFacts, Gap]], piece: Piece | None, sample: Sample, allow: Allow
    ) -> Divergence:
        node, gap = suspects[-1 if piece else 0]
        piece = piece or failing_piece(self._probe, node, sample.inputs, allow)
        return self._divergence(node, gap, sample, None, piece)

    def _in_passes(self, sample: Sample) -> Divergence:
        """The first pass that the fault needs, and the first value that is wrong when it is handed out beside."""
        names = list(PASSES)
        step = "pass by pass"
        self._emit(StepStarted(step, len(names)))
        for index, name in enumerate(names):
            later = frozenset(names[index + 1 :]) & PLAIN
            self._emit(StepAdvanced(step, index, name))
            if name in PLAIN and self._output_gaps(sample, skip=later):
                self._emit(StepFinished(step, name))
                return self._in_pass(name, later, sample)
        raise InternalError("the model differs with every pass, and with no first pass")

    def _in_pass(self, name: str, later: frozenset[str], sample: Sample) -> Divergence:
        low, high = 0, len(self._values) - 1
        gap = self._one_gap(self._values[high], later, sample)
        while low < high:
            middle = (low + high) // 2
            found = self._one_gap(self._values[middle], later, sample)
            if found:
                high, gap = middle, found
            else:
                low = middle + 1
        node = self._maker[self._values[high]]
        if gap is None:  # handing a value out keeps the pass from touching it: the outputs tell
            output, gap = next(iter(self._output_gaps(sample, skip=later).items()))
            node = self._maker.get(output, node)
        piece = failing_piece(self._probe, node, sample.inputs, self._strict)
        return self._divergence(node, gap, sample, name, piece)

    def _one_gap(self, value: str, skip: frozenset[str], sample: Sample) -> Gap | None:
        expected = self._probe.reference([value], sample.inputs)
        return self._probe.gaps(expected, sample.inputs, self._scaled, skip=skip, beside=True).get(value)

    def _divergence(
        self, node: NodeFacts, gap: Gap, sample: Sample, pass_name: str | None, piece: Piece | None
    ) -> Divergence:
        known = known_values(self._probe.loaded)
        read = [name for name in node.reads if name not in known and name not in sample.inputs]
        arrays = {**sample.inputs, **(self._probe.reference(read, sample.inputs) if read else {})}
        inputs = {name: (dtype_of(arrays[name]).name, arrays[name].shape) for name in node.reads if name in arrays}
        return Divergence(node, gap, sample.label, inputs, pass_name, piece)


def _divergence_json(found: Divergence) -> dict[str, Any]:
    verdict = found.gap.verdict
    return {
        "node": found.node.name,
        "op": found.node.op,
        "domain": found.node.domain,
        "value": found.gap.value,
        "message": str(found.gap),
        "max_abs": verdict.max_abs if verdict and isfinite(verdict.max_abs) else None,
        "bad": None if verdict is None else verdict.bad,
        "compared": None if verdict is None else verdict.compared,
        "sample": found.sample,
        "inputs": [
            {"name": name, "dtype": dtype, "shape": list(shape)} for name, (dtype, shape) in found.inputs.items()
        ],
        "pass": found.pass_name,
        "fails_alone": found.is_alone,
        "n_nodes_to_reproduce": len(found.piece.nodes) if found.piece else None,
    }
