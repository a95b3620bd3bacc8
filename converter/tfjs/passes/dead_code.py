"""Drops what no output needs."""

from converter.tfjs.graph import Graph
from converter.tfjs.rewrite import rewrite


def dead_code(graph: Graph) -> Graph:
    """The graph without nodes, constants and functions that no output needs; inputs stay."""
    return rewrite(graph, lambda rw: lambda node: False)
