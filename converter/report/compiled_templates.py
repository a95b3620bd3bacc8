"""Compiled templates, kept where Python keeps compiled modules."""

import sys
from contextlib import suppress
from pathlib import Path

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from converter.fileio import write_atomically


class CompiledTemplates(BytecodeCache):
    """Reads and writes `__pycache__` of a folder as Python does: not where it may not write, and not if told not to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "__pycache__"

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill the bucket, if there is a compiled template of the same source, by the same Python and Jinja."""
        with suppress(OSError), self._file(bucket).open("rb") as file:
            bucket.load_bytecode(file)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what the bucket holds."""
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                write_atomically(self._file(bucket), bucket.bytecode_to_string(), is_synced=False)

    def _file(self, bucket: Bucket) -> Path:
        return self._folder / f"template-{bucket.key}.{sys.implementation.cache_tag}.jinja"
