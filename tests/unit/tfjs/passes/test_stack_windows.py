import numpy as np
import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.passes import optimise
from converter.tfjs.passes.stack_windows import stack_windows

SHIFTS = (-2, 0, 1, 5)


def cut(net, x, axis, start, size):
    shape = net.graph.type_of(x).shape
    sizes = [size if at == axis else dim if isinstance(dim, int) else -1 for at, dim in enumerate(shape)]
    return net("Slice", x, net.param([start if at == axis else 0 for at in range(len(shape))]), net.param(sizes))


def padded(net, x, axis, before, behind, value=0.0):
    pads = [[before, behind] if at == axis else [0, 0] for at in range(net.graph.type_of(x).rank)]
    return net("PadV2", x, net.param(np.array(pads, np.int32)), net.data(np.float32(value)))


def shifted(net, x, shift, axis=2, value=0.0):
    size = net.graph.type_of(x).shape[axis] - abs(shift)
    window = cut(net, x, axis, max(shift, 0), size) if shift else x
    return padded(net, window, axis, max(-shift, 0), max(shift, 0), value) if shift else x


def stacked(net, x, axis=2):
    return net.concat(net.graph.type_of(x).rank - 1, *(shifted(net, x, shift, axis) for shift in SHIFTS))


def test_shifted_images_are_planes_of_one_padded_image(pool):
    net = Net()
    graph = net.done(y=stacked(net, net.reshape(net.relu(net.input("x", 1, 5, 9)), 1, 5, 9, 1)))
    after = stack_windows(graph)
    assert ops(after) == {"Pack": 1, "PadV2": 1, "Relu": 1, "Slice": 4, "Transpose": 1}
    assert_same(pool, graph, after)


@pytest.mark.parametrize(("shape", "axis"), [((2, 5, 9, 1), 1), (("n", 5, 9, 1), 2), ((3, 9, 1), 1)])
def test_any_axis_and_batch(pool, shape, axis):
    net = Net()
    graph = net.done(y=stacked(net, net.input("x", *shape), axis))
    after = stack_windows(graph)
    assert ops(after) == {"Pack": 1, "PadV2": 1, "Reshape": 1, "Slice": 4, "Transpose": 1}
    assert_same(pool, graph, after)


@pytest.mark.parametrize(("axis", "n_slices"), [(2, 4), (1, 5)])
def test_a_cut_of_all_along_that_axis_is_part_of_theirs(pool, axis, n_slices):
    net = Net()
    graph = net.done(y=net.relu(cut(net, stacked(net, net.input("x", 1, 5, 9, 1)), axis, 1, 3)))
    after = stack_windows(graph)
    assert ops(after)["Slice"] == n_slices
    assert ops(after)["Transpose"] == 1
    assert_same(pool, graph, after)


def test_in_a_network(pool):
    net = Net()
    x = net.reshape(net.relu(net.input("x", 1, 5, 9)), 1, 5, 9, 1)
    graph = net.done(y=net.conv(stacked(net, x), (3, 3, 4, 2), data_format="NHWC"))
    after = optimise(graph)
    assert ops(after)["Pack"] == 1
    assert_same(pool, graph, after)


def others():
    def build(name, parts):
        return pytest.param(parts, id=name)

    return [
        build("two", lambda net, x: [shifted(net, x, 1), x]),
        build("of-two-values", lambda net, x: [shifted(net, x, 1), x, net.relu(x)]),
        build("along-two-axes", lambda net, x: [shifted(net, x, 1), x, shifted(net, x, 1, axis=1)]),
        build("filled-with-ones", lambda net, x: [shifted(net, x, 1), x, shifted(net, x, 2, value=1.0)]),
        build("values-lost", lambda net, x: [x, shifted(net, x, 1), padded(net, cut(net, x, 2, 1, 7), 2, 1, 1)]),
        build("windows-of-nothing-less", lambda _, x: [x, x, x]),
    ]


@pytest.mark.parametrize("parts", others())
def test_others_stay(pool, parts):
    net = Net()
    graph = net.done(y=net.concat(3, *parts(net, net.input("x", 1, 5, 9, 1))))
    after = stack_windows(graph)
    assert ops(after) == ops(graph)
    assert_same(pool, graph, after, ["tfjs-cpu@node"])
