import numpy as np

from tests.ops.case import Case

RNG = np.random.default_rng(5)
GRID = RNG.uniform(-1.7, 1.7, (2, 4, 5, 2)).astype(np.float32)
GRID3 = RNG.uniform(-1.4, 1.4, (2, 2, 3, 4, 3)).astype(np.float32)
THETA2 = RNG.uniform(-1, 1, (2, 2, 3)).astype(np.float32)
THETA3 = RNG.uniform(-1, 1, (2, 3, 4)).astype(np.float32)


def sample(name, x=(2, 3, 5, 6), grid=GRID, opset=20, **rest):
    attrs = {key: rest.pop(key) for key in ("mode", "padding_mode", "align_corners") if key in rest}
    return Case(f"gridsample-{name}", "GridSample", {"X": x, "G": grid}, attrs, opset, **rest)


def affine(name, theta, size, constants=("S",), **attrs):
    return Case(f"affinegrid-{name}", "AffineGrid", {"T": theta, "S": np.int64(size)}, attrs, 20, constants)


CASES = [
    sample("16", opset=16),
    sample("16-bilinear", opset=16, mode="bilinear", padding_mode="border"),
    sample("16-bicubic", opset=16, mode="bicubic", align_corners=1),
    sample("20"),
    sample("22", opset=22),
    *(
        sample(f"{mode}-{padding}-{aligned}", mode=mode, padding_mode=padding, align_corners=aligned)
        for mode in ("linear", "nearest", "cubic")
        for padding in ("zeros", "border", "reflection")
        for aligned in (0, 1)
    ),
    *(
        sample(f"3d-{mode}-{padding}", (2, 2, 3, 4, 5), GRID3, mode=mode, padding_mode=padding)
        for mode in ("linear", "nearest")
        for padding in ("zeros", "border", "reflection")
    ),
    sample("constant-grid", constants=["G"]),
    sample("one-image", (1, 3, 5, 6), GRID[:1]),
    sample("dynamic", declared={"X": ("n", 3, "h", "w"), "G": ("n", "y", "x", 2)}, padding_mode="reflection"),
    affine("2d", THETA2, [2, 3, 4, 5]),
    affine("2d-aligned", THETA2, [2, 3, 4, 5], align_corners=1),
    affine("3d", THETA3, [2, 3, 4, 5, 6]),
    affine("3d-aligned", THETA3, [2, 3, 4, 5, 6], align_corners=1),
    affine("size-not-constant", THETA2, [2, 3, 4, 5], constants=[]),
    affine("size-not-constant-aligned", THETA3, [2, 3, 4, 5, 6], constants=[], align_corners=1),
]
