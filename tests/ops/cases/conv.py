from tests.ops.case import Case

IMAGE = {"X": (2, 4, 7, 6), "W": (6, 4, 3, 3), "B": (6,)}
BATCH = {"X": ("batch", 4, 7, 6)}
ANY_SIZE = {"X": ("batch", 4, "height", "width")}
FREE = {"X": ("batch", "channels", None, None)}


def conv(name, inputs, attrs=None, **more):
    return Case(f"conv-{name}", "Conv", inputs, attrs or {}, **more)


CASES = [
    *(conv(f"since-{since}", IMAGE, {"pads": [1] * 4}, opset=since, constants=["W", "B"]) for since in (7, 11, 22)),
    conv("weights-fed", IMAGE, {"pads": [1, 0, 1, 0]}),
    conv("no-bias", {"X": (2, 4, 7, 6), "W": (6, 4, 1, 1)}, constants=["W"], declared=BATCH),
    conv("asymmetric", IMAGE, {"pads": [0, 2, 1, 0], "strides": [2, 1]}, constants=["W", "B"], declared=BATCH),
    conv("dilated", IMAGE, {"pads": [2, 1, 2, 3], "dilations": [2, 2]}, constants=["W", "B"], declared=ANY_SIZE),
    conv("strided-dilated", IMAGE, {"pads": [2, 2, 2, 2], "dilations": [2, 1], "strides": [1, 2]}, constants=["W"]),
    conv("strided-dilated-fed", IMAGE, {"pads": [2, 2, 2, 2], "dilations": [2, 1], "strides": [2, 2]}),
    conv("free-shape", IMAGE, {"pads": [1, 1, 1, 1], "strides": [2, 2]}, constants=["W", "B"], declared=FREE),
    *(
        conv(f"{auto.lower()}{name}", IMAGE, {"auto_pad": auto, "strides": strides}, constants=["W"], declared=shape)
        for auto, name, strides, shape in (
            ("SAME_UPPER", "", [2, 3], {}),
            ("SAME_UPPER", "-dynamic", [2, 3], ANY_SIZE),
            ("SAME_LOWER", "", [2, 2], BATCH),
            ("SAME_LOWER", "-dynamic", [1, 1], ANY_SIZE),
            ("VALID", "", [2, 1], ANY_SIZE),
        )
    ),
    conv("same-lower-even", {"X": (1, 2, 5, 6), "W": (3, 2, 2, 4)}, {"auto_pad": "SAME_LOWER"}, constants=["W"]),
    conv("same-upper-dilated", IMAGE, {"auto_pad": "SAME_UPPER", "dilations": [2, 2]}, constants=["W", "B"],
         declared=ANY_SIZE, reference="evaluator"),
    conv("kernel-shape", IMAGE, {"kernel_shape": [3, 3], "group": 1, "auto_pad": "NOTSET"}, constants=["W", "B"]),
    conv("depthwise", {"X": (2, 4, 7, 6), "W": (4, 1, 3, 3), "B": (4,)}, {"group": 4, "pads": [1, 1, 1, 1]},
         constants=["W", "B"], declared=ANY_SIZE),
    conv("depthwise-multiplier", {"X": (2, 3, 7, 6), "W": (6, 1, 3, 2), "B": (6,)}, {"group": 3, "pads": [1, 0, 2, 1]},
         constants=["W", "B"]),
    conv("depthwise-unequal-strides", {"X": (2, 3, 7, 6), "W": (3, 1, 3, 2)}, {"group": 3, "strides": [1, 2]},
         constants=["W"]),
    conv("depthwise-strided-dilated", {"X": (1, 3, 9, 9), "W": (6, 1, 3, 3)},
         {"group": 3, "strides": [2, 2], "dilations": [2, 2], "pads": [2, 2, 2, 2]}, constants=["W"]),
    conv("depthwise-fed", {"X": (2, 3, 7, 6), "W": (6, 1, 3, 3)}, {"group": 3}),
    conv("groups", {"X": (2, 6, 7, 6), "W": (4, 3, 3, 3), "B": (4,)}, {"group": 2, "pads": [1, 1, 1, 1]},
         constants=["W", "B"], declared={"X": ("batch", 6, 7, 6)}),
    conv("groups-fed", {"X": (2, 6, 7, 6), "W": (9, 2, 2, 3)}, {"group": 3}),
    conv("signal", {"X": (2, 3, 9), "W": (5, 3, 4), "B": (5,)}, {"pads": [1, 2], "strides": [2]}, constants=["W", "B"],
         declared={"X": ("batch", 3, "length")}),
    conv("signal-dilated", {"X": (2, 3, 19), "W": (5, 3, 3)}, {"dilations": [4], "strides": [2], "pads": [4, 4]},
         constants=["W"]),
    conv("signal-depthwise", {"X": (2, 4, 9), "W": (8, 1, 3)}, {"group": 4, "pads": [1, 1]}, constants=["W"]),
    conv("signal-groups", {"X": (2, 4, 9), "W": (6, 2, 3)}, {"group": 2, "pads": [1, 1]}, constants=["W"]),
    conv("signal-same-upper", {"X": (2, 3, 10), "W": (5, 3, 4)}, {"auto_pad": "SAME_UPPER", "strides": [3]},
         constants=["W"], declared={"X": ("batch", 3, "length")}),
    conv("signal-fed", {"X": (2, 3, 9), "W": (5, 3, 4)}),
    conv("volume", {"X": (2, 2, 4, 5, 6), "W": (3, 2, 2, 3, 2), "B": (3,)}, {"pads": [1, 0, 1, 0, 2, 1]},
         constants=["W", "B"], declared={"X": ("batch", 2, 4, 5, 6)}),
    conv("volume-strided", {"X": (1, 2, 5, 6, 7), "W": (3, 2, 3, 3, 3)}, {"strides": [2, 1, 2], "pads": [1] * 6},
         constants=["W"]),
    conv("volume-dilated", {"X": (1, 2, 5, 6, 7), "W": (3, 2, 2, 2, 2)}, {"dilations": [2, 1, 3]}, constants=["W"],
         declared={"X": ("batch", 2, "depth", "height", "width")}),
    conv("volume-strided-dilated", {"X": (1, 2, 5, 6, 7), "W": (3, 2, 2, 2, 2)},
         {"dilations": [2, 1, 2], "strides": [1, 2, 2], "pads": [1] * 6}, constants=["W"]),
    conv("volume-groups", {"X": (1, 4, 3, 4, 4), "W": (4, 2, 2, 2, 2)}, {"group": 2}),
    conv("volume-depthwise", {"X": (1, 3, 3, 4, 4), "W": (3, 1, 2, 2, 2)}, {"group": 3}, constants=["W"]),
]  # fmt: skip
