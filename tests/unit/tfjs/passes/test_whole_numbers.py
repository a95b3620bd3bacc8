import numpy as np
import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.graph import DataType
from converter.tfjs.passes.whole_numbers import whole_numbers

FLOAT, INT = {"DstT": DataType("DT_FLOAT")}, {"DstT": DataType("DT_INT32")}


def detour(net, x):
    return net("Cast", net("Cast", x, **INT), **FLOAT)


def quantized(net, x):
    rounded = net("AddV2", net("Round", net("Mul", x, net.data(7.3))), net.data(128.0))
    return net("ClipByValue", rounded, net.data(0.0), net.data(255.0))


def test_rounded_and_limited_numbers_stay_floats(pool):
    net = Net()
    before = net.done(y=net("Sub", detour(net, quantized(net, net.input("x", 2, 3))), net.data(128.0)))
    after = whole_numbers(before)
    assert "Cast" not in ops(after)
    assert_same(pool, before, after)


def test_so_do_products_of_whole_numbers(pool):
    net = Net()
    weights = net("Cast", net.data(np.arange(-6, 6, dtype=np.int8).reshape(3, 4)), **FLOAT)
    product = net("MatMul", quantized(net, net.input("x", 2, 3)), weights, transpose_a=False, transpose_b=False)
    before = net.done(y=detour(net, product))
    assert ops(whole_numbers(before))["Cast"] == 1
    assert_same(pool, before, whole_numbers(before))


def test_a_value_that_is_read_as_int32_too_keeps_that_cast():
    net = Net()
    whole = net("Cast", net("Floor", net.input("x", 3)), **INT)
    after = whole_numbers(net.done(i=whole, f=net("Cast", whole, **FLOAT)))
    assert ops(after) == {"Cast": 1, "Floor": 1}


@pytest.mark.parametrize(
    "make",
    [
        lambda net, x: x,
        lambda net, x: net("AddV2", net("Round", x), net.data(0.5)),
        lambda net, x: net("Mul", net("Round", x), net("Sqrt", x)),
        lambda net, x: net("AddV2", net("Round", x), net.data(np.inf)),
        lambda net, x: net("RealDiv", net("Round", x), net.data(2.0)),
    ],
    ids=["any", "plus a half", "times any", "plus infinity", "halved"],
)
def test_numbers_that_may_have_a_fraction_are_truncated(make):
    net = Net()
    before = net.done(y=detour(net, make(net, net.input("x", 4))))
    assert ops(whole_numbers(before))["Cast"] == 2
