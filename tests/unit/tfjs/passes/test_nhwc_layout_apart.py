import numpy as np
import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.graph import DataType
from converter.tfjs.passes.nhwc_layout import nhwc_layout
from converter.tfjs.passes.nhwc_layout.parts import parted

OWED = (0, 3, 1, 2)  # what an NCHW image owes that is in NHWC


def n_transposes(graph):
    return ops(graph).get("Transpose", 0)


@pytest.mark.parametrize(
    ("old", "new", "perm", "dims", "counts", "owed"),
    [
        pytest.param(
            ("n", 8, 6, 5), ("n", 4, 60), OWED, ("n", 4, 2, 30), (1, 1, 2), (0, 2, 3, 1), id="groups-of-channels"
        ),
        pytest.param(("n", 8, 6, 5), ("n", 240), OWED, ("n", 8, 30), (1, 2), (0, 2, 1), id="flat"),
        pytest.param(("n", 8, 6, 5), ("n", 1, 240), OWED, ("n", 8, 30), (1, 0, 2), (0, 2, 1), id="one-group"),
        pytest.param((1, 8, 6, 5), (1, 240), OWED, (8, 30), (0, 2), (1, 0), id="batch-of-one"),
    ],
)
def test_the_fewest_parts(old, new, perm, dims, counts, owed):
    found = parted(old, new, perm)
    assert (found.dims, found.counts, found.perm) == (dims, counts, owed)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(("n", 6, 4, 5), ("n", 4, 30), id="a-cut-through-channels"),
        pytest.param(("n", 8, "h", "w"), ("n", 4, None), id="dynamic"),
        pytest.param(("n", 8, 4, 6), ("n", 2, 2, 2, 24), id="more-axes-than-every-backend-has"),
    ],
)
def test_what_has_no_parts(old, new):
    assert parted(old, new, OWED) is None


def group_norm(net, x, n_groups, dims):
    grouped = net.reshape(x, -1, n_groups, int(np.prod(dims[1:])) // n_groups)
    mean = net("Mean", grouped, net.param([2]), keep_dims=True)
    variance = net("Mean", net("SquaredDifference", grouped, mean), net.param([-1]), keep_dims=True)
    scale = net("Rsqrt", net("AddV2", variance, net.data(1e-5)))
    normal = net.reshape(net("Mul", net("Sub", grouped, mean), scale), -1, *dims[1:])
    return net("AddV2", net("Mul", normal, net.normal(dims[1], 1, 1)), net.normal(dims[1], 1, 1))


@pytest.mark.parametrize("n_groups", [1, 2, 8])
def test_group_norm_between_convolutions_leaves_no_transpose(pool, n_groups):
    net = Net()
    x = net.relu(net.conv_nchw(net.input("x", "n", 3, 6, 5), 8))
    for _ in range(2):
        x = net("AddV2", x, net.relu(group_norm(net, net.conv_nchw(x, 8), n_groups, ("n", 8, 6, 5))))
    graph = net.done(y=net("Mean", net.conv_nchw(x, 4), net.param([2, 3]), keep_dims=False))
    after = nhwc_layout(graph)
    assert n_transposes(after) == 1
    assert max(type_.rank for node in after.nodes.values() for type_ in node.outputs) == 4
    assert_same(pool, graph, after)


def test_group_norm_as_an_output_takes_the_transpose_of_the_output(pool):
    net = Net()
    x = net.conv_nchw(net.input("x", "n", 3, 6, 5), 8)
    graph = net.done(y=group_norm(net, x, 4, ("n", 8, 6, 5)))
    after = nhwc_layout(graph)
    assert n_transposes(after) == 2
    assert_same(pool, graph, after)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("batch", ["n", 1])
def test_flattening_before_a_product_takes_none(pool, batch, transposed):
    net = Net()
    x = net.relu(net.conv_nchw(net.input("x", batch, 3, 4, 5), 4))
    flat = net("Tanh", net("AddV2", net("Mul", net.reshape(x, -1, 80), net.normal(80)), net.data([[0.25]])))
    weights = net.normal(2, 80) if transposed else net.normal(80, 2)
    graph = net.done(y=net("MatMul", flat, weights, transpose_a=False, transpose_b=transposed))
    after = nhwc_layout(graph)
    assert n_transposes(after) == 1
    assert_same(pool, graph, after)


def test_weights_that_are_all_alike_stay_as_they_are(pool):
    net = Net()
    x = net.conv_nchw(net.input("x", "n", 3, 4, 5), 4)
    alike = net("Fill", net.param([80, 2]), net.data(0.5), T=DataType("DT_FLOAT"))
    graph = net.done(y=net("MatMul", net.reshape(x, -1, 80), alike))
    after = nhwc_layout(graph)
    assert n_transposes(after) == 1
    assert_same(pool, graph, after)


def _shared(net, flat):
    weights = net.normal(80, 2)
    return net("AddV2", net("MatMul", flat, weights), net("MatMul", net.input("z", "n", 80), weights))


NEAR_MISSES = {
    "weights-shared": _shared,
    "weights-of-an-input": lambda net, flat: net("MatMul", flat, net.input("w", 80, 2)),
    "on-the-right": lambda net, flat: net("MatMul", net.input("w", 2, "n"), flat),
    "along-the-axis": lambda net, flat: net("MatMul", net("Softmax", flat), net.normal(80, 2)),
    "with-another-value": lambda net, flat: net(
        "MatMul", net("AddV2", flat, net.input("z", "n", 80)), net.normal(80, 2)
    ),
    "cut-elsewhere": lambda net, flat: net.reshape(flat, -1, 8, 10),
    "reduced-and-gone": lambda net, flat: net("Sum", flat, net.param([1]), keep_dims=False),
    "an-output-as-well": lambda net, flat: flat,
}


@pytest.mark.parametrize("make", NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_what_follows_may_want_the_axis_whole(pool, make):
    net = Net()
    x = net.conv_nchw(net.input("x", "n", 3, 4, 5), 4)
    graph = net.done(y=make(net, net("Abs", net.reshape(x, -1, 80))))
    after = nhwc_layout(graph)
    assert n_transposes(after) == 2
    assert_same(pool, graph, after)


def test_space_to_depth_before_a_convolution_is_its_only_transpose(pool):
    net = Net()
    x = net.transpose(net.reshape(net.input("x", "n", 3, 3, 2, 4, 2), -1, 3, 3, 2, 4, 2), (0, 1, 3, 5, 2, 4))
    y = net.relu(net.conv_nchw(net.relu(net.reshape(x, -1, 12, 3, 4)), 4))
    graph = net.done(y=net("Mean", y, net.param([2, 3]), keep_dims=False))
    after = nhwc_layout(graph)
    assert n_transposes(after) == 1
    assert_same(pool, graph, after)


def test_two_readers_of_a_cut_value_in_two_orders(pool):
    net = Net()
    x = net.transpose(net.input("x", "n", 3, 2, 4, 2), (0, 1, 2, 4, 3))
    rows = net.reshape(x, -1, 12, 4)
    y = net("BatchMatMulV2", net.transpose(rows, (0, 2, 1)), net.normal(1, 12, 2))
    graph = net.done(y=y, z=net("Softmax", rows))
    after = nhwc_layout(graph)
    assert n_transposes(after) <= 2
    assert_same(pool, graph, after)
