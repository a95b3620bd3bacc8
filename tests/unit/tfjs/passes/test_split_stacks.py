import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.passes.dead_code import dead_code
from converter.tfjs.passes.split_stacks import split_stacks

TOKENS, HEADS, DEPTH = 129, 3, 64  # 1,065,024 multiplications a head
BRING = (0, 2, 1, 3)


def heads(net, name, perm=BRING, n_heads=HEADS, tokens=TOKENS):
    return net.transpose(net.reshape(net.input(name, tokens, n_heads * DEPTH), 1, tokens, n_heads, DEPTH), perm)


def attention(net):
    scores = net("BatchMatMulV2", heads(net, "q"), heads(net, "k", (0, 2, 3, 1)), adj_x=False, adj_y=False)
    seen = net("BatchMatMulV2", net("Softmax", scores), heads(net, "v"), adj_x=False, adj_y=False)
    return net.reshape(net.transpose(seen, BRING), TOKENS, HEADS * DEPTH)


def test_the_heads_of_an_attention_are_cut_from_its_columns(pool):
    net = Net()
    graph = net.done(y=attention(net))
    after = split_stacks(graph)
    assert ops(graph) == {"BatchMatMulV2": 2, "Reshape": 4, "Softmax": 1, "Transpose": 4}
    after = dead_code(after)
    assert ops(after) == {"ConcatV2": 2, "MatMul": 2 * HEADS, "Reshape": 1, "Softmax": 1, "SplitV": 4, "Transpose": 1}
    assert_same(pool, graph, after)


def test_a_softmax_beside_other_readers_takes_the_stack(pool):
    net = Net()
    scores = product(net, (2, 101, 102), (2, 102, 103))
    graph = net.done(y=net("Softmax", scores), z=net("Neg", scores))
    after = split_stacks(graph)
    assert after.type_of(next(node.inputs[0] for node in after.nodes.values() if node.op == "Softmax")).rank == 3
    assert_same(pool, graph, after)


@pytest.mark.parametrize("perm", [BRING, (0, 2, 3, 1)], ids=["heads", "turned-heads"])
@pytest.mark.parametrize("adj_y", [False, True])
def test_heads_are_turned_once_at_most(pool, perm, adj_y):
    net = Net()
    k = heads(net, "k", perm)
    rows = DEPTH if (perm == BRING) == adj_y else TOKENS
    y = net("BatchMatMulV2", net.input("q", 1, HEADS, 129, rows), k, adj_x=False, adj_y=adj_y)
    graph = net.done(y=y)
    after = dead_code(split_stacks(graph))
    assert ops(after).get("Transpose", 0) == (adj_y == (perm == BRING))
    assert_same(pool, graph, after)


def product(net, one, other, adj_x=False, adj_y=False):
    return net("BatchMatMulV2", net.input("a", *one), net.input("b", *other), adj_x=adj_x, adj_y=adj_y)


STACKS = {
    "three": lambda net: product(net, (2, 101, 102), (2, 102, 103)),
    "four": lambda net: product(net, (2, 2, 101, 102), (2, 2, 102, 103)),
    "columns": lambda net: product(net, (2, 102, 101), (2, 102, 103), adj_x=True),
    "rows": lambda net: product(net, (2, 101, 102), (2, 103, 102), adj_y=True),
    "both": lambda net: product(net, (2, 102, 101), (2, 103, 102), adj_x=True, adj_y=True),
}


@pytest.mark.parametrize("make", STACKS.values(), ids=STACKS)
def test_any_two_small_stacks_are_multiplied_pair_by_pair(pool, make):
    net = Net()
    y = make(net)
    graph = net.done(y=y)
    after = split_stacks(graph)
    assert "BatchMatMulV2" not in ops(after)
    assert after.type_of(after.outputs["y"]) == graph.type_of(y)
    assert_same(pool, graph, after)


def test_heads_that_something_else_reads_are_brought_forward_still(pool):
    net = Net()
    q, seen = heads(net, "q"), product(net, (1, HEADS, TOKENS, DEPTH), (1, HEADS, DEPTH, TOKENS))
    scores = net("BatchMatMulV2", q, net.input("k", 1, HEADS, DEPTH, TOKENS), adj_x=False, adj_y=False)
    graph = net.done(scores=scores, q=net("Tanh", q), seen=seen, y=net.transpose(seen, BRING))
    after = split_stacks(graph)
    assert ops(after)["Transpose"] == 2
    assert_same(pool, graph, after)


STAYING = {
    "many": lambda net: product(net, (17, 101, 102), (17, 102, 103)),
    "little-work": lambda net: product(net, (2, 101, 101), (2, 101, 102)),
    "one": lambda net: product(net, (1, 101, 102), (1, 102, 103)),
    "dynamic": lambda net: product(net, ("n", 101, 102), ("n", 102, 103)),
    "broadcast": lambda net: product(net, (2, 101, 102), (1, 102, 103)),
    "weights": lambda net: net("BatchMatMulV2", net.input("a", 2, 101, 102), net.normal(2, 102, 103)),
}


@pytest.mark.parametrize("make", STAYING.values(), ids=STAYING)
def test_other_products_stay(make):
    net = Net()
    graph = net.done(y=make(net))
    assert split_stacks(graph).nodes == graph.nodes
