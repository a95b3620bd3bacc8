"""What a parity run found: for each runtime, and as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal, Protocol

from converter.artifact.manifest import ParityRuntime, ParitySummary, ParityTolerance
from converter.errors import ConverterError, InternalError, ParityError, RuntimeMissing
from converter.parity.compare import Tolerance
from converter.parity.output import OutputVerdict

Status = Literal["passed", "failed", "error"]
HALF = "float16-textures"
SETTING_OF_ATOL = "parity.tolerances.float32"  # what --atol sets


class Info(Protocol):
    """Who ran: a runtime's name, the versions that decide its results, and its device."""

    @property
    def name(self) -> str:
        """The runtime's name, such as `tfjs-wasm@node`."""

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions that decide its results."""

    @property
    def device(self) -> str:
        """What it computes on."""


@dataclass(frozen=True)
class RuntimeVerdict:
    """How one runtime did.

    `failed`: it ran and disagrees; `error`: it couldn't run, `message` says why. `cause` is the exception behind it.
    `classes` name the tolerances that it was held to, of which the widest counts.
    Units: load_ms and predict_ms (the median over samples) in milliseconds.
    """

    name: str
    status: Status
    info: Info | None = None
    outputs: tuple[OutputVerdict, ...] = ()
    message: str = ""
    load_ms: float | None = None
    predict_ms: float | None = None
    classes: tuple[str, ...] = ("float32",)
    cause: Exception | None = field(default=None, compare=False, repr=False)

    @property
    def compared(self) -> int:
        """How many values were compared."""
        return sum(output.compared for output in self.outputs)

    @property
    def max_abs(self) -> float:
        """The largest gap of all outputs."""
        return max((output.max_abs for output in self.outputs), default=0.0)

    def as_json(self, *, timings: bool = False) -> dict[str, Any]:
        """Plain JSON values, without the latencies unless asked: they differ from run to run."""
        value: dict[str, Any] = {
            "name": self.name,
            "status": self.status,
            "message": self.message,
            "tolerances": list(self.classes),
            "info": self.info and _info_json(self.info),
            "outputs": [output.as_json() for output in self.outputs],
        }
        return value | {"load_ms": self.load_ms, "predict_ms": self.predict_ms} if timings else value

    def __str__(self) -> str:
        lines = [self.message] if self.message else []
        lines += [str(output) for output in self.outputs if not output.agrees]
        return "\n".join(f"{self.name}: {line}" for line in lines) or f"{self.name}: {self.status}"


@dataclass(frozen=True)
class ParityReport:
    """Every runtime's verdict against one reference; `not_run` gives the reason for each runtime left out.

    `tolerances` holds those of the classes by name; an output's verdict has the one that it was held to. `given` labels
    the samples that are a user's own; the others were drawn.
    """

    reference: Info
    tolerances: Mapping[str, Tolerance]
    samples: Mapping[str, str]  # label -> sha256 of the inputs
    runtimes: tuple[RuntimeVerdict, ...]
    not_run: Mapping[str, str] = field(default_factory=dict)
    given: frozenset[str] = frozenset()

    @property
    def passed(self) -> bool:
        """Whether at least one runtime was compared, and every one agrees."""
        return bool(self.runtimes) and all(one.status == "passed" and one.compared > 0 for one in self.runtimes)

    def as_json(self, *, timings: bool = False) -> dict[str, Any]:
        """Plain JSON values: the same for the same inputs, versions and machine, as long as timings stay out."""
        return {
            "status": "passed" if self.passed else "failed",
            "reference": _info_json(self.reference),
            "tolerances": {name: {"atol": one.atol, "rtol": one.rtol} for name, one in self.tolerances.items()},
            "samples": [{"label": label, "sha256": sha256} for label, sha256 in self.samples.items()],
            "runtimes": [one.as_json(timings=timings) for one in self.runtimes],
            "not_run": dict(sorted(self.not_run.items())),
        }

    def summary(self) -> ParitySummary:
        """The report as the manifest states it.

        Raises: ParityError or RuntimeMissing if parity did not pass: nothing else may be published.
        """
        self.raise_if_failed()
        return ParitySummary(
            status="passed",
            reference=self.reference.name,
            runtimes=tuple(map(_summary_of, self.runtimes)),
            not_run=dict(self.not_run),
        )

    def raise_if_failed(self) -> None:
        """Nothing, if parity passed.

        Raises: RuntimeMissing if runtimes that can't start are the only fault; InternalError if a runtime broke in a
                way that no person caused; ParityError otherwise, naming runtimes, outputs and errors.
        """
        if self.passed:
            return
        failing = [one for one in self.runtimes if one.status != "passed"]
        for one in failing:
            if one.cause and not isinstance(one.cause, ConverterError):
                raise InternalError(f"{one.name}: {one.message}") from one.cause
        if not failing:
            raise ParityError("no runtime was compared", where="parity", hint="ask for at least one runtime")
        text = "\n".join(f"  - {line}" for one in failing for line in str(one).splitlines())
        if all(isinstance(one.cause, RuntimeMissing) for one in failing):
            what = f"{len(failing)} of the runtimes asked for can't run:\n{text}"
            raise RuntimeMissing(what, where="parity", hint=_advice(failing))
        what = f"{len(failing)} of {len(self.runtimes)} runtimes don't agree with {self.reference.name}:\n{text}"
        error = ParityError(what, where="parity", hint=_advice(failing, self.given))
        error.runtimes = tuple(one.name for one in failing if any(not output.agrees for output in one.outputs))
        raise error


def _advice(failing: Sequence[RuntimeVerdict], given: frozenset[str] = frozenset()) -> str:
    """Return what is known of the failures: the hints of what broke, or facts about the values that differ."""
    hints = [one.cause.hint for one in failing if isinstance(one.cause, ConverterError) and one.cause.hint]
    if hints:
        return "; ".join(dict.fromkeys(hints))
    outputs = [output for one in failing for output in one.outputs if not output.agrees]
    if outputs and not any(output.bad for output in outputs):
        return "the largest entries matter to this model: find out why they differ, or lower min_top1"
    return "\n".join([*_overflows(failing), *_drawn(outputs, given), *_smallest_tolerances(outputs)])


def _drawn(outputs: Sequence[OutputVerdict], given: frozenset[str]) -> list[str]:
    drawn = dict.fromkeys(output.worst_sample for output in outputs if output.bad and output.worst_sample)
    labels = [label for label in drawn if label not in given]
    if not labels:
        return []
    return [f"the inputs of {', '.join(labels)} were drawn here; compare on your own as well: --samples FILE"]


def _overflows(failing: Sequence[RuntimeVerdict]) -> list[str]:
    names = [
        one.name
        for one in failing
        if HALF in one.classes
        and any(output.nonfinite.nan_in_one + output.nonfinite.inf_in_one for output in one.outputs)
    ]
    return [f"values above 65504 overflow the float16 textures of {', '.join(names)}"] if names else []


def _smallest_tolerances(outputs: Sequence[OutputVerdict]) -> list[str]:
    needed: dict[str, float] = {}
    for output in outputs:
        needed[output.rule.setting] = max(needed.get(output.rule.setting, 0.0), output.needed_atol)
    if not needed or not all(map(isfinite, needed.values())):
        return ["no tolerance would pass"]
    settings = [_setting(setting, f"{float(f'{atol * 1.06:.1e}'):.1e}") for setting, atol in needed.items()]
    return [f"the smallest tolerance that would pass: {', '.join(settings)}"]


def _setting(setting: str, atol: str) -> str:
    return f"--atol {atol}" if setting == SETTING_OF_ATOL else f"{setting}.atol: {atol}"


def _summary_of(verdict: RuntimeVerdict) -> ParityRuntime:
    tolerances = {
        output.name: ParityTolerance(atol=output.tolerance.atol, rtol=output.tolerance.rtol)
        for output in verdict.outputs
    }
    return ParityRuntime(
        name=verdict.name,
        compared=verdict.compared,
        max_abs=verdict.max_abs,
        device=verdict.info.device if verdict.info else "",
        tolerances=tolerances,
    )


def _info_json(info: Info) -> dict[str, Any]:
    return {"name": info.name, "versions": dict(sorted(info.versions.items())), "device": info.device}
