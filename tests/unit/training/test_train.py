import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from converter.checkpoint import load_module
from converter.config import Config, resolve
from converter.errors import ConfigError, ConverterError
from converter.fileio import sha256_of
from converter.pipeline.train import train as pipeline_train
from converter.training.devices import Processes
from converter.training.fit import Progress
from converter.training.judge import judge
from converter.training.network import reference_factory
from converter.training.source import open_rows
from converter.training.train import Place, Trained, train

CONFIG = Path(__file__).parents[3] / "configs" / "compatibility.yaml"
QUICK = {
    "training.n_rows": 2000,
    "training.epochs": 4,
    "training.warmup_epochs": 0.5,
    "training.batch_size": 64,
    "data.split.test": 0.15,
    "evaluation.resamples": 100,
}


def config(**flags: object) -> Config:
    return resolve(CONFIG, QUICK | {name.replace("__", "."): value for name, value in flags.items()}).config


def run(config: Config, folder: Path, reports: list[Progress] | None = None) -> Trained:
    told = reports if reports is not None else []
    opened = open_rows(config, folder)
    result = train(config, opened, Place(folder, folder / "net.resume", Processes(), False), told.append)
    assert result is not None
    return result


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, list[Progress]]:
    reports: list[Progress] = []
    return run(config(), tmp_path_factory.mktemp("quick"), reports), reports


def test_progress_is_told(quick: tuple[Trained, list[Progress]]) -> None:
    result, reports = quick
    assert {report.epoch for report in reports} == {1, 2, 3, 4}
    steps = [report.step for report in reports]
    assert steps == sorted(steps)
    assert steps[-1] == reports[-1].n_steps
    assert reports[-1].train_loss < reports[0].train_loss
    losses = {report.epoch: report.validation_loss for report in reports if report.validation_loss is not None}
    assert result.best_epoch == min(losses, key=lambda epoch: losses[epoch])
    assert result.n_epochs == 4
    assert not result.network.training


def test_the_normaliser_is_not_trained(quick: tuple[Trained, list[Progress]]) -> None:
    fresh = dict(reference_factory(config())().normaliser.named_buffers())
    trained = dict(quick[0].network.normaliser.named_buffers())
    assert trained.keys() == fresh.keys()
    assert all(torch.equal(trained[name], fresh[name]) for name in fresh)


def test_the_temperature_is_in_the_network(quick: tuple[Trained, list[Progress]]) -> None:
    result = quick[0]
    evaluation = judge(result)
    assert evaluation.metrics["temperature"] == pytest.approx(float(result.network.temperature))
    assert float(result.network.temperature) != 1.0


def test_it_learns(quick: tuple[Trained, list[Progress]]) -> None:
    metrics = judge(quick[0]).metrics
    assert metrics["majority_accuracy"] + 0.2 < metrics["accuracy"]
    assert {name: len(part) for name, part in quick[0].split.parts().items()} == {
        "train": 1500,
        "validation": 200,
        "test": 300,
    }


def test_the_world_outside_is_left_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(7)
    wanted = torch.rand(1)
    torch.manual_seed(7)
    threads = torch.get_num_threads()
    run(config(training__epochs=1), tmp_path)
    assert torch.equal(torch.rand(1), wanted)
    assert torch.get_num_threads() == threads
    assert capfd.readouterr() == ("", "")


def test_another_seed_gives_another_network(quick: tuple[Trained, list[Progress]], tmp_path: Path) -> None:
    other = run(config(training__seed=1), tmp_path)
    assert not torch.equal(quick[0].network.layers[0].weight, other.network.layers[0].weight)


def test_normalisation_in_the_client_trains_as_well(quick: tuple[Trained, list[Progress]], tmp_path: Path) -> None:
    result = run(config(network__normalization="client"), tmp_path)
    assert judge(result).metrics["accuracy"] == judge(quick[0]).metrics["accuracy"]


def test_a_loss_that_diverges_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConverterError, match="diverged in epoch 1") as caught:
        run(config(training__learning_rate=1e30, training__weight_decay=1e30), tmp_path)
    assert "learning_rate" in caught.value.hint


def test_features_that_the_world_does_not_have_are_named(tmp_path: Path) -> None:
    features = [feature.model_dump() for feature in config().features]
    features[0]["name"] = "height"
    with pytest.raises(ConfigError, match="knows no height"):
        run(config(features=features), tmp_path)


FACTORY = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, width):
        super().__init__(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 1), nn.Sigmoid())
"""


def test_any_factory_can_be_trained(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(FACTORY)
    flags = {"model__factory": "net.py:Net", "model__kwargs": {"width": 16}, "network__normalization": "client"}
    result = run(config(**flags), tmp_path)
    assert type(result.network).__name__ == "Net"
    assert judge(result).metrics["roc_auc"] > 0.85
    score = result.network(torch.zeros(1, 8))
    assert score.shape == (1, 1)


def test_class_weights_move_scores_toward_the_rarer_class(tmp_path: Path) -> None:
    def mean_score(**flags: object) -> float:
        result = run(config(network__normalization="client", training__epochs=2, **flags), tmp_path)
        x = torch.from_numpy(np.random.default_rng(0).random((500, 8), np.float32))
        with torch.no_grad():
            return float(result.network(x).mean())

    plain = mean_score()
    assert mean_score(training__class_weights="balanced") > plain + 0.02
    assert mean_score(training__class_weights=[5.0, 1.0]) < plain - 0.02


def test_training_stops_early(tmp_path: Path) -> None:
    result = run(config(training__epochs=50, training__patience=2, training__learning_rate=0.05), tmp_path)
    assert result.n_epochs == result.best_epoch + 2 < 50


def test_another_process_writes_the_same_checkpoint(tmp_path: Path) -> None:
    settings = yaml.safe_load(CONFIG.read_text())
    settings["training"] |= {"n_rows": 2000, "epochs": 2, "batch_size": 64}
    settings["network"] |= {"dropout": 0.1}
    settings["evaluation"] = {"resamples": 100}
    paths = []
    for name in ("one", "two"):
        settings["model"]["checkpoint"] = f"{name}/net.pth"
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(settings))
        paths.append(tmp_path / name / "net.pth")
    assert pipeline_train(resolve(tmp_path / "one.yaml", {})) is not None
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "converter", "train", str(tmp_path / "two.yaml"), "--quiet"]
    subprocess.run(command, cwd=CONFIG.parents[1], env=environment | {"PYTHONHASHSEED": "1"}, check=True)
    assert len({sha256_of(path) for path in paths}) == 1
    assert len({path.with_suffix(".training.json").read_bytes() for path in paths}) == 1
    factory = reference_factory(config(network__dropout=0.1))
    assert load_module(paths[0], factory).sha256 == sha256_of(paths[0])
