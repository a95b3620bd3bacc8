import numpy as np
from pass_graphs import Net, ops

from converter.tfjs.passes.widen_vectors import widen_vectors
from converter.tfjs.verify import verify


def widened(net: Net, value):
    after = widen_vectors(net.done(y=value))
    verify(after)
    return after


def test_a_constant_vector_gets_the_rank():
    net = Net()
    after = widened(net, net("AddV2", net.input("x", 2, 3, 4, 5, 6), net.data(np.ones(6, np.float32))))
    assert ops(after) == {"AddV2": 1}
    assert [array.shape for array in after.constants.values()] == [(1, 1, 1, 1, 6)]


def test_a_vector_of_the_running_graph_is_reshaped():
    net = Net()
    after = widened(net, net("Mul", net.input("v", None), net.input("x", 2, 3, 4, 5, 6)))
    assert ops(after) == {"Mul": 1, "Reshape": 1}


def test_up_to_rank_4_nothing_changes():
    net = Net()
    after = widened(net, net("AddV2", net.input("x", 2, 3, 4, 6), net.data(np.ones(6, np.float32))))
    assert [array.shape for array in after.constants.values()] == [(6,)]
