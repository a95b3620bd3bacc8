"""Named rewrites of a TF.js graph; each keeps it valid and its results the same."""

from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase

from converter.errors import ConfigError
from converter.tfjs.graph import Graph
from converter.tfjs.passes.common_subexpressions import common_subexpressions
from converter.tfjs.passes.copy_overwritten import copy_overwritten
from converter.tfjs.passes.dead_code import dead_code
from converter.tfjs.passes.drop_guards import drop_guards
from converter.tfjs.passes.drop_leading_axes import drop_leading_axes
from converter.tfjs.passes.extend_reduction_range import extend_reduction_range
from converter.tfjs.passes.fill_selections import fill_selections
from converter.tfjs.passes.flatten_products import flatten_products
from converter.tfjs.passes.fold_batch_norm import fold_batch_norm
from converter.tfjs.passes.fold_constants import fold_constants
from converter.tfjs.passes.fold_into_products import fold_into_products
from converter.tfjs.passes.fold_mirrored_filters import fold_mirrored_filters
from converter.tfjs.passes.frame_convolutions import frame_convolutions
from converter.tfjs.passes.fuse_bias_activation import fuse_bias_activation
from converter.tfjs.passes.join_once import join_once
from converter.tfjs.passes.lift_arithmetic import lift_arithmetic
from converter.tfjs.passes.merge_convolutions import merge_convolutions
from converter.tfjs.passes.nhwc_layout import nhwc_layout
from converter.tfjs.passes.part_host_values import part_host_values
from converter.tfjs.passes.part_transposed_convolutions import part_transposed_convolutions
from converter.tfjs.passes.pool_means import pool_means
from converter.tfjs.passes.recover_gelu import recover_gelu
from converter.tfjs.passes.recover_hard_swish import recover_hard_swish
from converter.tfjs.passes.scale_by_convolution import scale_by_convolution
from converter.tfjs.passes.settle_casts import settle_casts
from converter.tfjs.passes.simplify import simplify
from converter.tfjs.passes.split_long_sums import split_long_sums
from converter.tfjs.passes.split_stacks import split_stacks
from converter.tfjs.passes.stack_windows import stack_windows
from converter.tfjs.passes.transpose_constants import transpose_constants
from converter.tfjs.passes.whole_numbers import whole_numbers
from converter.tfjs.passes.widen_vectors import widen_vectors
from converter.tfjs.recurrence import UNROLL_LIMIT, expand_recurrences

Pass = Callable[[Graph], Graph]

PASSES: dict[str, Pass] = {
    "fold-constants": fold_constants,
    "simplify": simplify,
    "whole-numbers": whole_numbers,
    "recover-gelu": recover_gelu,
    "recover-hard-swish": recover_hard_swish,
    "drop-guards": drop_guards,
    "nhwc-layout": nhwc_layout,
    "transpose-constants": transpose_constants,
    "lift-arithmetic": lift_arithmetic,
    "flatten-products": flatten_products,
    "simplify-again": simplify,
    "stack-windows": stack_windows,
    "join-once": join_once,
    "merge-convolutions": merge_convolutions,
    "pool-means": pool_means,
    "split-long-sums": split_long_sums,
    "fold-into-products": fold_into_products,
    "fold-batch-norm": fold_batch_norm,
    "part-transposed-convolutions": part_transposed_convolutions,
    "scale-by-convolution": scale_by_convolution,
    "fuse-bias-activation": fuse_bias_activation,
    "fold-mirrored-filters": fold_mirrored_filters,
    "frame-convolutions": frame_convolutions,
    "split-stacks": split_stacks,
    "fill-selections": fill_selections,
    "drop-leading-axes": drop_leading_axes,
    "common-subexpressions": common_subexpressions,
    "settle-casts": settle_casts,
    "widen-vectors": widen_vectors,
    "dead-code": dead_code,
    "extend-reduction-range": extend_reduction_range,
    "part-host-values": part_host_values,
    "copy-overwritten": copy_overwritten,
}

REPAIRS = frozenset({
    "copy-overwritten", "extend-reduction-range", "fill-selections", "part-host-values", "settle-casts",
    "split-long-sums", "widen-vectors",
})  # fmt: skip
"""The passes that a backend needs to compute rightly, or at all; the others only make graphs smaller and quicker."""


ALL = "all"
EXPANSION = "expand-recurrences"


def passes_named(patterns: Iterable[str]) -> frozenset[str]:
    """The passes that patterns fit (`*` stands for any text); `all` has every one but the repairs.

    Raises: ConfigError if a pattern fits no pass.
    """
    found: set[str] = set()
    for pattern in patterns:
        names = PASSES.keys() - REPAIRS if pattern == ALL else {name for name in PASSES if fnmatchcase(name, pattern)}
        if not names:
            raise ConfigError(
                f"there is no pass {pattern}", where="without_passes", hint=f"choose from {', '.join(PASSES)}, or {ALL}"
            )
        found |= names
    return frozenset(found)


def optimise(
    graph: Graph,
    *,
    skip: Collection[str] = (),
    unroll_limit: int | None = None,
    on_pass: Callable[[str, Graph], None] | None = None,
) -> Graph:
    """The graph after every pass whose name is not in `skip`; `on_pass` sees each pass's result.

    Recurrences are expanded before the first pass: unrolled, as long as that leaves at most `unroll_limit` nodes.
    """
    expanded = expand_recurrences(graph, UNROLL_LIMIT if unroll_limit is None else unroll_limit)
    if on_pass and expanded is not graph:
        on_pass(EXPANSION, expanded)
    graph = expanded
    for name, run in PASSES.items():
        if name not in skip:
            graph = run(graph)
            if on_pass:
                on_pass(name, graph)
    return graph
