"""Things that execute one format each, all behind one contract (`base`)."""

from converter.runtimes.catalog import RUNTIME_NAMES, RuntimePool

__all__ = ["RUNTIME_NAMES", "RuntimePool"]
