import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from converter.cli import main
from tests.chain import networks

ROOT = Path(__file__).parents[2]
NETWORKS = Path(networks.__file__)
sys.path.insert(0, str(ROOT / "benchmarks"))

Source = Callable[[str], list[str]]


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """The arguments of `convert` for a model, by its name."""
    folder = tmp_path_factory.mktemp("sources")

    def network(kind: type[torch.nn.Module], shape: str) -> list[str]:
        torch.manual_seed(0)
        path = folder / f"{kind.__name__.lower()}.pth"
        torch.save(kind().state_dict(), path)
        return [str(path), "--factory", f"{NETWORKS}:{kind.__name__}", "--input", shape]

    def compatibility() -> list[str]:
        config = folder / "configs" / "compatibility.yaml"
        if not config.exists():
            config.parent.mkdir()
            shutil.copyfile(ROOT / "configs" / "compatibility.yaml", config)
            assert main(["train", str(config), "--quiet"]) == 0
        return [str(config), "--version", "0.1.0"]

    def crepe() -> list[str]:
        from fetch import fetch

        factory = f"{ROOT / 'benchmarks' / 'crepe.py'}:Crepe"
        return [
            str(fetch("crepe-tiny")),
            "--factory",
            factory,
            "--input",
            "audio=batch,1024:float32",
            "--name",
            "crepe",
        ]

    def arguments(name: str) -> list[str]:
        match name:
            case "mlp":
                return network(networks.Mlp, "x=batch,8:float32")
            case "cnn":
                return network(networks.Cnn, "image=batch,3,16,16:float32")
            case "compatibility":
                return compatibility()
            case _:
                return crepe()

    return arguments
