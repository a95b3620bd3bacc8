"""What a parity run found: for each output, for each runtime, and as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any, Literal, Protocol

from converter.artifact.manifest import ParityRuntime, ParitySummary
from converter.errors import ConverterError, InternalError, ParityError, RuntimeMissing
from converter.parity.compare import TensorVerdict, Tolerance, Value

Status = Literal["passed", "failed", "error"]


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
class OutputVerdict:
    """The verdicts on one output over all samples; units and terms as in TensorVerdict."""

    name: str
    compared: int
    bad: int
    max_abs: float
    mean_abs: float
    max_rel: float
    needed_atol: float
    worst_sample: str | None
    worst: tuple[int, ...] | None
    reference: Value | None
    candidate: Value | None

    @classmethod
    def over_samples(cls, verdicts: Sequence[tuple[str, TensorVerdict]]) -> "OutputVerdict":
        """One output's (sample label, verdict) pairs taken together."""
        compared = sum(verdict.compared for _, verdict in verdicts)
        total = sum(verdict.mean_abs * verdict.compared for _, verdict in verdicts)
        label, worst = max(verdicts, key=lambda pair: (pair[1].needed_atol, pair[1].max_abs, pair[1].compared > 0))
        return cls(
            worst.name,
            compared,
            bad=sum(verdict.bad for _, verdict in verdicts),
            max_abs=max(verdict.max_abs for _, verdict in verdicts),
            mean_abs=total / compared if compared else 0.0,
            max_rel=max(verdict.max_rel for _, verdict in verdicts),
            needed_atol=worst.needed_atol,
            worst_sample=label if worst.compared else None,
            worst=worst.worst,
            reference=worst.reference,
            candidate=worst.candidate,
        )

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values; numbers that JSON lacks become strings."""
        return {
            "name": self.name,
            "compared": self.compared,
            "bad": self.bad,
            "max_abs": _json_number(self.max_abs),
            "mean_abs": _json_number(self.mean_abs),
            "max_rel": _json_number(self.max_rel),
            "needed_atol": _json_number(self.needed_atol),
            "worst": self.worst
            and {
                "sample": self.worst_sample,
                "index": list(self.worst),
                "reference": _json_number(self.reference),
                "candidate": _json_number(self.candidate),
            },
        }

    def __str__(self) -> str:
        text = f"output {self.name}: {self.bad} of {self.compared} values differ, max |error| {self.max_abs:.3g}"
        if self.worst is None:
            return text
        index = ", ".join(map(str, self.worst))
        return f"{text}; worst at [{index}] of {self.worst_sample}: {self.candidate!r}, not {self.reference!r}"


@dataclass(frozen=True)
class RuntimeVerdict:
    """How one runtime did.

    `failed`: it ran and disagrees; `error`: it couldn't run, `message` says why. `cause` is the exception behind it.
    Units: load_ms and predict_ms (the median over samples) in milliseconds.
    """

    name: str
    status: Status
    info: Info | None = None
    outputs: tuple[OutputVerdict, ...] = ()
    message: str = ""
    load_ms: float | None = None
    predict_ms: float | None = None
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
            "info": self.info and _info_json(self.info),
            "outputs": [output.as_json() for output in self.outputs],
        }
        return value | {"load_ms": self.load_ms, "predict_ms": self.predict_ms} if timings else value

    def __str__(self) -> str:
        lines = [self.message] if self.message else []
        lines += [str(output) for output in self.outputs if output.bad]
        return "\n".join(f"{self.name}: {line}" for line in lines) or f"{self.name}: {self.status}"


@dataclass(frozen=True)
class ParityReport:
    """Every runtime's verdict against one reference; `not_run` gives the reason for each runtime left out."""

    reference: Info
    tolerance: Tolerance
    samples: Mapping[str, str]  # label -> sha256 of the inputs
    runtimes: tuple[RuntimeVerdict, ...]
    not_run: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether at least one runtime was compared, and every one agrees."""
        return bool(self.runtimes) and all(one.status == "passed" and one.compared > 0 for one in self.runtimes)

    def as_json(self, *, timings: bool = False) -> dict[str, Any]:
        """Plain JSON values: the same for the same inputs, versions and machine, as long as timings stay out."""
        return {
            "status": "passed" if self.passed else "failed",
            "reference": _info_json(self.reference),
            "tolerance": {"atol": self.tolerance.atol, "rtol": self.tolerance.rtol},
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
            runtimes=tuple(
                ParityRuntime(name=one.name, compared=one.compared, max_abs=one.max_abs) for one in self.runtimes
            ),
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
            what = f"{len(failing)} of the runtimes asked for can't start:\n{text}"
            raise RuntimeMissing(what, where="parity", hint=_advice(failing))
        what = f"{len(failing)} of {len(self.runtimes)} runtimes don't agree with {self.reference.name}:\n{text}"
        raise ParityError(what, where="parity", hint=_advice(failing))


def _advice(failing: Sequence[RuntimeVerdict]) -> str:
    """What to do next: the hints of what broke, or the tolerance that would have passed."""
    hints = [one.cause.hint for one in failing if isinstance(one.cause, ConverterError) and one.cause.hint]
    if hints:
        return "; ".join(dict.fromkeys(hints))
    needed = max((output.needed_atol for one in failing for output in one.outputs), default=inf)
    if not isfinite(needed):
        return "no tolerance would pass, so the conversion is wrong, or the inputs are"
    rounded_up = float(f"{needed * 1.06:.1e}")
    return f"parity.atol: {rounded_up:.1e} would pass, if errors of this size do no harm; else the conversion is wrong"


def _info_json(info: Info) -> dict[str, Any]:
    return {"name": info.name, "versions": dict(sorted(info.versions.items())), "device": info.device}


def _json_number(value: Value | None) -> Value | None:
    if isinstance(value, float) and not isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value
