import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.passes.pool_means import pool_means


@pytest.mark.parametrize("keep_dims", [True, False])
@pytest.mark.parametrize(
    ("shape", "axes", "expected"),
    [
        pytest.param(("n", 4, 6, 8), [1, 2], {"AvgPool": 1}, id="image"),
        pytest.param(("n", "h", 6, 8), [2], None, id="a-row-of-an-image-of-any-height"),
        pytest.param((2, 3, 6, 8), [2], {"AvgPool": 1}, id="rows"),
        pytest.param(("n", 60, 8), [-2], {"AvgPool": 1}, id="tokens"),
        pytest.param((5, 3, 4), [0], {"AvgPool": 1}, id="first-axis"),
        pytest.param(("n", 30, 4, 2), [1, 3], {"AvgPool": 1, "Mean": 1}, id="groups"),
        pytest.param(("n", 40, 36, 8), [2, 1], {"AvgPool": 2}, id="large-image-in-two-steps"),
        pytest.param(("n", 4, 6, 8), [3], None, id="last-axis"),
        pytest.param(("n", 4, 6, 8), [1, 2, 3], None, id="all-but-the-batch"),
        pytest.param(("n", 4, 6, 8), [0, 2], None, id="axes-apart"),
        pytest.param(("n", 4, 6, 3), [1, 2], None, id="few-channels"),
        pytest.param(("n", "h", "w", 8), [1, 2], None, id="unknown-sizes"),
        pytest.param(("n", 4, 6, None), [1, 2], None, id="unknown-channels"),
        pytest.param(("n", 1, 1, 8), [1, 2], None, id="one-place"),
        pytest.param(("n", 1031, 8), [1], None, id="a-prime-number-of-tokens"),
    ],
)
def test_means(pool, shape, axes, expected, keep_dims):
    net = Net()
    x = net.input("x", *shape)
    graph = net.done(y=net("Exp", net("Mean", x, net.param(axes), keep_dims=keep_dims)))
    after = pool_means(graph)
    found = ops(after)
    assert {op: found.get(op, 0) for op in ("AvgPool", "Mean")} == {"AvgPool": 0, "Mean": 0} | (expected or {"Mean": 1})
    assert found.get("Reshape", 0) <= 3 * ("AvgPool" in found)
    assert_same(pool, graph, after)


@pytest.mark.parametrize(
    ("height", "width", "windows"),
    [
        pytest.param(8, 8, [(8, 8)], id="small"),
        pytest.param(32, 32, [(4, 4), (8, 8)], id="two-steps"),
        pytest.param(1, 197, [(1, 197)], id="prime"),
        pytest.param(1, 257, [], id="large-prime"),
    ],
)
def test_windows(pool, height, width, windows):
    net = Net()
    x = net.input("x", 1, height, width, 4)
    after = pool_means(net.done(y=net("Mean", x, net.param([1, 2]), keep_dims=True)))
    found = [node.attrs for node in after.nodes.values() if node.op == "AvgPool"]
    assert [tuple(attrs["ksize"][1:3]) for attrs in found] == windows
    assert all(attrs["ksize"] == attrs["strides"] for attrs in found)
