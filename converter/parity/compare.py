"""Are two sets of named arrays equal within a tolerance? Names first, then dtypes and shapes, then values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import inf, isfinite
from typing import Any

import numpy as np

from converter.dtypes import DType, dtype_of
from converter.errors import InternalError, ParityError
from converter.parity.ranking import Ranking, ranking_of

Value = float | int | bool | str


@dataclass(frozen=True)
class Tolerance:
    """How far a real number may be from its reference: atol + rtol * |reference|.

    Units: atol in the unit of the output; rtol a fraction. Integers, booleans and strings are always compared exactly.
    """

    atol: float
    rtol: float

    def __post_init__(self) -> None:
        for name, value in (("atol", self.atol), ("rtol", self.rtol)):
            if not (isfinite(value) and value >= 0):
                raise InternalError(f"{name} must be 0 or more and finite, not {value}")


@dataclass(frozen=True)
class Rule:
    """What agreement means for one output.

    `distribution` and `min_top1` as in the config: None for `distribution` leaves it to the values. `setting` is where
    the config has the tolerance, `reason` says why it is not the usual one.
    """

    tolerance: Tolerance
    distribution: bool | None = None
    min_top1: float | None = None
    setting: str = "parity.tolerances.float32"
    reason: str = ""


Rules = Callable[[str], Rule]  # by an output's name


@dataclass(frozen=True)
class NonFinite:
    """How many values are NaN or infinite: in both alike, or in one of the two only; infinities have a sign."""

    nan_in_both: int = 0
    nan_in_one: int = 0
    inf_in_both: int = 0
    inf_in_one: int = 0

    def __add__(self, other: "NonFinite") -> "NonFinite":
        return NonFinite(
            self.nan_in_both + other.nan_in_both,
            self.nan_in_one + other.nan_in_one,
            self.inf_in_both + other.inf_in_both,
            self.inf_in_one + other.inf_in_one,
        )


@dataclass(frozen=True)
class TensorVerdict:
    """What comparing one array with its reference found.

    `worst` is the element that needs the widest tolerance. A number against a NaN or an infinity is an infinite gap;
    a gap between booleans or strings is 1. `gaps` has the gap of each element, `ranking` is there for distributions.
    Units: max_abs, mean_abs, gaps and needed_atol in the unit of the output; max_rel and mean_rel fractions of
           |reference|, over the `counted_rel` elements whose reference is finite and not 0. needed_atol is the smallest
           atol that would pass with rtol as it is, needed_rtol the smallest rtol with atol as it is, both infinite
           where none would.
    """

    name: str
    compared: int = 0
    bad: int = 0
    max_abs: float = 0.0
    mean_abs: float = 0.0
    max_rel: float = 0.0
    mean_rel: float = 0.0
    counted_rel: int = 0
    needed_atol: float = 0.0
    needed_rtol: float = 0.0
    worst: tuple[int, ...] | None = None
    reference: Value | None = None
    candidate: Value | None = None
    nonfinite: NonFinite = NonFinite()
    ranking: Ranking | None = None
    gaps: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32), compare=False, repr=False)


def compare(
    reference: Mapping[str, np.ndarray], candidate: Mapping[str, np.ndarray], tolerance: Tolerance
) -> list[TensorVerdict]:
    """One verdict for each output, in the order of the reference.

    Raises: ParityError if names, dtypes or shapes differ, or if there isn't one element to compare.
    """
    verdicts = compare_outputs(reference, candidate, tolerance)
    if not any(verdict.compared for verdict in verdicts):
        raise ParityError("no element was compared, which proves nothing", hint="choose inputs that give some output")
    return verdicts


def compare_outputs(
    reference: Mapping[str, np.ndarray], candidate: Mapping[str, np.ndarray], tolerance: Tolerance
) -> list[TensorVerdict]:
    """As `compare`, but empty outputs are allowed: the caller sums `compared` over several sets.

    Raises: ParityError if names, dtypes or shapes differ.
    """
    return compare_by_rules(reference, candidate, lambda _: Rule(tolerance))


def compare_by_rules(
    reference: Mapping[str, np.ndarray], candidate: Mapping[str, np.ndarray], rules: Rules
) -> list[TensorVerdict]:
    """As `compare_outputs`, with a rule for each output.

    Raises: ParityError if names, dtypes or shapes differ.
    """
    if reference.keys() != candidate.keys():
        missing, unexpected = sorted(reference.keys() - candidate.keys()), sorted(candidate.keys() - reference.keys())
        raise ParityError(
            f"output names differ: missing {missing}, unexpected {unexpected}",
            hint="both runtimes must run the same model; check the names in the model's signature",
        )
    _require_same_forms(reference, candidate)
    return [_compare_tensor(name, array, candidate[name], rules(name)) for name, array in reference.items()]


def _require_same_forms(reference: Mapping[str, np.ndarray], candidate: Mapping[str, np.ndarray]) -> None:
    faults = []
    for name, array in reference.items():
        expected, got = _form(array), _form(candidate[name])
        if expected != got:
            faults.append((name, f"{got} against {expected} in the reference"))
    if not faults:
        return
    [(first, what), *others] = faults
    what = "; ".join([what, *(f"output {name}: {fault}" for name, fault in others)])
    hint = "a wrong dtype or shape is a fault of the conversion, not of the tolerance"
    raise ParityError(what, where=f"output {first}", hint=hint)


def _form(array: np.ndarray) -> str:
    return f"{dtype_of(array).name}{list(array.shape)}"


def _compare_tensor(name: str, reference: np.ndarray, candidate: np.ndarray, rule: Rule) -> TensorVerdict:
    if reference.size == 0:
        return TensorVerdict(name)
    kind = dtype_of(reference)
    if not (kind.is_float or kind.name.startswith("complex")):
        return _compare_exact(name, reference, candidate, kind)
    verdict = _compare_real(name, _as_float64(reference), _as_float64(candidate), rule.tolerance)
    if not kind.is_float:
        return verdict
    ranking = ranking_of(_as_float64(reference), _as_float64(candidate), declared=rule.distribution)
    return replace(verdict, ranking=ranking)


def _as_float64(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], axis=-1)
    with np.errstate(invalid="ignore"):  # ml_dtypes tells of NaNs
        return array.astype(np.float64)


def _compare_real(name: str, reference: np.ndarray, candidate: np.ndarray, tolerance: Tolerance) -> TensorVerdict:
    size = np.abs(np.where(np.isfinite(reference), reference, 0.0))
    with np.errstate(invalid="ignore", over="ignore"):
        same = (reference == candidate) | (np.isnan(reference) & np.isnan(candidate))
        gap = np.where(same, 0.0, np.abs(candidate - reference))
        gap = np.where(np.isnan(gap), inf, gap)
        share = tolerance.rtol * size
        needed = np.where(gap > share, gap - share, 0.0)
        bad = int(np.count_nonzero(gap > tolerance.atol + share))
    index = tuple(int(i) for i in np.unravel_index(np.argmax(needed), gap.shape))
    return TensorVerdict(
        name,
        reference.size,
        bad,
        max_abs=float(gap.max()),
        mean_abs=float(gap.mean()),
        **_relative(gap, size),
        needed_atol=_rounded_up(float(needed[index]), float(gap[index])),
        needed_rtol=_needed_rtol(gap, size, tolerance.atol),
        worst=index,
        reference=float(reference[index]),
        candidate=float(candidate[index]),
        nonfinite=_nonfinite(reference, candidate),
        gaps=_flat(gap),
    )


def _rounded_up(needed: float, gap: float) -> float:
    """The atol that still admits `gap` when rtol's share is added back in floating point."""
    return needed + float(np.spacing(gap)) if 0 < needed < gap < inf else needed


def _needed_rtol(gap: np.ndarray, size: np.ndarray, atol: float) -> float:
    beyond = gap > atol
    if not beyond.any():
        return 0.0
    wide = gap[beyond]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        share = np.where(np.isfinite(wide), wide - atol + np.spacing(wide), inf)
        needed = float((share / size[beyond]).max())
    return float(np.nextafter(needed, inf))


def _nonfinite(reference: np.ndarray, candidate: np.ndarray) -> NonFinite:
    nans = np.isnan(reference).astype(int) + np.isnan(candidate)
    infs = np.isinf(reference) | np.isinf(candidate)
    same = infs & (reference == candidate)
    return NonFinite(
        int(np.count_nonzero(nans == 2)),
        int(np.count_nonzero(nans == 1)),
        int(np.count_nonzero(same)),
        int(np.count_nonzero(infs & ~same)),
    )


def _compare_exact(name: str, reference: np.ndarray, candidate: np.ndarray, kind: DType) -> TensorVerdict:
    if kind.is_integer:
        gap = _integer_gap(reference, candidate)
        size = np.abs(reference.astype(np.float64))
    else:
        gap = np.asarray(reference.astype(object) != candidate.astype(object)).astype(np.uint64)
        size = np.zeros(gap.shape)
    bad = int(np.count_nonzero(gap))
    index = tuple(int(i) for i in np.unravel_index(np.argmax(gap), gap.shape))
    return TensorVerdict(
        name,
        reference.size,
        bad,
        max_abs=float(gap[index]),
        mean_abs=float(gap.astype(np.float64).mean()),
        **_relative(gap.astype(np.float64), size),
        needed_atol=inf if bad else 0.0,
        needed_rtol=inf if bad else 0.0,
        worst=index,
        reference=_python_value(reference[index], kind),
        candidate=_python_value(candidate[index], kind),
        gaps=_flat(gap),
    )


def _integer_gap(reference: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    """|candidate - reference| as uint64, where it always fits: float64 would lose units above 2**53."""
    wide = np.uint64 if reference.dtype == np.uint64 else np.int64
    one, other = reference.astype(wide), candidate.astype(wide)
    low, high = np.minimum(one, other).astype(np.uint64), np.maximum(one, other).astype(np.uint64)
    return np.asarray(high - low)


def _flat(gap: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return gap.astype(np.float32).ravel()


def _relative(gap: np.ndarray, size: np.ndarray) -> dict[str, Any]:
    counted = size > 0
    if not counted.any():
        return {}
    with np.errstate(over="ignore"):
        fractions = gap[counted] / size[counted]
        return {
            "max_rel": float(fractions.max()),
            "mean_rel": float(fractions.mean()),
            "counted_rel": fractions.size,
        }


def _python_value(value: np.generic | str | bytes, kind: DType) -> Value:
    if kind.is_integer:
        return int(value)
    if kind.name == "bool":
        return bool(value)
    return value if isinstance(value, str) else repr(value)
