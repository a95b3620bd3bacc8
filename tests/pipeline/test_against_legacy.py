"""The reference model beside the formula it replaces, from the training to the app."""

import json
import shutil
from pathlib import Path

import pytest

from converter.artifact.store import open_artifact
from converter.cli import main
from converter.errors import ArtifactError, ConfigError
from converter.pipeline.legacy import opponents_of

RUNTIMES = "onnxruntime,tfjs-wasm@node,tfjs-wasm@chromium"


@pytest.fixture(scope="module")
def artifact(reference_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("legacy")
    flags = ["--artifacts", str(root), "--runtimes", "tfjs-wasm@node", "--quiet"]
    assert main(["convert", str(reference_config), *flags]) == 0
    return root / "compatibility" / "1.0.0"


def bench(artifact: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    capsys.readouterr()
    assert main(["bench", str(artifact), "--against", "legacy", "--runs", "10", *flags]) == 0
    return capsys.readouterr().out


def test_model_is_more_right_and_the_formula_quicker(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(bench(artifact, capsys, "--runtimes", RUNTIMES, "--json"))
    against = document["against"]
    model, formula = (against[name]["intervals"] for name in ("model", "formula"))
    for metric in ("accuracy", "roc_auc"):
        assert model[metric][0] > formula[metric][1]
    assert {(gain["metric"], gain["interval"][0] > 0) for gain in against["gains"]} >= {
        ("accuracy", True),
        ("roc_auc", True),
    }
    assert against["missing"] == ["swingerTraits"]
    assert against["is_synthetic"] is True
    assert [time["runtime"] for time in against["runtimes"]] == ["tfjs-wasm@node", "tfjs-wasm@chromium"]
    times = {one["name"]: one["predict_p50_ms"] for one in document["runtimes"]}
    for time in against["runtimes"]:
        assert 0 < time["p50_ms"] <= time["p99_ms"]
        assert time["p50_ms"] < times[time["runtime"]]


def test_people_see_both_side_by_side(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = bench(artifact, capsys, "--runtimes", "tfjs-wasm@node")
    assert "held-out rows, synthetic" in shown
    assert "legacy formula" in shown
    assert "the formula lacks swingerTraits" in shown


def test_artifact_holds_the_card_the_plot_and_the_record(artifact: Path) -> None:
    manifest = open_artifact(artifact).manifest
    assert {"MODEL_CARD.md", "calibration.svg", "training.json"} <= {file.path for file in manifest.files}
    card = (artifact / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "**The data are synthetic.**" in card
    assert "](calibration.svg)" in card
    record = json.loads((artifact / "training.json").read_bytes())
    assert f"sha256 `{record['data']['sha256']}`" in card
    assert manifest.metrics is not None
    assert manifest.metrics["accuracy_low"] == record["evaluation"]["model"]["intervals"]["accuracy"][0]


def test_reference_model_beats_both_baselines_beyond_luck_and_is_calibrated(artifact: Path) -> None:
    evaluation = json.loads((artifact / "training.json").read_bytes())["evaluation"]
    accuracy, low = evaluation["model"]["metrics"]["accuracy"], evaluation["model"]["intervals"]["accuracy"][0]
    assert accuracy > 0.85
    assert evaluation["bayes_accuracy"] - accuracy < 0.02
    baselines = {one["name"]: one["intervals"]["accuracy"] for one in evaluation["baselines"]}
    assert baselines.keys() == {"majority class", "logistic regression", "legacy formula"}
    assert all(low > high for _, high in baselines.values())
    assert evaluation["calibration"]["ece"] < 0.03


def test_artifact_that_was_trained_elsewhere_can_not_be_compared(artifact: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(artifact, copy)
    (copy / "training.json").unlink()
    with pytest.raises(ConfigError, match="no record of a training"):
        opponents_of(open_artifact(copy).manifest, copy)


def test_model_of_other_features_can_not_be_compared(artifact: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(artifact, copy)
    record = json.loads((copy / "training.json").read_bytes())
    baselines = record["evaluation"]["baselines"]
    record["evaluation"]["baselines"] = [one for one in baselines if one["name"] != "legacy formula"]
    (copy / "training.json").write_text(json.dumps(record))
    with pytest.raises(ConfigError, match="no term of the legacy formula") as caught:
        opponents_of(open_artifact(copy).manifest, copy)
    assert caught.value.exit_code == 2


def test_model_without_a_column_of_the_formula_can_not_be_compared(artifact: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(artifact, copy)
    record = json.loads((copy / "training.json").read_bytes())
    record["features"] = [one for one in record["features"] if one["name"] != "ageGap"]
    (copy / "training.json").write_text(json.dumps(record))
    with pytest.raises(ConfigError, match="needs ageGap"):
        opponents_of(open_artifact(copy).manifest, copy)


def test_model_that_takes_normalised_values_can_not_be_compared(artifact: Path) -> None:
    manifest = open_artifact(artifact).manifest
    config = manifest.config | {"network": {"normalization": "client"}}
    with pytest.raises(ConfigError, match="takes normalised values"):
        opponents_of(manifest.model_copy(update={"config": config}), artifact)


def test_record_of_another_form_is_refused(artifact: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(artifact, copy)
    (copy / "training.json").write_text('{"schema_version": "9"}')
    with pytest.raises(ArtifactError, match="can't be read"):
        opponents_of(open_artifact(copy).manifest, copy)
