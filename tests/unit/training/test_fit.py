import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from converter.checkpoint import load_module
from converter.config import Config, resolve
from converter.errors import CheckpointError, ConfigError, ConverterError
from converter.training import EpochReport, TrainingResult, reference_factory, save_checkpoint, train
from converter.training.fit import split_rows

CONFIG = Path(__file__).parents[3] / "configs" / "compatibility.yaml"
QUICK = {"training.n_rows": 2000, "training.epochs": 4}


def config(**flags: object) -> Config:
    return resolve(CONFIG, {name.replace("__", "."): value for name, value in flags.items()} or QUICK).config


@pytest.fixture(scope="module")
def full() -> tuple[TrainingResult, list[EpochReport], float]:
    reports: list[EpochReport] = []
    started = time.perf_counter()
    result = train(resolve(CONFIG, {}).config, reports.append)
    return result, reports, time.perf_counter() - started


def test_held_out_accuracy_is_near_the_best_there_is(full: tuple[TrainingResult, list[EpochReport], float]) -> None:
    metrics = full[0].metrics
    assert metrics["n_rows"] == 3000
    assert metrics["accuracy"] > 0.85
    assert metrics["majority_accuracy"] + 0.2 < metrics["accuracy"]
    assert metrics["bayes_accuracy"] - 0.02 < metrics["accuracy"] < metrics["bayes_accuracy"] + 0.02
    assert metrics["roc_auc"] > 0.93


def test_training_is_quick(full: tuple[TrainingResult, list[EpochReport], float]) -> None:
    assert full[2] < 15


def test_every_epoch_is_reported(full: tuple[TrainingResult, list[EpochReport], float]) -> None:
    result, reports, _ = full
    assert [report.epoch for report in reports] == list(range(1, 31))
    assert {report.n_epochs for report in reports} == {30}
    assert reports[-1].train_loss < reports[0].train_loss
    assert result.best_epoch == min(reports, key=lambda report: report.validation_loss).epoch
    assert not result.module.training


def test_the_normaliser_is_not_trained(full: tuple[TrainingResult, list[EpochReport], float]) -> None:
    fresh = reference_factory(resolve(CONFIG, {}).config)()
    assert torch.equal(full[0].module.slope, fresh.slope)
    assert torch.equal(full[0].module.offset, fresh.offset)


def test_training_prints_nothing_and_leaves_the_global_generator_alone(capfd: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    train(config())
    assert torch.equal(torch.rand(1), wanted)
    assert torch.get_num_threads() == threads
    assert capfd.readouterr() == ("", "")


def test_another_seed_gives_another_network() -> None:
    one, other = train(config()), train(config(**QUICK, training__seed=1))
    assert not torch.equal(one.module.layers[0].weight, other.module.layers[0].weight)  # type: ignore[arg-type]


def test_normalisation_in_the_client_trains_as_well() -> None:
    result = train(config(**QUICK, network__normalization="client"))
    assert result.metrics["accuracy"] > 0.75


def test_the_split_is_a_partition() -> None:
    split = split_rows(1001, 3)
    together = np.concatenate([split.train, split.validation, split.test])
    assert sorted(together) == list(range(1001))
    assert (len(split.validation), len(split.test)) == (150, 150)
    assert np.array_equal(split.test, split_rows(1001, 3).test)
    assert not np.array_equal(split.test, split_rows(1001, 4).test)


SCRIPT = f"""
import sys
from pathlib import Path
from converter.config import resolve
from converter.training import save_checkpoint, train
save_checkpoint(train(resolve(Path({str(CONFIG)!r}), {QUICK!r}).config).module, Path(sys.argv[1]))
"""


def test_two_processes_write_the_same_checkpoint(tmp_path: Path) -> None:
    paths = [tmp_path / "one.pth", tmp_path / "deeper" / "two.pth"]
    for seed, path in enumerate(paths):
        environment = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(CONFIG.parents[1])}
        subprocess.run([sys.executable, "-c", SCRIPT, str(path)], env=environment, check=True)
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    assert len(digests) == 1
    assert load_module(paths[0], reference_factory(config())).sha256 in digests


def test_a_loss_that_diverges_is_reported() -> None:
    with pytest.raises(ConverterError, match="diverged") as caught:
        train(config(**QUICK, training__learning_rate=1e30, training__weight_decay=1e30))
    assert "learning_rate" in caught.value.hint


def test_features_that_the_world_does_not_have_are_named() -> None:
    features = [feature.model_dump() for feature in config().features]
    features[0]["name"] = "height"
    with pytest.raises(ConfigError, match="knows no height"):
        train(config(features=features))


def test_a_checkpoint_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CheckpointError, match="can't be written") as caught:
        save_checkpoint(torch.nn.Linear(1, 1), tmp_path / "file" / "net.pth")
    assert "net.pth" in caught.value.where
