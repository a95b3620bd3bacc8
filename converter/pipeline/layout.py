"""Images with their channels last, as an app has them."""

from dataclasses import replace

from converter.config import InputLayout, TensorSpec
from converter.errors import ConfigError
from converter.onnx_model.layout import with_channels_last
from converter.pipeline.source import Source

WHERE = "input_layout"


def in_layout(source: Source, layout: InputLayout) -> Source:
    """The source with each input of four dimensions as (batch, height, width, channel) if the layout is `nhwc`.

    Raises: ConfigError if there is no such input, or it can't be taken so.
    """
    if layout == "model":
        return source
    images = [spec.name for spec in source.inputs if len(spec.shape) == 4]
    if not images:
        found = ", ".join(f"{spec.name}[{', '.join(map(str, spec.shape))}]" for spec in source.inputs)
        hint = f"its inputs are {found or 'none'}; leave the layout out"
        raise ConfigError("the model has no input of four dimensions", where=WHERE, hint=hint)
    if handed_on := [name for name in images if name in source.outputs]:
        hint = "leave the layout out, or don't return what was given"
        raise ConfigError(f"input {handed_on[0]!r} is an output as well", where=WHERE, hint=hint)
    module = source.module
    if module is not None:
        from converter.export import ChannelsLast
        from converter.forward import bind_inputs

        module = ChannelsLast(module, bind_inputs(module, source.inputs), images)
    inputs = tuple(_channels_last(spec) if spec.name in images else spec for spec in source.inputs)
    return replace(source, onnx=with_channels_last(source.onnx, images), inputs=inputs, module=module)


def _channels_last(spec: TensorSpec) -> TensorSpec:
    if isinstance(spec.low, tuple) or isinstance(spec.high, tuple):
        hint = "give one low and one high: what was the last dimension no longer is"
        raise ConfigError(
            "it has a bound for each entry of its last dimension", where=f"input {spec.name!r}", hint=hint
        )
    batch, channel, height, width = spec.shape
    return spec.model_copy(update={"shape": (batch, height, width, channel)})
