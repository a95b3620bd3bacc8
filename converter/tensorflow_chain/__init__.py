"""The classical chain, onnx-tf → SavedModel → tensorflowjs, in an environment and in processes of its own."""
