"""The training guide says what is true: its config trains, and its tables name what there is."""

import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import yaml

from converter.artifact.training_record import TrainingRecord
from converter.cli import main
from converter.config import resolve
from converter.features import Transform
from converter.pipeline.budgets import exceeded_metrics
from converter.pipeline.training_record import record_path
from converter.training_settings import SplitSection

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (text,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "matches.yaml").write_text(text + "\ntraining: {epochs: 15}\nevaluation: {resamples: 100}\n")
    rng = np.random.default_rng(1)
    lines = ["person_id,sharedInterests,distanceKm,ageGap,match,note"]
    for _ in range(8000):
        shared, km, gap = rng.integers(0, 20), rng.uniform(0, 400), rng.integers(0, 20)
        match = rng.random() < 1 / (1 + np.exp(4 - 0.5 * shared + 0.01 * km))
        lines.append(f"p{rng.integers(800)},{shared},{km:.1f},{gap if rng.random() < 0.9 else ''},{int(match)},x")
    (tmp_path / "matches.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "matches.yaml"


def test_config_of_the_guide_trains_within_its_budgets(config: Path) -> None:
    assert main(["train", str(config), "--quiet"]) == 0
    resolved = resolve(config, {})
    assert resolved.config.model.checkpoint is not None
    path = record_path(resolved.path(resolved.config.model.checkpoint))
    record = TrainingRecord.model_validate_json(path.read_bytes())
    assert exceeded_metrics(resolved.config.budgets, record.evaluation.metrics) == []
    assert record.data.split_by == "group"
    assert record.data.filled["ageGap"] > 100


def test_guide_names_every_transform_and_every_split() -> None:
    assert {name for name in get_args(Transform) if f"`{name}`" not in GUIDE} == set()
    by = get_args(get_args(SplitSection.model_fields["by"].annotation)[0])
    assert {name for name in by if not re.search(rf"^\| `{name}`", GUIDE, re.MULTILINE)} == set()


def test_targets_of_the_guide_are_in_the_makefile() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`make ([\w-]+)`", GUIDE))
    assert named
    assert named <= targets


def test_configs_of_the_guide_are_valid() -> None:
    for path in re.findall(r"\]\(\.\./(configs/[\w-]+\.yaml)\)", GUIDE):
        assert yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))["name"] == resolve(ROOT / path, {}).config.name
