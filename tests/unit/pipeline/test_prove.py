import json
from pathlib import Path

import pytest

from converter.errors import ConfigError
from converter.pipeline.prove import choose_runtimes, classes_of, model_for
from converter.runtimes import RuntimePool


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model.json").write_text(json.dumps({"weightsManifest": [{"weights": [{"name": "w"}]}]}))
    return tmp_path


def quantise(model: Path, **how: object) -> None:
    weights = [{"name": "v"}, {"name": "w", "quantization": how}]
    (model / "model.json").write_text(json.dumps({"weightsManifest": [{"weights": weights}]}))


@pytest.mark.parametrize(
    ("runtime", "classes"),
    [
        ("tfjs-wasm@node", ("float32",)),
        ("tfjs-webgl@chromium", ("float32",)),
        ("tfjs-webgl-f16@chromium", ("float16-textures",)),
        ("onnxruntime", ("float32",)),
    ],
)
def test_the_runtime_decides(model: Path, runtime: str, classes: tuple[str, ...]) -> None:
    assert classes_of(runtime, model) == classes


def test_weights_that_were_rounded_to_steps_decide_too(model: Path) -> None:
    quantise(model, dtype="uint8", min=-0.4, scale=0.003)
    assert classes_of("tfjs-wasm@node", model) == ("quantised-weights",)
    assert classes_of("tfjs-webgl-f16@chromium", model) == ("float16-textures", "quantised-weights")
    assert classes_of("onnxruntime-web@node", model) == ("float32",)


@pytest.mark.parametrize("how", [{"dtype": "float16"}, {"dtype": "uint8", "min": -128, "scale": 1}])
def test_weights_that_are_only_stored_narrow_do_not(model: Path, how: dict[str, object]) -> None:
    quantise(model, **how)
    assert classes_of("tfjs-wasm@node", model) == ("float32",)


def test_a_model_that_cannot_be_read_is_the_runtimes_to_refuse(tmp_path: Path) -> None:
    assert classes_of("tfjs-wasm@node", tmp_path) == ("float32",)
    (tmp_path / "model.json").write_text("[1]")
    assert classes_of("tfjs-wasm@node", tmp_path) == ("float32",)


def test_saved_model_runs_from_a_folder_of_its_own(tmp_path: Path) -> None:
    assert model_for("saved-model", tmp_path) == tmp_path / "saved_model"
    assert classes_of("saved-model", tmp_path / "saved_model") == ("float32",)


def test_saved_model_is_left_out_with_the_reason_where_there_is_no_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPAT_EXPORT_HOME", str(tmp_path))
    with RuntimePool() as pool:
        names, not_run = choose_runtimes(pool, None, always=("onnxruntime",), formats={"saved-model"})
        assert "saved-model" not in names
        assert not_run["saved-model"] == "the engine onnx-tf is not installed"
        assert choose_runtimes(pool, ("saved-model",), always=(), formats={"saved-model"}) == (["saved-model"], {})
        with pytest.raises(ConfigError, match="no saved-model model"):
            choose_runtimes(pool, ("saved-model",), always=(), formats=set())
