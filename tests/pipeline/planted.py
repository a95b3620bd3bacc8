"""Faults made on purpose: one node that is lowered wrongly, one pass that rewrites wrongly."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from converter.lowering import REGISTRY, Registry
from converter.lowering.ops import load_all
from converter.lowering.registry import Lowering
from converter.tfjs.graph import Graph

Spoil = Callable[[Any, Any], Any]  # (context, result) -> another result


def slightly_more(ctx: Any, value: Any) -> Any:
    """1 % off: small enough to pass for rounding, for whoever looks at the output alone."""
    return ctx.emit("Mul", value, ctx.data(1.01))


def upside_down(ctx: Any, value: Any) -> Any:
    return ctx.emit("Neg", value)


def faulty_registry(op: str, node: str | None = None, *, spoil: Spoil = slightly_more) -> Registry:
    """Every lowering as it is, but for that of one node, or of all of an operator."""

    def wrong(right: Callable[[Any], None]) -> Callable[[Any], None]:
        def run(ctx: Any) -> None:
            if node is None or ctx.node.name == node:
                result = ctx.result
                ctx.result = lambda value: result(spoil(ctx, value))
            right(ctx)

        return run

    load_all()
    table = dict(REGISTRY.table)
    for key, lowering in REGISTRY.table.items():
        if key.op == op:
            table[key] = Lowering(wrong(lowering.run), lowering.const_inputs)
    return Registry(table)


def forgetful_fusion(graph: Graph) -> Graph:
    """As fuse-bias-activation, but the first activation that it fuses is lost."""
    from converter.tfjs.passes.fuse_bias_activation import fuse_bias_activation

    fused = fuse_bias_activation(graph)
    for name, node in fused.nodes.items():
        if node.op.startswith("_Fused") and node.attrs.get("fused_ops") == ["BiasAdd", "Relu"]:
            fused.nodes[name] = replace(node, attrs={**node.attrs, "fused_ops": ["BiasAdd"]})
            break
    return fused
