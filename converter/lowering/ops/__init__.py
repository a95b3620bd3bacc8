"""One module for each family of operators; importing one registers its lowerings."""

from functools import cache
from importlib import import_module

FAMILIES = (
    "activation",
    "arithmetic",
    "attention",
    "bitwise",
    "contrib_attention",
    "contrib_embedding",
    "contrib_fused",
    "contrib_quantized",
    "contrib_recurrent",
    "control_flow",
    "conv",
    "conv_transpose",
    "conversion",
    "creation",
    "deform_conv",
    "determinant",
    "einsum",
    "elementwise",
    "gather",
    "grid_sample",
    "linear",
    "logic",
    "loss",
    "ngrams",
    "normalization",
    "padding",
    "patches",
    "pool",
    "quantization",
    "quantized_linear",
    "random",
    "ranking",
    "rearrange",
    "recurrent",
    "reduction",
    "regions",
    "resize",
    "reversal",
    "scatter",
    "selection",
    "shape",
    "slicing",
    "spectral",
)


@cache
def load_all() -> None:
    """Register every lowering of the package."""
    for family in FAMILIES:
        import_module(f"converter.lowering.ops.{family}")
