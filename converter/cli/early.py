"""What a conversion begins before it imports the libraries that it needs."""

import importlib
import os
from typing import TYPE_CHECKING

from converter.fileio import hash_early

if TYPE_CHECKING:
    from converter.config import ResolvedConfig

THREADS_OF_BLAS = "OPENBLAS_NUM_THREADS"


def begin_early(resolved: "ResolvedConfig") -> None:
    """Begin to hash the ONNX file of a config, and import NumPy."""
    model = resolved.config.model.checkpoint
    if model is not None and model.suffix == ".onnx":
        hash_early(resolved.path(model))
    _import_numpy()


def _import_numpy() -> None:
    """Without threads for its products of matrices: they take a fifth of the time that a small conversion does."""
    if THREADS_OF_BLAS in os.environ:
        return
    os.environ[THREADS_OF_BLAS] = "1"
    try:
        importlib.import_module("numpy")
    finally:
        del os.environ[THREADS_OF_BLAS]
