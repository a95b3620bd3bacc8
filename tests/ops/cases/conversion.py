from functools import partial
from itertools import product

import ml_dtypes
import numpy as np
from onnx import TensorProto as T
from onnx import helper

from tests.ops.case import Case

REALS = np.float32([[-2.7, -1.0, -0.3], [0.0, 0.9, 3.5]])
HALF = np.float32([1.0009765, 1.00048828, 1.00146484, 65504, 65519, 65520, 70000, 1e-7, 6e-5, -0.1, 0.333333, 2049])
EXTREMES = np.float32([np.nan, np.inf, -np.inf, 0, 1e-30, -1e-30, 1e30, -1e30])
WHOLE = np.int32([-70000, -300, -129, -17, -9, -1, 0, 1, 3, 7, 8, 15, 16, 255, 300, 2049, 65519, 65520, 70000, 1 << 20])
FLOAT8 = (T.FLOAT8E4M3FN, T.FLOAT8E4M3FNUZ, T.FLOAT8E5M2, T.FLOAT8E5M2FNUZ)
NARROW_FLOATS = (*FLOAT8, T.FLOAT4E2M1, T.FLOAT6E2M3, T.FLOAT6E3M2, T.FLOAT16, T.BFLOAT16)
NARROW_INTEGERS = (T.UINT4, T.INT4, T.UINT2, T.INT2)
FLOAT32 = np.finfo(np.float32)
E8M0_MODES = tuple(product(("up", "down", "nearest"), (0, 1)))


def name_of(code):
    return T.DataType.Name(code).lower()


def normal(values):
    """All but subnormal numbers, which GPUs take for 0."""
    return values[~(np.abs(values) < FLOAT32.smallest_normal) | (values == 0)]


def numbers_of(code):
    """Every number of a type, or those of 16 bits whose last 8 bits are the most telling."""
    dtype = helper.tensor_dtype_to_np_dtype(code)
    if dtype.itemsize == 1:
        values = np.arange(256, dtype=np.uint8).view(dtype)
    else:
        ends = np.arange(0, 1 << 16, 1 << 8)[:, None] + [0, 1, 2, 127, 128, 253, 254, 255]
        values = ends.astype(np.uint16).ravel().view(dtype)
    values = values.astype(np.float32)
    return np.unique(normal(values[np.isfinite(values)]))


def around_numbers_of(code):
    """Where rounding decides: the numbers of a type, the middles between them, and what lies beside those."""
    numbers = numbers_of(code).astype(np.float64)
    largest, gap = numbers[-1], numbers[-1] - numbers[-2]
    beyond = np.array([largest + gap, largest + 1.5 * gap, 1.5 * largest, 2 * largest, 4 * largest])
    numbers = np.concatenate([-beyond[::-1], numbers, beyond])
    middles = (numbers[1:] + numbers[:-1]) / 2
    numbers, middles = (values[np.abs(values) <= FLOAT32.max].astype(np.float32) for values in (numbers, middles))
    aside = [np.nextafter(middles, np.float32(side)) for side in (-1e38, 1e38)]
    return normal(np.concatenate([numbers, middles, *aside, EXTREMES]))


def power_of_two(x, *, up, saturate):
    """float8e8m0 by the operator's documentation, for numbers that float32 holds without losing digits."""
    fraction, exponent = np.frexp(x.astype(np.float64))  # from 0.5 to 1
    rises = {"up": fraction > 0.5, "nearest": fraction >= 0.75, "down": np.zeros(x.shape, bool)}[up]
    power = np.ldexp(1.0, np.where(np.isfinite(x) & (x > 0), exponent - 1 + rises, 0))
    lowest, highest = 2.0**-127, 2.0**127
    if saturate:
        result = np.where(x < lowest, lowest, np.where(x > highest, highest, np.clip(power, lowest, highest)))
    else:
        result = np.where((x < lowest) | (x > highest), np.nan, power)
    return np.where(np.isnan(x), np.nan, result).astype(ml_dtypes.float8_e8m0fnu)


def e8m0_numbers():
    powers = np.exp2(np.arange(-126, 128)).astype(np.float32)
    near = [np.nextafter(powers, np.float32(0)), np.nextafter(powers, np.float32(3e38)), powers * np.float32(1.5)]
    middles = [np.nextafter(near[2], np.float32(side)) for side in (0, 3e38)]
    values = np.concatenate([powers, *near, *middles, np.float32([0, np.inf, np.nan])])
    return normal(values)


def wrapped_to_int4(x):
    return x.astype(np.int32).astype(ml_dtypes.int4)


def cast(name, x, to, opset=25, **rest):
    """A cast whose every bit must be right."""
    attrs = {"to": to, **rest.pop("attrs", {})}
    rest = {"reference": "evaluator", "atol": 0, "rtol": 0, **rest}
    return Case(f"cast-{name}", "Cast", {"X": x}, attrs, opset=opset, outputs={"Y": to}, **rest)


def cast_like(name, x, like, opset=25, **rest):
    code = helper.np_dtype_to_tensor_dtype(like.dtype)
    rest = {"reference": "evaluator", "atol": 0, "rtol": 0, **rest}
    return Case(f"castlike-{name}", "CastLike", {"X": x, "L": like}, opset=opset, outputs={"Y": code}, **rest)


def bit_cast(x, to, **rest):
    name = f"bitcast-{x.dtype.name}-to-{name_of(to)}"
    return Case(name, "BitCast", {"X": x}, {"to": to}, opset=26, outputs={"Y": to}, reference="evaluator", **rest)


CASES = [
    *(
        Case(f"cast-{opset}", "Cast", {"X": REALS}, {"to": T.INT32}, opset=opset, outputs={"Y": T.INT32})
        for opset in (6, 9, 13, 19, 21, 23)
    ),
    *(cast(f"{opset}", REALS, T.INT32, opset) for opset in (24, 25, 28)),
    Case("cast-to-int64", "Cast", {"X": REALS}, {"to": T.INT64}, outputs={"Y": T.INT64}),
    Case("cast-to-bool", "Cast", {"X": REALS}, {"to": T.BOOL}, outputs={"Y": T.BOOL}),
    Case("cast-int-to-bool", "Cast", {"X": np.int32([-2, 0, 1])}, {"to": T.BOOL}, outputs={"Y": T.BOOL}),
    Case("cast-bool-to-float", "Cast", {"X": np.array([True, False])}, {"to": T.FLOAT}),
    Case("cast-bool-to-int64", "Cast", {"X": np.array([True, False])}, {"to": T.INT64}, outputs={"Y": T.INT64}),
    Case("cast-int64-to-float", "Cast", {"X": np.int64([-5, 0, 7])}, {"to": T.FLOAT}),
    Case("cast-int32-to-uint8", "Cast", {"X": np.int32([-1, 300, 7])}, {"to": T.UINT8}, outputs={"Y": T.UINT8}),
    Case("cast-int32-to-int8", "Cast", {"X": np.int32([-129, 300, 7])}, {"to": T.INT8}, outputs={"Y": T.INT8}),
    Case("cast-to-double", "Cast", {"X": REALS}, {"to": T.DOUBLE}, outputs={"Y": T.DOUBLE}),
    Case("cast-to-float16", "Cast", {"X": HALF}, {"to": T.FLOAT16}, outputs={"Y": T.FLOAT16}, atol=0, rtol=0),
    Case("cast-from-float16", "Cast", {"X": np.float16([1.5, -2, 0.1])}, {"to": T.FLOAT}),
    *(cast(f"to-{name_of(code)}-exactly", around_numbers_of(code), code, opset=28) for code in NARROW_FLOATS),
    *(cast(f"to-{name_of(code)}-unsaturated", around_numbers_of(code), code, attrs={"saturate": 0}) for code in FLOAT8),
    *(cast(f"int32-to-{name_of(code)}", WHOLE, code, opset=28) for code in (*NARROW_FLOATS, *NARROW_INTEGERS)),
    *(
        cast(f"float-to-{name_of(code)}", np.float32([-9.9, -8, -3, -0.5, 0, 1.9, 7, 20]), code)
        for code in NARROW_INTEGERS
    ),
    *(
        cast(f"{name_of(code)}-to-float", numbers_of(code).astype(helper.tensor_dtype_to_np_dtype(code)), T.FLOAT, 28)
        for code in NARROW_FLOATS
    ),
    *(
        cast(f"{name_of(code)}-to-int32", np.arange(-8, 16).astype(helper.tensor_dtype_to_np_dtype(code)), T.INT32)
        for code in NARROW_INTEGERS
    ),
    cast("int4-to-uint8", np.arange(-8, 8).astype(ml_dtypes.int4), T.UINT8),
    cast("uint4-to-int4", np.arange(16).astype(ml_dtypes.uint4), T.INT4, reference=wrapped_to_int4),
    cast("bool-to-float8e5m2", np.array([True, False]), T.FLOAT8E5M2),
    cast("float8e5m2-to-float16", numbers_of(T.FLOAT8E5M2).astype(ml_dtypes.float8_e5m2), T.FLOAT16),
    cast("float16-to-float8e5m2", np.concatenate([HALF[HALF < 65520], EXTREMES[:4]]).astype(np.float16), T.FLOAT8E5M2),
    cast("bfloat16-to-float16", np.concatenate([HALF, EXTREMES]).astype(ml_dtypes.bfloat16), T.FLOAT16),
    cast("float8e4m3fn-to-bool", np.float32([0, 0.25, -1]).astype(ml_dtypes.float8_e4m3fn), T.BOOL),
    cast("to-float16-rank-6", np.resize(HALF, (1, 2, 1, 3, 2, 1)), T.FLOAT16, declared={"X": ("batch", 2, 1, 3, 2, 1)}),
    cast("to-float16-dynamic", np.resize(HALF, (3, 4)), T.FLOAT16, declared={"X": ("batch", 4)}),
    cast("to-float16-rank-5", np.resize(HALF, (1, 2, 3, 2, 1)), T.FLOAT16),
    cast("to-bfloat16-scalar", np.float32(0.3), T.BFLOAT16),
    cast("to-float4e2m1-empty", np.zeros((0, 3), np.float32), T.FLOAT4E2M1),
    *(
        cast(
            f"to-float8e8m0-{mode}-{'' if saturate else 'un'}saturated",
            e8m0_numbers(),
            T.FLOAT8E8M0,
            attrs={"round_mode": mode, "saturate": saturate},
            reference=partial(power_of_two, up=mode, saturate=saturate),
        )
        for mode, saturate in E8M0_MODES
    ),
    cast("int32-to-float8e8m0", np.int32([0, 1, 3, 4, 1000]), T.FLOAT8E8M0),
    cast("float8e8m0-to-float", np.exp2([-126.0, -1, 0, 127]).astype(ml_dtypes.float8_e8m0fnu), T.FLOAT),
    cast("float8e8m0-to-float16", np.exp2([-126.0, -20, -1, 0, 127]).astype(ml_dtypes.float8_e8m0fnu), T.FLOAT16),
    *(cast_like(f"{opset}", REALS, np.int32([0]), opset) for opset in (15, 19, 21, 23, 24, 25)),
    cast_like("float8", around_numbers_of(T.FLOAT8E4M3FN), np.zeros(1, ml_dtypes.float8_e4m3fn)),
    cast_like("bfloat16", HALF, np.zeros(1, ml_dtypes.bfloat16)),
    cast_like("int4", np.float32([-8, 7.9]), np.zeros(1, ml_dtypes.int4)),
    bit_cast(np.int8([-128, -1, 0, 127]), T.UINT8),
    bit_cast(np.uint16([0, 1, 32767, 32768, 65535]), T.INT16),
    bit_cast(np.array([True, False]), T.UINT8),
    bit_cast(np.uint32([0, 7, (1 << 31) - 1]), T.INT32),
    bit_cast(np.uint64([0, 7, (1 << 31) - 1]), T.INT64),
    bit_cast(REALS, T.FLOAT),
]
