"""Runs inside the environment of a peer: `python convert.py onnx-tf|onnx2tf|onnx2tf-2 MODEL.onnx FOLDER`.

One process from the ONNX file to the TF.js folder, so that TensorFlow is imported once; what only slows it is left out.
"""

import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = ""


def onnx_tf(model: Path, saved: Path) -> None:
    """The SavedModel that onnx-tf makes."""
    import onnx
    from onnx_tf.backend import prepare  # type: ignore[import-not-found]

    prepare(onnx.load(model)).export_graph(str(saved))


def onnx2tf(model: Path, saved: Path) -> None:
    """The SavedModel that onnx2tf 1 makes; it rewrites its input in place, and downloads images where it finds none."""
    import numpy as np
    import onnx2tf as tool  # type: ignore[import-not-found]

    images = np.random.default_rng(0).random((20, 128, 128, 3), np.float32)
    np.save("calibration_image_sample_data_20x128x128x3_float32.npy", images)

    tool.convert(str(model), output_folder_path=str(saved), output_signaturedefs=True, verbosity="error")


def onnx2tf_2(model: Path, saved: Path) -> None:
    """The SavedModel that onnx2tf 2 makes by its own default path."""
    import onnx2tf as tool

    options = {"flatbuffer_direct_output_saved_model": True, "verbosity": "error"}
    tool.convert(str(model), output_folder_path=str(saved), **options)


def to_tfjs(saved: Path, target: Path) -> None:
    """What the tensorflowjs package makes of a SavedModel; what it imports for other formats only is left out."""
    for name in ("tensorflow_decision_forests", "jax", "jax.experimental", "jax.experimental.jax2tf"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["jax.experimental"].jax2tf = sys.modules["jax.experimental.jax2tf"]  # type: ignore[attr-defined]
    from tensorflowjs.converters.tf_saved_model_conversion_v2 import (  # type: ignore[import-not-found]
        convert_tf_saved_model,
    )

    convert_tf_saved_model(str(saved), str(target), strip_debug_ops=True, control_flow_v2=True)


MAKERS: dict[str, Callable[[Path, Path], None]] = {"onnx-tf": onnx_tf, "onnx2tf": onnx2tf, "onnx2tf-2": onnx2tf_2}


def main(peer: str, model: Path, folder: Path) -> None:
    """`model` is a private copy beside which anything may be written."""
    if peer == "onnx2tf":  # version 2 runs it by itself
        subprocess.run(["onnxsim", str(model), str(model)], capture_output=True, check=False)
    saved = folder / "saved_model"
    MAKERS[peer](model, saved)
    to_tfjs(saved, folder / "tfjs")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
