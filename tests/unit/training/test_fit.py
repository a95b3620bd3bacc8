from itertools import pairwise

import pytest
import torch

from converter.errors import CheckpointError, ConfigError
from converter.training.devices import Processes, launched
from converter.training.fit import rate_share
from converter.training.state import write
from converter.training_settings import TrainingSection


def test_the_rate_grows_in_a_line_and_falls_along_a_cosine() -> None:
    shares = [rate_share(done, 100, 10) for done in range(100)]
    steps = [later - earlier for earlier, later in pairwise(shares[:11])]
    assert steps == pytest.approx([1 / 11] * 10)
    assert shares[10] == max(shares) == 1.0
    assert shares[55] == pytest.approx(0.5)
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert 0 < shares[-1] < 0.001
    assert rate_share(100, 100, 10) == rate_share(120, 100, 10) == 0.0


def test_without_warm_up_the_first_step_has_the_whole_rate() -> None:
    assert rate_share(0, 50, 0) == 1.0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param({"precision": "float16-mixed", "accelerator": "cpu"}, "no float16 to train in", id="float16"),
        pytest.param({"accelerator": "gpu"}, "torch finds no GPU", id="gpu"),
    ],
)
def test_what_the_machine_lacks_is_said(settings: dict, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=said), launched(TrainingSection.model_validate(settings), Processes()):
        pass


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16-mixed", torch.bfloat16)])
def test_layers_compute_in_the_precision_asked_for(precision: str, dtype: torch.dtype) -> None:
    settings = TrainingSection.model_validate({"precision": precision, "accelerator": "cpu"})
    seen: list[torch.dtype] = []
    with launched(settings, Processes()) as fabric:
        network = torch.nn.Linear(2, 1)
        network.register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
        model = fabric.setup(network)
        model(torch.ones(1, 2))
    assert seen == [dtype]
    assert network.weight.dtype == torch.float32


def test_weights_that_cannot_be_written_are_reported(tmp_path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CheckpointError, match="can't be written") as caught:
        write(torch.nn.Linear(1, 1).state_dict(), tmp_path / "file" / "net.pth")
    assert "net.pth" in caught.value.where
