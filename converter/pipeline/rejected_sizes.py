"""Report sizes of inputs that contradict the model, which the compiler can't distinguish from a fault of its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from converter.config import ParitySection, TensorSpec, unnamed_axis
from converter.errors import CheckpointError, ConfigError, ConverterError, InternalError
from converter.pipeline.source import Source

if TYPE_CHECKING:
    from converter.parity.inputs import Sample


@contextmanager
def rejected_sizes_reported(source: Source, model: Path, settings: ParitySection) -> Iterator[None]:
    """Within it, a contradiction that the compiler finds is reported as one of the inputs' sizes if it is that.

    It is if ONNX Runtime, which knows nothing of these sizes beforehand, fails on an input of them as well.

    Raises: ConfigError then; else what was raised within it.
    """
    try:
        yield
    except (InternalError, CheckpointError) as error:
        from converter.pipeline.samples import draw

        sample = draw(source.inputs, settings)[0]
        rejection = _rejection(model, sample)
        if rejection is None:
            raise
        shapes = ", ".join(f"{name}[{', '.join(map(str, one.shape))}]" for name, one in sample.inputs.items())
        raise ConfigError(
            f"the model doesn't accept {shapes}: {rejection}",
            where="inputs",
            hint="give sizes that it accepts: by --bind NAME=SIZE, or by names for dimensions that must be equal, "
            "such as --input x=batch,8 --input state=2,batch,4",
        ) from error


@contextmanager
def unnamed_dimensions_hinted(specs: Sequence[TensorSpec]) -> Iterator[None]:
    """Within it, a model's failure on an input says which sizes were guessed: those of dimensions without names.

    Raises: what was raised within it, with a longer hint.
    """
    try:
        yield
    except ConverterError as error:
        unnamed = [str(dim) for spec in specs for dim in spec.shape if unnamed_axis(spec.name, dim) is not None]
        if type(error) is ConverterError and unnamed:
            inputs = " ".join(f"--input {spec.name}={','.join(map(str, spec.shape))}" for spec in specs)
            error.hint = (
                f"the model gives no names to {', '.join(unnamed)}: give equal ones one name in {inputs}, "
                f"or a size to each, such as --size {unnamed[-1]}=1"
            )
        raise


def _rejection(model: Path, sample: "Sample") -> str | None:
    """What ONNX Runtime says against a sample, None if it accepts it or can't load the model."""
    from converter.runtimes.onnxruntime_ import OnnxRuntime

    try:
        loaded = OnnxRuntime().load(model)
    except ConverterError:
        return None
    try:
        loaded.run(sample.inputs)
    except ConverterError as error:
        return error.what
    finally:
        loaded.close()
    return None
