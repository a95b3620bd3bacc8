"""What is known of an op's results before the graph runs: their dtypes and shapes."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from converter.errors import InternalError
from converter.tfjs.graph import Attr, Graph, TensorType
from converter.tfjs.infer import control, creation, elementwise, indexing, layout, network, reduction
from converter.tfjs.infer.call import STORAGE_OF_TF, TF_OF_STORAGE, Call, Rule, describe

__all__ = ["RULES", "STORAGE_OF_TF", "TF_OF_STORAGE", "describe", "infer"]

_FAMILIES = (control, creation, elementwise, indexing, layout, network, reduction)
_NONE: Mapping[str, Graph] = MappingProxyType({})


def _collect() -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for family in _FAMILIES:
        for op, rule in family.RULES.items():
            if op in rules:
                raise InternalError(f"two inference rules for {op}")
            rules[op] = rule
    return rules


RULES: Mapping[str, Rule] = MappingProxyType(_collect())
"""The inference rule of every op that may be emitted, but for Const and Placeholder, whose types are given."""


def infer(
    op: str,
    operands: Sequence[TensorType],
    attrs: Mapping[str, Attr],
    constants: Sequence[np.ndarray | None],
    functions: Mapping[str, Graph] = _NONE,
) -> tuple[TensorType, ...]:
    """The types of an op's results; an unknown dimension where only the running graph knows it.

    The node must have passed `optable.check_node`. `constants` has the values of each operand that is a constant;
    `functions` are those that a StatelessIf or StatelessWhile may call.
    Raises: InternalError if the operands contradict each other, or there is no rule for the op.
    """
    rule = RULES.get(op)
    if rule is None:
        raise InternalError(f"no inference rule for {op}")
    if len(constants) != len(operands):
        raise InternalError(f"{op}: {len(operands)} operands, but constants for {len(constants)}")
    return rule(Call(op, tuple(operands), attrs, tuple(constants), functions))
