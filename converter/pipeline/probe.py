"""One model in one runtime, any of whose values can be looked at and held against onnxruntime's."""

import itertools
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from converter.dtypes import dtype_of
from converter.errors import ConverterError, ParityError
from converter.lowering import REGISTRY, Registry
from converter.onnx_model import LoadedOnnx, with_outputs
from converter.parity.compare import TensorVerdict, Tolerance, compare_outputs
from converter.pipeline.compile import GENERATOR, compile_onnx
from converter.runtimes.base import LoadedModel, Runtime
from converter.runtimes.onnxruntime_ import DTYPE_NAMES, OnnxRuntime
from converter.tfjs.builder import Builder
from converter.tfjs.graph import Graph, NameAllocator, Ref
from converter.tfjs.optable import needs_async
from converter.tfjs.passes import PASSES, REPAIRS, optimise
from converter.tfjs.verify import verify
from converter.tfjs.write import write

Arrays = Mapping[str, np.ndarray]
Allow = Callable[[np.ndarray], Tolerance]
"""How far a value may be from what the reference has."""

COMPARABLE = frozenset(DTYPE_NAMES.values()) - {"string"}
PLAIN = frozenset(PASSES) - REPAIRS - {"dead-code"}  # left out, every value lives where its lowering put it


@dataclass(frozen=True)
class Gap:
    """Why a value is not what the reference has: its verdict, or a message where there was nothing to compare."""

    value: str
    message: str
    verdict: TensorVerdict | None = None

    def __str__(self) -> str:
        if self.verdict is None:
            return self.message
        one = self.verdict
        return f"{one.bad:,} of {one.compared:,} values differ, max |error| {one.max_abs:.3g}"


class Probe:
    """A compiled model whose values can be handed out, by either runtime."""

    def __init__(
        self,
        loaded: LoadedOnnx,
        runtime: Runtime,
        scratch: Path,
        *,
        shapes: Mapping[str, Sequence[int | str]] | None = None,
        without_passes: Collection[str] = (),
        unroll_limit: int | None = None,
        registry: Registry = REGISTRY,
    ) -> None:
        stages: dict[str, Graph] = {}

        def keep(stage: str, graph: Graph) -> None:
            stages[stage] = graph

        compiled = compile_onnx(
            loaded, shapes=shapes, skip_passes=PLAIN, unroll_limit=unroll_limit, on_pass=keep, registry=registry
        )
        self._without_passes = frozenset(without_passes)
        self.unroll_limit = unroll_limit
        self.loaded, self.model, self.registry = loaded, compiled.model, registry
        self._lowered, self._values = stages["lowering"], compiled.values
        self._runtime, self._scratch = runtime, scratch
        self._numbers = itertools.count()

    @property
    def outputs(self) -> list[str]:
        """The model's outputs that can be compared."""
        return [info.name for info in self.loaded.proto.graph.output if self.can_compare(info.name)]

    def can_compare(self, value: str) -> bool:
        """Whether a value is a tensor of numbers, that lives somewhere in the compiled graph and is no constant."""
        ref, type_ = self._values.get(value), self.model.graph.types.get(value)
        is_live = isinstance(ref, Ref) and ref.node not in self._lowered.constants
        return is_live and type_ is not None and type_.dtype.name in COMPARABLE

    def reference(self, values: Sequence[str], inputs: Arrays) -> dict[str, np.ndarray]:
        """What onnxruntime computes for values of the model."""
        return run_reference(with_outputs(self.loaded, values), inputs)

    def gaps(
        self, expected: Arrays, inputs: Arrays, allow: Allow, *, skip: Collection[str] = (), beside: bool = False
    ) -> dict[str, Gap]:
        """The values that the runtime computes otherwise; where it breaks, the first one that it can't compute.

        `skip` names the passes to leave out; `beside` leaves the model's own outputs in the graph as well.
        """
        try:
            got = self._run(expected, inputs, skip, beside=beside)
        except ConverterError as error:
            names = list(expected)
            if len(names) == 1:
                return {names[0]: Gap(names[0], f"{self._runtime.name} can't compute it: {error.what}")}
            half = len(names) // 2
            first = self.gaps({name: expected[name] for name in names[:half]}, inputs, allow, skip=skip, beside=beside)
            return first or self.gaps(
                {name: expected[name] for name in names[half:]}, inputs, allow, skip=skip, beside=beside
            )
        return gaps_between(expected, got, allow)

    def first_failing(
        self, samples: Iterable[tuple[str, Arrays]], allow: Allow, on_agree: Callable[[str], None]
    ) -> str | None:
        """The label of the first sample on which the whole model, with its passes, gives something else."""
        graph = optimise(self._exposed({}, beside=True), skip=self._without_passes, unroll_limit=self.unroll_limit)
        reference = OnnxRuntime().load(with_outputs(self.loaded, self.outputs))
        with self._loaded(graph) as model:
            for label, inputs in samples:
                expected = reference.run(inputs).outputs
                try:
                    got = model.run(inputs).outputs
                except ConverterError:
                    return label
                if gaps_between(expected, got, allow):
                    return label
                on_agree(label)
        return None

    def first_gap(self, graph: Graph, inputs: Arrays, expected: Arrays, allow: Allow) -> Gap | None:
        """The first output of a graph that is not what was expected, None if all are."""
        try:
            with self._loaded(graph) as model:
                got = model.run(inputs).outputs
        except ConverterError as error:
            first = next(iter(expected))
            return Gap(first, f"{self._runtime.name} can't compute it: {error.what}")
        return next(iter(gaps_between(expected, got, allow).values()), None)

    def _run(self, expected: Arrays, inputs: Arrays, skip: Collection[str], *, beside: bool) -> dict[str, np.ndarray]:
        exposed = self._exposed(expected, beside=beside)
        graph = optimise(exposed, skip=self._without_passes.union(skip), unroll_limit=self.unroll_limit)
        with self._loaded(graph) as model:
            got = model.run(inputs).outputs
        return {name: got[name] for name in expected}

    @contextmanager
    def _loaded(self, graph: Graph) -> Iterator[LoadedModel]:
        graph.metadata["async"] = needs_async(graph)
        verify(graph)
        folder = self._scratch / f"graph-{next(self._numbers)}"
        try:
            write(graph, folder, generator=GENERATOR)
            model = self._runtime.load(folder)
            try:
                yield model
            finally:
                model.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _exposed(self, expected: Arrays, *, beside: bool) -> Graph:
        """The graph as it was lowered, with these values as its outputs."""
        graph = replace(
            self._lowered,
            nodes=dict(self._lowered.nodes),
            outputs={},
            metadata={key: value for key, value in self._lowered.metadata.items() if key != "outputs"},
        )
        described: list[dict[str, object]] = []
        if beside:
            described += [one for one in self._lowered.metadata["outputs"] if one["name"] not in expected]
            graph.outputs = {str(one["name"]): self._lowered.outputs[str(one["name"])] for one in described}
        builder = Builder(graph, NameAllocator(name for _, one in graph.walk() for name in one.nodes))
        for name, array in expected.items():
            builder.output(name, self._values[name])
            described.append({"name": name, "dtype": dtype_of(array).name, "shape": list(array.shape)})
        graph.metadata["outputs"] = described
        return graph


def run_reference(model: bytes, inputs: Arrays) -> dict[str, np.ndarray]:
    """What onnxruntime computes for a serialized model, given its inputs or more."""
    loaded = OnnxRuntime().load(model)
    try:
        wanted = {value.name for value in loaded.signature().inputs}
        return loaded.run({name: array for name, array in inputs.items() if name in wanted}).outputs
    finally:
        loaded.close()


def gaps_between(expected: Arrays, got: Arrays, allow: Allow) -> dict[str, Gap]:
    """The values that are not what was expected, in the order of `expected`."""
    gaps: dict[str, Gap] = {}
    for name, array in expected.items():
        try:
            (verdict,) = compare_outputs({name: array}, {name: got[name]}, allow(array))
        except ParityError as error:
            gaps[name] = Gap(name, error.what)
            continue
        if verdict.bad:
            gaps[name] = Gap(name, "", verdict)
    return gaps


def scaled(tolerance: Tolerance) -> Allow:
    """The tolerance for values inside a model: their small elements come from sums of ones as large as the largest."""

    def allow(array: np.ndarray) -> Tolerance:
        if array.dtype.kind != "f" or not array.size:
            return tolerance
        size = float(np.abs(array[np.isfinite(array)]).max(initial=1.0))
        return Tolerance(tolerance.atol * size, tolerance.rtol)

    return allow
