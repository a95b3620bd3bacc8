"""A model written anew, with what is known before it runs as constants."""

from converter.onnx_model.load import LoadedOnnx
from converter.onnx_model.prepare import prepare
from converter.onnx_model.protos import SMALL_ELEMENTS, model_proto


def folded(loaded: LoadedOnnx) -> LoadedOnnx:
    """The same model without the nodes that no input decides; as it is, if its nodes follow several opset versions.

    Raises: CheckpointError if the model contradicts itself.
    """
    model = prepare(loaded, has_lowering=lambda *_: True)
    proto = model_proto(model)
    if proto is None:
        return loaded
    large = {name: array for name, array in model.graph.constants.items() if array.size > SMALL_ELEMENTS}
    return LoadedOnnx(proto, large, loaded.sha256)
