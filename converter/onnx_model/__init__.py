"""A typed, read-only view of an ONNX model whose compile-time facts are already worked out."""

from converter.onnx_model.contributed import register
from converter.onnx_model.expression import Expression, Integer
from converter.onnx_model.folded import folded
from converter.onnx_model.load import LoadedOnnx, load, load_bytes
from converter.onnx_model.model import OnnxGraph, OnnxModel, OnnxNode, ValueType
from converter.onnx_model.pieces import NodeFacts, known_values, nodes_of, piece_of, with_outputs
from converter.onnx_model.prepare import prepare
from converter.onnx_model.save import save, whole
from converter.onnx_model.take_apart import take_apart

__all__ = [
    "Expression",
    "Integer",
    "LoadedOnnx",
    "NodeFacts",
    "OnnxGraph",
    "OnnxModel",
    "OnnxNode",
    "ValueType",
    "folded",
    "known_values",
    "load",
    "load_bytes",
    "nodes_of",
    "piece_of",
    "prepare",
    "register",
    "save",
    "take_apart",
    "whole",
    "with_outputs",
]
