"""Which runtimes a proof runs in, and the proof itself, told as it goes."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from converter.errors import ConfigError, RuntimeMissing
from converter.layers import LAYERS_FOLDER
from converter.parity.agreement import Agreement
from converter.parity.compare import Tolerance
from converter.parity.inputs import Sample
from converter.parity.run import (
    REFERENCE_RUNS,
    Candidate,
    OnOutputs,
    Progress,
    Reference,
    check_parity,
    compute_reference,
)
from converter.parity.verdict import ParityReport
from converter.pipeline.events import Emit, StepAdvanced, StepFinished, StepStarted
from converter.pipeline.index_search import IndexSearch
from converter.report.spread import SpreadCollector
from converter.runtimes import RUNTIME_NAMES, RuntimePool
from converter.runtimes.base import Runtime
from converter.runtimes.catalog import BROWSER_RUNTIMES, LAYERS_RUNTIMES, NODE_RUNTIMES
from converter.tensorflow_chain.conversions import SAVED_MODEL, SAVED_MODEL_FOLDER
from converter.tfjs.encodings import ROUNDED

NODE_DEFAULT = ("tfjs-cpu@node", "tfjs-wasm@node")
CHROMIUM_DEFAULT = ("tfjs-wasm@chromium", "tfjs-webgl@chromium")
ALL = "all"
RUNTIMES_OF = {LAYERS_FOLDER: LAYERS_RUNTIMES, SAVED_MODEL: (SAVED_MODEL,)}  # of the formats that not every model has
ALSO_OF = {LAYERS_FOLDER: "layers", SAVED_MODEL: "saved-model"}
NO_BROWSER = {
    "chromium": "no Chrome or Chromium found (--browser PATH names one)",
    "firefox": "no Firefox found",
}


def choose_runtimes(
    pool: RuntimePool, asked: Sequence[str] | None, *, always: Sequence[str], formats: Collection[str] = ()
) -> tuple[list[str], dict[str, str]]:
    """The runtimes to compare, and the reason for each default one that is left out.

    A list that was asked for is binding. By default: `always`, TF.js in Node, and in Chromium where one is found, and
    those of the further `formats` that the model has. `all` asks for whatever this machine can run, and leaves out
    only what a browser, or the engine, lacks.

    Raises: ConfigError if a name is unknown, or needs a format that there isn't; RuntimeMissing if a browser that was
            named isn't there.
    """
    for extra, runtimes in RUNTIMES_OF.items():
        if extra not in formats and (needing := [name for name in asked or () if name in runtimes]):
            also = ALSO_OF[extra]
            raise ConfigError(
                f"there is no {extra} model for {', '.join(needing)}",
                where="runtimes",
                hint=f"convert with --also {also}",
            )
    if asked is None or tuple(asked) == (ALL,):
        names, not_run = _default_runtimes(pool, always) if asked is None else _all_runtimes(pool, always)
        more, more_not_run = _runtimes_of(pool, formats)
        return [*names, *more], not_run | more_not_run
    if unknown := [name for name in asked if name not in RUNTIME_NAMES]:
        raise ConfigError(
            f"there is no runtime {', '.join(unknown)}",
            where="runtimes",
            hint=f"choose from {', '.join(RUNTIME_NAMES)}, or {ALL} alone",
        )
    return list(dict.fromkeys(asked)), {}


def _default_runtimes(pool: RuntimePool, always: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    if pool.browser() is not None:
        return [*always, *NODE_DEFAULT, *CHROMIUM_DEFAULT], {}
    return [*always, *NODE_DEFAULT], dict.fromkeys(CHROMIUM_DEFAULT, NO_BROWSER["chromium"])


def _runtimes_of(pool: RuntimePool, formats: Collection[str]) -> tuple[list[str], dict[str, str]]:
    """The runtimes of further formats that this machine has, and the reason for each that it hasn't."""
    chosen, not_run = [], {}
    for name in (name for extra, names in RUNTIMES_OF.items() if extra in formats for name in names):
        if name == SAVED_MODEL and (reason := pool.engine_lacks()):
            not_run[name] = reason
        elif name.endswith("@chromium") and pool.browser() is None:
            not_run[name] = NO_BROWSER["chromium"]
        else:
            chosen.append(name)
    return chosen, not_run


def _all_runtimes(pool: RuntimePool, always: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    chosen = [*always, *NODE_RUNTIMES]
    not_run: dict[str, str] = {}
    for kind, names in BROWSER_RUNTIMES.items():
        if pool.browser(kind) is None:
            not_run |= dict.fromkeys(names, NO_BROWSER[kind])
            continue
        for name in names:
            try:
                pool.get(name).start()
                chosen.append(name)
            except RuntimeMissing as error:
                not_run[name] = error.what
    return chosen, not_run


def reference_of(
    runtime: Runtime, model: Path, samples: Sequence[Sample], agreement: Agreement, *, emit: Emit
) -> Reference:
    """The reference outputs of a runtime for every sample, as `compute_reference`."""
    step = f"reference: {runtime.name}"
    emit(StepStarted(step, REFERENCE_RUNS * len(samples)))
    reference = compute_reference(
        runtime, model, samples, agreement=agreement, on_progress=lambda now: emit(StepAdvanced(step, now.done))
    )
    emit(StepFinished(step, f"{len(samples)} samples"))
    return replace(reference, search=IndexSearch(model))


def prove(
    pool: RuntimePool,
    reference: Reference,
    models: Mapping[str, Path],
    samples: Sequence[Sample],
    agreement: Agreement,
    *,
    not_run: Mapping[str, str],
    emit: Emit,
    on_outputs: OnOutputs | None = None,
    step: str = "parity",
) -> ParityReport:
    """The verdict on every runtime of `models` (name -> the model it is to run); `on_outputs` as in `check_parity`."""
    candidates = [
        Candidate(pool.get(name), model, classes_of(name, model), reference.by.get(name, frozenset()))
        for name, model in models.items()
        if name != reference.info.name
    ]

    def advance(now: Progress) -> None:
        emit(StepAdvanced(step, seen.setdefault(now.runtime, len(seen)) * now.total + now.done, now.runtime))

    seen: dict[str, int] = {}
    emit(StepStarted(step, len(candidates) * len(samples)))
    report = check_parity(
        reference, candidates, samples, agreement, not_run=not_run, on_progress=advance, on_outputs=on_outputs
    )
    emit(StepFinished(step, f"{sum(one.status == 'passed' for one in report.runtimes)} of {len(candidates)} agree"))
    return report


def spreads_of(reference: Reference, agreement: Agreement, models: Mapping[str, Path]) -> SpreadCollector:
    """A collector that measures each runtime's errors by the tolerances that it is held to."""
    rules = {name: agreement.rules(classes_of(name, model)) for name, model in models.items()}

    def tolerance_of(runtime: str, output: str) -> Tolerance:
        return rules[runtime](output).tolerance

    return SpreadCollector(reference.outputs, tolerance_of)


def model_for(name: str, folder: Path) -> Path:
    """What a runtime loads from an artifact's folder."""
    if name in LAYERS_RUNTIMES:
        return folder / LAYERS_FOLDER
    if name == SAVED_MODEL:
        return folder / SAVED_MODEL_FOLDER
    return folder / "tfjs" if name.startswith("tfjs-") else folder / "model.onnx"


def computes_float16(name: str) -> bool:
    """Return whether a runtime computes in float16 textures."""
    return "-f16@" in name


def classes_of(name: str, model: Path) -> tuple[str, ...]:
    """The classes of tolerances that a runtime with that model belongs to."""
    classes = ["float16-textures"] if computes_float16(name) else []
    if name.startswith("tfjs-") and _has_rounded_weights(model):
        classes.append("quantised-weights")
    return tuple(classes) or ("float32",)


def _has_rounded_weights(model: Path) -> bool:
    """Whether a weight was rounded: the metadata says so, or it is a multiple of some step (of 1: a whole number)."""
    try:
        document = json.loads((model / "model.json").read_bytes())
        weights = [weight for group in document["weightsManifest"] for weight in group["weights"]]
        has_steps = any(weight.get("quantization", {}).get("scale", 1) != 1 for weight in weights)
        return has_steps or bool(document.get("userDefinedMetadata", {}).get(ROUNDED))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # the runtime says what is wrong with it
