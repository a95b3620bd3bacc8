import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from converter.checkpoint import load_module
from converter.errors import CheckpointError, ConfigError


class Net(nn.Module):
    def __init__(self, n_out: int = 2) -> None:
        super().__init__()
        self.fc = nn.Linear(3, n_out)
        self.norm = nn.BatchNorm1d(n_out)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.norm(self.fc(x)))


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.LazyLinear(2)


@pytest.fixture
def state() -> dict[str, Tensor]:
    torch.manual_seed(7)
    return {name: torch.rand_like(value.float()).to(value.dtype) for name, value in Net().state_dict().items()}


def saved(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def is_loaded(module: nn.Module, state: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


def test_the_digest_is_that_of_the_bytes(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = saved(tmp_path / "net.pth", state)
    loaded = load_module(path, Net, {})
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (loaded.size_bytes, loaded.format) == (path.stat().st_size, "state-dict")


def test_the_network_is_in_eval_mode(tmp_path: Path, state: dict[str, Tensor]) -> None:
    module = load_module(saved(tmp_path / "net.pth", state), Net, {}).module
    assert not any(part.training for part in module.modules())
    assert is_loaded(module, state)


def test_safetensors(tmp_path: Path, state: dict[str, Tensor]) -> None:
    save_file(state, tmp_path / "net.safetensors")
    loaded = load_module(tmp_path / "net.safetensors", Net)
    assert loaded.format == "safetensors"
    assert is_loaded(loaded.module, state)


def test_the_format_before_zip(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = saved(tmp_path / "net.pth", state, _use_new_zipfile_serialization=False)
    assert is_loaded(load_module(path, Net).module, state)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_prefixes_of_wrappers_are_stripped(tmp_path: Path, state: dict[str, Tensor], prefix: str) -> None:
    path = saved(tmp_path / "net.pth", {prefix + name: value for name, value in state.items()})
    assert is_loaded(load_module(path, Net).module, state)


def test_a_network_may_have_a_part_named_module(tmp_path: Path, state: dict[str, Tensor]) -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = Net()

    path = saved(tmp_path / "net.pth", {"module." + name: value for name, value in state.items()})
    assert is_loaded(load_module(path, Wrapped).module.module, state)  # type: ignore[arg-type]


@pytest.mark.parametrize("keys", [["state_dict"], ["model_state_dict"], ["model"], ["net"], ["model", "state_dict"]])
def test_nested_state_dicts_are_unwrapped(tmp_path: Path, state: dict[str, Tensor], keys: list[str]) -> None:
    content: dict[str, Any] = dict(state)
    for key in reversed(keys):
        content = {"epoch": 3, "optimizer": {"state": {}}, key: content}
    assert is_loaded(load_module(saved(tmp_path / "net.pth", content), Net).module, state)


def test_parameters_that_take_their_shape_from_the_checkpoint(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pth", nn.Linear(5, 2).state_dict() | {})
    content = {f"fc.{name}": value for name, value in torch.load(path).items()}
    module = load_module(saved(path, content), Lazy).module
    assert module.fc.weight.shape == (2, 5)  # type: ignore[union-attr]


def test_every_name_and_shape_that_does_not_fit_is_named(tmp_path: Path, state: dict[str, Tensor]) -> None:
    del state["fc.bias"]
    state["extra.weight"] = torch.ones(1)
    state["fc.weight"] = torch.ones(4, 3)
    with pytest.raises(CheckpointError) as caught:
        load_module(saved(tmp_path / "net.pth", state), Net)
    text = str(caught.value)
    assert "missing (1): fc.bias" in text
    assert "unexpected (1): extra.weight" in text
    assert "wrong shape (1): fc.weight is (4, 3), the network has (2, 3)" in text
    assert "net.pth" in caught.value.where
    assert caught.value.exit_code == 3


def test_long_lists_of_names_are_cut(tmp_path: Path, state: dict[str, Tensor]) -> None:
    extra = {f"extra.{i}": torch.ones(1) for i in range(25)}
    with pytest.raises(CheckpointError, match=r"unexpected \(25\): .*extra\.9, and 15 more"):
        load_module(saved(tmp_path / "net.pth", state | extra), Net)


def test_keyword_arguments_reach_the_factory(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pth", Net(5).state_dict())
    assert load_module(path, Net, {"n_out": 5}).module.fc.out_features == 5  # type: ignore[union-attr]
    with pytest.raises(CheckpointError, match="wrong shape"):
        load_module(path, Net, {})


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, state: dict[str, Tensor], bad: float) -> None:
    state["fc.weight"][1, 2] = bad
    path = saved(tmp_path / "net.pth", state)
    with pytest.raises(CheckpointError, match=r"fc\.weight holds 1 value\(s\) that are NaN or infinite"):
        load_module(path, Net)
    assert load_module(path, Net, allow_nonfinite=True).format == "state-dict"


def test_a_state_dict_needs_a_factory(tmp_path: Path, state: dict[str, Tensor]) -> None:
    with pytest.raises(ConfigError, match="the code of the network is missing") as caught:
        load_module(saved(tmp_path / "net.pth", state), None)
    assert caught.value.exit_code == 2
    assert "--factory" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param({}, "an empty state dict", id="empty"),
        pytest.param([1, 2], "holds a list, not a state dict", id="list"),
        pytest.param(torch.ones(2), "holds a Tensor, not a state dict", id="tensor"),
        pytest.param({"epoch": 3, "weights": {"a": 1}}, "epoch: int, weights: dict", id="unknown-key"),
        pytest.param({"state_dict": {}}, "an empty state dict", id="nested-empty"),
        pytest.param({3: torch.ones(2)}, "a tensor's name is 3", id="name-is-a-number"),
        pytest.param({"fc.weight": torch.ones(2).to_sparse()}, "fc.weight is a torch.sparse_coo tensor", id="sparse"),
        pytest.param({"fc.weight": torch.empty(2, device="meta")}, "on meta", id="no-data"),
    ],
)
def test_content_that_is_no_state_dict_is_refused(tmp_path: Path, content: Any, complaint: str) -> None:
    with pytest.raises(CheckpointError, match=complaint) as caught:
        load_module(saved(tmp_path / "net.pth", content), Net)
    assert caught.value.hint


def test_a_network_that_refuses_its_weights_is_reported(tmp_path: Path, state: dict[str, Tensor]) -> None:
    class Fussy(Net):
        def load_state_dict(self, *_: Any, **__: Any) -> Any:
            raise KeyError("no thanks")

    with pytest.raises(CheckpointError, match="can't take these weights: 'no thanks'"):
        load_module(saved(tmp_path / "net.pth", state), Fussy)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer", id="lfs"),
        pytest.param(b"<!DOCTYPE html>", "a web page", id="html"),
        pytest.param(b"\x89HDF\r\n", "HDF5", id="keras"),
        pytest.param(b"\x1f\x8b\x08", "gzip", id="gzip"),
        pytest.param(b"not a checkpoint", "can't be read as weights", id="text"),
    ],
)
def test_files_that_are_no_checkpoint_are_recognised(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=complaint) as caught:
        load_module(tmp_path / "net.pth", Net)
    assert caught.value.hint


def test_paths_without_a_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file") as caught:
        load_module(tmp_path / "absent.pth", Net)
    assert caught.value.where.endswith("absent.pth")
    with pytest.raises(CheckpointError, match="is a folder"):
        load_module(tmp_path, Net)
    with pytest.raises(CheckpointError, match="is not a regular file"):
        load_module(Path("/dev/null"), Net)
