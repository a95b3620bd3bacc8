import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

INDICES = np.int64([[[[5, 7], [13, 15]], [[16, 19], [25, 30]]]])


def col2im(name, x, image, block, declared=None, **attrs):
    inputs = {"X": x, "I": np.int64(image), "K": np.int64(block)}
    return Case(f"col2im-{name}", "Col2Im", inputs, attrs, constants=["I", "K"], declared=declared or {})


def unpool(name, opset=11, shape=None, reference="onnxruntime", declared=None, **attrs):
    inputs = {"X": (1, 2, 2, 2), "I": INDICES, **({} if shape is None else {"S": np.int64(shape)})}
    attrs = {"kernel_shape": [2, 2], "strides": [2, 2], **attrs}
    constants = [] if shape is None else ["S"]
    return Case(
        f"maxunpool-{name}",
        "MaxUnpool",
        inputs,
        attrs,
        opset,
        constants,
        reference=reference,
        declared=declared or {},
    )


def crop(name, x, shape, constants=("S",), **rest):
    return Case(f"centercroppad-{name}", "CenterCropPad", {"X": x, "S": np.int64(shape)}, constants=constants, **rest)


CASES = [
    col2im("plain", (1, 5, 5), [5, 5], [1, 5]),
    col2im("overlapping", (2, 27, 12), [5, 6], [3, 3]),
    col2im("padded", (1, 5, 15), [5, 5], [1, 5], pads=[0, 1, 0, 1]),
    col2im("strided", (1, 9, 4), [5, 5], [3, 3], strides=[2, 2]),
    col2im("dilated", (1, 4, 5), [6, 6], [2, 2], dilations=[1, 5]),
    col2im("3d", (1, 10, 12), [3, 4, 5], [1, 1, 5]),
    col2im("dynamic-batch", (3, 27, 12), [5, 6], [3, 3], declared={"X": ("n", 27, 12)}),
    *(unpool(str(opset), opset) for opset in (9, 11)),
    unpool("22", 22, reference="evaluator"),
    unpool("shape", shape=[1, 2, 5, 6], reference="evaluator"),
    unpool("dynamic-batch", declared={"X": ("n", 2, 2, 2), "I": ("n", 2, 2, 2)}),
    crop("crop", (7, 6, 5), [4, 3, 5]),
    crop("pad", (3, 4), [6, 9]),
    crop("mixed", (20, 8, 3), [10, 9], attrs={"axes": [-3, 1]}),
    crop("rank-5", (2, 3, 4, 3, 2), [3, 2, 5, 3, 3]),
    crop("int32", np.arange(12, dtype=np.int32).reshape(3, 4), [5, 3], outputs={"Y": TensorProto.INT32}),
    crop("not-constant", (20, 8, 3), [10, 9], attrs={"axes": [0, 1]}, constants=()),
    crop("dynamic", (7, 6), [4, 9], declared={"X": ("h", "w")}),
]
