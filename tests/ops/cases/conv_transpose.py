from tests.ops.case import Case

IMAGE = {"X": (2, 3, 4, 5), "W": (3, 4, 3, 3), "B": (4,)}
ANY_SIZE = {"X": ("batch", 3, "height", "width")}


def case(name, inputs, attrs=None, **more):
    return Case(f"conv-transpose-{name}", "ConvTranspose", inputs, attrs or {}, **more)


CASES = [
    *(case(f"since-{since}", IMAGE, {"strides": [2, 2]}, opset=since, constants=["W", "B"]) for since in (7, 11, 22)),
    case("fed", IMAGE, {"strides": [2, 1], "pads": [1, 0, 1, 2]}),
    case("output-padding", IMAGE, {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
         constants=["W", "B"], declared={"X": ("batch", 3, 4, 5)}),
    case("dynamic", IMAGE, {"strides": [2, 3], "pads": [1, 0, 0, 1], "output_padding": [0, 1]}, constants=["W", "B"],
         declared=ANY_SIZE),
    case("dynamic-fed", IMAGE, {"strides": [2, 2]}, declared=ANY_SIZE),
    case("pads-all", IMAGE, {"strides": [2, 2], "pads": [2, 2, 2, 2]}, constants=["W"]),
    case("pads-past-kernel", IMAGE, {"strides": [2, 2], "pads": [3, 0, 0, 3]}, constants=["W"]),
    case("wide-stride", {"X": (1, 3, 4, 5), "W": (3, 2, 2, 1)}, {"strides": [3, 4]}, constants=["W"]),
    case("wide-stride-output-padding", {"X": (1, 3, 4, 5), "W": (3, 2, 2, 1)},
         {"strides": [3, 4], "output_padding": [2, 3]}, constants=["W"]),
    case("dilated", IMAGE, {"strides": [2, 1], "dilations": [2, 3], "pads": [1, 2, 1, 2]}, constants=["W"]),
    case("dilated-fed", IMAGE, {"dilations": [2, 2]}),
    case("doubled", {"X": (2, 3, 4, 5), "W": (3, 4, 2, 2), "B": (4,)}, {"strides": [2, 2]}, constants=["W", "B"],
         declared=ANY_SIZE),
    case("doubled-wide", {"X": (2, 3, 4, 5), "W": (3, 4, 4, 4), "B": (4,)}, {"strides": [2, 2], "pads": [1, 1, 1, 1]},
         constants=["W"], declared=ANY_SIZE),
    case("tripled", {"X": (1, 2, 4, 5), "W": (2, 3, 5, 3)}, {"strides": [3, 3], "pads": [1, 0, 1, 0]}, constants=["W"]),
    case("tripled-one-side", {"X": (1, 2, 4, 5), "W": (2, 3, 5, 4)}, {"strides": [3, 3], "pads": [2, 1, 0, 0]},
         constants=["W"]),
    case("doubled-cut", {"X": (1, 2, 4, 5), "W": (2, 3, 2, 2)}, {"strides": [2, 2], "pads": [2, 2, 2, 2]},
         constants=["W"]),
    case("signal-doubled", {"X": (2, 3, 6), "W": (3, 4, 2), "B": (4,)}, {"strides": [2]}, constants=["W", "B"],
         declared={"X": ("batch", 3, "length")}),
    case("output-shape", IMAGE, {"strides": [3, 2], "output_shape": [10, 8]}, constants=["W"]),
    case("output-shape-upper", IMAGE, {"strides": [3, 2], "output_shape": [11, 10], "auto_pad": "SAME_UPPER"},
         constants=["W"]),
    case("output-shape-lower", IMAGE, {"strides": [3, 2], "output_shape": [11, 10], "auto_pad": "SAME_LOWER"},
         constants=["W"]),
    case("same-upper", IMAGE, {"strides": [2, 2], "auto_pad": "SAME_UPPER"}, constants=["W", "B"], declared=ANY_SIZE),
    case("same-lower", IMAGE, {"strides": [2, 2], "auto_pad": "SAME_LOWER"}, constants=["W", "B"], declared=ANY_SIZE),
    case("valid", IMAGE, {"strides": [2, 2], "auto_pad": "VALID", "kernel_shape": [3, 3]}, constants=["W"]),
    case("groups", {"X": (2, 4, 4, 5), "W": (4, 3, 3, 3), "B": (6,)}, {"group": 2, "strides": [2, 2]}, constants=["W"]),
    case("groups-fed", {"X": (2, 4, 4, 5), "W": (4, 3, 3, 3)}, {"group": 2, "pads": [1, 1, 1, 1]}),
    case("depthwise", {"X": (2, 4, 4, 5), "W": (4, 1, 3, 3), "B": (4,)},
         {"group": 4, "strides": [2, 2], "pads": [1, 1, 0, 1]}, constants=["W"], declared={"X": ("batch", 4, 4, 5)}),
    case("depthwise-fed", {"X": (2, 3, 4, 5), "W": (3, 2, 3, 2)}, {"group": 3, "strides": [2, 1], "dilations": [1, 2]}),
    case("depthwise-dynamic", {"X": (2, 3, 4, 5), "W": (3, 1, 3, 2)}, {"group": 3, "strides": [2, 1]}, constants=["W"],
         declared=ANY_SIZE),
    case("signal", {"X": (2, 3, 6), "W": (3, 4, 4), "B": (4,)}, {"strides": [2], "pads": [1, 1]}, constants=["W", "B"],
         declared={"X": ("batch", 3, "length")}),
    case("signal-groups", {"X": (2, 4, 6), "W": (4, 1, 4)}, {"strides": [2], "group": 2, "output_padding": [1]}),
    case("signal-depthwise", {"X": (2, 4, 6), "W": (4, 1, 4)}, {"strides": [2], "group": 4}, constants=["W"]),
    case("volume", {"X": (2, 2, 3, 3, 4), "W": (2, 3, 2, 3, 2), "B": (3,)},
         {"strides": [2, 1, 2], "pads": [0, 1, 0, 1, 1, 0], "output_padding": [1, 0, 1]}, constants=["W", "B"],
         declared={"X": ("batch", 2, 3, 3, 4)}),
    case("volume-fed", {"X": (1, 2, 3, 3, 4), "W": (2, 3, 2, 2, 2)}, {"strides": [2, 2, 2]}),
    case("volume-groups-dilated", {"X": (1, 4, 3, 3, 4), "W": (4, 1, 2, 2, 2)}, {"group": 2, "dilations": [2, 1, 2]},
         constants=["W"]),
]  # fmt: skip
