"""Load a checkpoint as an `nn.Module` in eval mode: hashed first, and nothing in it is ever executed.

Importing this package imports torch.
"""

from converter.checkpoint.factory import resolve_factory
from converter.checkpoint.fit import KeyRules
from converter.checkpoint.load import LoadedCheckpoint, StateOptions, load_module

__all__ = ["KeyRules", "LoadedCheckpoint", "StateOptions", "load_module", "resolve_factory"]
