"""The proof of one conversion; what its reference computes is computed once, also where a search needs it before."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from converter.artifact.vectors import save_vectors
from converter.config import ParitySection, ResolvedConfig
from converter.errors import ConfigError
from converter.fileio import canonical_json
from converter.onnx_model.origins import float16_outputs
from converter.parity.agreement import Agreement
from converter.parity.inputs import Sample
from converter.parity.run import Reference
from converter.parity.samples import read_samples
from converter.parity.verdict import ParityReport
from converter.pipeline.compare_engines import EngineComparison, Recorder, all_of, compare_engines, has_rival
from converter.pipeline.events import Emit
from converter.pipeline.make import formats_in
from converter.pipeline.prove import (
    NODE_DEFAULT,
    RUNTIMES_OF,
    choose_runtimes,
    model_for,
    prove,
    reference_of,
    spreads_of,
)
from converter.pipeline.rejected_sizes import unnamed_dimensions_hinted
from converter.pipeline.samples import draw
from converter.pipeline.source import Source
from converter.pipeline.stored_samples import stored_vectors
from converter.report.spread import SpreadCollector
from converter.runtimes import RuntimePool
from converter.runtimes.base import Runtime
from converter.tensorflow_chain.conversions import SAVED_MODEL

CHAIN_PACKAGES = ("onnx-tf", "tensorflow-cpu", "tensorflowjs")


@dataclass(frozen=True)
class Proof:
    """What was proved, on which samples, against which reference."""

    report: ParityReport
    samples: Sequence[Sample]
    reference: Reference
    spreads: SpreadCollector
    settings: ParitySection
    engines: EngineComparison | None = None

    def raise_if_failed(self) -> None:
        """Nothing, if everything agrees.

        Raises: as `ParityReport.raise_if_failed`, for the second engine's graph as well.
        """
        self.report.raise_if_failed()
        if self.engines:
            self.engines.report.raise_if_failed()

    def save(self, folder: Path) -> None:
        """Write the verdicts and the test vectors into an artifact's folder."""
        save_vectors(folder, stored_vectors(self.samples, self.reference.outputs, self.settings))
        engines = {"engines": self.engines.as_json()} if self.engines else {}
        (folder / "parity.json").write_bytes(canonical_json(self.report.as_json() | engines))


class Prover:
    """The runtimes, the samples and the reference of one conversion, each made when it is first asked for.

    `folder` is the draft of its artifact, where `model.onnx` is before anything is proved.
    """

    def __init__(self, resolved: ResolvedConfig, source: Source, folder: Path, pool: RuntimePool, emit: Emit) -> None:
        self.pool, self._emit = pool, emit
        self._resolved, self._source, self._folder = resolved, source, folder

    @cached_property
    def samples(self) -> list[Sample]:
        """The inputs that the config asks for: drawn, and read from a person's own file."""
        settings = self._resolved.config.parity
        samples = draw(self._source.inputs, settings)
        if settings.samples:
            names = [feature.name for feature in self._resolved.config.features]
            samples += read_samples(self._resolved.path(settings.samples), self._source.inputs, names)
        return samples

    @cached_property
    def reference(self) -> Reference:
        """What PyTorch gives for the samples where there is a module, else onnxruntime."""
        model, agreement = self._folder / "model.onnx", Agreement.of(self._resolved.config.parity)
        with unnamed_dimensions_hinted(self._source.inputs):
            return reference_of(self._reference_runtime(), model, self.samples, agreement, emit=self._emit)

    def _reference_runtime(self) -> Runtime:
        if self._source.module is None:
            return self.pool.get("onnxruntime")
        from converter.runtimes.torch_ import TorchRuntime

        return TorchRuntime(self._source.module, self._source.inputs, self._source.outputs)

    def chain_versions(self) -> dict[str, str]:
        """The versions of the chain's packages, none where the config doesn't need it.

        Raises: EngineMissing if it does, and the engine isn't installed.
        """
        if SAVED_MODEL not in formats_in(self._resolved.config):
            return {}
        versions = self.pool.engine().versions
        return {name: versions[name] for name in CHAIN_PACKAGES}

    def prove(self, asked: tuple[str, ...] | None, rival: Path | None = None) -> Proof:
        """The verdict on every runtime that was asked for, by default on those of the config.

        `rival` is another engine's graph of the same model, to be held against the draft's.

        Raises: ConfigError if a runtime can't be asked for; RuntimeMissing if one can't start.
        """
        settings = self._resolved.config.parity
        names, not_run = self._runtimes(asked or settings.runtimes)
        if self._source.module is None and "torch" in names:
            raise ConfigError("an ONNX source has no PyTorch module", where="runtimes", hint="drop torch from the list")
        samples, reference = self.samples, self.reference
        models = {name: model_for(name, self._folder) for name in names}
        agreement = Agreement.of(settings, float16_outputs(self._source.onnx))
        spreads, recorder = spreads_of(reference, agreement, models), Recorder()
        listen = all_of(spreads, recorder.keep) if rival else spreads
        report = prove(
            self.pool, reference, models, samples, agreement, not_run=not_run, emit=self._emit, on_outputs=listen
        )
        proof = Proof(report, samples, reference, spreads, settings)
        if rival is None:
            return proof
        first = (self._folder / "tfjs", report)
        compared = compare_engines(self.pool, reference, first, rival, samples, agreement, recorder, emit=self._emit)
        return replace(proof, engines=compared)

    def _runtimes(self, asked: tuple[str, ...] | None) -> tuple[list[str], dict[str, str]]:
        """The runtimes of the proof; none of the artifact's formats goes unproved, whatever list was asked for."""
        formats = formats_in(self._resolved.config)
        names, not_run = choose_runtimes(self.pool, asked, always=("onnxruntime",), formats=formats)
        for runtimes in (RUNTIMES_OF[one] for one in formats):
            if not set(runtimes) & set(names):
                names.append(runtimes[0])
        if self._resolved.config.engine == "both" and not any(map(has_rival, names)):
            names.append(NODE_DEFAULT[0])
        return names, not_run


@contextmanager
def opened_prover(
    resolved: ResolvedConfig, source: Source, folder: Path, *, browser: Path | None, emit: Emit
) -> Iterator[Prover]:
    """A prover whose runtimes stop when the context ends."""
    with RuntimePool(browser=browser) as pool:
        yield Prover(resolved, source, folder, pool, emit)
