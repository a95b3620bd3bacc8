import ml_dtypes
import numpy as np
import pytest

from converter.dtypes import BY_NAME, DTYPES, as_numpy
from converter.errors import ConverterError, UnsupportedError
from converter.runtimes.storage import Slot, from_storage, slot_from_metadata, to_storage


def slot(dtype: str, shape: list | None = None) -> Slot:
    return Slot("t", BY_NAME[dtype], shape)


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "float16", "int64", "int32", "int8", "uint16", "uint64", "bool"]
)
def test_there_and_back(dtype):
    array = np.array([[0, 1], [1, 100]]).astype(dtype)
    stored = to_storage(slot(dtype, ["n", 2]), array)
    assert stored.dtype.name == BY_NAME[dtype].storage
    back = from_storage(slot(dtype), stored)
    assert back.dtype == array.dtype
    assert back.tolist() == array.tolist()


@pytest.mark.parametrize("row", [row for row in DTYPES if row.bits and row.bits <= 16], ids=lambda row: row.name)
def test_every_value_of_a_narrow_type_comes_back(row):
    codes = np.arange(1 << row.bits, dtype=np.uint16 if row.bits == 16 else np.uint8)
    array = codes.astype(bool) if row.name == "bool" else codes.view(as_numpy(row))
    if row.is_integer:
        array = np.arange(row.lowest, row.highest + 1).astype(as_numpy(row))
    stored = to_storage(slot(row.name, [len(array)]), array)
    assert stored.dtype.name == row.storage
    back = from_storage(slot(row.name), stored)
    assert back.dtype == array.dtype
    with np.errstate(invalid="ignore"):  # ml_dtypes tells of NaNs
        assert np.array_equal(back.astype(np.float64), array.astype(np.float64), equal_nan=True)


def test_zero_is_the_smallest_float8e8m0():
    back = from_storage(slot("float8e8m0"), np.float32([0, 2, np.nan]))
    assert np.array_equal(back.astype(np.float64), [2.0**-127, 2, np.nan], equal_nan=True)


def test_bfloat16_outputs_round_to_the_nearest():
    back = from_storage(slot("bfloat16"), np.float32([1.003, np.inf, -3.4e38]))
    assert back.dtype == ml_dtypes.bfloat16
    assert back.astype(np.float32).tolist() == [1.0, np.inf, -np.inf]


@pytest.mark.parametrize(("dtype", "value"), [("int4", 8), ("uint2", -1)])
def test_outputs_beyond_a_type_of_a_few_bits_are_refused(dtype, value):
    with pytest.raises(ConverterError, match=f"beyond {dtype}"):
        from_storage(slot(dtype), np.array([0, value], np.int32))


def test_arrays_of_an_unknown_dtype_are_refused():
    with pytest.raises(ConverterError, match="the array is datetime64"):
        to_storage(slot("int64"), np.zeros(1, "datetime64[s]"))


@pytest.mark.parametrize(("dtype", "value"), [("int64", 1 << 31), ("int64", -(1 << 31) - 1), ("uint32", 1 << 31)])
def test_integers_beyond_int32_are_refused(dtype, value):
    with pytest.raises(ConverterError, match=f"{value}.* don't fit int32") as refused:
        to_storage(slot(dtype), np.array([0, value], dtype))
    assert refused.value.where == "t"


def test_empty_arrays_fit():
    assert to_storage(slot("int64", [0]), np.zeros(0, np.int64)).dtype == np.int32
    assert from_storage(slot("uint8"), np.zeros(0, np.int32)).dtype == np.uint8


def test_float64_beyond_float32_is_refused_and_infinity_is_not():
    with pytest.raises(ConverterError, match="beyond float32"):
        to_storage(slot("float64"), np.array([1e39]))
    assert to_storage(slot("float64"), np.array([np.inf, np.nan])).tolist()[0] == np.inf


def test_outputs_of_another_type_than_promised_are_refused():
    with pytest.raises(ConverterError, match=r"float32 where int64 \(stored as int32\) was promised"):
        from_storage(slot("int64"), np.zeros(2, np.float32))


@pytest.mark.parametrize(("dtype", "value"), [("uint8", 256), ("uint8", -1), ("int8", 128), ("uint64", -1)])
def test_outputs_that_their_dtype_cannot_hold_are_refused(dtype, value):
    with pytest.raises(ConverterError, match=f"beyond {dtype}"):
        from_storage(slot(dtype), np.array([0, value], np.int32))


def test_float16_outputs_overflow_to_infinity_as_in_onnx():
    assert from_storage(slot("float16"), np.array([1e6], np.float32)).tolist() == [np.inf]


def test_strings_are_unsupported():
    with pytest.raises(UnsupportedError, match="string inputs") as refused:
        to_storage(slot("string"), np.array(["a"], object))
    assert refused.value.exit_code == 4


@pytest.mark.parametrize("shape", [[2], ["n"], ["n", 3], ["n", 2, 1], []])
def test_shapes_that_do_not_fit_are_refused(shape):
    with pytest.raises(ConverterError, match=r"the shape is \(2, 2\), the model takes"):
        to_storage(slot("float32", shape), np.zeros((2, 2), np.float32))


@pytest.mark.parametrize("shape", [[2, 2], ["n", 2], [None, "m"], None])
def test_shapes_that_fit(shape):
    assert to_storage(slot("float32", shape), np.zeros((2, 2), np.float32)).shape == (2, 2)


@pytest.mark.parametrize("entry", [{}, {"name": "a", "dtype": "int65", "shape": []}, {"name": "a", "dtype": "int8"}, 3])
def test_metadata_that_describes_nothing_is_refused(entry):
    with pytest.raises(ConverterError, match="userDefinedMetadata"):
        slot_from_metadata(entry)


def test_metadata_becomes_a_slot():
    assert slot_from_metadata({"name": "a", "dtype": "int8", "shape": ["n", 2]}) == Slot("a", BY_NAME["int8"], ["n", 2])
