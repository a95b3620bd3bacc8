"""PyTorch and ONNX models to verified TensorFlow.js releases."""

__version__ = "0.1.0"
