"""A checkpoint on disk becomes an `nn.Module` in eval mode: hashed first, and nothing in it is ever executed.

Importing this package imports torch.
"""

from converter.checkpoint.factory import resolve_factory
from converter.checkpoint.load import LoadedCheckpoint, load_module

__all__ = ["LoadedCheckpoint", "load_module", "resolve_factory"]
