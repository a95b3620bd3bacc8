import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.passes.join_once import join_once


def cut(net, x, axis, start, size):
    shape = net.graph.type_of(x).shape
    sizes = [size if at == axis else dim if isinstance(dim, int) else -1 for at, dim in enumerate(shape)]
    return net("Slice", x, net.param([start if at == axis else 0 for at in range(len(shape))]), net.param(sizes))


def three(net, axis=1, batch=2):
    """Values of 4, 3 and 5 places of an axis."""
    return [net.input(name, *(size if at == axis else (batch, 9, 6)[at] for at in range(3))) for name, size in
            zip("abc", (4, 3, 5), strict=True)]  # fmt: skip


@pytest.mark.parametrize("batch", [2, "n"])
def test_a_chain_is_one_join(pool, batch):
    net = Net()
    a, b, c = three(net, batch=batch)
    graph = net.done(y=net.relu(net.concat(1, net.concat(-2, net.concat(1, a, b), c), net.concat(1, b, a))))
    after = join_once(graph)
    assert ops(after) == {"ConcatV2": 1, "Relu": 1}
    assert_same(pool, graph, after)


def test_what_is_read_elsewhere_or_joined_along_another_axis_stays(pool):
    net = Net()
    a, b, _ = three(net)
    ab = net.concat(1, a, b)
    graph = net.done(y=net.concat(1, ab, a), z=net.relu(ab), w=net.concat(1, net.concat(2, a, a), net.concat(2, b, b)))
    after = join_once(graph)
    assert ops(after) == ops(graph)
    assert_same(pool, graph, after)


@pytest.mark.parametrize(
    ("start", "size", "expected"),
    [
        pytest.param(2, 8, {"ConcatV2": 1, "Slice": 2}, id="both-ends"),
        pytest.param(0, 10, {"ConcatV2": 1, "Slice": 1}, id="one-end"),
        pytest.param(4, 8, {"ConcatV2": 1}, id="whole-parts"),
        pytest.param(8, 2, {"Slice": 1}, id="inside-one-part"),
        pytest.param(4, 3, {}, id="one-part"),
    ],
)
@pytest.mark.parametrize("batch", [2, "n"])
def test_only_what_is_read_is_joined(pool, start, size, expected, batch):
    net = Net()
    a, b, c = three(net, batch=batch)
    graph = net.done(y=net.relu(cut(net, net.concat(1, net.concat(1, a, b), c), 1, start, size)))
    after = join_once(graph)
    assert ops(after) == expected | {"Relu": 1}
    assert_same(pool, graph, after)


def test_a_cut_along_another_axis_or_of_what_is_read_elsewhere_stays(pool):
    net = Net()
    a, b, _ = three(net)
    ab = net.concat(1, a, b)
    graph = net.done(y=cut(net, net.concat(1, b, a), 2, 1, 4), z=cut(net, ab, 1, 1, 4), w=net.relu(ab))
    after = join_once(graph)
    assert ops(after) == ops(graph)
    assert_same(pool, graph, after)
