import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

IMAGE = {"X": (2, 3, 7, 8)}
SIGNAL = {"X": (2, 3, 9)}
VOLUME = {"X": (2, 2, 4, 5, 6)}
ANY_SIZE = {"X": ("batch", 3, "height", "width")}
BATCH = {"X": ("batch", 3, 7, 8)}
BOTH = {"Y": TensorProto.FLOAT, "Indices": TensorProto.INT64}
BYTES = np.random.default_rng(1).integers(0, 255, (1, 2, 6, 6)).astype(np.uint8)
# Equal and negative maxima: the first place wins, and no kernel may start its maximum at 0.
TIES = np.float32([-1, -1, -2, -2, -1, -3]).repeat(8).reshape(1, 2, 4, 6)


def largest(name, inputs, kernel, attrs=None, **more):
    return Case(f"max-pool-{name}", "MaxPool", inputs, {"kernel_shape": kernel, **(attrs or {})}, **more)


def mean(name, inputs, kernel, attrs=None, **more):
    return Case(f"average-pool-{name}", "AveragePool", inputs, {"kernel_shape": kernel, **(attrs or {})}, **more)


def norm(name, inputs, kernel, attrs=None, **more):
    return Case(f"lp-pool-{name}", "LpPool", inputs, {"kernel_shape": kernel, **(attrs or {})}, **more)


MAX = [
    *(largest(f"since-{since}", IMAGE, [2, 2], {"strides": [2, 2]}, opset=since) for since in (7, 8, 10, 11, 12, 22)),
    largest("no-strides", IMAGE, [3, 2], declared=ANY_SIZE),
    largest("pads", IMAGE, [3, 3], {"strides": [2, 2], "pads": [1, 1, 1, 1]}, declared=ANY_SIZE),
    largest("pads-negative", {"X": -np.ones((1, 2, 5, 5), np.float32)}, [3, 3], {"strides": [2, 2], "pads": [1] * 4}),
    largest("pads-same", IMAGE, [3, 3], {"pads": [1, 1, 1, 1]}, declared=ANY_SIZE),
    largest("pads-asymmetric", IMAGE, [3, 4], {"strides": [2, 3], "pads": [0, 2, 1, 1]}, declared=BATCH),
    largest("ceil", IMAGE, [3, 3], {"strides": [2, 2], "ceil_mode": 1}),
    largest("ceil-past-the-end", IMAGE, [40, 50], {"strides": [40, 50], "ceil_mode": 1}, opset=22),
    largest("ceil-pads", {"X": (1, 2, 6, 7)}, [3, 3], {"strides": [2, 2], "pads": [1] * 4, "ceil_mode": 1}),
    largest("ceil-dynamic", IMAGE, [3, 3], {"strides": [2, 2], "ceil_mode": 1, "pads": [1] * 4}, declared=ANY_SIZE),
    largest("ceil-dropped", {"X": (1, 1, 4, 4)}, [1, 1], {"strides": [2, 2], "ceil_mode": 1}, opset=22),
    largest("same-upper", IMAGE, [3, 2], {"strides": [2, 2], "auto_pad": "SAME_UPPER"}, declared=ANY_SIZE),
    largest("same-upper-static", IMAGE, [3, 2], {"strides": [3, 2], "auto_pad": "SAME_UPPER"}),
    largest("same-lower", IMAGE, [2, 3], {"strides": [2, 2], "auto_pad": "SAME_LOWER"}, declared=BATCH),
    largest("valid", IMAGE, [2, 3], {"strides": [2, 2], "auto_pad": "VALID"}, declared=ANY_SIZE),
    largest("dilated", IMAGE, [2, 3], {"dilations": [3, 2], "strides": [1, 2], "pads": [1, 1, 1, 1]}, declared=BATCH),
    largest("dilated-dynamic", IMAGE, [2, 2], {"dilations": [2, 2], "strides": [2, 1]}, declared=ANY_SIZE),
    largest("dilated-ceil", IMAGE, [2, 2], {"dilations": [2, 2], "strides": [2, 3], "ceil_mode": 1}),
    largest("uint8", {"X": BYTES}, [2, 2], {"strides": [2, 2], "pads": [1, 1, 1, 1]}, outputs={"Y": TensorProto.UINT8}),
    largest("int8", {"X": (BYTES.astype(int) - 128).astype(np.int8)}, [3, 3], outputs={"Y": TensorProto.INT8}),
    largest("float16", {"X": TIES.astype(np.float16)}, [2, 2], outputs={"Y": TensorProto.FLOAT16},
            reference="evaluator"),
    largest("signal", SIGNAL, [3], {"strides": [2], "pads": [1, 1]}, declared={"X": ("batch", 3, "length")}),
    largest("signal-dilated", SIGNAL, [3], {"dilations": [2]}, declared={"X": ("batch", 3, "length")}),
    largest("volume", VOLUME, [2, 3, 2], {"strides": [1, 2, 2], "pads": [1, 0, 1, 0, 1, 0]},
            declared={"X": ("batch", 2, 4, 5, 6)}),
    largest("volume-same", VOLUME, [2, 3, 2], {"strides": [2, 2, 2], "auto_pad": "SAME_UPPER"}),
    largest("volume-dilated", VOLUME, [2, 2, 2], {"dilations": [2, 1, 3], "strides": [1, 2, 1]}),
    largest("volume-ceil", VOLUME, [2, 2, 2], {"strides": [3, 2, 3], "ceil_mode": 1}, opset=22),
    largest("indices", IMAGE, [2, 3], {"strides": [2, 2]}, outputs=BOTH, declared=BATCH),
    largest("indices-pads", IMAGE, [3, 3], {"strides": [2, 2], "pads": [1, 1, 1, 1]}, outputs=BOTH),
    largest("indices-ties", {"X": TIES}, [2, 2], {"strides": [1, 1]}, outputs=BOTH),
    largest("indices-column-major", IMAGE, [3, 2], {"strides": [2, 2], "storage_order": 1}, outputs=BOTH),
    largest("indices-dilated", IMAGE, [2, 2], {"dilations": [2, 2]}, outputs=BOTH),
    largest("indices-signal", SIGNAL, [3], {"strides": [2]}, outputs=BOTH, declared={"X": ("batch", 3, 9)}),
    largest("indices-volume", VOLUME, [2, 2, 3], {"strides": [2, 2, 1]}, outputs=BOTH),
    largest("indices-volume-column-major", VOLUME, [2, 2, 2], {"strides": [2, 2, 1], "storage_order": 1}, outputs=BOTH),
    largest("indices-skipped", IMAGE, [2, 2], {"storage_order": 1}, outputs={"Y": TensorProto.FLOAT, "": 0}),
]  # fmt: skip

MEAN = [
    *(mean(f"since-{since}", IMAGE, [2, 2], {"strides": [2, 2]}, opset=since) for since in (7, 10, 11, 19, 22)),
    mean("since-1", IMAGE, [2, 2], {"strides": [2, 1]}, opset=6, reference="evaluator"),
    mean("no-strides", IMAGE, [3, 2], declared=ANY_SIZE),
    mean("pads", IMAGE, [3, 3], {"strides": [2, 2], "pads": [1, 1, 1, 1]}, declared=BATCH),
    mean("pads-dynamic", IMAGE, [3, 3], {"strides": [2, 2], "pads": [1, 0, 1, 2]}, declared=ANY_SIZE),
    mean("pads-same", IMAGE, [3, 3], {"pads": [1, 1, 1, 1]}, declared=ANY_SIZE),
    mean("include", IMAGE, [3, 3], {"strides": [2, 2], "pads": [1] * 4, "count_include_pad": 1}, declared=ANY_SIZE),
    mean("include-same", IMAGE, [3, 3], {"pads": [1, 1, 1, 1], "count_include_pad": 1}),
    mean("ceil-past-the-end", IMAGE, [40, 50], {"strides": [40, 50], "ceil_mode": 1}, opset=22),
    mean("ceil-past-one-end", IMAGE, [40, 2], {"strides": [40, 2], "ceil_mode": 1, "count_include_pad": 1}, opset=22),
    mean("ceil", IMAGE, [3, 3], {"strides": [2, 2], "ceil_mode": 1}),
    mean("ceil-pads", IMAGE, [3, 3], {"strides": [2, 3], "ceil_mode": 1, "pads": [1, 0, 0, 1]}),
    mean("ceil-dynamic", IMAGE, [3, 3], {"strides": [2, 2], "ceil_mode": 1}, declared=ANY_SIZE),
    mean("ceil-include", IMAGE, [3, 3], {"strides": [2, 2], "ceil_mode": 1, "pads": [1] * 4, "count_include_pad": 1}),
    mean("ceil-include-dynamic", IMAGE, [3, 3],
         {"strides": [2, 2], "ceil_mode": 1, "pads": [1] * 4, "count_include_pad": 1}, declared=ANY_SIZE),
    mean("same-upper", IMAGE, [3, 2], {"strides": [2, 2], "auto_pad": "SAME_UPPER"}, declared=ANY_SIZE),
    mean("same-lower", IMAGE, [3, 2], {"strides": [2, 2], "auto_pad": "SAME_LOWER"}, declared=BATCH),
    mean("dilated", IMAGE, [2, 2], {"dilations": [2, 3], "strides": [1, 2]}, opset=19, declared=ANY_SIZE),
    mean("dilated-pads", IMAGE, [2, 2], {"dilations": [2, 2], "pads": [1, 1, 1, 1]}, opset=19, declared=BATCH),
    mean("dilated-include", IMAGE, [2, 2], {"dilations": [2, 2], "pads": [1] * 4, "count_include_pad": 1}, opset=22),
    mean("signal", SIGNAL, [3], {"strides": [2], "pads": [1, 1]}, declared={"X": ("batch", 3, "length")}),
    mean("volume", VOLUME, [2, 3, 2], {"strides": [1, 2, 2], "pads": [1, 0, 1, 0, 1, 0]},
         declared={"X": ("batch", 2, 4, 5, 6)}),
    mean("volume-ceil", VOLUME, [2, 3, 2], {"strides": [3, 2, 2], "ceil_mode": 1}),
    mean("volume-same", VOLUME, [3, 3, 3], {"pads": [1] * 6}),
    mean("volume-dilated", VOLUME, [2, 2, 2], {"dilations": [2, 1, 2]}, opset=19),
]  # fmt: skip

NORM = [
    *(norm(f"since-{since}", IMAGE, [2, 2], {"strides": [2, 2]}, opset=since) for since in (7, 11, 18, 22)),
    norm("p1", IMAGE, [3, 2], {"p": 1, "pads": [1, 0, 1, 0]}, declared=ANY_SIZE),
    norm("p3", IMAGE, [3, 2], {"p": 3, "strides": [2, 2]}, declared=BATCH),
    norm("ceil", IMAGE, [2, 2], {"strides": [2, 3], "ceil_mode": 1}),
    norm("dilated", IMAGE, [2, 2], {"dilations": [2, 2]}),
    norm("same-upper", IMAGE, [2, 2], {"auto_pad": "SAME_UPPER"}, declared=ANY_SIZE),
    norm("signal", SIGNAL, [3], {"strides": [2]}),
    norm("volume", VOLUME, [2, 2, 2]),
]


def outgrown(of, name, attrs, *sizes, **more):
    """Cases of a pool at dynamic sizes around that of its window."""
    attrs, names = dict(attrs), ("height", "width")
    kernel = attrs.pop("kernel_shape")
    return [
        of(f"outgrown-{name}-{'x'.join(map(str, size))}", {"X": (2, 3, *size)}, kernel, attrs,
           declared={"X": ("batch", 3, *names[: len(size)])}, **more)
        for size in sizes
    ]  # fmt: skip


# A window larger than its map by less than a stride: onnxruntime makes one of what is there.
SQUARES, SIGNALS = ((1, 1), (1, 5), (4, 1), (3, 4)), ((1,), (2,), (3,), (6,))
HALVES, THIRDS = {"kernel_shape": [2, 2], "strides": [2, 2]}, {"kernel_shape": [3, 3], "strides": [3, 2]}
PADDED = {"kernel_shape": [5, 5], "strides": [3, 4], "pads": [1, 1, 0, 1]}
SPREAD = {"kernel_shape": [2, 3], "strides": [3, 4], "dilations": [3, 2]}
FEW = ((2, 2), (4, 5), (6, 9))
INCLUDE = {"count_include_pad": 1}
OUTGROWN = [
    *outgrown(largest, "halves", HALVES, *SQUARES),
    *outgrown(largest, "thirds", THIRDS, (1, 2), (2, 2), (4, 3), (8, 7)),
    *outgrown(largest, "rows", {"kernel_shape": [2, 2], "strides": [2, 1]}, (1, 4), (5, 3)),
    *outgrown(largest, "skips", {"kernel_shape": [1, 2], "strides": [3, 3]}, (1, 1), (5, 6)),
    *outgrown(largest, "padded", PADDED, *FEW),
    *outgrown(largest, "dilated", SPREAD, *FEW),
    *outgrown(largest, "signal", {"kernel_shape": [4], "strides": [3]}, (2,), (3,), (7,)),
    *outgrown(largest, "nothing-left", {"kernel_shape": [4, 2], "strides": [2, 2]}, (1, 5), (2, 1), (3, 1)),
    *outgrown(mean, "nothing-left", {"kernel_shape": [4, 2], "strides": [2, 2]}, (1, 5), (3, 1)),
    *outgrown(largest, "valid", {**HALVES, "auto_pad": "VALID"}, (1, 3)),
    *outgrown(largest, "ceil", {**THIRDS, "ceil_mode": 1}, (1, 2), (5, 5)),
    *outgrown(mean, "halves", HALVES, *SQUARES),
    *outgrown(mean, "thirds", THIRDS, (1, 2), (2, 2), (4, 3), (8, 7)),
    *outgrown(mean, "padded", PADDED, *FEW),
    *outgrown(mean, "dilated", SPREAD, *FEW, opset=19),
    *outgrown(mean, "include", {**PADDED, **INCLUDE}, *FEW, opset=19),
    *outgrown(mean, "include-since-11", {**PADDED, **INCLUDE}, *FEW),
    *outgrown(mean, "include-halves-since-11", {**HALVES, **INCLUDE}, (1, 5)),
    *outgrown(mean, "signal", {"kernel_shape": [2], "strides": [2]}, *SIGNALS),
    *outgrown(norm, "halves", HALVES, (1, 1), (5, 4)),
    *outgrown(norm, "padded", PADDED, *FEW),
    *outgrown(norm, "dilated", SPREAD, *FEW),
    *(of(f"outgrown-static-{kind}", {"X": shape}, [3, 4], {"strides": [3, 2], **attrs}, **more)
      for of, kind, shape, attrs, more in (
          (largest, "plain", (2, 3, 1, 5), {}, {}),
          (largest, "indices", (2, 3, 1, 5), {}, {"outputs": BOTH}),
          (largest, "dilated", (2, 3, 1, 9), {"dilations": [1, 2]}, {}),
          (mean, "plain", (2, 3, 2, 3), {}, {}),
          (mean, "include", (2, 3, 1, 4), {"pads": [1, 0, 0, 1], **INCLUDE}, {"opset": 19}),
          (mean, "include-since-11", (2, 3, 1, 3), INCLUDE, {}),
          (norm, "plain", (2, 3, 2, 5), {}, {}),
      )),
    largest("outgrown-static-volume", VOLUME, [6, 2, 2], {"strides": [3, 2, 2]}),
    mean("outgrown-static-volume", VOLUME, [2, 6, 2], {"strides": [2, 2, 2]}),
]  # fmt: skip

GLOBAL = [
    Case(f"{op.lower()}-{name}", op, {"X": shape}, attrs, opset=opset, declared=declared)
    for op, attrs, newest in (
        ("GlobalAveragePool", {}, 22),
        ("GlobalMaxPool", {}, 22),
        ("GlobalLpPool", {"p": 3}, 18),
    )
    for name, shape, opset, declared in (
        ("image", (2, 3, 4, 5), 18, ANY_SIZE),
        ("signal", (2, 3, 5), 18, {}),
        ("volume", (2, 3, 2, 4, 3), newest, {"X": ("batch", 3, 2, 4, 3)}),
    )
]
GLOBAL += [
    Case("globallppool-default", "GlobalLpPool", {"X": (2, 3, 4, 5)}),
    Case(
        "globallppool-22",
        "GlobalLpPool",
        {"X": (2, 3, 4, 5)},
        opset=22,
        reference=lambda x: np.linalg.norm(x.reshape(2, 3, 20), axis=2).reshape(2, 3, 1, 1),
    ),
]

CASES = [*MAX, *MEAN, *NORM, *OUTGROWN, *GLOBAL]
