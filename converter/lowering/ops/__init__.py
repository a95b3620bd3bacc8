"""One module for each family of operators; importing one registers its lowerings."""

from functools import cache
from importlib import import_module

FAMILIES = (
    "activation",
    "arithmetic",
    "bitwise",
    "conv",
    "conv_transpose",
    "conversion",
    "creation",
    "einsum",
    "elementwise",
    "gather",
    "grid_sample",
    "linear",
    "logic",
    "loss",
    "normalization",
    "padding",
    "pool",
    "quantization",
    "quantized_linear",
    "ranking",
    "rearrange",
    "recurrent",
    "reduction",
    "regions",
    "resize",
    "scatter",
    "shape",
    "slicing",
    "spectral",
)


@cache
def load_all() -> None:
    """Register every lowering of the package."""
    for family in FAMILIES:
        import_module(f"converter.lowering.ops.{family}")
