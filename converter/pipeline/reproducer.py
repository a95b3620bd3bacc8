"""The smallest piece of a model that still goes wrong by itself, in a folder of its own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from converter.dtypes import dtype_of
from converter.errors import CheckpointError, ConfigError, UnsupportedError
from converter.fileio import save_safetensors, write_atomically
from converter.onnx_model import NodeFacts, ValueType, known_values, load_bytes, nodes_of, piece_of
from converter.parity.compare import Tolerance
from converter.pipeline.compile import compile_onnx
from converter.pipeline.probe import Allow, Arrays, Gap, Probe, run_reference

MODEL_NAME, INPUTS_NAME, EXPECTED_NAME = "repro.onnx", "inputs.safetensors", "expected.safetensors"
README_NAME = "README.md"
DEPTHS = (0, 1, 2, 4, 8, 16, 32)  # how many nodes back a piece reaches


@dataclass(frozen=True)
class Piece:
    """Nodes of a model as a model, its inputs as they are in the model, what they give, and what is wrong with that.

    `tolerance` is the one that the gap is beyond.
    """

    nodes: tuple[NodeFacts, ...]
    model: bytes
    inputs: Arrays
    expected: Arrays
    gap: Gap
    tolerance: Tolerance


def failing_piece(probe: Probe, node: NodeFacts, inputs: Arrays, allow: Allow) -> Piece | None:
    """The node alone if it fails alone, else with the nodes before it, as few as it takes; None if none fails."""
    cutter = _Cutter(probe, inputs)
    tried: set[int] = set()
    for depth in (*DEPTHS, len(cutter.nodes)):
        nodes = cutter.back_from(node, depth)
        if len(nodes) in tried:
            continue
        tried.add(len(nodes))
        piece = cutter.piece(nodes, node, allow)
        if piece is not None:
            return piece
    return None


def fails_alone(probe: Probe, node: NodeFacts, inputs: Arrays, allow: Allow) -> Piece | None:
    """The node as a piece, if it fails alone."""
    return _Cutter(probe, inputs).piece([node], node, allow)


def write_piece(piece: Piece, folder: Path, explanation: str) -> None:
    """Write the model, its inputs, what onnxruntime makes of them, and a few words.

    Raises: ConfigError if the folder holds something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = {MODEL_NAME, INPUTS_NAME, EXPECTED_NAME, README_NAME}
    if strangers := sorted(file.name for file in folder.iterdir() if file.name not in names):
        raise ConfigError(f"the folder holds {strangers[0]}", where=str(folder), hint="name an empty or a new folder")
    write_atomically(folder / MODEL_NAME, piece.model)
    save_safetensors(folder / INPUTS_NAME, piece.inputs)
    save_safetensors(folder / EXPECTED_NAME, piece.expected)
    write_atomically(folder / README_NAME, explanation.encode())


class _Cutter:
    """Cuts pieces out of a model that was run on `inputs`."""

    def __init__(self, probe: Probe, inputs: Arrays) -> None:
        self.nodes = nodes_of(probe.loaded)
        self._probe, self._inputs = probe, inputs
        self._maker = {name: node for node in self.nodes for name in node.outputs}
        self._known = known_values(probe.loaded) | probe.model.graph.constants.keys()

    def back_from(self, node: NodeFacts, depth: int) -> list[NodeFacts]:
        """A node with those before it whose results it depends on, `depth` nodes back."""
        found, edge = {node.index: node}, [node]
        for _ in range(depth):
            makers = [self._maker[name] for one in edge for name in self._varying(one.reads) if name in self._maker]
            edge = [one for one in makers if one.index not in found]
            found |= {one.index: one for one in edge}
            if not edge:
                break
        return [found[index] for index in sorted(found)]

    def piece(self, nodes: Sequence[NodeFacts], target: NodeFacts, allow: Allow) -> Piece | None:
        """The piece, if it is a model by itself and goes wrong."""
        made = {name for node in nodes for name in node.outputs}
        read = dict.fromkeys(name for node in nodes for name in node.reads if name not in made)
        inputs = self._values(self._varying(read))
        constants = self._values(name for name in read if name in self._known)
        outputs = {name: self._type(name) for name in target.outputs if self._probe.can_compare(name)}
        if not outputs:
            return None
        declared = {name: self._type(name, array) for name, array in inputs.items()}
        try:
            model = piece_of(self._probe.loaded, nodes, inputs=declared, outputs=outputs, constants=constants)
            expected = run_reference(model, inputs)
            piece = load_bytes(model, where="piece")
            compiled = compile_onnx(piece, unroll_limit=self._probe.unroll_limit, registry=self._probe.registry)
        except (UnsupportedError, CheckpointError):  # these nodes alone are no model: more of them may be one
            return None
        gap = self._probe.first_gap(compiled.graph, inputs, expected, allow)
        return Piece(tuple(nodes), model, inputs, expected, gap, allow(expected[gap.value])) if gap else None

    def _varying(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name not in self._known]

    def _type(self, name: str, array: np.ndarray | None = None) -> ValueType:
        known = self._probe.model.graph.types.get(name)
        if known is not None or array is None:
            return self._probe.model.graph.types[name]
        return ValueType(dtype_of(array), tuple(array.shape))

    def _values(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        wanted = list(names)
        known: Mapping[str, np.ndarray] = {
            **self._probe.model.graph.constants,
            **self._probe.loaded.constants,
            **self._inputs,
        }
        missing = [name for name in wanted if name not in known]
        computed = self._probe.reference(missing, self._inputs) if missing else {}
        return {name: known[name] if name in known else computed[name] for name in wanted}
