"""Builds TF.js for an artifact: only the kernels that its graph needs, proved in the browser that it is for."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from converter.artifact.manifest import Manifest
from converter.artifact.store import Artifact, open_artifact, verify_files
from converter.config import ParitySection
from converter.errors import UnsupportedError
from converter.fileio import write_atomically
from converter.parity.run import Candidate, check_parity
from converter.parity.verdict import ParityReport
from converter.pipeline.events import Emit, StepFinished, StepStarted, silent
from converter.pipeline.prove import classes_of
from converter.pipeline.samples import Wanted
from converter.pipeline.verify import agreement_of, truth_of
from converter.runtimes import RuntimePool
from converter.runtimes.bundler import TF_MIN_JS, Backend, Build, build, find_modules, wasm_files
from converter.runtimes.node_process import WireSize
from converter.tfjs.foreign import count_ops
from converter.tfjs.optable import OPTABLE

DECLARATIONS = """\
export {
  dispose, engine, env, getBackend, io, keep, memory, profile, ready, setBackend, tensor, tidy, version_core,
} from "@tensorflow/tfjs-core";
export { loadGraphModel, loadGraphModelSync } from "@tensorflow/tfjs-converter";
"""
WASM_DECLARATIONS = """\
export { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
"""


@dataclass(frozen=True)
class BundleOutcome:
    """A build of TF.js for one artifact and one backend, and how it compares.

    `whole` is the same module with every kernel and operator in it, `tf_min_js` what the package @tensorflow/tfjs
    ships. `wasm` has the binaries of the wasm backend by name, of which a page fetches one beside the module.
    """

    manifest: Manifest
    backend: Backend
    files: tuple[Path, ...]
    ops: tuple[str, ...]
    kernels: tuple[str, ...]
    size: WireSize
    whole: WireSize
    tf_min_js: WireSize
    wasm: Mapping[str, WireSize]
    report: ParityReport | None

    @property
    def share_of_tf_min_js(self) -> float:
        """The module's size over that of tf.min.js, both gzipped; without the binary of the wasm backend."""
        return self.size.gzip / self.tf_min_js.gzip


def bundle(
    folder: Path,
    backend: Backend,
    to: Path,
    *,
    modules: Path | None = None,
    prove_it: bool = True,
    browser: Path | None = None,
    emit: Emit = silent,
) -> BundleOutcome:
    """Build TF.js for an artifact, run its test vectors through the build in Chromium, and write it to `to`.

    Nothing is written where the proof fails.
    Raises: RuntimeMissing if esbuild, the sources of TF.js or Chromium are missing; ParityError if the build computes
            something else; ArtifactError if a file is not as published.
    """
    artifact = open_artifact(folder)
    verify_files(artifact)
    ops = _ops_of(artifact)
    found = find_modules(modules)
    with tempfile.TemporaryDirectory(prefix="compat-export-") as name, RuntimePool(browser=browser) as pool:
        emit(StepStarted("bundle"))
        made = build(ops, backend, Path(name), modules=found)
        emit(StepFinished("bundle", f"{len(made.kernels)} kernels"))
        report = _prove(artifact, backend, made, pool, emit) if prove_it else None
        binaries = wasm_files(found) if backend == "wasm" else []
        size, whole, *sizes = pool.wire_sizes([made.module, made.whole, *binaries])
        wasm = {file.name: one for file, one in zip(binaries, sizes, strict=True)}
        files = _written(made, backend, binaries, to)
    return BundleOutcome(
        artifact.manifest, backend, files, made.ops, made.kernels, size, whole, TF_MIN_JS, wasm, report
    )


def _ops_of(artifact: Artifact) -> dict[str, str]:
    """The operators of the graph and its functions, each with its category."""
    counted = count_ops(artifact.folder / "tfjs")
    if unknown := sorted(counted.keys() - OPTABLE.keys()):
        what = f"the graph has operators that no build is known for: {', '.join(unknown)}"
        raise UnsupportedError(what, where=str(artifact.folder), hint="convert the model with --engine direct")
    return {op: OPTABLE[op].category for op in [*counted, "Const", "Placeholder"]}


def _prove(artifact: Artifact, backend: Backend, made: Build, pool: RuntimePool, emit: Emit) -> ParityReport:
    settings = ParitySection.model_validate(artifact.manifest.config["parity"])
    samples, reference = truth_of(artifact, Wanted(), settings, pool, emit)
    runtime, model = pool.of_build(backend, made.module), artifact.folder / "tfjs"
    emit(StepStarted("parity"))
    candidate = Candidate(runtime, model, classes_of(runtime.name, model), frozenset())
    agreement = agreement_of(settings, artifact.folder)
    report = check_parity(reference, [candidate], samples, agreement, not_run={})
    report.raise_if_failed()
    emit(StepFinished("parity", f"{len(samples)} samples agree"))
    return report


def _written(made: Build, backend: Backend, binaries: list[Path], to: Path) -> tuple[Path, ...]:
    to.mkdir(parents=True, exist_ok=True)
    copied = [made.module, made.legal, *binaries]
    for source in copied:
        write_atomically(to / source.name, source.read_bytes())
    declarations = to / made.module.with_suffix(".d.ts").name
    text = DECLARATIONS + (WASM_DECLARATIONS if backend == "wasm" else "")
    write_atomically(declarations, text.encode())
    return (to / made.module.name, declarations, *(to / source.name for source in copied[1:]))
