"""The TF.js graph model as a format: graph, op table, types, checks, passes, writing and reading. Knows no ONNX."""
