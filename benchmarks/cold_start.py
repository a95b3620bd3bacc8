"""What a conversion costs before it converts anything: `python -m benchmarks.cold_start [RUNS]`.

Whole processes, in processor time, the commands of a group in turn; the least of all runs counts, for other programs
can only add to it. `import onnx` and `import torch` with an export are what no converter of such models does without.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import torch
from onnx import parser

MODEL = """
<ir_version: 10, opset_import: ["" : 18]>
mlp (float[batch, 3] x) => (float[batch, 2] y)
<float[3, 2] w = {0.5, -0.25, 1.0, 2.0, -1.5, 0.75}, float[2] b = {0.1, -0.2}>
{
    h = MatMul(x, w)
    s = Add(h, b)
    y = Sigmoid(s)
}
"""
NET = """
from torch import nn


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
"""
EXPORT = """
import torch
from net import Net
net = Net()
net.load_state_dict(torch.load("net.pth", weights_only=True))
batch = torch.export.Dim("batch")
torch.onnx.export(net.eval(), (torch.zeros(2, 3),), dynamo=True, verbose=False, dynamic_shapes=({0: batch},))
"""
Command = Sequence[str]


def processor_s(command: Command, folder: Path) -> float:
    """Seconds of processor time that a program takes, user and system."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(folder / "artifacts", ignore_errors=True)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measured(commands: Mapping[str, Command], folder: Path, n_runs: int) -> dict[str, float]:
    """The least processor time of each command, in seconds; the first round only writes byte code."""
    rounds = [{name: processor_s(command, folder) for name, command in commands.items()} for _ in range(n_runs + 1)]
    return {name: min(one[name] for one in rounds[1:]) for name in commands}


def main(n_runs: int) -> dict[str, float]:
    """Processor time of each command, in seconds."""
    tool = [sys.executable, "-m", "converter"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        onnx.save(parser.parse_model(MODEL), folder / "mlp.onnx")
        (folder / "net.py").write_text(NET)
        torch.manual_seed(0)
        modules = [torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1)]
        torch.save(torch.nn.Sequential(*modules).state_dict(), folder / "net.pth")
        made = ["--no-verify", "--quiet", "--artifacts", "artifacts"]
        from_torch = ["--factory", "net.py:Net", "--input", "x=batch,3"]
        cheap: dict[str, Command] = {
            "python": [sys.executable, "-c", ""],
            "compat-export --help": [*tool, "--help"],
            "import onnx": [sys.executable, "-c", "import onnx"],
            "convert mlp.onnx": [*tool, "convert", "mlp.onnx", *made],
        }
        dear: dict[str, Command] = {
            "torch.onnx.export": [sys.executable, "-c", EXPORT],
            "convert net.pth": [*tool, "convert", "net.pth", *from_torch, *made],
        }
        return measured(cheap, folder, n_runs) | measured(dear, folder, -(-n_runs // 3))


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]) if len(sys.argv) > 1 else 9), indent=1))
