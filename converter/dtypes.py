"""The one table of element types: ONNX, numpy, TensorFlow, TensorFlow.js.

`storage` is the dtype a value has inside a TF.js graph, where only float32, int32, bool, string and complex64 exist.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

Storage = Literal["float32", "int32", "bool", "string", "complex64"]


@dataclass(frozen=True)
class FloatFormat:
    """How a type of real numbers spaces its values, and which values that are no numbers it has.

    Units: digits counts significant bits, the hidden one included; 2**min_exponent is the smallest normal number.
    """

    digits: int
    min_exponent: int
    has_infinity: bool = True
    has_nan: bool = True

    @property
    def last_place(self) -> int:
        """The exponent of the smallest gap between two values."""
        return self.min_exponent - self.digits + 1


@dataclass(frozen=True)
class DType:
    """One element type under its four names, and the values it can hold.

    Units: lowest and highest are values of the type itself; None where the type is not a number.
    """

    name: str  # numpy's name where numpy has the type, ONNX's in lower case otherwise
    onnx: str
    onnx_code: int
    tf: str | None
    bits: int | None  # of an element in an ONNX file
    storage: Storage | None
    lowest: float | int | None = None
    highest: float | int | None = None
    format: FloatFormat | None = None
    numpy: str = ""  # the name in numpy, or in ml_dtypes, where it isn't `name`

    @property
    def is_integer(self) -> bool:
        """Whether the type holds whole numbers (bool excluded)."""
        return isinstance(self.highest, int)

    @property
    def is_float(self) -> bool:
        """Whether the type holds real numbers."""
        return isinstance(self.highest, float)

    def holds(self, other: "DType") -> bool:
        """Whether every value of another type, bool counted as 0 and 1, is a value of this one."""
        low, high = (0, 1) if other.name == "bool" else (other.lowest, other.highest)
        if low is None or high is None or self.lowest is None or self.highest is None:
            return self == other
        if not (self.lowest <= low and high <= self.highest):
            return False
        if self.format is None:
            return other.format is None
        if other.format is None:
            return bool(max(-low, high) <= 2**self.format.digits)
        return (
            other.format.digits <= self.format.digits
            and other.format.last_place >= self.format.last_place
            and other.format.has_infinity <= self.format.has_infinity
            and other.format.has_nan <= self.format.has_nan
        )


def _integer(code: int, name: str, bits: int, *, signed: bool) -> DType:
    lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return DType(name, name.upper(), code, f"DT_{name.upper()}", bits, "int32", lowest, highest)


def _float8(code: int, name: str, tf: str, highest: float, format_: FloatFormat) -> DType:
    return DType(name, name.upper(), code, f"DT_{tf.upper()}", 8, "float32", -highest, highest, format_, numpy=tf)


_FLOAT32, _FLOAT64 = 3.4028234663852886e38, 1.7976931348623157e308
_BFLOAT16, _POWER = 3.3895313892515355e38, 2.0**127

DTYPES: tuple[DType, ...] = (
    DType("float32", "FLOAT", 1, "DT_FLOAT", 32, "float32", -_FLOAT32, _FLOAT32, FloatFormat(24, -126)),
    _integer(2, "uint8", 8, signed=False),
    _integer(3, "int8", 8, signed=True),
    _integer(4, "uint16", 16, signed=False),
    _integer(5, "int16", 16, signed=True),
    _integer(6, "int32", 32, signed=True),
    _integer(7, "int64", 64, signed=True),
    DType("string", "STRING", 8, "DT_STRING", None, "string"),
    DType("bool", "BOOL", 9, "DT_BOOL", 8, "bool"),
    DType("float16", "FLOAT16", 10, "DT_HALF", 16, "float32", -65504.0, 65504.0, FloatFormat(11, -14)),
    DType("float64", "DOUBLE", 11, "DT_DOUBLE", 64, "float32", -_FLOAT64, _FLOAT64, FloatFormat(53, -1022)),
    _integer(12, "uint32", 32, signed=False),
    _integer(13, "uint64", 64, signed=False),
    DType("complex64", "COMPLEX64", 14, "DT_COMPLEX64", 64, "complex64"),
    DType("complex128", "COMPLEX128", 15, "DT_COMPLEX128", 128, None),
    DType("bfloat16", "BFLOAT16", 16, "DT_BFLOAT16", 16, "float32", -_BFLOAT16, _BFLOAT16, FloatFormat(8, -126)),
    _float8(17, "float8e4m3fn", "float8_e4m3fn", 448.0, FloatFormat(4, -6, has_infinity=False)),
    _float8(18, "float8e4m3fnuz", "float8_e4m3fnuz", 240.0, FloatFormat(4, -7, has_infinity=False)),
    _float8(19, "float8e5m2", "float8_e5m2", 57344.0, FloatFormat(3, -14)),
    _float8(20, "float8e5m2fnuz", "float8_e5m2fnuz", 57344.0, FloatFormat(3, -15, has_infinity=False)),
    _integer(21, "uint4", 4, signed=False),
    _integer(22, "int4", 4, signed=True),
    DType(
        "float4e2m1", "FLOAT4E2M1", 23, "DT_FLOAT4_E2M1FN", 4, "float32", -6.0, 6.0,
        FloatFormat(2, 0, has_infinity=False, has_nan=False), numpy="float4_e2m1fn",
    ),
    DType(
        "float8e8m0", "FLOAT8E8M0", 24, "DT_FLOAT8_E8M0FNU", 8, "float32", 1 / _POWER, _POWER,
        FloatFormat(1, -127, has_infinity=False), numpy="float8_e8m0fnu",
    ),
    _integer(25, "uint2", 2, signed=False),
    _integer(26, "int2", 2, signed=True),
    DType(
        "float6e2m3", "FLOAT6E2M3", 27, None, 6, "float32", -7.5, 7.5,
        FloatFormat(4, 0, has_infinity=False, has_nan=False), numpy="float6_e2m3fn",
    ),
    DType(
        "float6e3m2", "FLOAT6E3M2", 28, None, 6, "float32", -28.0, 28.0,
        FloatFormat(3, -2, has_infinity=False, has_nan=False), numpy="float6_e3m2fn",
    ),
)  # fmt: skip

BY_NAME = {row.name: row for row in DTYPES}
BY_ONNX_CODE = {row.onnx_code: row for row in DTYPES}
_BY_NUMPY_NAME = {row.numpy or row.name: row for row in DTYPES}

INT32_LOWEST, INT32_HIGHEST = -(1 << 31), (1 << 31) - 1


def dtype_of(array: np.ndarray) -> DType:
    """The row of an array's element type; ml_dtypes' types are known too.

    Raises: KeyError if the table has no such numpy dtype.
    """
    return _row_of(array.dtype)


@cache
def _row_of(dtype: np.dtype) -> DType:
    return _BY_NUMPY_NAME["string" if dtype.kind in "OSU" else dtype.name]


def as_numpy(dtype: DType) -> np.dtype:
    """The dtype of arrays of a row: numpy's own, or ml_dtypes' where numpy has none."""
    if dtype.name == "string":
        return np.dtype(object)
    name = dtype.numpy or dtype.name
    if hasattr(np, name):
        return np.dtype(name)
    import ml_dtypes

    narrow: np.dtype = np.dtype(getattr(ml_dtypes, name))
    return narrow
