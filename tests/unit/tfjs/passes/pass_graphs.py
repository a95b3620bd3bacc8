"""Small graphs for the passes, and what shows that two graphs compute the same."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from converter.runtimes import RuntimePool
from converter.tfjs.builder import Builder
from converter.tfjs.graph import Graph, NameAllocator, Ref, TensorType
from converter.tfjs.verify import verify
from converter.tfjs.write import write

BACKENDS = ("tfjs-cpu@node", "tfjs-wasm@node")
TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)
DYNAMIC = 2  # the size that a named dimension has in a run


class Net:
    """Collects operations; every one is named after its op and its number."""

    def __init__(self, seed: int = 0) -> None:
        self.graph = Graph()
        self.builder = Builder(self.graph, NameAllocator())
        self.random = np.random.default_rng(seed)

    def input(self, name: str, *shape: int | str | None, dtype: str = "float32") -> Ref:
        return self.builder.placeholder(name, TensorType(dtype, shape))

    def data(self, values) -> Ref:
        array = np.asarray(values)
        return self.builder.constant(array.astype(np.float32) if array.dtype == np.float64 else array, name="data")

    def normal(self, *shape: int) -> Ref:
        return self.data(self.random.standard_normal(shape).astype(np.float32))

    def param(self, values: int | Sequence[int] | np.ndarray) -> Ref:
        return self.builder.parameter(values)

    def __call__(self, op: str, *operands: Ref, name: str = "", **attrs) -> Ref:
        return self.all(op, *operands, name=name, **attrs)[0]

    def all(self, op: str, *operands: Ref, name: str = "", **attrs) -> tuple[Ref, ...]:
        return self.builder.emit(op, *operands, name=name or op.lower(), **attrs)

    def transpose(self, x: Ref, perm: Sequence[int]) -> Ref:
        return self("Transpose", x, self.param(perm))

    def reshape(self, x: Ref, *dims: int) -> Ref:
        return self("Reshape", x, self.param(dims))

    def concat(self, axis: int, *parts: Ref) -> Ref:
        return self("ConcatV2", *parts, self.param(axis), N=len(parts))

    def conv(self, x: Ref, filters: Ref | tuple[int, ...], op: str = "Conv2D", **attrs) -> Ref:
        """A convolution in NHWC."""
        taps = filters if isinstance(filters, Ref) else self.normal(*filters)
        return self(op, x, taps, **{"strides": [1, 1, 1, 1], "dilations": [1, 1, 1, 1], "padding": "SAME", **attrs})

    def conv_nchw(self, x: Ref, n_out: int, size: int = 3, **attrs) -> Ref:
        """A convolution as a lowering emits it: between Transposes."""
        n_in = self.graph.type_of(x).shape[1]
        y = self.conv(self.transpose(x, TO_NHWC), (size, size, n_in, n_out), **attrs)
        return self.transpose(y, TO_NCHW)

    def batch_norm_nchw(self, x: Ref) -> Ref:
        depth = self.graph.type_of(x).shape[1]
        return self("AddV2", self("Mul", x, self.normal(1, depth, 1, 1)), self.normal(1, depth, 1, 1))

    def relu(self, x: Ref) -> Ref:
        return self("Relu", x)

    def done(self, **outputs: Ref) -> Graph:
        for key, ref in outputs.items():
            self.builder.output(key, ref)
        described = describe(self.graph)
        self.graph.metadata = {"inputs": described[0], "outputs": described[1], "async": False}
        verify(self.graph)
        return self.graph


def describe(graph: Graph) -> tuple[list[dict], list[dict]]:
    inputs = {key: graph.nodes[name].outputs[0] for key, name in graph.inputs.items()}
    outputs = {key: graph.type_of(ref) for key, ref in graph.outputs.items()}
    return tuple(
        [
            {"name": key, "dtype": type_.dtype, "shape": None if type_.shape is None else [*type_.shape]}
            for key, type_ in types.items()
        ]
        for types in (inputs, outputs)
    )


def feed_of(graph: Graph, seed: int = 1) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    feed = {}
    for key, name in graph.inputs.items():
        dtype, shape = graph.nodes[name].outputs[0]
        sizes = [dim if isinstance(dim, int) else DYNAMIC for dim in shape]
        values = random.integers(0, 2, sizes) if dtype == "bool" else random.standard_normal(sizes) * 3
        feed[key] = values.astype(dtype)
    return feed


def run(pool: RuntimePool, backend: str, graph: Graph, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        write(graph, Path(folder), generator="test")
        model = pool.get(backend).load(Path(folder))
        try:
            return model.run(feed).outputs
        finally:
            model.close()


def assert_same(pool: RuntimePool, before: Graph, after: Graph, backends: Sequence[str] = BACKENDS) -> None:
    """Both graphs are valid, and give the same outputs on each backend."""
    verify(before)
    verify(after)
    assert after.inputs.keys() == before.inputs.keys()
    assert list(after.outputs) == list(before.outputs)
    feed = feed_of(before)
    for backend in backends:
        wanted, got = run(pool, backend, before, feed), run(pool, backend, after, feed)
        for key, array in wanted.items():
            scale = float(np.abs(array[np.isfinite(array)]).max(initial=1.0)) if array.dtype == np.float32 else 1.0
            np.testing.assert_allclose(got[key], array, rtol=1e-4, atol=1e-5 * scale, strict=True, err_msg=backend)


def ops(graph: Graph) -> dict[str, int]:
    """How many nodes of each op, the Identities of the outputs not counted."""
    counts = graph.count_ops()
    counts["Identity"] = counts.get("Identity", 0) - sum(len(one.outputs) for _, one in graph.walk())
    return {op: count for op, count in counts.items() if count}
