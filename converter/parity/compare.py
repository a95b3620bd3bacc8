"""Are two sets of named arrays equal within a tolerance? Names first, then dtypes and shapes, then values."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np

from converter.dtypes import DType, dtype_of
from converter.errors import InternalError, ParityError

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
class TensorVerdict:
    """What comparing one array with its reference found.

    `worst` is the element that needs the widest tolerance. A number against a NaN or an infinity is an infinite gap;
    a gap between booleans or strings is 1.
    Units: max_abs, mean_abs and needed_atol in the unit of the output; max_rel a fraction of |reference|, over the
           elements whose reference is finite and not 0. needed_atol is the smallest atol that would pass with rtol as
           it is, infinite where none would.
    """

    name: str
    compared: int
    bad: int
    max_abs: float
    mean_abs: float
    max_rel: float
    needed_atol: float
    worst: tuple[int, ...] | None
    reference: Value | None
    candidate: Value | None


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
    if reference.keys() != candidate.keys():
        missing, unexpected = sorted(reference.keys() - candidate.keys()), sorted(candidate.keys() - reference.keys())
        raise ParityError(
            f"output names differ: missing {missing}, unexpected {unexpected}",
            hint="both runtimes must run the same model; check the names in the model's signature",
        )
    for name, array in reference.items():
        _require_same_form(name, array, candidate[name])
    return [_compare_tensor(name, array, candidate[name], tolerance) for name, array in reference.items()]


def _require_same_form(name: str, reference: np.ndarray, candidate: np.ndarray) -> None:
    expected, got = dtype_of(reference).name, dtype_of(candidate).name
    if (expected, reference.shape) != (got, candidate.shape):
        raise ParityError(
            f"{got}{list(candidate.shape)} against {expected}{list(reference.shape)} in the reference",
            where=f"output {name}",
            hint="a wrong dtype or shape is a fault of the conversion, not of the tolerance",
        )


def _compare_tensor(name: str, reference: np.ndarray, candidate: np.ndarray, tolerance: Tolerance) -> TensorVerdict:
    if reference.size == 0:
        return TensorVerdict(name, 0, 0, 0.0, 0.0, 0.0, 0.0, None, None, None)
    kind = dtype_of(reference)
    if kind.is_float or kind.name.startswith("complex"):
        return _compare_real(name, _as_float64(reference), _as_float64(candidate), tolerance)
    return _compare_exact(name, reference, candidate, kind)


def _as_float64(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], axis=-1)
    return array.astype(np.float64)


def _compare_real(name: str, reference: np.ndarray, candidate: np.ndarray, tolerance: Tolerance) -> TensorVerdict:
    size = np.abs(np.where(np.isfinite(reference), reference, 0.0))
    with np.errstate(invalid="ignore", over="ignore"):
        same = (reference == candidate) | (np.isnan(reference) & np.isnan(candidate))
        gap = np.where(same, 0.0, np.abs(candidate - reference))
        gap = np.where(np.isnan(gap), inf, gap)
        needed = np.where(gap > tolerance.rtol * size, gap - tolerance.rtol * size, 0.0)
    bad = int(np.count_nonzero(gap > tolerance.atol + tolerance.rtol * size))
    index = tuple(int(i) for i in np.unravel_index(np.argmax(needed), gap.shape))
    return TensorVerdict(
        name,
        reference.size,
        bad,
        max_abs=float(gap.max()),
        mean_abs=float(gap.mean()),
        max_rel=_max_rel(gap, size),
        needed_atol=_rounded_up(float(needed[index]), float(gap[index])),
        worst=index,
        reference=float(reference[index]),
        candidate=float(candidate[index]),
    )


def _rounded_up(needed: float, gap: float) -> float:
    """The atol that still admits `gap` when rtol's share is added back in floating point."""
    return needed + float(np.spacing(gap)) if 0 < needed < gap < inf else needed


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
        max_rel=_max_rel(gap.astype(np.float64), size),
        needed_atol=inf if bad else 0.0,
        worst=index,
        reference=_python_value(reference[index], kind),
        candidate=_python_value(candidate[index], kind),
    )


def _integer_gap(reference: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    """|candidate - reference| as uint64, where it always fits: float64 would lose units above 2**53."""
    wide = np.uint64 if reference.dtype == np.uint64 else np.int64
    one, other = reference.astype(wide), candidate.astype(wide)
    low, high = np.minimum(one, other).astype(np.uint64), np.maximum(one, other).astype(np.uint64)
    return np.asarray(high - low)


def _max_rel(gap: np.ndarray, size: np.ndarray) -> float:
    counted = size > 0
    with np.errstate(over="ignore"):
        return float((gap[counted] / size[counted]).max()) if counted.any() else 0.0


def _python_value(value: np.generic | str | bytes, kind: DType) -> Value:
    if kind.is_integer:
        return int(value)
    if kind.name == "bool":
        return bool(value)
    return value if isinstance(value, str) else repr(value)
