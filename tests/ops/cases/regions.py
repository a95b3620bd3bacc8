import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

RNG = np.random.default_rng(9)
ROIS = np.float32([[1, 2, 9, 8], [0, 0, 4.5, 3], [-3, -2, 20, 18], [5, 5, 5.2, 5.1], [2.5, 7, 14, 9.5]])
BATCH = np.int64([0, 1, 0, 1, 1])
POOL_ROIS = np.float32([[0, 1, 2, 9, 8], [1, 0, 0, 4, 3], [0, 6, 5, 6, 5], [1, 3, 3, 40, 40]])
FIELD = RNG.uniform(0.1, 1, (2, 3, 12, 14)).astype(np.float32)


def align(name, opset=16, declared=None, x=(2, 3, 12, 14), reference="onnxruntime", **attrs):
    attrs = {"output_height": 3, "output_width": 4, "sampling_ratio": 2, **attrs}
    return Case(
        f"roialign-{name}",
        "RoiAlign",
        {"X": x, "R": ROIS, "B": BATCH},
        attrs,
        opset,
        declared=declared or {},
        reference=reference,
    )


def boxes(n_batch, count, centred=False):
    corner, side = RNG.uniform(0, 8, (n_batch, count, 2)), RNG.uniform(1, 5, (n_batch, count, 2))
    return np.concatenate([corner, side if centred else corner + side], axis=2).astype(np.float32)


def nms(name, n_batch=1, n_classes=1, count=12, most=4, overlap=0.3, score=None, opset=11, constants="MOS", **attrs):
    scores = np.random.default_rng(count).permutation(n_batch * n_classes * count).reshape(n_batch, n_classes, count)
    inputs = {"B": boxes(n_batch, count, "center_point_box" in attrs), "C": (scores / scores.size).astype(np.float32)}
    inputs |= {} if most is None else {"M": np.int64([most])}
    inputs |= {} if overlap is None else {"O": np.float32([overlap])}
    inputs |= {} if score is None else {"S": np.float32([score])}
    known = [key for key in constants if key in inputs]
    return Case(f"nms-{name}", "NonMaxSuppression", inputs, attrs, opset, known, outputs={"Y": TensorProto.INT64})


def pooled(x, rois, cells=(3, 4)):
    """The maximum of each cell of each region, as the operator's older versions have it."""
    result = np.zeros((len(rois), x.shape[1], *cells), dtype=x.dtype)
    for number, (batch, x1, y1, x2, y2) in enumerate(np.floor(rois + 0.5).astype(int)):
        height, width = max(y2 - y1 + 1, 1) / cells[0], max(x2 - x1 + 1, 1) / cells[1]
        for i, j in np.ndindex(*cells):
            rows = slice(y1 + int(i * height), y1 + int(np.ceil((i + 1) * height)))
            columns = slice(x1 + int(j * width), x1 + int(np.ceil((j + 1) * width)))
            if (cell := x[batch, :, rows, columns]).size:
                result[number, :, i, j] = cell.max(axis=(1, 2))
    return result


CASES = [
    align("10", opset=10),
    align("16"),
    align("22", opset=22, reference="evaluator"),
    align("scaled", spatial_scale=0.6),
    align("one-sample", sampling_ratio=1),
    align("output-half-pixel", coordinate_transformation_mode="output_half_pixel"),
    align("max", mode="max", x=FIELD),
    align("dynamic", declared={"X": ("n", 3, "h", "w"), "R": ("r", 4), "B": ("r",)}),
    Case("maxroipool-7", "MaxRoiPool", {"X": FIELD, "R": POOL_ROIS}, {"pooled_shape": [3, 4]}, 7),
    Case("maxroipool-22", "MaxRoiPool", {"X": FIELD, "R": POOL_ROIS}, {"pooled_shape": [3, 4]}, 22, reference=pooled),
    Case("maxroipool-negative", "MaxRoiPool", {"X": -FIELD, "R": POOL_ROIS}, {"pooled_shape": [3, 4]}),
    Case(
        "maxroipool-scaled",
        "MaxRoiPool",
        {"X": (2, 3, 12, 14), "R": POOL_ROIS},
        {"pooled_shape": [1, 2], "spatial_scale": 0.5},
        declared={"X": ("n", 3, 12, 14), "R": ("r", 5)},
    ),
    nms("10", opset=10),
    nms("11"),
    nms("scores", score=0.4),
    nms("many", n_batch=2, n_classes=3),
    nms("centred", n_classes=2, center_point_box=1),
    nms("any-overlap", overlap=None),
    nms("unlimited", most=2**62, overlap=0.5),
    nms("not-constant", n_classes=2, score=0.2, constants=""),
    Case(
        "nms-dynamic",
        "NonMaxSuppression",
        {"B": boxes(1, 30), "C": (RNG.permutation(30) / 30).astype(np.float32).reshape(1, 1, 30), "M": np.int64(7)},
        constants=["M"],
        declared={"B": (1, "boxes", 4), "C": (1, 1, "boxes")},
        outputs={"Y": TensorProto.INT64},
    ),
]
