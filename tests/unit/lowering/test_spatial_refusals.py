import numpy as np
import pytest
from onnx import TensorProto

from converter.errors import UnsupportedError
from converter.onnx_model import load_bytes
from converter.pipeline.compile import compile_onnx
from tests.ops.case import Case

ANY_SIZE = {"X": ("batch", 2, "height", "width")}
IMAGE = (1, 2, 6, 6)
EMPTY = np.float32([])
STATISTICS = {"scale": (2,), "B": (2,), "mean": (2,), "var": np.float32([1, 2])}
REFUSED = [
    (
        Case("crop", "Resize", {"X": IMAGE, "roi": np.float32([0, 0, 0.2, 0.2, 1, 1, 0.8, 0.8]), "scales": EMPTY,
                                "sizes": np.int64([1, 2, 3, 3])},
             {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"}, constants=["roi", "scales"]),
        "sizes that only the running graph knows", "--bind",
    ),
    (
        Case("same-lower", "Conv", {"X": IMAGE, "W": (3, 2, 3, 3)}, {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
             declared=ANY_SIZE),
        "auto_pad SAME_LOWER over a dynamic size", "--bind",
    ),
    (
        Case("four-axes", "Conv", {"X": (1, 2, 3, 3, 3, 3), "W": (3, 2, 1, 1, 1, 1)}),
        "no such kernel for 4 spatial axes", "",
    ),
    (
        Case("output-padding", "ConvTranspose", {"X": IMAGE, "W": (2, 3, 3, 3)},
             {"strides": [1, 2], "dilations": [2, 1], "output_padding": [1, 1]}),
        "a stride or more longer", "",
    ),
    (
        Case("spread", "ConvTranspose", {"X": (1, 2, 3, 3, 3), "W": (2, 3, 2, 2, 2)}, {"strides": [2, 2, 2]},
             declared={"X": ("batch", 2, "depth", 3, 3)}),
        "dimension depth must be known", "--bind",
    ),
    (
        Case("ceil", "MaxPool", {"X": IMAGE}, {"kernel_shape": [2, 2], "strides": [3, 3], "ceil_mode": 1},
             declared=ANY_SIZE),
        "how many windows ceil_mode adds", "--bind",
    ),
    (
        Case("ceil-before-22", "MaxPool", {"X": (1, 1, 4, 4)},
             {"kernel_shape": [1, 1], "strides": [2, 2], "ceil_mode": 1}),
        "ceil_mode makes 2 windows, ONNX infers 3", "opset 22",
    ),
    (
        Case("indices", "MaxPool", {"X": IMAGE}, {"kernel_shape": [2, 2]}, declared=ANY_SIZE,
             outputs={"Y": TensorProto.FLOAT, "Indices": TensorProto.INT64}),
        "dimension height must be known", "--bind",
    ),
    (
        Case("indices-many", "MaxPool", {"X": np.zeros((1, 1, 4096, 4096), np.float32)}, {"kernel_shape": [2, 2]},
             outputs={"Y": TensorProto.FLOAT, "Indices": TensorProto.INT64}),
        "Indices past 2^24", "",
    ),
    (
        Case("lp-same", "LpPool", {"X": IMAGE}, {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
             declared=ANY_SIZE),
        "auto_pad over a dynamic size", "--bind",
    ),
    (
        Case("spatial", "BatchNormalization", {"X": IMAGE, **STATISTICS}, {"spatial": 0}, opset=7),
        "statistics for each element", "opset 9",
    ),
    (
        Case("training", "BatchNormalization", {"X": IMAGE, **STATISTICS}, opset=9,
             outputs=dict.fromkeys(("Y", "mean_out", "var_out", "saved_mean", "saved_var"), TensorProto.FLOAT)),
        "in training mode", "evaluation mode",
    ),
    (
        Case("scales", "Resize", {"X": IMAGE, "roi": EMPTY, "scales": np.float32([1, 1, 2, 2])}, constants=["roi"]),
        "the scales must be known", "sizes",
    ),
    (
        Case("fraction", "Resize", {"X": IMAGE, "roi": EMPTY, "scales": np.float32([1, 1, 1.5, 2])}, declared=ANY_SIZE,
             constants=["roi", "scales"]),
        "axis 2 has a dynamic size and is scaled by 1.5", "--bind",
    ),
    (
        Case("cubic", "Resize", {"X": IMAGE, "roi": EMPTY, "scales": np.float32([1, 1, 2, 2])}, {"mode": "cubic"},
             declared=ANY_SIZE, constants=["roi", "scales"]),
        "no such kernel for sizes that only the running graph knows", "--bind",
    ),
    (
        Case("roi", "Resize", {"X": IMAGE, "roi": np.zeros(8, np.float32), "scales": np.float32([1, 1, 2, 2])},
             {"coordinate_transformation_mode": "tf_crop_and_resize"}, constants=["scales"]),
        "the region of interest must be known", "constant",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("case", "reason", "hint"), REFUSED, ids=[row[0].id for row in REFUSED])
def test_what_cannot_be_right_is_refused_with_reason_and_hint(case, reason, hint):
    with pytest.raises(UnsupportedError) as caught:
        compile_onnx(load_bytes(case.model().SerializeToString(), where=case.id))
    assert reason in caught.value.what
    assert caught.value.where.startswith(f"node case ({case.op}")
    assert hint in caught.value.hint
    assert caught.value.exit_code == 4
