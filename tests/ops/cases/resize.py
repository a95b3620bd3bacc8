import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

IMAGE = (1, 2, 5, 6)
ANY_SIZE = {"X": ("batch", 2, "height", "width")}
BATCH = {"X": ("batch", 2, 5, 6)}
COORDINATES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")


def scaled(name, scales, attrs, *, shape=IMAGE, array=None, roi=(), opset=13, **more):
    inputs = {"X": shape if array is None else array, "roi": np.float32(roi), "scales": np.float32(scales)}
    return Case(f"resize-{name}", "Resize", inputs, attrs, opset=opset, constants=["roi", "scales"], **more)


def sized(
    name, sizes, attrs, *, shape=IMAGE, array=None, roi=(), opset=13, constants=("roi", "scales", "sizes"), **more
):
    inputs = {
        "X": shape if array is None else array,
        "roi": np.float32(roi),
        "scales": np.float32([]),
        "sizes": np.int64(sizes),
    }
    return Case(f"resize-{name}", "Resize", inputs, attrs, opset=opset, constants=constants, **more)


SINCE = [
    *(scaled(f"since-{opset}", [1, 1, 2, 2], {}, opset=opset) for opset in (11, 13, 18, 19)),
    *(
        Case(f"resize-10-{mode}-{name}", "Resize", {"X": IMAGE, "scales": np.float32(scales)}, {"mode": mode}, opset=10,
             constants=["scales"])
        for mode in ("nearest", "linear")
        for name, scales in (("up", [1, 1, 2, 3]), ("down", [1, 1, 0.5, 0.6]), ("odd", [1, 1, 1.5, 2.3]))
    ),
    *(
        Case(f"upsample-{since}-{mode}", "Upsample", {"X": IMAGE, "scales": np.float32([1, 1, 2, 1.5])}, {"mode": mode},
             opset=since, constants=["scales"], declared=BATCH)
        for since in (9,)
        for mode in ("nearest", "linear")
    ),
    Case("upsample-7", "Upsample", {"X": IMAGE}, {"mode": "nearest", "scales": [1.0, 1.0, 2.0, 2.0]}, opset=7,
         declared=ANY_SIZE),
]  # fmt: skip

NEAREST = [
    *(
        scaled(f"nearest-{coordinates}-{rounding}-{name}", scales,
               {"coordinate_transformation_mode": coordinates, "nearest_mode": rounding})
        for coordinates in (*COORDINATES, "tf_half_pixel_for_nn")
        for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
        for name, scales in (("up", [1, 1, 2, 3]), ("down", [1, 1, 0.6, 0.5]))
        if (coordinates, rounding) in {("tf_half_pixel_for_nn", "floor"), ("asymmetric", "floor")} or name == "up"
    ),
    *(
        scaled(f"nearest-dynamic-{coordinates}", [1, 1, 2, 3],
               {"coordinate_transformation_mode": coordinates, "nearest_mode": rounding}, declared=ANY_SIZE)
        for coordinates, rounding in (("asymmetric", "floor"), ("half_pixel", "round_prefer_floor"))
    ),
    sized("nearest-sizes-41", [1, 2, 41, 41], {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
          shape=(1, 2, 1, 3)),
    sized("nearest-sizes", [1, 2, 7, 4], {}),
    sized("nearest-sizes-axes", [7, 4], {"axes": [2, 3]}, opset=18, declared=BATCH),
    sized("nearest-sizes-fed", [1, 2, 10, 6], {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
          constants=["roi", "scales"], declared=ANY_SIZE),
    scaled("nearest-signal", [1, 1, 2], {"nearest_mode": "floor"}, shape=(2, 3, 5), declared={"X": ("batch", 3, 5)}),
    scaled("nearest-volume", [1, 1, 2, 1, 2], {}, shape=(1, 2, 2, 3, 4)),
    scaled("nearest-channels", [1, 2, 1, 0.5], {"nearest_mode": "ceil"}, reference="evaluator"),
    scaled("nearest-vector", [3], {}, shape=(4,)),
    scaled("nearest-int32", [1, 1, 2, 2], {}, array=np.arange(12, dtype=np.int32).reshape(1, 1, 3, 4) << 22,
           outputs={"Y": TensorProto.INT32}),
    scaled("nearest-uint8", [1, 1, 2, 2], {}, array=np.arange(12, dtype=np.uint8).reshape(1, 1, 3, 4),
           outputs={"Y": TensorProto.UINT8}),
    scaled("same", [1, 1, 1, 1], {"mode": "linear"}),
]  # fmt: skip

LINEAR = [
    *(
        scaled(f"linear-{coordinates}-{name}", scales,
               {"mode": "linear", "coordinate_transformation_mode": coordinates}, declared=declared)
        for coordinates in COORDINATES
        for name, scales, declared in (
            ("up", [1, 1, 2, 3], BATCH),
            ("odd", [1, 1, 1.3, 0.7], {}),
            ("dynamic", [1, 1, 2, 3], ANY_SIZE),
        )
    ),
    *(
        sized(f"linear-sizes-{coordinates}", [1, 2, 7, 4],
              {"mode": "linear", "coordinate_transformation_mode": coordinates}, declared=declared)
        for coordinates, declared in (("half_pixel", {}), ("align_corners", {"X": (1, 2, "height", "width")}))
    ),
    *(
        sized(f"linear-sizes-fed-{coordinates}", [1, 2, 7, 4],
              {"mode": "linear", "coordinate_transformation_mode": coordinates}, constants=["roi", "scales"],
              declared=ANY_SIZE)
        for coordinates in COORDINATES
    ),
    scaled("linear-symmetric", [1, 1, 1.3, 0.7],
           {"mode": "linear", "coordinate_transformation_mode": "half_pixel_symmetric"}, opset=19),
    sized("linear-to-one", [1, 2, 1, 1],
          {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}),
    sized("linear-to-one-fed", [1, 2, 1, 4],
          {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}, constants=["roi", "scales"],
          declared=ANY_SIZE),
    sized("linear-to-one-corners", [1, 2, 1, 4],
          {"mode": "linear", "coordinate_transformation_mode": "align_corners"}),
    scaled("linear-signal", [1, 1, 2], {"mode": "linear"}, shape=(2, 3, 5), declared={"X": ("batch", 3, "length")},
           reference="evaluator"),
    scaled("linear-volume", [1, 1, 2, 1.5, 2], {"mode": "linear"}, shape=(1, 2, 2, 4, 3),
           declared={"X": ("batch", 2, 2, 4, 3)}),
    scaled("linear-matrix", [1.5, 2], {"mode": "linear"}, shape=(4, 3)),
    scaled("linear-antialias", [1, 1, 0.6, 0.5], {"mode": "linear", "antialias": 1}, opset=18),
    scaled("linear-antialias-up", [1, 1, 2, 0.5], {"mode": "linear", "antialias": 1}, opset=18),
    sized("linear-axes", [8, 9], {"mode": "linear", "axes": [3, 2]}, opset=18, reference="evaluator"),
    *(
        sized(f"linear-{policy}", [8, 9], {"mode": "linear", "axes": [2, 3], "keep_aspect_ratio_policy": policy},
              opset=18)
        for policy in ("not_larger", "not_smaller", "stretch")
    ),
    scaled("linear-int32", [1, 1, 2, 2], {"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
           array=np.arange(0, 120, 10, dtype=np.int32).reshape(1, 1, 3, 4), outputs={"Y": TensorProto.INT32}),
]  # fmt: skip

CUBIC = [
    scaled("cubic", [1, 1, 1.5, 0.8], {"mode": "cubic"}, declared=BATCH),
    scaled("cubic-align-corners", [1, 1, 2, 2], {"mode": "cubic", "coordinate_transformation_mode": "align_corners"}),
    scaled("cubic-a", [1, 1, 2, 1.5], {"mode": "cubic", "cubic_coeff_a": -0.5}),
    scaled("cubic-exclude", [1, 1, 0.8, 2], {"mode": "cubic", "exclude_outside": 1}),
    scaled("cubic-antialias", [1, 1, 0.6, 0.5], {"mode": "cubic", "antialias": 1}, opset=18),
    scaled(
        "cubic-antialias-exclude", [1, 1, 0.6, 0.5], {"mode": "cubic", "antialias": 1, "exclude_outside": 1}, opset=18
    ),
    sized("cubic-sizes", [1, 2, 9, 4], {"mode": "cubic", "coordinate_transformation_mode": "asymmetric"}),
]

ROI = [0, 0, 0.4, 0.6, 1, 1, 0.9, 0.8]
WIDE = [0, 0, -0.4, 0.6, 1, 1, 1.2, 1.7]
CROP = [
    sized(f"crop-{mode}-{name}", [1, 2, 4, 3],
          {"mode": mode, "coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 10.0}, roi=roi)
    for mode in ("nearest", "linear", "cubic")
    for name, roi in (("inside", ROI), ("outside", WIDE))
]  # fmt: skip

CASES = [*SINCE, *NEAREST, *LINEAR, *CUBIC, *CROP]
