"""What a conversion is proved with: its inputs, and the runtime that says what is right."""

from converter.config import ResolvedConfig
from converter.parity.inputs import Sample
from converter.parity.samples import read_samples
from converter.pipeline.samples import draw
from converter.pipeline.source import Source
from converter.runtimes import RuntimePool
from converter.runtimes.base import Runtime


def samples_of(resolved: ResolvedConfig, source: Source) -> list[Sample]:
    """The inputs that a config asks for: drawn, and read from a person's own file."""
    settings = resolved.config.parity
    samples = draw(source.inputs, settings)
    if settings.samples:
        names = [feature.name for feature in resolved.config.features]
        samples += read_samples(resolved.path(settings.samples), source.inputs, names)
    return samples


def reference_runtime(source: Source, pool: RuntimePool) -> Runtime:
    """PyTorch where there is a module, else onnxruntime."""
    if source.module is None:
        return pool.get("onnxruntime")
    from converter.runtimes.torch_ import TorchRuntime

    return TorchRuntime(source.module, source.inputs, source.outputs)
