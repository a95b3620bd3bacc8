"""What each TF.js operator is as a layer, where it is one."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from converter.layers.model import Chain, Layer, Step

Rule = Callable[[Step, Chain], None]

ACTIVATIONS: Final[Mapping[str, str]] = {
    "Elu": "elu", "Relu": "relu", "Relu6": "relu6", "Selu": "selu", "Sigmoid": "sigmoid", "Softmax": "softmax",
    "Softplus": "softplus", "Tanh": "tanh",
}  # fmt: skip
BATCH_NORM = "BatchNormalization"


def _nothing(step: Step, chain: Chain) -> None:
    """An Identity is no layer."""


def _activation(step: Step, chain: Chain) -> None:
    chain.add("Activation", activation=ACTIVATIONS[step.node.op])


def _leaky_relu(step: Step, chain: Chain) -> None:
    chain.add("LeakyReLU", alpha=step.attr("alpha", 0.2))


def _prelu(step: Step, chain: Chain) -> None:
    step.needs_data_first()
    _add_prelu(step, chain, step.constants[0], step.x)


def _clip(step: Step, chain: Chain) -> None:
    step.needs_data_first()
    low, high = (_number(step, values) for values in step.constants)
    if low != 0 or not 0 < high < np.inf:
        step.refuse(f"it clips to {low:g} and {high:g}, and only a lower end of 0 and an upper one can be expressed")
    chain.add("ReLU", max_value=high)


def _dense(step: Step, chain: Chain) -> None:
    step.needs_data_first()
    step.require("transpose_a", False)
    kernel, *rest = step.constants
    if len(step.x) != 2 or kernel.ndim != 2:
        step.refuse("a product of matrices only")
    kernel = kernel.T if step.attr("transpose_b", False) else kernel
    _add_fused(step, chain, "Dense", {"kernel": kernel}, rest, kernel.shape[1], units=kernel.shape[1])


def _conv(step: Step, chain: Chain) -> None:
    kernel, *rest = step.constants
    config = {"filters": kernel.shape[3], "kernel_size": list(kernel.shape[:2]), **_window(step, chain)}
    _add_fused(step, chain, "Conv2D", {"kernel": kernel}, rest, kernel.shape[3], **config)


def _depthwise(step: Step, chain: Chain) -> None:
    kernel, *rest = step.constants
    config = {"depth_multiplier": kernel.shape[3], "kernel_size": list(kernel.shape[:2]), **_window(step, chain)}
    n_channels = kernel.shape[2] * kernel.shape[3]
    _add_fused(step, chain, "DepthwiseConv2D", {"depthwise_kernel": kernel}, rest, n_channels, **config)


def _pool(step: Step, chain: Chain) -> None:
    kind = {"MaxPool": "MaxPooling2D", "AvgPool": "AveragePooling2D"}[step.node.op]
    config = _window(step, chain, dilates=False)
    chain.add(kind, pool_size=_inner(step, "ksize"), **config)


def _reduce(step: Step, chain: Chain) -> None:
    """A mean or maximum over all places, whatever their shape: they become one dimension."""
    step.needs_data_first()
    step.attr("keep_dims", False)
    sizes = step.static(step.x[1:])
    axes = {int(axis) % len(step.x) for axis in step.constants[0].reshape(-1)}
    gone = [axis for axis, size in enumerate(sizes, 1) if axis in axes and size != 1]
    kept = [axis for axis, size in enumerate(sizes, 1) if axis not in axes and size != 1]
    if 0 in axes or (gone and kept and max(gone) > min(kept)):
        step.refuse("only the dimensions between the batch and the channels can be pooled")
    n_places, n_channels = (int(np.prod([sizes[axis - 1] for axis in of])) for of in (gone, kept))
    _reshape_to(chain, sizes, [n_places, n_channels])
    chain.add({"Mean": "GlobalAveragePooling1D", "Max": "GlobalMaxPooling1D"}[step.node.op])
    _reshape_to(chain, [n_channels], step.static(step.y[1:]))


def _reshape(step: Step, chain: Chain) -> None:
    for name in ("squeeze_dims", "axis"):
        step.attr(name, [0])
    before, after = step.static(step.x[1:]), step.static(step.y[1:])
    if step.x[0] != step.y[0] or np.prod(before) != np.prod(after):
        step.refuse("it changes the batch")
    _reshape_to(chain, before, after)


def _transpose(step: Step, chain: Chain) -> None:
    first, *others = (int(axis) for axis in step.constants[0])
    if first != 0:
        step.refuse("it moves the batch")
    chain.add("Permute", dims=others)


def _pad(step: Step, chain: Chain) -> None:
    paddings, *values = step.constants
    if any(_number(step, value) != 0 for value in values):
        step.refuse("only zeros can be padded with")
    _add_padding(step, chain, paddings.reshape(-1).tolist())


def _scale(step: Step, chain: Chain) -> None:
    _normalise(step, chain, {"gamma": _per_channel(step, step.constants[0])})


def _shift(step: Step, chain: Chain) -> None:
    _normalise(step, chain, {"beta": _per_channel(step, step.constants[0])})


def _shift_back(step: Step, chain: Chain) -> None:
    step.needs_data_first()
    _normalise(step, chain, {"beta": -_per_channel(step, step.constants[0])})


def _quotient(step: Step, chain: Chain) -> None:
    step.needs_data_first()
    _normalise(step, chain, {"gamma": 1 / _per_channel(step, step.constants[0])})


def _at_least(step: Step, chain: Chain) -> None:
    """max(x, low) = relu(x - low) + low."""
    low = _per_channel(step, step.constants[0])
    _normalise(step, chain, {"beta": -low})
    chain.add("ReLU")
    _normalise(step, chain, {"beta": low})


def _at_most(step: Step, chain: Chain) -> None:
    """min(x, high) = high - relu(high - x)."""
    high = _per_channel(step, step.constants[0])
    for is_first in (True, False):
        _normalise(step, chain, {"gamma": np.full_like(high, -1)})
        _normalise(step, chain, {"beta": high})
        if is_first:
            chain.add("ReLU")


def _normalise(step: Step, chain: Chain, weights: Mapping[str, np.ndarray]) -> None:
    """A scale, then a shift: batch normalisation with mean 0 and variance 1, which changes no bit of either."""
    last = chain.last
    if last and last.kind == BATCH_NORM and "beta" in weights and not last.config["center"]:
        chain.replace_last(Layer(BATCH_NORM, {**last.config, "center": True}, {**last.weights, **weights}))
        return
    (values,) = weights.values()
    moments = {"moving_mean": np.zeros_like(values), "moving_variance": np.ones_like(values)}
    flags = {"center": "beta" in weights, "scale": "gamma" in weights}
    chain.add(BATCH_NORM, {**weights, **moments}, axis=-1, epsilon=0.0, **flags)


def _add_fused(
    step: Step, chain: Chain, kind: str, weights: Mapping[str, np.ndarray], rest: list[np.ndarray], n_out: int,
    **config: Any,
) -> None:  # fmt: skip
    """A layer with what is fused to it: a bias, and an activation that is a setting or a layer of its own."""
    fused, n_arguments = list(step.attr("fused_ops", [""]) if "fused_ops" in step.node.attrs else []), len(rest)
    step.require("num_args", n_arguments)
    alpha = step.attr("leakyrelu_alpha", 0.2)
    has_bias = fused[:1] == ["BiasAdd"]
    activations = fused[1:] if has_bias else fused
    if has_bias:
        bias, *rest = rest
        weights = {**weights, "bias": _as_row(step, bias, n_out)}
    name = activations[0] if activations else ""
    known = name in {*ACTIVATIONS, "LeakyRelu", "Prelu", ""}
    if len(activations) > 1 or not known or len(rest) != (name == "Prelu"):
        step.refuse(f"{', '.join(fused)} is fused to it")
    chain.add(kind, weights, use_bias=has_bias, activation=ACTIVATIONS.get(name, "linear"), **config)
    if name == "LeakyRelu":
        chain.add("LeakyReLU", alpha=alpha)
    if name == "Prelu":
        _add_prelu(step, chain, rest[0], step.y)


def _add_prelu(step: Step, chain: Chain, slopes: np.ndarray, shape: tuple[Any, ...]) -> None:
    n_channels = step.static(shape[-1:])[0]
    inner = len(shape) - 2
    alpha = _as_row(step, slopes, n_channels).reshape(*[1] * inner, n_channels)
    chain.add("PReLU", {"alpha": alpha}, shared_axes=list(range(1, inner + 1)))


def _window(step: Step, chain: Chain, *, dilates: bool = True) -> dict[str, Any]:
    """What the window of a convolution or a pool does; zeros around its input are a layer of their own."""
    step.needs_data_first()
    step.require("data_format", "NHWC")
    config: dict[str, Any] = {"strides": _inner(step, "strides"), "data_format": "channels_last"}
    if dilates:
        config["dilation_rate"] = _inner(step, "dilations")
    padding, explicit = step.attr("padding", "VALID"), step.attr("explicit_paddings", [0] * 8)
    if padding == "EXPLICIT" and dilates:
        _add_padding(step, chain, explicit)
    elif padding not in ("SAME", "VALID"):
        step.refuse(f"its padding is {padding}")
    return {**config, "padding": "same" if padding == "SAME" else "valid"}


def _add_padding(step: Step, chain: Chain, flat: list[int]) -> None:
    if len(step.x) != 4 or any(flat[:2]) or any(flat[6:]) or min(flat) < 0:
        step.refuse("only height and width can be padded")
    if any(flat):
        chain.add("ZeroPadding2D", padding=[flat[2:4], flat[4:6]], data_format="channels_last")


def _inner(step: Step, name: str) -> list[int]:
    """Height and width of an attribute that has a number for each dimension."""
    first, *inner, last = step.attr(name, [1, 1, 1, 1])
    if first != 1 or last != 1 or len(inner) != 2:
        step.refuse(f"its {name} is {[first, *inner, last]}")
    return inner


def _reshape_to(chain: Chain, before: list[int], after: list[int]) -> None:
    if before == after:
        return
    if len(after) == 1:
        chain.add("Flatten")
    else:
        chain.add("Reshape", target_shape=after)


def _per_channel(step: Step, values: np.ndarray) -> np.ndarray:
    """A constant that is the same for all places, as one number for each channel."""
    if step.x != step.y or not 2 <= len(step.x) <= 4:
        step.refuse("its constant changes the shape")
    return _as_row(step, values, step.static(step.x[-1:])[0])


def _as_row(step: Step, values: np.ndarray, n_channels: int) -> np.ndarray:
    if values.size == 1:
        return np.full(n_channels, values.reshape(()), np.float32)
    if values.shape[-1] != n_channels or values.size != n_channels:
        step.refuse(f"its constant of shape {list(values.shape)} is not one number for each channel")
    return values.reshape(n_channels)


def _number(step: Step, values: np.ndarray) -> float:
    if values.size != 1:
        step.refuse("its bounds must be single numbers")
    return float(values.reshape(()))


RULES: Final[Mapping[str, Rule]] = {
    **dict.fromkeys(ACTIVATIONS, _activation),
    "_FusedConv2D": _conv,
    "_FusedMatMul": _dense,
    "AddV2": _shift,
    "AvgPool": _pool,
    "BiasAdd": _shift,
    "ClipByValue": _clip,
    "Conv2D": _conv,
    "DepthwiseConv2dNative": _depthwise,
    "ExpandDims": _reshape,
    "FusedDepthwiseConv2dNative": _depthwise,
    "Identity": _nothing,
    "LeakyRelu": _leaky_relu,
    "MatMul": _dense,
    "Max": _reduce,
    "MaxPool": _pool,
    "Maximum": _at_least,
    "Mean": _reduce,
    "Minimum": _at_most,
    "Mul": _scale,
    "Pad": _pad,
    "PadV2": _pad,
    "Prelu": _prelu,
    "RealDiv": _quotient,
    "Reshape": _reshape,
    "Squeeze": _reshape,
    "Sub": _shift_back,
    "Transpose": _transpose,
}
