"""Random small graphs compute the same before and after each pass."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pass_graphs import DYNAMIC, TO_NCHW, TO_NHWC, Net, feed_of, run

from converter.tfjs.graph import DataType, Graph, Ref
from converter.tfjs.passes import PASSES
from converter.tfjs.verify import verify

MAX_RANK, MAX_ELEMENTS = 5, 600
UNARY = ("Relu", "Sigmoid", "Tanh", "Neg", "Abs", "Elu", "Relu6", "Identity")
BINARY = ("AddV2", "Sub", "Mul", "Maximum", "Minimum")


class Drawing:
    """Draws one graph, an operation at a time; every value is float32."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.net = Net(seed=data.draw(st.integers(0, 3)))
        self.values: list[Ref] = []

    def pick(self, *options):
        return self.data.draw(st.sampled_from(options))

    def shape(self, x: Ref) -> tuple[int | str | None, ...]:
        return self.net.graph.type_of(x).shape

    def fixed(self, dim: int | str | None) -> int:
        """The size of a constant that broadcasts along an axis."""
        return dim if isinstance(dim, int) else 1

    def value(self, *ranks: int) -> Ref | None:
        found = [x for x in self.values if not ranks or len(self.shape(x)) in ranks]
        return self.pick(*found[-4:]) if found else None

    def draw(self) -> Graph:
        self.values.append(self.net.input("x", *self.pick((2, 3, 4, 4), ("n", 3, 4, 4), ("n", 4, 3), (1, 2, 3, 3))))
        for _ in range(self.data.draw(st.integers(1, 9))):
            step = self.pick(*STEPS)
            result = step(self)
            if result is not None and self.is_small(result):
                self.values.append(result)
        last = self.values[-1]
        outputs = {"y": last} if self.data.draw(st.booleans()) else {"y": last, "z": self.value()}
        return self.net.done(**outputs)

    def is_small(self, x: Ref) -> bool:
        shape = self.shape(x)
        return (
            None not in shape and np.prod([DYNAMIC if isinstance(dim, str) else dim for dim in shape]) <= MAX_ELEMENTS
        )

    def perm(self, rank: int) -> list[int]:
        if rank == 4:
            return list(self.pick(TO_NHWC, TO_NCHW, (0, 2, 1, 3)))
        return self.data.draw(st.permutations(range(rank)))

    def axis(self, x: Ref) -> int:
        return self.data.draw(st.integers(0, len(self.shape(x)) - 1))

    def unary(self) -> Ref:
        return self.net(self.pick(*UNARY), self.value())

    def transpose(self) -> Ref:
        x = self.value()
        return self.net.transpose(x, self.perm(len(self.shape(x))))

    def with_constant(self) -> Ref:
        x = self.value()
        shape = [self.fixed(dim) if self.data.draw(st.booleans()) else 1 for dim in self.shape(x)]
        cut = self.data.draw(st.integers(0, len(shape)))
        operands = [x, self.net.normal(*shape[cut:])]
        return self.net(self.pick(*BINARY), *self.pick(operands, operands[::-1]))

    def with_value(self) -> Ref | None:
        x = self.value()
        y = self.pick(*[y for y in self.values if self.fits(self.shape(x), self.shape(y))])
        return self.net(self.pick(*BINARY), x, y)

    @staticmethod
    def fits(one, other) -> bool:
        pairs = zip(one[::-1], other[::-1], strict=False)
        return all(a == b or 1 in (a, b) for a, b in pairs)

    def select(self) -> Ref | None:
        x = self.value(2, 3, 4)
        if x is None:
            return None
        condition = self.net("Greater", x, self.net.normal(self.fixed(self.shape(x)[-1])))
        return self.net("SelectV2", condition, x, self.net("Square", x))

    def concat(self) -> Ref:
        x = self.value()
        others = [y for y in self.values if self.shape(y) == self.shape(x)]
        if all(isinstance(dim, int) for dim in self.shape(x)):
            others.append(self.net.normal(*self.shape(x)))
        return self.net.concat(self.axis(x), x, self.pick(*others))

    def pad(self) -> Ref | None:
        x = self.value(2, 3, 4)
        if x is None:
            return None
        rows = [self.pick((0, 0), (1, 0), (0, 2)) for _ in self.shape(x)]
        return self.net("PadV2", x, self.net.param(np.array(rows)), self.net.data(self.pick(0.0, 1.5)))

    def reduce(self) -> Ref:
        x = self.value(2, 3, 4, 5)
        axes = self.data.draw(st.lists(st.just(self.axis(x)), min_size=1, max_size=1))
        if len(self.shape(x)) == 4 and self.data.draw(st.booleans()):
            axes = [2, 3]
        return self.net(
            self.pick("Mean", "Sum", "Max"), x, self.net.param(axes), keep_dims=self.data.draw(st.booleans())
        )

    def slice(self) -> Ref:
        x = self.value()
        begins = [self.data.draw(st.integers(0, self.fixed(dim) - 1)) for dim in self.shape(x)]
        sizes = [
            self.pick(-1, 1, dim - begin) if isinstance(dim, int) else -1
            for dim, begin in zip(self.shape(x), begins, strict=True)
        ]
        return self.net("Slice", x, self.net.param(begins), self.net.param(sizes))

    def split(self) -> Ref | None:
        x = self.value()
        axis = self.axis(x)
        size = self.shape(x)[axis]
        if isinstance(size, str) or size % 2:
            return None
        return self.pick(*self.net.all("Split", self.net.param(axis), x, num_split=2))

    def reshape(self) -> Ref | None:
        x = self.value()
        shape = list(self.shape(x))
        axis = self.axis(x)
        if self.data.draw(st.booleans()) and axis + 1 < len(shape):
            pair = shape[axis : axis + 2]
            shape[axis : axis + 2] = [pair[0] * pair[1] if all(isinstance(dim, int) for dim in pair) else -1]
        elif isinstance(shape[axis], int) and shape[axis] % 2 == 0 and len(shape) < MAX_RANK:
            shape[axis : axis + 1] = [2, shape[axis] // 2]
        elif len(shape) < MAX_RANK:
            shape.insert(axis, 1)
        return self.net.reshape(x, *(dim if isinstance(dim, int) else -1 for dim in shape))

    def conv(self) -> Ref | None:
        x = self.value(4)
        if x is None or not isinstance(self.shape(x)[1], int):
            return None
        y = self.net.conv(self.net.transpose(x, TO_NHWC), (self.pick(1, 3), 1, self.shape(x)[1], self.pick(2, 3)))
        if self.data.draw(st.booleans()):
            y = self.net("AddV2", y, self.net.normal(self.shape(y)[3]))
        return self.net.transpose(y, TO_NCHW)

    def batch_norm(self) -> Ref | None:
        x = self.value(4)
        has_channels = x is not None and isinstance(self.shape(x)[1], int)
        return self.net.batch_norm_nchw(x) if has_channels else None

    def softmax(self) -> Ref:
        return self.net("Softmax", self.value())

    def matmul(self) -> Ref | None:
        x = self.value(2, 3)
        if x is None or not isinstance(self.shape(x)[-1], int):
            return None
        weights = self.net.normal(self.shape(x)[-1], 3)
        return self.net("MatMul" if len(self.shape(x)) == 2 else "BatchMatMulV2", x, weights)

    def cast(self) -> Ref:
        flag = self.net("Less", self.value(), self.net.data(0.25))
        return self.net("Cast", flag, SrcT=DataType("DT_BOOL"), DstT=DataType("DT_FLOAT"))


STEPS = (
    Drawing.unary, Drawing.transpose, Drawing.with_constant, Drawing.with_value, Drawing.select, Drawing.concat,
    Drawing.pad, Drawing.slice, Drawing.split, Drawing.reshape, Drawing.conv, Drawing.batch_norm, Drawing.softmax,
    Drawing.matmul, Drawing.cast, Drawing.reduce,
)  # fmt: skip


def assert_close(wanted, got, where: str) -> None:
    for key, array in wanted.items():
        scale = float(np.abs(array).max(initial=1.0))
        np.testing.assert_allclose(got[key], array, rtol=1e-3, atol=1e-4 * scale, strict=True, err_msg=where)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_no_pass_changes_what_a_graph_computes(pool, data):
    graph = Drawing(data).draw()
    feed = feed_of(graph)
    wanted = run(pool, "tfjs-cpu@node", graph, feed)
    before = graph
    for name, one in PASSES.items():
        after = one(before)
        verify(after)
        if after.nodes != before.nodes:
            assert_close(wanted, run(pool, "tfjs-cpu@node", after, feed), name)
        before = after
    assert_close(wanted, run(pool, "tfjs-wasm@node", before, feed), "wasm")
    counts = graph.count_ops(), before.count_ops()
    assert counts[1].get("Transpose", 0) <= counts[0].get("Transpose", 0)
    assert {name: one(graph).nodes for name, one in PASSES.items()} == {
        name: one(graph).nodes for name, one in PASSES.items()
    }
