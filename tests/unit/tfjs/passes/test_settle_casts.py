import pytest
from pass_graphs import Net, ops

from converter.tfjs.graph import DataType
from converter.tfjs.passes.settle_casts import settle_casts
from converter.tfjs.verify import verify

FLOAT = {"DstT": DataType("DT_FLOAT")}
PIXELS = (2, 3, 4)


def settled(build, *shape: int, dtype: str = "int32"):
    net = Net()
    after = settle_casts(net.done(y=build(net, net("Cast", net.input("x", *shape, dtype=dtype), **FLOAT))))
    verify(after)
    return ops(after)


def test_a_cast_that_is_transposed_gets_a_buffer_of_its_own():
    assert settled(lambda net, x: net.transpose(x, (0, 2, 1)), *PIXELS) == {"Cast": 1, "Mul": 1, "Transpose": 1}


def test_also_through_operations_that_share_the_buffer():
    found = settled(lambda net, x: net.transpose(net.reshape(x, 2, 1, 12), (2, 1, 0)), *PIXELS, dtype="bool")
    assert found == {"Cast": 1, "Mul": 1, "Reshape": 1, "Transpose": 1}


@pytest.mark.parametrize("op", ["Sum", "Mean", "Max", "Min"])
def test_also_before_what_transposes_inside(op):
    found = settled(lambda net, x: net(op, x, net.param([1]), keep_dims=False), *PIXELS)
    assert found == {"Cast": 1, "Mul": 1, op: 1}


def test_matrices_and_other_readers_need_none():
    assert settled(lambda net, x: net.transpose(x, (1, 0)), 2, 3) == {"Cast": 1, "Transpose": 1}
    assert settled(lambda net, x: net.relu(x), *PIXELS) == {"Cast": 1, "Relu": 1}
    found = settled(lambda net, x: net.transpose(net.relu(x), (0, 2, 1)), *PIXELS)
    assert found == {"Cast": 1, "Relu": 1, "Transpose": 1}


def test_a_cast_of_floats_needs_none():
    found = settled(lambda net, x: net.transpose(x, (0, 2, 1)), *PIXELS, dtype="float32")
    assert found == {"Cast": 1, "Transpose": 1}
