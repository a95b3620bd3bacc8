"""From a TF.js graph to a chain of layers, or to the first node that doesn't fit one."""

from collections.abc import Iterator

from converter.errors import UnsupportedError
from converter.layers.model import HINT, Chain, Layer, Step, refusal
from converter.layers.rules import RULES
from converter.tfjs.graph import Graph, Node, Ref


def layers_from_graph(graph: Graph) -> list[Layer]:
    """The layers that compute what a graph of one input and one output computes; the first has the input's shape.

    Raises: UnsupportedError naming the first node that has no place in a chain of layers.
    """
    chain, current = Chain(), _input_of(graph)
    batch_shape = graph.type_of(current).shape or ()
    for node in _computing(graph):
        _convert(graph, node, current, chain)
        current = Ref(node.name)
    if not chain.layers:
        chain.add("Activation", activation="linear")
    first, *others = chain.layers
    shape = [dim if isinstance(dim, int) else None for dim in batch_shape]
    config = {**first.config, "batch_input_shape": shape, "dtype": "float32"}
    return [Layer(first.kind, config, first.weights), *others]


def _input_of(graph: Graph) -> Ref:
    placeholders = [node for node in graph.nodes.values() if node.op == "Placeholder"]
    for node in placeholders[1:]:
        raise refusal(node, "it is a second input")
    if not placeholders:
        raise UnsupportedError("can't become a TF.js Layers model: it has no input", hint=HINT)
    (node,) = placeholders
    dtype, shape = node.outputs[0]
    if dtype != "float32" or not shape or len(shape) < 2:
        raise refusal(node, "its input must be float32, with a batch and at least one more dimension")
    return Ref(node.name)


def _computing(graph: Graph) -> Iterator[Node]:
    return (node for node in graph.nodes.values() if node.op not in ("Const", "Placeholder"))


def _convert(graph: Graph, node: Node, current: Ref, chain: Chain) -> None:
    computed = [index for index, ref in enumerate(node.inputs) if graph.constant(ref) is None]
    if node.op not in RULES:
        raise refusal(node, "there is no layer for this operator")
    if len(computed) != 1:
        raise refusal(node, f"it reads {len(computed)} computed values, and a layer of a chain reads one")
    if node.inputs[computed[0]] != current:
        raise refusal(node, f"it reads {node.inputs[computed[0]]}, which another node reads as well: that is no chain")
    if node.outputs[0].dtype != "float32":
        raise refusal(node, f"it computes {node.outputs[0].dtype}")
    step = Step(graph, node, computed[0])
    RULES[node.op](step, chain)
    step.check_all_read()
