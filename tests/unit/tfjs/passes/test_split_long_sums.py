import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.passes.split_long_sums import split_long_sums


@pytest.mark.parametrize("op", ["Mean", "Sum"])
@pytest.mark.parametrize("keep_dims", [True, False])
@pytest.mark.parametrize(
    ("shape", "axes", "expected"),
    [
        pytest.param(("n", 13), [1], None, id="short"),
        pytest.param((4, 5, 2), [0, 2], None, id="short-axes"),
        pytest.param(("n", 768), [1], (2, 0), id="row"),
        pytest.param(("n", "t", 768), [-1], (2, 0), id="rows-of-two-dynamic-dimensions"),
        pytest.param(("n", 219), [1], (2, 1), id="no-parts-of-its-length"),
        pytest.param((2, 3, 4, 211), [3], (2, 1), id="rank-4"),
        pytest.param((2, 3, 1, 4, 211), [4], None, id="no-parts-at-rank-5"),
        pytest.param((2, 1, 3, 1, 2, 64), [5], None, id="rank-6"),
        pytest.param((64, 6), [0], (2, 0), id="first-axis"),
        pytest.param((2, 16, 6, 16), [1, 3], (2, 0), id="axes-apart"),
        pytest.param((2, 3, 16, 16), [2, 3], (2, 0), id="image"),
        pytest.param((2, 2, 1009), [1, 2], (2, 1), id="nearly-all-on-one-axis"),
        pytest.param((3, "h", "w"), [1, 2], (2, 0), id="dynamic-image"),
        pytest.param((3, 8, "t"), [1, 2], (2, 0), id="dynamic-signal"),
        pytest.param((3, 2, "t"), [1, 2], (2, 1), id="dynamic-signal-of-few-channels"),
        pytest.param((3, "t"), [1], (2, 1), id="dynamic-row"),
        pytest.param(("n", "t", 5), [1], (2, 1), id="dynamic-axis-between-dynamic-ones"),
        pytest.param(("n", "c", "t"), [2], (2, 1), id="dynamic-rows"),
    ],
)
def test_levels_and_padding(pool, shape, axes, expected, keep_dims, op):
    net = Net()
    x = net.input("x", *shape)
    graph = net.done(y=net("Exp", net(op, x, net.param(axes), keep_dims=keep_dims)))
    after = split_long_sums(graph)
    found = ops(after)
    n_levels, n_pads = expected or (1, 0)
    assert (found.get("Mean", 0) + found.get("Sum", 0), found.get("PadV2", 0)) == (n_levels, n_pads)
    assert_same(pool, graph, after)


def test_integers_are_summed_as_they_are():
    net = Net()
    x = net.input("x", 2, 768, dtype="int32")
    graph = net.done(y=net("Sum", x, net.param([1]), keep_dims=False))
    assert ops(split_long_sums(graph)) == ops(graph)


def test_rows_of_one_shape_look_it_up_once():
    net = Net()
    x = net.input("x", "n", "t", 64)
    means = [net("Mean", net(op, x), net.param([2]), keep_dims=True) for op in ("Exp", "Abs", "Neg")]
    found = ops(split_long_sums(net.done(y=net("AddN", *means))))
    assert (found["Mean"], found["Shape"]) == (6, 1)
