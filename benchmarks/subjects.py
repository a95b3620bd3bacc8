"""The models that are compared, each with inputs of a fixed seed and what onnxruntime makes of them."""

import contextlib
import hashlib
import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from benchmarks.fetch import fetch

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("COMPAT_EXPORT_BENCHMARKS", HERE.parent / ".cache" / "benchmarks"))
SEED = 20260102
OLD_OPSET = 13  # the newest that onnx-tf reads whole

# The networks of networks.py: the shape of their one input.
NETWORKS = {
    "mlp": (1, 64),
    "cnn": (1, 3, 64, 64),
    "unet": (1, 3, 128, 128),
    "lstm": (1, 32, 40),
    "shufflenet-v2": (1, 3, 224, 224),
    "mobilenet-v2": (1, 3, 224, 224),
    "resnet18": (1, 3, 224, 224),
    "resnet50": (1, 3, 224, 224),
    "efficientnet-b0": (1, 3, 224, 224),
    "vit-tiny": (1, 3, 224, 224),
    "bert-small": (1, 64),
}
# Real models, as fetch.py brings them: the shapes that their inputs get.
PRETRAINED: dict[str, dict[str, tuple[int, ...]]] = {
    "crepe-tiny": {"audio": (1, 1024)},
    "crepe-full": {"audio": (1, 1024)},
    "basic-pitch": {},
    "ppocr-cls": {"x": (1, 3, 48, 192)},
    "ppocr-det": {"x": (1, 3, 160, 160)},
    "ppocr-rec": {"x": (1, 3, 48, 320)},
    "silero-vad-16k-op15": {"input": (1, 576), "state": (2, 1, 128)},
    "asr-whisper80-conv": {"waveforms": (1, 16000), "waveforms_lens": (1,)},
}
CREPE = {"crepe-tiny": "Crepe", "crepe-full": "CrepeFull"}  # state dicts: the classes of crepe.py they belong to
NAMES = (*NETWORKS, *PRETRAINED)


@dataclass(frozen=True)
class Subject:
    """A model of fixed shapes: `onnx_file` as its author exports it today, `old_file` as older tools like it."""

    name: str
    folder: Path

    @property
    def onnx_file(self) -> Path:
        """The file that is converted by us and run by onnxruntime-web."""
        return self.folder / "model.onnx"

    @property
    def old_file(self) -> Path:
        """The same model by torch's older exporter at opset 13, where torch made it; else the same file."""
        old = self.folder / "model-opset13.onnx"
        return old if old.exists() else self.onnx_file

    @property
    def digest(self) -> str:
        """The SHA-256 of both files."""
        return hashlib.sha256(self.onnx_file.read_bytes() + self.old_file.read_bytes()).hexdigest()

    def inputs(self) -> dict[str, np.ndarray]:
        """The inputs, by the ONNX names of `onnx_file`."""
        with np.load(self.folder / "inputs.npz") as stored:
            return dict(stored)

    def outputs(self) -> list[np.ndarray]:
        """What onnxruntime computes, in the model's order."""
        session = onnxruntime.InferenceSession(str(self.onnx_file), providers=["CPUExecutionProvider"])
        return [np.asarray(one) for one in session.run(None, self.inputs())]


def subject(name: str) -> Subject:
    """The model of that name, made or fetched where it isn't there yet."""
    folder = CACHE / "models" / name
    if not (folder / "inputs.npz").exists():
        folder.mkdir(parents=True, exist_ok=True)
        if name in NETWORKS:
            _export(name, folder)
        elif name in CREPE:
            _export_crepe(name, folder)
        else:
            _fix_shapes(fetch(name), PRETRAINED[name], folder / "model.onnx")
        inputs = _drawn(folder / "model.onnx")
        np.savez(folder / "inputs.npz", **inputs)  # type: ignore[arg-type]
    return Subject(name, folder)


def _export(name: str, folder: Path) -> None:
    import torch

    from benchmarks import networks

    shape = NETWORKS[name]
    module = getattr(networks, name.replace("-", "_"))()
    example = torch.ones(shape, dtype=torch.int64) if name == "bert-small" else torch.rand(shape)
    _write_both(module, example, "x", folder)


def _export_crepe(name: str, folder: Path) -> None:
    import torch

    from benchmarks import crepe

    module = getattr(crepe, CREPE[name])()
    module.load_state_dict(torch.load(fetch(name), weights_only=True))
    _write_both(module.eval(), torch.rand(1, 1024), "audio", folder)


def _write_both(module: "object", example: "object", name: str, folder: Path) -> None:
    import torch

    for file, opset in (("model.onnx", 18), (f"model-opset{OLD_OPSET}.onnx", OLD_OPSET)):
        is_new = opset >= 18
        if not is_new and hasattr(getattr(module, "network", None), "set_attn_implementation"):
            module.network.set_attn_implementation("eager")  # type: ignore[attr-defined]  # the other one is of opset 14
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            extra = {"external_data": False, "optimize": True, "verbose": False} if is_new else {}
            torch.onnx.export(
                module,  # type: ignore[arg-type]
                (example,),
                str(folder / file),
                dynamo=is_new,
                opset_version=opset,
                input_names=[name],
                output_names=["y"],
                **extra,
            )


def _fix_shapes(source: Path, shapes: dict[str, tuple[int, ...]], target: Path) -> None:
    model = onnx.load(source)
    constants = {one.name for one in model.graph.initializer}
    for value in model.graph.input:
        if value.name in constants:
            continue
        dims = value.type.tensor_type.shape.dim
        for index, dim in enumerate(dims):
            size = shapes[value.name][index] if value.name in shapes else dim.dim_value or 1
            dim.ClearField("dim_param")
            dim.dim_value = size
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    onnx.save(onnx.shape_inference.infer_shapes(model), target)


def _drawn(file: Path) -> dict[str, np.ndarray]:
    random = np.random.default_rng(SEED)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    drawn = {}
    for one in session.get_inputs():
        if one.type == "tensor(int64)":
            full = {"sr": 16000, "waveforms_lens": 16000}
            values = random.integers(1, 100, one.shape) if one.name not in full else np.full(one.shape, full[one.name])
            drawn[one.name] = values.astype(np.int64)
        else:
            drawn[one.name] = random.standard_normal(one.shape).astype(np.float32)
    return drawn
