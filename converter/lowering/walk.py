"""Walks the nodes of an ONNX graph or sub-graph and lowers each; knows no operator by name."""

from collections.abc import Iterable, Sequence

from converter.errors import InternalError, UnsupportedError
from converter.lowering.context import LoweringContext
from converter.lowering.registry import Registry
from converter.lowering.values import Values
from converter.onnx_model import OnnxNode


class SubgraphError(UnsupportedError):
    """What is wrong with the nodes of a sub-graph, each problem with its place."""

    def __init__(self, problems: Sequence[UnsupportedError]) -> None:
        super().__init__(f"{len(problems)} nodes of a sub-graph can't be converted")
        self.problems = tuple(problems)


def lower_nodes(nodes: Iterable[OnnxNode], values: Values, registry: Registry) -> list[UnsupportedError]:
    """Lower nodes in order; returns why some of them can't be."""

    def inside(nodes: Sequence[OnnxNode], values: Values) -> None:
        found = lower_nodes(nodes, values, registry)
        if found or not all(values.is_bound(name) for node in nodes for name in node.outputs if name):
            raise SubgraphError(found)  # none where its nodes only read what a refused one should have made

    problems: list[UnsupportedError] = []
    for node in nodes:
        try:
            lowering = registry.find(node.domain, node.op, node.since)
            _check_constants(node, values, lowering.const_inputs)
            if not all(values.is_bound(name) for name in node.inputs if name):
                continue  # it reads what a refused node should have made: that one is the problem to report
            ctx = LoweringContext(node, values, lowering.const_inputs, inside)
            lowering.run(ctx)
            ctx.finish()
        except SubgraphError as several:
            problems.extend(several.problems)
        except UnsupportedError as problem:
            problems.append(_located(problem, node))
        except InternalError as bug:
            raise InternalError(f"while lowering node {node}: {bug}") from bug
    return problems


def _check_constants(node: OnnxNode, values: Values, const_inputs: frozenset[int]) -> None:
    for index in sorted(const_inputs):
        name = node.inputs[index] if index < len(node.inputs) else ""
        if name and values.known(name) is None:
            raise UnsupportedError(
                f"operand {index} ({name}) must be known before the graph runs",
                hint="make it a constant of the model, or fix the dimensions it is computed from (`--bind name=size`)",
            )


def _located(problem: UnsupportedError, node: OnnxNode) -> UnsupportedError:
    """The same problem, at the node that it keeps from being lowered."""
    if problem.where.startswith("node "):
        return problem
    what = f"{problem.where}: {problem.what}" if problem.where else problem.what
    return UnsupportedError(what, where=f"node {node}", hint=problem.hint)


def joined(problems: Sequence[UnsupportedError], where: str) -> UnsupportedError:
    """Several problems as one error."""
    if len(problems) == 1:
        return problems[0]
    lines = [f"  - {problem.where}: {problem.what}" for problem in problems]
    hints = sorted({problem.hint for problem in problems if problem.hint})
    return UnsupportedError(
        "\n".join([f"{len(problems)} nodes can't be converted:", *lines]), where=where, hint="; ".join(hints)
    )
