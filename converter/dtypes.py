"""The one table of element types: ONNX, numpy, TensorFlow, TensorFlow.js.

`storage` is the dtype a value has inside a TF.js graph, where only float32, int32, bool, string and complex64 exist.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Storage = Literal["float32", "int32", "bool", "string", "complex64"]


@dataclass(frozen=True)
class DType:
    """One element type under its four names, and the values it can hold.

    Units: lowest and highest are values of the type itself; None where the type is not a number.
    """

    name: str  # numpy's name where numpy has the type, ONNX's in lower case otherwise
    onnx: str
    onnx_code: int
    tf: str
    storage: Storage | None
    lowest: float | int | None
    highest: float | int | None

    @property
    def is_integer(self) -> bool:
        """Whether the type holds whole numbers (bool excluded)."""
        return isinstance(self.highest, int)

    @property
    def is_float(self) -> bool:
        """Whether the type holds real numbers."""
        return isinstance(self.highest, float)


def _int(bits: int, *, signed: bool) -> tuple[int, int]:
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


DTYPES: tuple[DType, ...] = (
    DType("float32", "FLOAT", 1, "DT_FLOAT", "float32", -3.4028234663852886e38, 3.4028234663852886e38),
    DType("uint8", "UINT8", 2, "DT_UINT8", "int32", *_int(8, signed=False)),
    DType("int8", "INT8", 3, "DT_INT8", "int32", *_int(8, signed=True)),
    DType("uint16", "UINT16", 4, "DT_UINT16", "int32", *_int(16, signed=False)),
    DType("int16", "INT16", 5, "DT_INT16", "int32", *_int(16, signed=True)),
    DType("int32", "INT32", 6, "DT_INT32", "int32", *_int(32, signed=True)),
    DType("int64", "INT64", 7, "DT_INT64", "int32", *_int(64, signed=True)),
    DType("string", "STRING", 8, "DT_STRING", "string", None, None),
    DType("bool", "BOOL", 9, "DT_BOOL", "bool", None, None),
    DType("float16", "FLOAT16", 10, "DT_HALF", "float32", -65504.0, 65504.0),
    DType("float64", "DOUBLE", 11, "DT_DOUBLE", "float32", -1.7976931348623157e308, 1.7976931348623157e308),
    DType("uint32", "UINT32", 12, "DT_UINT32", "int32", *_int(32, signed=False)),
    DType("uint64", "UINT64", 13, "DT_UINT64", "int32", *_int(64, signed=False)),
    DType("complex64", "COMPLEX64", 14, "DT_COMPLEX64", "complex64", None, None),
    DType("complex128", "COMPLEX128", 15, "DT_COMPLEX128", None, None, None),
    DType("bfloat16", "BFLOAT16", 16, "DT_BFLOAT16", "float32", -3.3895313892515355e38, 3.3895313892515355e38),
    DType("float8e4m3fn", "FLOAT8E4M3FN", 17, "DT_FLOAT8_E4M3FN", "float32", -448.0, 448.0),
    DType("float8e4m3fnuz", "FLOAT8E4M3FNUZ", 18, "DT_FLOAT8_E4M3FNUZ", "float32", -240.0, 240.0),
    DType("float8e5m2", "FLOAT8E5M2", 19, "DT_FLOAT8_E5M2", "float32", -57344.0, 57344.0),
    DType("float8e5m2fnuz", "FLOAT8E5M2FNUZ", 20, "DT_FLOAT8_E5M2FNUZ", "float32", -57344.0, 57344.0),
    DType("uint4", "UINT4", 21, "DT_UINT4", "int32", *_int(4, signed=False)),
    DType("int4", "INT4", 22, "DT_INT4", "int32", *_int(4, signed=True)),
    DType("float4e2m1", "FLOAT4E2M1", 23, "DT_FLOAT4_E2M1FN", "float32", -6.0, 6.0),
    DType("float8e8m0", "FLOAT8E8M0", 24, "DT_FLOAT8_E8M0FNU", "float32", 2.0**-127, 2.0**127),
    DType("uint2", "UINT2", 25, "DT_UINT2", "int32", *_int(2, signed=False)),
    DType("int2", "INT2", 26, "DT_INT2", "int32", *_int(2, signed=True)),
)

BY_NAME = {row.name: row for row in DTYPES}
BY_ONNX_CODE = {row.onnx_code: row for row in DTYPES}

INT32_LOWEST, INT32_HIGHEST = _int(32, signed=True)


def dtype_of(array: np.ndarray) -> DType:
    """The row of an array's element type.

    Raises: KeyError if the table has no such numpy dtype.
    """
    return BY_NAME["string" if array.dtype.kind in "OSU" else array.dtype.name]


def as_numpy(dtype: DType) -> np.dtype:
    """The dtype that numpy itself has for a row.

    Raises: KeyError if numpy itself has no such type (bfloat16, the 8- and 4-bit floats).
    """
    if dtype.name == "string":
        return np.dtype(object)
    try:
        return np.dtype(dtype.name)
    except TypeError as error:
        raise KeyError(dtype.name) from error
