"""Which runtimes a proof runs in, and the proof itself, told as it goes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from converter.errors import ConfigError
from converter.parity.compare import Tolerance
from converter.parity.inputs import Sample
from converter.parity.run import Candidate, OnOutputs, Progress, Reference, check_parity, compute_reference
from converter.parity.verdict import ParityReport
from converter.pipeline.events import Emit, StepAdvanced, StepFinished, StepStarted
from converter.runtimes import RUNTIME_NAMES, RuntimePool
from converter.runtimes.base import Runtime

NODE_DEFAULT = ("tfjs-cpu@node", "tfjs-wasm@node")
CHROMIUM_DEFAULT = ("tfjs-wasm@chromium", "tfjs-webgl@chromium")


def choose_runtimes(
    pool: RuntimePool, asked: Sequence[str] | None, *, always: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    """The runtimes to compare, and the reason for each default one that is left out.

    A list that was asked for is binding. By default: `always`, Node's, and Chromium's where a browser is found.

    Raises: ConfigError if a name is unknown.
    """
    if asked is not None:
        if unknown := [name for name in asked if name not in RUNTIME_NAMES]:
            raise ConfigError(
                f"there is no runtime {', '.join(unknown)}",
                where="runtimes",
                hint=f"choose from {', '.join(RUNTIME_NAMES)}",
            )
        return list(dict.fromkeys(asked)), {}
    if pool.browser() is not None:
        return [*always, *NODE_DEFAULT, *CHROMIUM_DEFAULT], {}
    reason = "no Chrome or Chromium found (--browser PATH names one)"
    return [*always, *NODE_DEFAULT], dict.fromkeys(CHROMIUM_DEFAULT, reason)


def reference_of(runtime: Runtime, model: Path, samples: Sequence[Sample], *, emit: Emit) -> Reference:
    """The reference outputs of a runtime for every sample."""
    step = f"reference: {runtime.name}"
    emit(StepStarted(step, len(samples)))
    reference = compute_reference(runtime, model, samples, on_progress=lambda now: emit(StepAdvanced(step, now.done)))
    emit(StepFinished(step, f"{len(samples)} samples"))
    return reference


def prove(
    pool: RuntimePool,
    reference: Reference,
    models: Mapping[str, Path],
    samples: Sequence[Sample],
    tolerance: Tolerance,
    *,
    not_run: Mapping[str, str],
    emit: Emit,
    on_outputs: OnOutputs | None = None,
) -> ParityReport:
    """The verdict on every runtime of `models` (name -> the model it is to run); `on_outputs` as in `check_parity`."""
    candidates = [Candidate(pool.get(name), model) for name, model in models.items() if name != reference.info.name]

    def advance(now: Progress) -> None:
        emit(StepAdvanced("parity", seen.setdefault(now.runtime, len(seen)) * now.total + now.done, now.runtime))

    seen: dict[str, int] = {}
    emit(StepStarted("parity", len(candidates) * len(samples)))
    report = check_parity(
        reference, candidates, samples, tolerance, not_run=not_run, on_progress=advance, on_outputs=on_outputs
    )
    emit(StepFinished("parity", f"{sum(one.status == 'passed' for one in report.runtimes)} of {len(candidates)} agree"))
    return report


def model_for(name: str, folder: Path) -> Path:
    """What a runtime loads from an artifact's folder."""
    return folder / "model.onnx" if name in ("torch", "onnxruntime") else folder / "tfjs"
