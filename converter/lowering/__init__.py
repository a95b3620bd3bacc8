"""The only place where ONNX meets TF.js: one function for each operator version."""

from converter.lowering.driver import Lowered, interface_of, lower, problems_of
from converter.lowering.registry import REGISTRY, Registry

__all__ = ["REGISTRY", "Lowered", "Registry", "interface_of", "lower", "problems_of"]
