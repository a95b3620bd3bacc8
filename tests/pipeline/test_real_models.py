import json
from pathlib import Path

import numpy as np
import pytest
from crepe import hz_from_bin

from converter.cli import main
from converter.tfjs.passes import PASSES
from tests.pipeline.conftest import ROOT, SIX, TFJS, n_bad_without

CREPE = ["--factory", f"{ROOT / 'benchmarks' / 'crepe.py'}:Crepe", "--input", "audio=batch,1024:float32"]


@pytest.fixture(scope="module")
def crepe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from fetch import fetch

    root = tmp_path_factory.mktemp("crepe")
    flags = ["--name", "crepe", "--version", "1.0.0", "--artifacts", str(root), "--runtimes", ",".join(SIX), "--quiet"]
    assert main(["convert", str(fetch("crepe-tiny")), *CREPE, *flags]) == 0
    return root / "crepe" / "1.0.0"


def test_crepe_agrees_in_every_runtime(crepe: Path) -> None:
    parity = json.loads((crepe / "parity.json").read_bytes())
    assert {one["name"]: one["status"] for one in parity["runtimes"]} == dict.fromkeys(SIX[1:], "passed")


@pytest.mark.parametrize("runtime", TFJS)
def test_crepe_hears_440_hz(crepe: Path, runtime: str, pool) -> None:
    time_s = np.arange(1024) / 16_000
    frame = np.sin(2 * np.pi * 440 * time_s)
    frame = ((frame - frame.mean()) / frame.std()).astype(np.float32)[None]
    model = pool.get(runtime).load(crepe / "tfjs")
    pitch = next(iter(model.run({"audio": frame}).outputs.values()))[0]
    model.close()
    peak = int(np.argmax(pitch))
    near = np.arange(max(peak - 4, 0), min(peak + 5, 360))  # CREPE's own decoding: the weighted mean around the peak
    hz = hz_from_bin(float((near * pitch[near]).sum() / pitch[near].sum()))
    assert abs(1200 * np.log2(hz / 440)) < 10
    assert abs(1200 * np.log2(hz_from_bin(peak) / 440)) < 10


@pytest.mark.parametrize("name", PASSES)
def test_crepe_is_right_without_any_one_pass(crepe: Path, name: str, pool, tmp_path: Path) -> None:
    assert n_bad_without(crepe, [name], pool, tmp_path) == 0


def test_text_direction_classifier_from_onnx(tmp_path: Path, model_file) -> None:
    flags = ["--input", "x=batch,3,48,192:float32", "--name", "ppocr-cls", "--artifacts", str(tmp_path), "--quiet"]
    runtimes = ["--runtimes", ",".join(SIX[1:])]
    assert main(["convert", str(model_file("ppocr-cls")), *flags, *runtimes]) == 0
    parity = json.loads((tmp_path / "ppocr-cls" / "0.1.0" / "parity.json").read_bytes())
    assert parity["reference"]["name"] == "onnxruntime"
    assert {one["name"]: one["status"] for one in parity["runtimes"]} == dict.fromkeys(TFJS, "passed")
    labels = {sample["label"] for sample in parity["samples"]}
    assert {"batch1-random", "batch4-random"} <= labels
