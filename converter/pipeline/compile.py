"""From a loaded ONNX model to an optimised TF.js graph."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from converter import __version__
from converter.config import AlsoFormat
from converter.lowering import REGISTRY, Registry, lower
from converter.lowering.ops import load_all
from converter.onnx_model import LoadedOnnx, OnnxModel, prepare
from converter.tfjs.encodings import ROUNDED, Encoding, encodings_used
from converter.tfjs.graph import Graph, Ref
from converter.tfjs.optable import needs_async
from converter.tfjs.passes import optimise
from converter.tfjs.verify import verify
from converter.tfjs.write import write

GENERATOR = f"compat-export {__version__}"


@dataclass(frozen=True)
class Compiled:
    """A TF.js graph, the ONNX view it came from, and where each ONNX value lived before the passes ran."""

    graph: Graph
    model: OnnxModel
    values: Mapping[str, Ref]


def compile_onnx(
    loaded: LoadedOnnx,
    *,
    shapes: Mapping[str, Sequence[int | str]] | None = None,
    skip_passes: Collection[str] = (),
    unroll_limit: int | None = None,
    on_pass: Callable[[str, Graph], None] | None = None,
    registry: Registry = REGISTRY,
) -> Compiled:
    """Compile a model with the direct engine; `shapes` replaces the shapes of its inputs.

    Recurrences, or a loop, that would be unrolled to more than `unroll_limit` nodes stay loops; without one, the limit
    is the one that was measured.

    Raises: UnsupportedError naming every node that can't be converted; CheckpointError if the model is inconsistent.
    """
    load_all()
    model = prepare(loaded, has_lowering=registry.has, shapes=shapes, unroll_limit=unroll_limit)
    lowered = lower(model, registry)
    if on_pass:
        on_pass("lowering", lowered.graph)
    graph = optimise(lowered.graph, skip=skip_passes, unroll_limit=unroll_limit, on_pass=on_pass)
    graph.metadata["async"] = needs_async(graph)
    verify(graph)
    return Compiled(graph, model, lowered.values)


def write_graph(
    compiled: Compiled,
    folder: Path,
    encodings: Mapping[str, Encoding] | None = None,
    on_file: Callable[[Path], None] = lambda _: None,
) -> list[Path]:
    """Write the compiled graph as a TF.js graph model, with the weights that `encodings` names in fewer bytes.

    `on_file` is told of each shard as it is there.
    """
    rounded = encodings_used(compiled.graph, encodings or {})
    compiled.graph.metadata.pop(ROUNDED, None)
    if rounded:
        compiled.graph.metadata[ROUNDED] = rounded
    return write(compiled.graph, folder, generator=GENERATOR, encodings=encodings, on_file=on_file)


def also_folders(formats: Collection[AlsoFormat]) -> list[str]:
    """The folders of these formats in an artifact, which are called as the formats are there."""
    if "layers" not in formats:
        return []
    from converter.layers import LAYERS_FOLDER

    return [LAYERS_FOLDER]


def write_also(compiled: Compiled, formats: Collection[AlsoFormat], folder: Path) -> list[Path]:
    """Write the compiled graph in other formats that were asked for, each into a folder of its own.

    Raises: UnsupportedError naming the first node that a format can't express.
    """
    if "layers" not in formats:
        return []
    from converter.layers import LAYERS_FOLDER, layers_from_graph, write_layers

    layers = layers_from_graph(compiled.graph)
    return write_layers(layers, folder / LAYERS_FOLDER, metadata=compiled.graph.metadata, generator=GENERATOR)
