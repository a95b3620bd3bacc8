import numpy as np
import pytest
from pass_graphs import TO_NCHW, TO_NHWC, Net, assert_same, ops

from converter.tfjs.graph import DataType
from converter.tfjs.passes.nhwc_layout import nhwc_layout


def n_transposes(graph):
    return ops(graph).get("Transpose", 0)


def test_a_chain_of_convolutions_keeps_the_transposes_of_its_ends(pool):
    net = Net()
    x = net.input("x", "n", 3, 6, 5)
    x = net.relu(net.batch_norm_nchw(net.conv_nchw(x, 4)))
    y = net.conv_nchw(net("Sigmoid", net.conv_nchw(x, 4)), 2)
    graph = net.done(y=y)
    after = nhwc_layout(graph)
    assert n_transposes(after) == 2
    assert after.type_of(after.outputs["y"]).shape == ("n", 2, 6, 5)
    assert_same(pool, graph, after)


def test_residuals_and_concatenations_stay_in_nhwc(pool):
    net = Net()
    x = net.conv_nchw(net.input("x", "n", 3, 6, 6), 4)
    x = net.relu(net("AddV2", x, net.conv_nchw(net.relu(x), 4)))
    x = net.concat(1, x, net.conv_nchw(x, 3), net("Tanh", x))
    graph = net.done(y=net.conv_nchw(x, 2))
    after = nhwc_layout(graph)
    assert n_transposes(after) == 2
    assert_same(pool, graph, after)


def test_a_global_mean_and_flatten_leave_no_transpose(pool):
    net = Net()
    x = net.conv_nchw(net.input("x", "n", 3, 6, 6), 4)
    x = net("Mean", x, net.param([2, 3]), keep_dims=True)
    x = net("MatMul", net.reshape(x, -1, 4), net.normal(4, 2))
    graph = net.done(y=x)
    after = nhwc_layout(graph)
    assert n_transposes(after) == 1
    assert_same(pool, graph, after)


def test_squeeze_and_excitation_leaves_no_transpose(pool):
    net = Net()
    x = net.conv_nchw(net.input("x", "n", 3, 6, 6), 4)
    squeezed = net("Mean", x, net.param([2, 3]), keep_dims=True)
    gate = net("Sigmoid", net.conv_nchw(net.relu(net.conv_nchw(squeezed, 2, 1)), 4, 1))
    x = net.conv_nchw(net("Mul", x, gate), 2)
    graph = net.done(y=net("Mean", x, net.param([2, 3]), keep_dims=False))
    after = nhwc_layout(graph)
    assert n_transposes(after) == 1
    assert_same(pool, graph, after)


def test_squeeze_and_excitation_by_matrices_leaves_no_transpose(pool):
    net = Net()
    x = net.conv_nchw(net.input("x", "n", 3, 6, 6), 4)
    squeezed = net.reshape(net("Mean", x, net.param([2, 3]), keep_dims=True), -1, 4)
    gate = net.reshape(net("Sigmoid", net("MatMul", squeezed, net.normal(4, 4))), -1, 4, 1, 1)
    x = net.conv_nchw(net("Mul", x, gate), 2)
    graph = net.done(y=net("Max", x, net.param([2, 3]), keep_dims=False))
    after = nhwc_layout(graph)
    assert n_transposes(after) == 1
    assert_same(pool, graph, after)


def test_one_channel_images_are_reshaped_not_transposed(pool):
    net = Net()
    x = net.conv_nchw(net.input("x", "n", 1, 6, 6), 4)
    graph = net.done(y=net("Mean", x, net.param([2, 3]), keep_dims=False))
    after = nhwc_layout(graph)
    assert n_transposes(after) == 0
    assert_same(pool, graph, after)


def test_a_channel_shuffle_takes_one_transpose(pool):
    net = Net()
    x = net.conv_nchw(net.input("x", "n", 3, 4, 4), 6)
    x = net.transpose(net.reshape(x, -1, 3, 2, 4, 4), (0, 2, 1, 3, 4))
    x = net.conv_nchw(net.reshape(x, -1, 6, 4, 4), 2)
    graph = net.done(y=net("Mean", x, net.param([2, 3]), keep_dims=False))
    after = nhwc_layout(graph)
    assert n_transposes(after) == 2
    assert_same(pool, graph, after)


def test_a_sequence_taken_from_a_map_leaves_no_transpose(pool):
    net = Net()
    x = net.conv_nchw(net.input("x", "n", 3, 4, 5), 6)
    x = net.transpose(net.reshape(x, -1, 6, 20), (0, 2, 1))
    graph = net.done(y=net("BatchMatMulV2", x, net.normal(1, 6, 2)))
    after = nhwc_layout(graph)
    assert n_transposes(after) == 1
    assert_same(pool, graph, after)


def test_a_classifier_over_channels_needs_no_transpose_of_its_result(pool):
    net = Net()
    x = net.conv_nchw(net.input("x", "n", 3, 4, 5), 6)
    graph = net.done(y=net("ArgMax", x, net.param(1)))
    after = nhwc_layout(graph)
    assert n_transposes(after) == 1
    assert_same(pool, graph, after)


ONE_OPERAND = {
    "cast-from-bool": lambda net, x: net(
        "Cast", net("Greater", x, net.data(0.5)), SrcT=DataType("DT_BOOL"), DstT=DataType("DT_FLOAT")
    ),
    "clip": lambda net, x: net("ClipByValue", x, net.data(-0.5), net.data(0.75)),
    "leaky": lambda net, x: net("LeakyRelu", x, alpha=0.3),
    "pad": lambda net, x: net("PadV2", x, net.param(np.array([[0, 0], [1, 0], [2, 3], [0, 4]])), net.data(0.5)),
    "mirror-pad": lambda net, x: net(
        "MirrorPad", x, net.param(np.array([[0, 0], [1, 2], [1, 0], [0, 2]])), mode="REFLECT"
    ),
    "slice": lambda net, x: net("Slice", x, net.param([0, 1, 2, 0]), net.param([-1, 2, -1, 3])),
    "strided-slice": lambda net, x: net(
        "StridedSlice", x, net.param([0, 0, 1, 4]), net.param([0, 3, 4, 0]), net.param([1, 2, 1, -2]),
        begin_mask=1, end_mask=9,
    ),
    "tile": lambda net, x: net("Tile", x, net.param([1, 2, 1, 3])),
    "reverse": lambda net, x: net("ReverseV2", x, net.param([1, 3])),
    "cumsum": lambda net, x: net("Cumsum", x, net.param(1), exclusive=True, reverse=False),
    "gather": lambda net, x: net("GatherV2", x, net.data(np.array([2, 0, 2], np.int32)), net.param(1)),
    "sum-of-channels": lambda net, x: net("Sum", x, net.param([1]), keep_dims=True),
    "select": lambda net, x: net("SelectV2", net("Less", x, net.data(0.0)), x, net("Square", x)),
    "select-constant": lambda net, x: net(
        "SelectV2", net("Less", x, net.normal(4, 1, 1)), net.normal(1, 4, 1, 1), net("Square", x)
    ),
    "bias-of-one-axis": lambda net, x: net("AddV2", x, net.normal(5)),
    "bias-of-two-axes": lambda net, x: net("AddV2", x, net.normal(4, 5, 1)),
    "scalar": lambda net, x: net("Mul", net.data(2.0), x),
    "one-element": lambda net, x: net("Mul", net.data([[3.0]]), x),
    "whole-constant": lambda net, x: net("Sub", net.normal(1, 4, 5, 5), x),
    "concat-constant": lambda net, x: net.concat(2, net.normal(2, 4, 1, 5), net("Tanh", x)),
    "add-n": lambda net, x: net("AddN", x, net("Abs", x), x),
    "broadcast": lambda net, x: net(
        "BroadcastTo", net("Max", x, net.param([1, 2]), keep_dims=True), net.param([2, 4, 5, 5])
    ),
    "split": lambda net, x: net.concat(1, *net.all("Split", net.param(1), x, num_split=2)[::-1]),
    "split-v": lambda net, x: net.concat(3, *net.all("SplitV", x, net.param([2, 3]), net.param(-1))[::-1]),
    "softmax-of-channels": lambda net, x: net.transpose(
        net("Softmax", net.transpose(x, (0, 2, 3, 1))), (0, 3, 1, 2)
    ),
    "squeeze-and-expand": lambda net, x: net(
        "ExpandDims", net("Squeeze", net("Max", x, net.param([2]), keep_dims=True), squeeze_dims=[2]), net.param(2)
    ),
    "merge-and-split": lambda net, x: net.reshape(net.reshape(x, -1, 4, 25), -1, 2, 2, 5, 5),
    "unpack": lambda net, x: net("Pack", *net.all("Unpack", x, axis=1)[1:3], axis=3),
}  # fmt: skip


@pytest.mark.parametrize("make", ONE_OPERAND.values(), ids=ONE_OPERAND)
def test_an_operation_on_a_value_that_owes_a_transpose(pool, make):
    net = Net()
    x = make(net, net.conv_nchw(net.input("x", 2, 3, 5, 5), 4))
    while len(net.graph.type_of(x).shape) > 4:
        x = net("Max", x, net.param([1]), keep_dims=False)
    x = net.conv_nchw(x, 2)
    graph = net.done(y=net("Mean", x, net.param([2, 3]), keep_dims=False))
    after = nhwc_layout(graph)
    assert n_transposes(after) <= (3 if make is ONE_OPERAND["unpack"] else 1)
    assert_same(pool, graph, after)


def test_a_shape_read_entry_by_entry_needs_no_transpose(pool):
    net = Net()
    x = net.conv_nchw(net.input("x", "n", 3, "h", "w"), 4)
    shape = net("Shape", x)
    height = net("Slice", shape, net.param([2]), net.param([1]))
    zeros = net(
        "Fill",
        net("ConcatV2", net.data(np.array([1], np.int32)), height, net.param(0), N=2),
        net.data(0.5),
        T=DataType("DT_FLOAT"),
    )
    y = net("Mean", x, net.param([2, 3]), keep_dims=False)
    graph = net.done(y=y, z=zeros, s=shape)
    after = nhwc_layout(graph)
    assert n_transposes(after) == 1
    assert_same(pool, graph, after)


def test_a_dynamic_map_is_reshaped_after_its_transpose(pool):
    net = Net()
    x = net.relu(net.conv_nchw(net.input("x", "n", 3, "h", "w"), 4))
    graph = net.done(y=net.reshape(x, 2, -1))
    after = nhwc_layout(graph)
    assert n_transposes(after) == 2
    assert_same(pool, graph, after)


def test_an_operand_in_the_old_layout_is_brought_over(pool):
    net = Net()
    x = net.input("x", "n", 3, 6, 6)
    y = net("AddV2", x, net.conv_nchw(x, 3))
    mask = net.input("mask", 6, 1)
    graph = net.done(y=net.conv_nchw(net("Mul", y, mask), 2))
    after = nhwc_layout(graph)
    assert n_transposes(after) == 2
    assert_same(pool, graph, after)


def test_residuals_around_a_normalised_sequence_cost_no_more_than_before(pool):
    net = Net()
    x = net.transpose(net.input("x", "n", 8, 5), (0, 2, 1))
    for _ in range(3):
        mean = net("Mean", x, net.param([2]), keep_dims=True)
        normal = net("Sub", x, mean)
        x = net("AddV2", x, net("BatchMatMulV2", normal, net.normal(1, 8, 8)))
    graph = net.done(y=x)
    after = nhwc_layout(graph)
    assert n_transposes(after) == 1
    assert_same(pool, graph, after)


def test_a_value_that_many_products_read_is_transposed_once(pool):
    net = Net()
    joint = net.reshape(net("BatchMatMulV2", net.input("x", "n", 5, 6), net.normal(6, 18)), -1, 5, 3, 2, 3)
    parts = net.all("SplitV", net.transpose(joint, (2, 0, 3, 1, 4)), net.param([1, 1, 1]), net.param(0))
    query, key, value = (net("Squeeze", part, squeeze_dims=[0]) for part in parts)
    weights = net("Softmax", net("BatchMatMulV2", net("Mul", query, net.data(0.3)), net.transpose(key, (0, 1, 3, 2))))
    graph = net.done(y=net.reshape(net.transpose(net("BatchMatMulV2", weights, value), (0, 2, 1, 3)), -1, 5, 6))
    after = nhwc_layout(graph)
    assert n_transposes(after) == 3
    assert_same(pool, graph, after)


def test_integers_are_left_alone(pool):
    net = Net()
    x = net.input("x", 3, 4, dtype="int32")
    x = net("AddV2", net.transpose(x, (1, 0)), net.data(np.array([1, 2, 3], np.int32)))
    graph = net.done(y=x)
    after = nhwc_layout(graph)
    assert n_transposes(after) == 1
    assert_same(pool, graph, after)


def test_bools_take_their_transpose_as_numbers(pool):
    net = Net()
    x = net("Greater", net.conv_nchw(net.input("x", "n", 3, 4, 5), 2), net.data(0.0))
    graph = net.done(y=net("LogicalNot", x))
    assert_same(pool, graph, nhwc_layout(graph))


def test_a_value_read_in_both_layouts(pool):
    net = Net()
    x = net.relu(net.conv_nchw(net.input("x", "n", 3, 4, 5), 2))
    graph = net.done(y=x, z=net.conv_nchw(x, 3), w=net("Abs", x))
    after = nhwc_layout(graph)
    assert n_transposes(after) <= 4
    assert_same(pool, graph, after)


def test_names_stand_for_the_same_values(pool):
    net = Net()
    x = net.relu(net.conv_nchw(net.input("x", "n", 3, 4, 5), 2))
    graph = net.done(y=net.conv_nchw(net("Abs", x), 3))
    after = nhwc_layout(graph)
    for name in after.nodes.keys() & graph.nodes.keys():
        assert after.nodes[name].outputs == graph.nodes[name].outputs, name
    assert nhwc_layout(graph).nodes == after.nodes


def test_transposes_that_cancel_directly_go(pool):
    net = Net()
    x = net.transpose(net.transpose(net.input("x", 2, 3, 4, 5), TO_NHWC), TO_NCHW)
    graph = net.done(y=net("Exp", net("Neg", net("Abs", x))))
    after = nhwc_layout(graph)
    assert n_transposes(after) == 0
    assert_same(pool, graph, after)


def broadcast_to_more_axes(net, x):
    return net("BroadcastTo", x, net.param([2, 3, 2, 4])), 4


def added_to_more_axes(net, x):
    return net("AddV2", x, net.transpose(net.input("y", 4, 2, 3, 2), (1, 2, 3, 0))), 4


def gathered_by_a_scalar(net, x):
    return net("GatherV2", x, net.param(1), net.param(2), batch_dims=0), 2


def gathered_by_a_matrix(net, x):
    return net("GatherV2", x, net.param([[0, 1], [1, 1]]), net.param(2), batch_dims=0), 4


@pytest.mark.parametrize(
    "change_rank", [broadcast_to_more_axes, added_to_more_axes, gathered_by_a_scalar, gathered_by_a_matrix]
)
@pytest.mark.parametrize("n_readers", [1, 2])
def test_a_transpose_before_a_change_of_rank(pool, change_rank, n_readers):
    net = Net()
    x, rank = change_rank(net, net.relu(net.transpose(net.input("x", 3, 4, 2), (0, 2, 1))))
    readers = [x, net("Floor", x)][:n_readers]
    reverse = tuple(reversed(range(rank)))
    graph = net.done(**{f"y{k}": net.relu(net.transpose(one, reverse)) for k, one in enumerate(readers)})
    after = nhwc_layout(graph)
    assert n_transposes(after) <= n_transposes(graph)
    assert_same(pool, graph, after)
