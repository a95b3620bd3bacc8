"""A typed, read-only view of an ONNX model whose compile-time facts are already worked out."""

from converter.onnx_model.load import LoadedOnnx, load, load_bytes
from converter.onnx_model.model import OnnxGraph, OnnxModel, OnnxNode, ValueType
from converter.onnx_model.prepare import prepare
from converter.onnx_model.save import save, whole

__all__ = [
    "LoadedOnnx",
    "OnnxGraph",
    "OnnxModel",
    "OnnxNode",
    "ValueType",
    "load",
    "load_bytes",
    "prepare",
    "save",
    "whole",
]
