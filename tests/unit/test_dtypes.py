import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper

from converter.dtypes import BY_NAME, BY_ONNX_CODE, DTYPES, as_numpy, dtype_of

NUMBERS = [row for row in DTYPES if row.is_integer or row.is_float]
FLOATS = [row for row in DTYPES if row.is_float]
SMALL = [row for row in DTYPES if row.bits is not None and row.bits <= 16 and row.name != "bool"]


def every_number(row):
    """All values of a type of at most 16 bits, as float64."""
    if row.is_integer:
        return np.arange(row.lowest, row.highest + 1, dtype=np.float64)
    codes = np.arange(1 << row.bits, dtype=np.uint16 if row.bits == 16 else np.uint8)
    with np.errstate(invalid="ignore"):  # ml_dtypes tells of NaNs
        return codes.view(as_numpy(row)).astype(np.float64)


def test_table_has_every_type_of_onnx():
    assert {row.onnx_code: row.onnx for row in DTYPES} == {
        code: name for name, code in TensorProto.DataType.items() if name != "UNDEFINED"
    }


@pytest.mark.parametrize("row", DTYPES, ids=lambda row: row.name)
def test_numpy_dtype_is_the_one_of_onnx(row):
    assert as_numpy(row) == helper.tensor_dtype_to_np_dtype(row.onnx_code)


@pytest.mark.parametrize("row", DTYPES, ids=lambda row: row.name)
def test_an_array_has_the_row_of_its_dtype(row):
    assert dtype_of(np.zeros(1, as_numpy(row))) == row == BY_ONNX_CODE[row.onnx_code] == BY_NAME[row.name]


def test_text_is_a_string_whatever_its_length():
    assert dtype_of(np.array(["a", "bc"])) == dtype_of(np.array(["a"], object)) == BY_NAME["string"]


def test_dtypes_that_onnx_lacks_have_no_row():
    with pytest.raises(KeyError):
        dtype_of(np.zeros(1, "datetime64[s]"))


@pytest.mark.parametrize("row", FLOATS, ids=lambda row: row.name)
def test_float_format_is_that_of_the_dtype(row):
    info = ml_dtypes.finfo(as_numpy(row))
    assert (row.highest, row.lowest) == (float(info.max), float(info.min) if row.name != "float8e8m0" else 2.0**-127)
    assert row.format.digits == info.nmant + 1
    assert 2.0**row.format.min_exponent == float(info.smallest_normal)
    assert 2.0**row.format.last_place == float(info.smallest_subnormal)
    if row.bits <= 16:
        assert row.format.has_infinity == bool(np.isinf(every_number(row)).any())
        assert row.format.has_nan == bool(np.isnan(every_number(row)).any())


@pytest.mark.parametrize("wide", SMALL, ids=lambda row: row.name)
def test_a_type_holds_another_if_it_has_all_its_values(wide):
    has_all = {narrow.name: is_within(every_number(narrow), every_number(wide)) for narrow in SMALL}
    held = {narrow.name: wide.holds(narrow) for narrow in SMALL}
    assert {name for name in held if held[name] and not has_all[name]} == set()
    missed = {name for name in held if has_all[name] and not held[name]}
    assert all(BY_NAME[name].is_integer != wide.is_integer for name in missed)


def is_within(values, others):
    has_nan = np.isnan(others).any() or not np.isnan(values).any()
    return bool(has_nan and set(values[~np.isnan(values)]) <= set(others[~np.isnan(others)]))


def test_bool_counts_as_zero_and_one():
    assert [row.name for row in NUMBERS if not row.holds(BY_NAME["bool"])] == ["float8e8m0"]
