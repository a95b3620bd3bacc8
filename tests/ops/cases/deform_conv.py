import numpy as np

from tests.ops.case import Case

ROUND = {"pads": [1, 1, 1, 1]}


def deform(
    name, attrs=None, w=(6, 4, 3, 3), points=(6, 5), offset_groups=1, upto="O", opset=22, x=(2, 4, 6, 5), **rest
):
    offsets = np.random.default_rng(len(name)).uniform(-2, 2, (x[0], offset_groups * w[2] * w[3] * 2, *points))
    shapes = {"X": x, "W": w, "O": offsets.astype(np.float32), "B": (w[0],)}
    shapes["M"] = (x[0], offset_groups * w[2] * w[3], *points)
    inputs = {key: shapes[key] for key in "XWOBM"[: "XWOBM".index(upto) + 1]}
    attrs = {**ROUND, **(attrs or {}), **({"offset_group": offset_groups} if offset_groups > 1 else {})}
    return Case(f"deformconv-{name}", "DeformConv", inputs, attrs, opset, **rest)


CASES = [
    deform("19", opset=19),
    deform("22"),
    deform("bias-mask", upto="M", constants=["W", "B"]),
    deform("offset-groups", offset_groups=2, upto="M"),
    deform("groups", {"group": 2}, w=(6, 2, 3, 3), upto="B"),
    deform("both-groups", {"group": 2}, w=(6, 2, 3, 3), offset_groups=2, constants=["W"], upto="M"),
    deform("strided", {"strides": [2, 1], "dilations": [1, 2]}, points=(3, 3)),
    deform("asymmetric", {"pads": [0, 1, 2, 0]}, w=(2, 4, 2, 3), points=(7, 4)),
    deform("dynamic-batch", declared={"X": ("n", 4, "h", "w"), "O": ("n", 18, 6, 5)}, constants=["W"]),
]
