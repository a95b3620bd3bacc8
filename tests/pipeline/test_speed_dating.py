"""Real outcomes: fetched, split by person, trained, judged beside scikit-learn, and told in a card."""

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from converter.artifact.training_record import TrainingRecord
from converter.cli import main
from converter.config import ResolvedConfig, resolve
from converter.pipeline.card import published_record
from converter.training.source import open_rows
from tests.pipeline.conftest import ROOT


@pytest.fixture(scope="module")
def resolved(tmp_path_factory: pytest.TempPathFactory) -> ResolvedConfig:
    from fetch import fetch

    root = tmp_path_factory.mktemp("speed-dating")
    text = (ROOT / "configs" / "speed-dating.yaml").read_text(encoding="utf-8")
    data = fetch("speed-dating")
    assert f"path: ../{data.relative_to(ROOT).as_posix()}\n" in text, "the config reads another file"
    text = text.replace(f"../{data.relative_to(ROOT).as_posix()}", str(data))
    (root / "speed-dating.yaml").write_text(text.replace("../checkpoints", ".").replace("../artifacts", "artifacts"))
    return resolve(root / "speed-dating.yaml", {})


@pytest.fixture(scope="module")
def artifact(resolved: ResolvedConfig) -> Path:
    config = str(resolved.root / "speed-dating.yaml")
    assert main(["train", config, "--quiet"]) == 0
    assert main(["convert", config, "--runtimes", "tfjs-wasm@node", "--quiet"]) == 0
    return resolved.root / "artifacts" / "speed-dating" / "1.0.0"


@pytest.fixture(scope="module")
def record(artifact: Path) -> TrainingRecord:
    found = published_record(artifact)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def table(resolved: ResolvedConfig) -> list[dict[str, str]]:
    assert resolved.config.data.path is not None
    with resolved.path(resolved.config.data.path).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_nobody_whose_answers_are_tested_was_seen_in_training(
    resolved: ResolvedConfig, table: list[dict[str, str]], record: TrainingRecord
) -> None:
    _, split, _ = open_rows(resolved.config, resolved.root)
    sides = [{table[row]["iid"] for row in part} for part in (split.train, split.validation, split.test)]
    assert len(set.union(*sides)) == sum(map(len, sides)) == 551
    assert sum(record.data.n_rows.values()) == len(table) == 8378
    assert record.data.filled == {"attr": 202, "intel": 296, "prob": 309, "agediff": 198}


def test_model_ranks_as_well_as_an_independent_logistic_regression(
    resolved: ResolvedConfig, table: list[dict[str, str]], record: TrainingRecord
) -> None:
    _, split, _ = open_rows(resolved.config, resolved.root)
    filled = {feature.name: feature.missing for feature in resolved.config.features}
    rows = np.array([[filled[name] if row[name] == "NA" else row[name] for name in filled] for row in table], float)
    matched = np.array([int(row["match"]) for row in table])
    judge = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows[split.train], matched[split.train])
    score, truth = judge.predict_proba(rows[split.test])[:, 1], matched[split.test]
    model, ours = record.evaluation.model, record.evaluation.baseline("logistic regression")
    assert ours is not None
    assert ours.metrics["roc_auc"] == pytest.approx(roc_auc_score(truth, score), abs=1e-4)
    assert ours.metrics["log_loss"] == pytest.approx(log_loss(truth, score), abs=1e-4)
    assert model.metrics["roc_auc"] > roc_auc_score(truth, score) - 0.002
    assert model.metrics["log_loss"] < log_loss(truth, score) + 0.002


def test_numbers_that_mean_something_are_beside_the_majority(artifact: Path, record: TrainingRecord) -> None:
    evaluation = record.evaluation
    majority = evaluation.baseline("majority class")
    assert majority is not None
    assert (
        majority.metrics["accuracy"] > evaluation.model.metrics["accuracy"]
    )  # which is why accuracy says nothing here
    assert evaluation.model.intervals["roc_auc"][0] > 0.7 > majority.metrics["roc_auc"]
    assert evaluation.model.intervals["log_loss"][1] < majority.intervals["log_loss"][1]
    assert evaluation.calibration.ece < 0.05
    assert evaluation.resampled == "groups"
    card = (artifact / "MODEL_CARD.md").read_text(encoding="utf-8")
    low, high = evaluation.model.intervals["roc_auc"]
    assert f"| ROC-AUC | {evaluation.model.metrics['roc_auc']:.3f} [{low:.3f}, {high:.3f}] |" in card
    assert "resamples of whole groups (iid)" in card
    assert "synthetic" not in card
