"""Measures what `convert --weights auto` finds: `python -m benchmarks.weights [NAME …]`; writes docs/weights.md."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.conversions import COMPAT_EXPORT, measure
from benchmarks.subjects import PRETRAINED, subject
from benchmarks.weights_document import write_document

ROOT = Path(__file__).parent.parent
MAX_ERROR = "1e-3"
CONFIG = ROOT / "configs" / "compatibility.yaml"
CHECKPOINT = ROOT / "checkpoints" / "compatibility.pth"
REFERENCE_MODEL = "compatibility"
NAMES = (
    REFERENCE_MODEL,
    "mlp",
    "cnn",
    "unet",
    "lstm",
    "crepe-tiny",
    "crepe-full",
    "mobilenet-v2",
    "resnet18",
    "efficientnet-b0",
    "vit-tiny",
    "bert-small",
    "ppocr-cls",
    "silero-vad-16k-op15",
    "basic-pitch",
)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.weights", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; default: all")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where to write (default: docs)")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in NAMES]:
        parser.error(f"there is no model {unknown[0]!r}; choose from {', '.join(NAMES)}")
    options.docs.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for row in measured(options.names or NAMES):
        print(f"{row['model']}: {row['refusal'] or row['trials'][-1]}, {row['cpu_s']} CPU s", flush=True)
        rows.append(row)
        results = {"max_error": MAX_ERROR, "models": rows}
        (options.docs / "weights.json").write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", "utf-8")
        write_document(results, options.docs)
    return 0


def measured(names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What a conversion of each model says: the encodings that were tried, the chosen one last, or why it is refused.

    Units: cpu_s in seconds, of the whole process, conversion and proof included
    """
    for name in names:
        is_pretrained = name in PRETRAINED or name == REFERENCE_MODEL
        yield {"model": name, "is_pretrained": is_pretrained} | convert_auto(_source(name))


def convert_auto(source: Path) -> dict[str, Any]:
    """What `convert --weights auto` says of a model, on the samples and the reference that everybody gets."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--weights", "auto", "--max-error", MAX_ERROR, "--runtimes", "tfjs-wasm@node"]
        command = [str(COMPAT_EXPORT), "convert", str(source), *options, "--artifacts", folder, "--json"]
        ended = measure(command, Path(folder))
    said = _said(ended.output)
    refusal = "{what}; {hint}".format(**said["error"]) if "error" in said else ""
    return {"refusal": refusal, "trials": said.get("weights", []), "cpu_s": round(ended.taken.cpu_s, 1)}


def _said(output: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(output[output.index("{") :])
    return found


def _source(name: str) -> Path:
    if name != REFERENCE_MODEL:
        return subject(name).onnx_file
    if not CHECKPOINT.exists():
        subprocess.run([str(COMPAT_EXPORT), "train", str(CONFIG), "--quiet"], check=True)
    return CONFIG


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
