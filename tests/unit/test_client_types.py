"""The types are held against real tools: TypeScript's compiler, and Node, which runs the constants."""

import json
import subprocess
from pathlib import Path

import pytest

from converter.client_types import types_from_features
from converter.features import Feature
from converter.runtimes.node_process import find_node

TSC = Path(__file__).parents[2] / "converter/runtimes/js/node_modules/typescript/bin/tsc"
FEATURES = (
    Feature(name="likesGiven", unit="likes", low=0, high=30, description="Given in 30 days."),
    Feature(name="proximityKm", unit="km", low=0.5, high=300, transform="inverse", scale=100),
    Feature(
        name="class",
        unit='"*/ alert(1) /*',
        low=-1e-7,
        high=1e21,
        description="Ends */ the\ncomment; ${x} `y` Ü \u2028.",
    ),
)
APP = """
import { FEATURE_NAMES, FEATURES, MODEL_NAME, type FeatureName, type Features } from "./features.js";

const pair: Features = { likesGiven: 3, proximityKm: 12.5, class: 0 };
const values: Readonly<Record<string, number | null | undefined>> = pair;
const first: "likesGiven" = FEATURE_NAMES[0];
const name: FeatureName = "proximityKm";
const unit: string = FEATURES[name].unit;
const model: "pairs" = MODEL_NAME;
export const shown = [values, first, unit, model];
"""


def written(folder: Path, features: tuple[Feature, ...], app: str = APP) -> Path:
    for name, content in types_from_features("pairs", "1.0.0", features).items():
        (folder / name).write_bytes(content)
    (folder / "app.ts").write_text(app)
    return folder


def compiled(folder: Path) -> list[str]:
    """The errors of the compiler, one a line."""
    flags = ["--strict", "--noEmit", "--target", "es2023", "--module", "nodenext", "--types", "", "app.ts"]
    done = subprocess.run(
        [find_node(), TSC, *flags], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode == 0) == (done.stdout == "")
    return [line for line in done.stdout.splitlines() if not line.startswith(" ")]


def test_an_app_compiles_with_the_features_it_was_written_for(tmp_path: Path) -> None:
    assert compiled(written(tmp_path, FEATURES)) == []


def test_a_renamed_feature_is_a_compile_error_wherever_it_is_used(tmp_path: Path) -> None:
    renamed = (FEATURES[0].model_copy(update={"name": "likesSent"}), *FEATURES[1:])
    errors = compiled(written(tmp_path, renamed))
    assert len(errors) == 2
    assert "'likesGiven' does not exist in type 'Features'" in errors[0]
    assert """'"likesSent"' is not assignable to type '"likesGiven"'""" in errors[1]


@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        pytest.param("class: 0", "", "Property 'class' is missing", id="missing"),
        pytest.param("class: 0", "class: 0, extra: 1", "'extra' does not exist", id="unknown"),
        pytest.param("class: 0", 'class: "0"', "Type 'string' is not assignable to type 'number'", id="no-number"),
        pytest.param('= "proximityKm"', '= "proximity"', """'"proximity"' is not assignable""", id="wrong-name"),
    ],
)
def test_a_wrong_use_is_a_compile_error(tmp_path: Path, before: str, after: str, error: str) -> None:
    (found,) = compiled(written(tmp_path, FEATURES, APP.replace(before, after)))
    assert error in found


def test_the_constants_are_those_of_the_contract(tmp_path: Path) -> None:
    program = 'import("./features.js").then((all) => console.log(JSON.stringify(all)))'
    (written(tmp_path, FEATURES) / "package.json").write_text('{"type": "module"}')
    done = subprocess.run([find_node(), "-e", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {
        "MODEL_NAME": "pairs",
        "MODEL_VERSION": "1.0.0",
        "FEATURE_NAMES": [feature.name for feature in FEATURES],
        "FEATURES": {
            feature.name: feature.model_dump(include={"unit", "low", "high", "description"}) for feature in FEATURES
        },
    }


def test_unit_and_range_are_beside_the_feature() -> None:
    text = types_from_features("pairs", "1.0.0", FEATURES)["features.d.ts"].decode()
    assert (
        "   * Given in 30 days.\n   *\n   * Unit: likes. Range: 0 to 30.\n   */\n  readonly likesGiven: number;\n"
        in text
    )
    assert "   * Unit: km. Range: 0.5 to 300.\n   */\n  readonly proximityKm: number;\n" in text


def test_a_feature_that_is_filled_in_may_be_missing(tmp_path: Path) -> None:
    filled = (FEATURES[0], FEATURES[1].model_copy(update={"missing": 7.5}), FEATURES[2])
    assert compiled(written(tmp_path, filled, APP.replace("proximityKm: 12.5, ", ""))) == []
    text = types_from_features("pairs", "1.0.0", filled)["features.d.ts"].decode()
    assert "Range: 0.5 to 300. Where it is missing: 7.5.\n   */\n  readonly proximityKm?: number | null;\n" in text


def test_equal_contracts_give_equal_bytes() -> None:
    assert types_from_features("pairs", "1.0.0", FEATURES) == types_from_features("pairs", "1.0.0", FEATURES)
