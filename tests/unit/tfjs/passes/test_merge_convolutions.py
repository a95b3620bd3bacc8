import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.passes import optimise
from converter.tfjs.passes.merge_convolutions import merge_convolutions


def spectrum(net, x, taps=16, strides=(1, 4)):
    return net.conv(x, (1, taps, 1, 3), strides=[1, *strides, 1], padding="VALID", data_format="NHWC")


@pytest.mark.parametrize("batch", [2, "n"])
def test_real_and_imaginary_part_are_one_convolution(pool, batch):
    net = Net()
    x = net.input("x", batch, 1, 64, 1)
    real, imaginary = spectrum(net, x), net("Neg", spectrum(net, net.reshape(net.reshape(x, -1, 64), -1, 1, 64, 1)))
    graph = net.done(y=net.concat(3, net.reshape(real, -1, 13, 3, 1), net.reshape(imaginary, -1, 13, 3, 1)))
    after = merge_convolutions(graph)
    assert ops(after) == {"Conv2D": 1, "Reshape": 1}
    assert_same(pool, graph, after)


def test_joined_channels_are_those_of_one_convolution(pool):
    net = Net()
    x = net.input("x", 2, 5, 6, 2)
    convs = [net.conv(x, (3, 3, 2, 3)), net.conv(x, (3, 3, 2, 3)), net("Neg", net.conv(x, (3, 3, 2, 3)))]
    graph = net.done(y=net.relu(net.concat(-1, *convs)))
    after = merge_convolutions(graph)
    assert ops(after) == {"Conv2D": 1, "Relu": 1}
    assert_same(pool, graph, after)
    assert_same(pool, graph, optimise(graph))


def different(net, x):
    first = spectrum(net, x)
    return [first, spectrum(net, net.relu(x))]


def reads_elsewhere(net, x):
    first = spectrum(net, x)
    net.builder.output("z", net.relu(first))
    return [first, spectrum(net, x)]


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(different, id="of-two-images"),
        pytest.param(reads_elsewhere, id="one-is-read-elsewhere"),
        pytest.param(lambda net, x: [spectrum(net, x), spectrum(net, x, taps=13)], id="of-two-sizes"),
        pytest.param(lambda net, x: [spectrum(net, x), spectrum(net, x, strides=(2, 4))], id="of-two-strides"),
        pytest.param(lambda net, x: [spectrum(net, x), net.relu(spectrum(net, x))], id="one-goes-on"),
    ],
)
def test_others_stay(parts):
    net = Net()
    graph = net.done(y=net.concat(3, *parts(net, net.input("x", 1, 1, 64, 1))))
    assert ops(merge_convolutions(graph)) == ops(graph)


def test_parts_that_are_stacked_otherwise_stay():
    net = Net()
    x = net.input("x", 1, 1, 64, 1)
    graph = net.done(y=net.concat(3, *(net.reshape(spectrum(net, x), 1, 3, 13, 1) for _ in range(2))))
    assert ops(merge_convolutions(graph)) == ops(graph)


def test_joins_along_another_axis_stay():
    net = Net()
    x = net.input("x", 1, 1, 64, 1)
    graph = net.done(y=net.concat(1, spectrum(net, x), spectrum(net, x)))
    assert ops(merge_convolutions(graph)) == ops(graph)
