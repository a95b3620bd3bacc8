"""Checkpoints as the libraries write them that train networks, each with a wrong twin."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from omegaconf import OmegaConf
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, TensorDataset

from converter.checkpoint import KeyRules, StateOptions, load_module
from converter.checkpoint.quiet import torch_is_quiet
from converter.errors import CheckpointError, ConfigError


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(x))  # type: ignore[no-any-return]


class Lit(LightningModule):
    def __init__(self, config: Any = None, temperature: Any = None) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.model = Net()
        self.criterion = nn.CrossEntropyLoss(weight=torch.ones(2))

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        return self.criterion(self.model(batch[0]), batch[1])  # type: ignore[no-any-return]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters())


@pytest.fixture
def net() -> Net:
    torch.manual_seed(11)
    return Net()


def options(state_key: str | None = None, ignore: str = "", allow_missing: str = "") -> StateOptions:
    return StateOptions(state_key, KeyRules((ignore,) if ignore else (), (allow_missing,) if allow_missing else ()))


def same(loaded: nn.Module, trained: nn.Module) -> bool:
    x = torch.rand(5, 3)
    return torch.equal(loaded(x), trained.eval()(x))


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def lightning_checkpoint(folder: Path) -> tuple[Lit, Path]:
    lit = Lit(OmegaConf.create({"lr": 1e-3, "layers": [1, 2]}), np.float64(0.5))
    data = DataLoader(TensorDataset(torch.rand(8, 3), torch.randint(2, (8,))), batch_size=4)
    with torch_is_quiet():
        trainer = Trainer(
            max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
        )
        trainer.fit(lit, data)
        trainer.save_checkpoint(folder / "last.ckpt")
    return lit, folder / "last.ckpt"


def test_lightning_with_hyper_parameters_of_omegaconf_and_numpy(tmp_path: Path) -> None:
    lit, path = lightning_checkpoint(tmp_path)
    loaded = load_module(path, Net, options=options(ignore="criterion.*"))
    assert same(loaded.module, lit.model)
    notes = "; ".join(loaded.notes)
    assert "state dict 'state_dict'" in notes
    assert "omegaconf.dictconfig.DictConfig" in notes
    assert "numpy._core.multiarray.scalar" in notes
    assert "ignored: criterion.weight" in notes
    assert "prefix model. removed" in notes


def test_lightning_with_more_than_the_network_names_the_option(tmp_path: Path) -> None:
    _, path = lightning_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="unexpected") as caught:
        load_module(path, Net)
    assert "--ignore-keys" in caught.value.hint


def sharded(net: Net, folder: Path) -> Path:
    Accelerator(cpu=True).save_model(net, folder, max_shard_size=60)
    assert len(list(folder.glob("*.safetensors"))) > 1
    return folder / "model.safetensors.index.json"


@pytest.mark.parametrize("of_folder", [False, True], ids=["index", "folder"])
def test_shards_of_accelerate(tmp_path: Path, net: Net, of_folder: bool) -> None:
    index = sharded(net, tmp_path)
    loaded = load_module(tmp_path if of_folder else index, Net)
    assert same(loaded.module, net)
    assert loaded.format == "sharded"
    assert loaded.size_bytes == sum(file.stat().st_size for file in tmp_path.iterdir())


def test_the_digest_of_shards_covers_each_of_them(tmp_path: Path, net: Net) -> None:
    index = sharded(net, tmp_path)
    before = load_module(index, Net).sha256
    shard = max(tmp_path.glob("*.safetensors"), key=lambda path: path.stat().st_size)
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    assert load_module(index, Net).sha256 != before


def edited(index: Path, edit: Callable[[dict[str, str]], Any]) -> Path:
    content = json.loads(index.read_text())
    content["weight_map"] = edit(content["weight_map"])
    index.write_text(json.dumps(content))
    return index


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        pytest.param(lambda _: {}, "has no weight_map", id="empty"),
        pytest.param(lambda _: ["a"], "has no weight_map", id="list"),
        pytest.param(lambda m: m | {"head.bias": "../other.safetensors"}, "not a file next to it", id="leaves-folder"),
        pytest.param(lambda m: m | {"head.bias": "/etc/passwd"}, "not a file next to it", id="absolute"),
        pytest.param(lambda m: m | {"head.bias": "absent.safetensors"}, "no such file", id="absent"),
        pytest.param(lambda m: m | {"more": m["head.bias"]}, "'more' is in only one of the two", id="not-in-shard"),
        pytest.param(lambda m: {k: m[k] for k in m if k != "encoder.0.bias"}, "only one of the two", id="not-named"),
    ],
)
def test_an_index_that_does_not_fit_its_shards(
    tmp_path: Path, net: Net, edit: Callable[[dict[str, str]], Any], complaint: str
) -> None:
    Accelerator(cpu=True).save_model(net, tmp_path, max_shard_size=100)
    index = edited(tmp_path / "model.safetensors.index.json", edit)
    with pytest.raises(CheckpointError, match=complaint):
        load_module(index, Net)


def test_an_index_of_no_json(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match="has no weight_map"):
        load_module(tmp_path, Net)


@pytest.fixture
def process_group(tmp_path: Path) -> Any:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("process_group")
def test_distributed_data_parallel(tmp_path: Path, net: Net) -> None:
    path = saved(tmp_path / "net.pth.tar", {"state_dict": nn.parallel.DistributedDataParallel(net).state_dict()})
    loaded = load_module(path, Net)
    assert same(loaded.module, net)
    assert "prefix module. removed" in loaded.notes


@pytest.mark.usefixtures("process_group")
def test_fully_sharded_data_parallel(tmp_path: Path, net: Net) -> None:
    from torch.distributed.fsdp import FullyShardedDataParallel

    with torch_is_quiet():
        wrapped = FullyShardedDataParallel(net, device_id=torch.device("cpu"), use_orig_params=True)
        inner = {name: value.detach().clone() for name, value in wrapped.named_parameters()}
        state = wrapped.state_dict()
    expected = load_module(saved(tmp_path / "net.bin", state), Net)
    assert set(state) == set(Net().state_dict())
    loaded = load_module(saved(tmp_path / "inner.pth", inner), Net)
    assert same(loaded.module, expected.module)


def test_a_compiled_part(tmp_path: Path, net: Net) -> None:
    trained = Net()
    trained.load_state_dict(net.state_dict())
    with torch_is_quiet():
        trained.encoder = torch.compile(trained.encoder)  # type: ignore[assignment]
    state = trained.state_dict()
    assert any(name.startswith("encoder._orig_mod.") for name in state)
    loaded = load_module(saved(tmp_path / "net.pt", state), Net)
    assert same(loaded.module, net)
    assert "prefix _orig_mod. removed" in loaded.notes


def test_averaged_weights(tmp_path: Path, net: Net) -> None:
    averaged = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    averaged.update_parameters(Net())
    path = saved(tmp_path / "net.pth", {"model": net.state_dict(), "ema": averaged.state_dict(), "epoch": 3})
    loaded = load_module(path, Net, options=options("ema", ignore="n_averaged"))
    assert same(loaded.module, averaged.module)
    loaded = load_module(path, Net, options=options("model"))
    assert same(loaded.module, net)
    with pytest.raises(CheckpointError, match=r"holds 2 state dicts: model \(4 entries\), ema \(5 entries\)") as caught:
        load_module(path, Net)
    assert "--state-key model" in caught.value.hint
    with pytest.raises(CheckpointError, match="no state dict under 'model_ema'") as caught:
        load_module(path, Net, options=options("model_ema"))
    assert "ema (5 entries)" in caught.value.hint


@pytest.mark.parametrize(
    "key",
    ["state_dict", "model", "model_state", "model_state_dict", "net", "params", "params_ema", "ema", "module"],
)
def test_every_usual_key(tmp_path: Path, net: Net, key: str) -> None:
    content = {"epoch": 3, key: net.state_dict(), "optimizer": torch.optim.Adam(net.parameters()).state_dict()}
    loaded = load_module(saved(tmp_path / "net.pth", content), Net)
    assert same(loaded.module, net)
    assert f"state dict {key!r}" in loaded.notes


def test_an_unusual_key_is_listed_and_can_be_chosen(tmp_path: Path, net: Net) -> None:
    path = saved(tmp_path / "net.pth", {"epoch": 3, "generator": {"weights": net.state_dict()}})
    with pytest.raises(CheckpointError, match=r"generator\.weights \(4 entries\)") as caught:
        load_module(path, Net)
    assert "--state-key generator.weights" in caught.value.hint
    assert same(load_module(path, Net, options=options("generator.weights")).module, net)


class Counting(nn.Linear):
    steps = 0

    def get_extra_state(self) -> Any:
        return {"steps": 7, "names": ["a"]}

    def set_extra_state(self, state: Any) -> None:
        self.steps = state["steps"]


def test_extra_state_is_loaded_as_torch_does(tmp_path: Path) -> None:
    loaded = load_module(
        saved(tmp_path / "net.pth", Counting(3, 2).state_dict()), Counting, {"in_features": 3, "out_features": 2}
    )
    assert loaded.module.steps == 7


class WithObject(Counting):
    def get_extra_state(self) -> Any:
        return argparse.Namespace(steps=7)


def test_extra_state_that_is_an_object_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pth", WithObject(3, 2).state_dict())
    with pytest.raises(CheckpointError, match=r"_extra_state is a pickled argparse\.Namespace") as caught:
        load_module(path, Counting, {"in_features": 3, "out_features": 2})
    assert "--ignore-keys" in caught.value.hint


class Tied(nn.Module):
    def __init__(self, tie: bool = True) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.head = nn.Linear(3, 5, bias=False)
        if tie:
            self.head.weight = self.embedding.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.embedding(ids))  # type: ignore[no-any-return]


def test_one_of_two_tied_names_is_enough(tmp_path: Path) -> None:
    torch.manual_seed(3)
    trained = Tied()
    from safetensors.torch import save_model

    save_model(trained, str(tmp_path / "net.safetensors"))
    loaded = load_module(tmp_path / "net.safetensors", Tied)
    ids = torch.arange(5)
    assert torch.equal(loaded.module(ids), trained(ids))
    with pytest.raises(CheckpointError, match=r"missing \(1\): (head|embedding)\.weight"):
        load_module(tmp_path / "net.safetensors", Tied, {"tie": False})


def test_missing_entries_are_allowed_by_pattern(tmp_path: Path, net: Net) -> None:
    state = {name: value for name, value in net.state_dict().items() if not name.startswith("head.")}
    path = saved(tmp_path / "net.pth", state)
    with pytest.raises(CheckpointError, match=r"missing \(2\)") as caught:
        load_module(path, Net)
    assert "--allow-missing 'head.weight'" in caught.value.hint
    loaded = load_module(path, Net, options=options(allow_missing="head.*"))
    assert torch.equal(loaded.module.encoder[0].weight, net.encoder[0].weight)  # type: ignore[index,union-attr]
    assert "missing, as allowed: head.weight, head.bias" in loaded.notes


def test_a_pattern_that_matches_nothing_is_an_error(tmp_path: Path, net: Net) -> None:
    with pytest.raises(CheckpointError, match=r"'aux\.\*' matches none of the 4 entries"):
        load_module(saved(tmp_path / "net.pth", net.state_dict()), Net, options=options(ignore="aux.*"))


def test_the_pickled_class_in_the_way_is_named(tmp_path: Path, net: Net) -> None:
    with pytest.raises(CheckpointError, match=r"a pickled \S+\.Net where the weights should be"):
        load_module(saved(tmp_path / "net.pt", {"model": net, "epoch": 1}), Net)


def test_settings_of_argparse_beside_the_weights(tmp_path: Path, net: Net) -> None:
    content = {"model": net.state_dict(), "args": argparse.Namespace(lr=0.1, out=Path("x")), "best": np.float32(0.5)}
    loaded = load_module(saved(tmp_path / "net.pth", content), Net)
    assert same(loaded.module, net)
    assert any("not read: pickled argparse.Namespace" in note for note in loaded.notes)


def hugging_face(folder: Path) -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(5)
    config = BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=16,
    )  # fmt: skip
    model = BertForSequenceClassification(config).eval()
    with torch_is_quiet():
        model.save_pretrained(folder, max_shard_size="8KB")
    return model  # type: ignore[no-any-return]


def test_a_folder_of_hugging_face(tmp_path: Path) -> None:
    model = hugging_face(tmp_path)
    loaded = load_module(tmp_path, None)
    ids = torch.arange(8)[None]
    assert torch.equal(loaded.module(input_ids=ids).logits, model(input_ids=ids).logits)
    assert "transformers.BertForSequenceClassification" in loaded.notes
    assert not loaded.module.training


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param({"architectures": None}, "names no architecture", id="no-architecture"),
        pytest.param({"architectures": ["NoSuchNet"]}, "has no network 'NoSuchNet'", id="unknown"),
        pytest.param({"architectures": ["os"]}, "has no network 'os'", id="not-a-network"),
        pytest.param({"auto_map": {"AutoModel": "code.Net"}}, "names code inside the folder", id="remote-code"),
        pytest.param({"num_hidden_layers": 2}, "missing", id="other-depth"),
        pytest.param({"hidden_size": 18}, r"transformers can.t load it|wrong shape", id="other-width"),
    ],
)
def test_folders_of_hugging_face_that_do_not_load(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    hugging_face(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    with pytest.raises(CheckpointError, match=complaint) as caught:
        load_module(tmp_path, None)
    assert caught.value.hint


def test_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is a folder without model\.safetensors"):
        load_module(tmp_path, Net)


def test_a_folder_of_weights_alone_needs_the_code(tmp_path: Path, net: Net) -> None:
    sharded(net, tmp_path)
    with pytest.raises(ConfigError, match="the code of the network is missing"):
        load_module(tmp_path, None)


def test_a_shard_that_is_a_link_is_refused(tmp_path: Path, net: Net) -> None:
    index = sharded(net, tmp_path)
    shard = next(tmp_path.glob("*.safetensors"))
    shard.rename(tmp_path / "real")
    shard.symlink_to("real")
    with pytest.raises(CheckpointError, match="not a file next to it"):
        load_module(index, Net)
