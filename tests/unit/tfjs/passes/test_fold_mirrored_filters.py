import sys

import numpy as np
import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.passes.fold_mirrored_filters import fold_mirrored_filters

MODULE = sys.modules[fold_mirrored_filters.__module__]


@pytest.fixture
def _small_ones_too(monkeypatch):
    monkeypatch.setattr(MODULE, "LEAST_WORK", 0)


def transform(n_taps: int, kinds: str = "cs") -> np.ndarray:
    """Cosines (c) and sines (s) of a window, (tap, filter); the first tap has no mirror image, and a window of 0."""
    taps, turns = np.arange(n_taps), np.arange(n_taps // 2 + 1)
    angles = 2 * np.pi * np.outer(taps, turns) / n_taps
    window = 0.5 - 0.5 * np.cos(2 * np.pi * taps / n_taps)
    waves = {"c": np.cos(angles), "s": -np.sin(angles)}
    return np.concatenate([window[:, None] * waves[kind] for kind in kinds], axis=1)


def banks(n_taps: int, n_even: int, n_odd: int) -> np.ndarray:
    """Filters whose every tap has a mirror image, (tap, filter)."""
    even, odd = (np.random.default_rng(n).standard_normal((n_taps, n)) for n in (n_even, n_odd))
    return np.concatenate([even + even[::-1], odd - odd[::-1]], axis=1)


def convolved(net, taps, *, n_places=330, stride=16, batch=2, is_column=False, **attrs):
    n_taps, n_out = taps.shape
    image, kernel = ((n_places, 1), (n_taps, 1)) if is_column else ((1, n_places), (1, n_taps))
    x, filters = net.input("x", batch, *image, 1), net.data(taps.reshape(*kernel, 1, n_out))
    strides = [1, stride, 1, 1] if is_column else [1, 1, stride, 1]
    return net.conv(x, filters, strides=strides, data_format="NHWC", **{"padding": "VALID"} | attrs)


@pytest.mark.parametrize(
    ("taps", "settings", "expected"),
    [
        pytest.param(transform(64), {}, {"AddV2": 1, "Sub": 1, "Conv2D": 3, "ConcatV2": 3}, id="transform"),
        pytest.param(transform(64, "sc"), {}, {"AddV2": 1, "Sub": 1, "Conv2D": 3, "ConcatV2": 3}, id="sines-first"),
        pytest.param(transform(64, "c"), {}, {"AddV2": 1, "Conv2D": 2, "ConcatV2": 2}, id="cosines-alone"),
        pytest.param(transform(33), {}, {"AddV2": 1, "Sub": 1, "Conv2D": 3, "ConcatV2": 3}, id="odd-transform"),
        pytest.param(banks(40, 3, 2), {}, {"AddV2": 1, "Sub": 1, "Conv2D": 3, "ConcatV2": 3}, id="every-tap"),
        pytest.param(banks(41, 0, 3), {}, {"Sub": 1, "Conv2D": 2, "ConcatV2": 2}, id="odd-with-a-middle"),
        pytest.param(
            transform(64), {"stride": 80}, {"AddV2": 1, "Sub": 1, "Conv2D": 3, "ConcatV2": 2}, id="frames-apart"
        ),
        pytest.param(
            transform(64), {"stride": 23}, {"AddV2": 1, "Sub": 1, "Conv2D": 3, "ConcatV2": 3}, id="stride-in-one-piece"
        ),
        pytest.param(
            transform(64), {"stride": 53}, {"AddV2": 1, "Sub": 1, "Conv2D": 3, "ConcatV2": 2}, id="stride-that-is-prime"
        ),
        pytest.param(
            transform(64), {"n_places": 336}, {"AddV2": 1, "Sub": 1, "Conv2D": 3, "ConcatV2": 3}, id="whole-rows"
        ),
        pytest.param(
            transform(64), {"is_column": True}, {"AddV2": 1, "Sub": 1, "Conv2D": 3, "ConcatV2": 3}, id="column"
        ),
        pytest.param(
            transform(64), {"batch": "n"}, {"AddV2": 1, "Sub": 1, "Conv2D": 3, "ConcatV2": 3}, id="batch-without-a-size"
        ),
    ],
)
@pytest.mark.usefixtures("_small_ones_too")
def test_mirrored_filters_see_half_frames(pool, taps, settings, expected):
    net = Net()
    graph = net.done(y=convolved(net, taps, **settings))
    after = fold_mirrored_filters(graph)
    assert {op: count for op, count in ops(after).items() if op in expected} == expected
    assert ops(after).keys() <= expected.keys() | {"Reshape", "Slice", "PadV2"}
    assert_same(pool, graph, after)


@pytest.mark.usefixtures("_small_ones_too")
def test_half_the_weights_are_left():
    net = Net()
    graph = net.done(y=convolved(net, transform(512), n_places=1280, stride=128))
    before, after = (
        sum(array.nbytes for array in one.constants.values()) for one in (graph, fold_mirrored_filters(graph))
    )
    assert after < 0.51 * before


@pytest.mark.parametrize(
    ("taps", "settings"),
    [
        pytest.param(np.random.default_rng(3).standard_normal((64, 4)), {}, id="not-mirrored"),
        pytest.param(transform(64)[:, [0, 40, 1]], {}, id="even-and-odd-in-turn"),
        pytest.param(transform(64) + 1e-4, {}, id="not-quite-mirrored"),
        pytest.param(transform(64), {"dilations": [1, 1, 2, 1], "stride": 1}, id="dilated"),
        pytest.param(transform(64), {"padding": "SAME"}, id="padded-at-run-time"),
        pytest.param(
            transform(64), {"padding": "EXPLICIT", "explicit_paddings": [0, 0, 0, 0, 3, 0, 0, 0]}, id="padded"
        ),
        pytest.param(transform(64), {"n_places": "n"}, id="signal-without-a-size"),
        pytest.param(np.ones((1, 4)), {}, id="one-tap"),
    ],
)
@pytest.mark.usefixtures("_small_ones_too")
def test_others_stay(taps, settings):
    net = Net()
    graph = net.done(y=convolved(net, taps, **settings))
    assert ops(fold_mirrored_filters(graph)) == {"Conv2D": 1}


@pytest.mark.usefixtures("_small_ones_too")
@pytest.mark.parametrize("image", [(2, 300, 1), (1, 300, 2)], ids=["of-two-rows", "of-two-channels"])
def test_images_stay(image):
    net = Net()
    x, n_in = net.input("x", 1, *image), image[2]
    filters = net.data(np.ones((1, 16, n_in, 3)))
    graph = net.done(y=net.conv(x, filters, padding="VALID", data_format="NHWC"))
    assert ops(fold_mirrored_filters(graph)) == {"Conv2D": 1}


@pytest.mark.parametrize(("n_frames", "is_folded"), [(240, False), (260, True)])
def test_small_ones_stay(n_frames, is_folded):
    net = Net()
    graph = net.done(y=convolved(net, transform(256), n_places=256 + 64 * (n_frames - 1), stride=64))
    after = fold_mirrored_filters(graph)  # 256 x 258 multiplications for every frame
    assert (after.nodes != graph.nodes) == is_folded
