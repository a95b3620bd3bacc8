"""The TF.js Layers format: chains of layers that `tf.loadLayersModel` loads, from a TF.js graph."""

from converter.layers.chain import layers_from_graph
from converter.layers.write import write_layers

LAYERS_FOLDER = "tfjs-layers"
"""What an artifact calls the format, and the folder it is in."""

__all__ = ["LAYERS_FOLDER", "layers_from_graph", "write_layers"]
