import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from converter.runtimes.frames import DTYPES, TENSOR_ALIGNMENT, arrays_of, encode, read

ARRAYS = st.dictionaries(
    st.text(max_size=5),
    st.sampled_from(sorted(DTYPES)).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    ),
    max_size=4,
)


@given(st.lists(ARRAYS, min_size=1, max_size=3))
def test_frames_are_read_as_they_were_written(frames):
    stream = io.BytesIO(b"".join(b"".join(encode({"id": i}, arrays)) for i, arrays in enumerate(frames)))
    for i, arrays in enumerate(frames):
        header, body = read(stream)
        got = arrays_of(header, body)
        assert header["id"] == i
        assert all(tensor["offset"] % TENSOR_ALIGNMENT == 0 for tensor in header["tensors"])
        assert list(got) == list(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(got[name], array, strict=True)
    assert read(stream) is None


def test_arrays_that_are_not_contiguous_are_written_in_order():
    array = np.arange(6, dtype=np.int32).reshape(2, 3).T
    header, body = read(io.BytesIO(b"".join(encode({}, {"a": array}))))
    assert arrays_of(header, body)["a"].tolist() == array.tolist()


@pytest.mark.parametrize("kept", [0, 3, 4, 20, -1])
def test_a_frame_cut_off_is_the_end(kept):
    whole = b"".join(encode({"id": 1}, {"a": np.ones(3, np.float32)}))
    assert read(io.BytesIO(whole[:kept])) is None
