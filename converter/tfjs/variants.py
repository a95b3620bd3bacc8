"""One graph in a folder with ever other encodings of its weights: what is the same is written once."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from converter.fileio import write_atomically
from converter.tfjs.encodings import Encoded, Encoding, encoded
from converter.tfjs.graph import Graph, Node
from converter.tfjs.weights import pieces_of, stored_bytes, weight_spec
from converter.tfjs.write import MODEL_FILE, document_of, document_text

_Row = dict[str, Any]


class Variants:
    """Writes a graph with weights encoded this way and that; a file for each weight in each encoding, written once.

    TF.js reads the same tensors from it as from what `write` writes with these encodings, in as many bytes of weights.
    """

    def __init__(self, graph: Graph, folder: Path, *, generator: str) -> None:
        self._folder, self._document = folder, document_of(graph, generator)
        constants = [(one.nodes[name], values) for _, one in graph.walk() for name, values in one.constants.items()]
        self._free = [(node, values) for node, values in constants if encoded(values, "uint8")]
        fixed = [(node, values) for node, values in constants if not encoded(values, "uint8")]
        self._n_fixed_bytes = sum(stored_bytes(values) for _, values in fixed)
        self._rows: dict[str, tuple[_Row, int]] = {}
        self._manifest = [self._written("fixed.bin", fixed)] if fixed else []

    def write(self, encodings: Mapping[str, Encoding]) -> int:
        """Write the graph with these encodings of its weights; returns what all shards of it take.

        Units: bytes
        """
        rows = [self._row(index, node, values, encodings) for index, (node, values) in enumerate(self._free)]
        manifest = [*self._manifest, *(row for row, _ in rows)]
        write_atomically(self._folder / MODEL_FILE, document_text(self._document, manifest), is_synced=False)
        return self._n_fixed_bytes + sum(size_bytes for _, size_bytes in rows)

    def _row(self, index: int, node: Node, values: np.ndarray, encodings: Mapping[str, Encoding]) -> tuple[_Row, int]:
        encoding = encodings.get(node.name, "float32")
        file = f"weight{index}-{encoding}.bin"
        if file not in self._rows:
            stored = encoded(values, encoding) or values
            self._rows[file] = self._written(file, [(node, stored)]), stored_bytes(stored)
        return self._rows[file]

    def _written(self, file: str, weights: Iterable[tuple[Node, np.ndarray | Encoded]]) -> _Row:
        rows = list(weights)
        pieces = (piece for _, values in rows for piece in pieces_of(values))
        write_atomically(self._folder / file, pieces, is_synced=False)
        return {"paths": [file], "weights": [weight_spec(*one) for one in rows]}
