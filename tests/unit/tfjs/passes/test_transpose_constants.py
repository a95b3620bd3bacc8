import numpy as np
import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.graph import DataType
from converter.tfjs.passes import optimise
from converter.tfjs.passes.transpose_constants import transpose_constants

FLOAT = {"DstT": DataType("DT_FLOAT")}
WEIGHTS = np.random.default_rng(0).integers(-128, 128, (8, 16, 3, 3)).astype(np.int8)
TO_HWIO = (2, 3, 1, 0)


def quantized(scale, zero=None, x_input=False):
    """A convolution with weights (out, in, kh, kw) that are widened, centred and scaled by the graph."""
    net = Net()
    weights = net("Cast", net.data(WEIGHTS), **FLOAT)
    weights = weights if zero is None else net("Sub", weights, net.data(zero))
    weights = net("Mul", weights, net.input("s") if x_input else net.data(scale))
    return net.done(y=net.conv(net.input("x", 2, 5, 6, 16), net.transpose(weights, TO_HWIO)))


@pytest.mark.parametrize(
    "scale",
    [np.float32(0.1), np.linspace(0.1, 1, 8, dtype=np.float32).reshape(8, 1, 1, 1), np.float32([0.1, 0.2, 0.3])],
    ids=["one", "by channel", "a vector"],
)
def test_quantized_weights_are_transposed_at_compile_time(pool, scale):
    before = quantized(scale, zero=np.float32(3))
    after = transpose_constants(before)
    assert ops(after) == {"Cast": 1, "Conv2D": 1, "Mul": 1, "Sub": 1}
    assert [array.shape for array in after.constants.values() if array.dtype == np.int8] == [(3, 3, 16, 8)]
    assert_same(pool, before, after)


def test_weights_that_are_filled_in_are_filled_in_as_they_are_wanted(pool):
    net = Net()
    weights = net("Fill", net.param([4, 3, 2, 1]), net.data(0.5), T=DataType("DT_FLOAT"))
    before = net.done(y=net.conv(net.input("x", 2, 5, 6, 3), net.transpose(weights, TO_HWIO)))
    after = transpose_constants(before)
    assert ops(after) == {"Conv2D": 1, "Fill": 1}
    assert_same(pool, before, after)


def test_what_the_graph_is_given_is_not_touched():
    assert ops(transpose_constants(quantized(None, x_input=True))) == {"Cast": 1, "Conv2D": 1, "Mul": 1, "Transpose": 1}


def test_it_is_one_of_the_passes():
    assert "Transpose" not in ops(optimise(quantized(np.float32(0.1))))
