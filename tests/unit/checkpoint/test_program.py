import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.export.pt2_archive import PT2ArchiveWriter

from converter.checkpoint import load_module
from converter.checkpoint.quiet import torch_is_quiet
from converter.errors import CheckpointError, ConfigError, UnsupportedError

GRAPH = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.drop = nn.Dropout(0.5)
        self.constant = torch.arange(4.0)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.drop(self.fc(x)) + self.constant
        return {"y": y, "halves": y.reshape(y.shape[0] * 2, 2)}


def exported(module: nn.Module, path: Path) -> Path:
    batch = torch.export.Dim("batch")
    with torch_is_quiet():
        torch.export.save(torch.export.export(module, (torch.rand(3, 4),), dynamic_shapes=({0: batch},)), path)
    return path


@pytest.fixture(scope="module")
def pt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return exported(Net().eval(), tmp_path_factory.mktemp("pt2") / "net.pt2")


def changed(pt2: Path, path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    with zipfile.ZipFile(pt2) as archive:
        entries = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    change(entries)
    buffer = io.BytesIO()
    with PT2ArchiveWriter(buffer) as writer:
        for name, data in entries.items():
            if not name.startswith((".", "archive_")):
                writer.write_bytes(name, data)
    path.write_bytes(buffer.getvalue())
    return path


def edited(name: str, edit: Callable[[Any], None]) -> Callable[[dict[str, bytes]], None]:
    def change(entries: dict[str, bytes]) -> None:
        content = json.loads(entries[name])
        edit(content)
        entries[name] = json.dumps(content).encode()

    return change


def test_an_exported_program_computes_what_the_network_did(pt2: Path) -> None:
    torch.manual_seed(0)
    network = Net().eval()
    loaded = load_module(pt2, None)
    x = torch.rand(5, 4)
    assert loaded.format == "pt2"
    assert torch.equal(loaded.module(x)["halves"], network(x)["halves"])


def test_a_program_is_recognised_whatever_its_suffix(pt2: Path, tmp_path: Path) -> None:
    (tmp_path / "net.pt").write_bytes(pt2.read_bytes())
    assert load_module(tmp_path / "net.pt", None).format == "pt2"


class Two(nn.Module):
    def forward(self, audio: Tensor, ids: Tensor) -> Tensor:
        return audio.sum(-1) + ids


def test_a_program_declares_its_inputs(tmp_path: Path) -> None:
    batch = torch.export.Dim("batch")
    example = (torch.rand(3, 4), torch.arange(3))
    with torch_is_quiet():
        program = torch.export.export(Two(), example, dynamic_shapes=({0: batch}, {0: batch}))
        torch.export.save(program, tmp_path / "two.pt2")
    audio, ids = load_module(tmp_path / "two.pt2", None).inputs
    assert (audio.name, audio.dtype, audio.shape) == ("audio", "float32", ("audio_dim_0", 4))
    assert (ids.name, ids.dtype, ids.shape) == ("ids", "int64", ("audio_dim_0",))
    assert ids.low == 0


def test_a_program_with_inputs_in_a_dictionary_declares_none(tmp_path: Path) -> None:
    class Nested(nn.Module):
        def forward(self, both: dict[str, Tensor], flag: bool) -> Tensor:
            return both["a"] + both["b"]

    with torch_is_quiet():
        program = torch.export.export(Nested(), ({"a": torch.rand(2), "b": torch.rand(2)}, True))
        torch.export.save(program, tmp_path / "nested.pt2")
    assert load_module(tmp_path / "nested.pt2", None).inputs == ()


def test_a_program_takes_no_factory(pt2: Path) -> None:
    with pytest.raises(ConfigError, match="brings its own network"):
        load_module(pt2, Net)


def test_a_program_in_training_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="exported in training mode"):
        load_module(exported(Net().train(), tmp_path / "net.pt2"), None)


def test_weights_of_a_program_must_be_finite(tmp_path: Path) -> None:
    network = Net().eval()
    nn.init.constant_(network.fc.bias, float("nan"))
    with pytest.raises(CheckpointError, match=r"fc\.bias holds 4 value"):
        load_module(exported(network, tmp_path / "net.pt2"), None)


def _set_target(graph: Any, target: str) -> None:
    graph["graph_module"]["graph"]["nodes"][0]["target"] = target


def _set_tree(graph: Any, spec: Any) -> None:
    graph["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = json.dumps([1, spec])


def _set_size(graph: Any, expression: str) -> None:
    values = graph["graph_module"]["graph"]["tensor_values"]
    values["x"]["sizes"][0]["as_expr"]["expr_str"] = expression


CODE = "__import__('pathlib').Path('HIT').touch()"
ENUM = {"type": "builtins.dict", "context": json.dumps([{"__enum__": True, "fqn": "this:That"}]), "children_spec": []}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(edited(GRAPH, lambda g: _set_size(g, CODE)), id="size-expression"),
        pytest.param(edited(GRAPH, lambda g: _set_size(g, "exec(chr(49))")), id="size-expression-without-quotes"),
        pytest.param(edited(GRAPH, lambda g: _set_size(g, "Integer.__class__")), id="attribute-in-size"),
        pytest.param(edited(GRAPH, lambda g: _set_tree(g, ENUM)), id="enum-in-structure"),
        pytest.param(
            edited(GRAPH, lambda g: _set_tree(g, {"type": "collections.defaultdict", "context": "null"})),
            id="default-factory",
        ),
        pytest.param(
            edited(GRAPH, lambda g: g["graph_module"]["graph"]["inputs"][0]["as_tensor"].update(name=f"x\n{CODE}")),
            id="code-in-a-name",
        ),
        pytest.param(
            edited(GRAPH, lambda g: g["graph_module"]["graph"]["tensor_values"].update({f"x={CODE}": {}})),
            id="code-in-a-key",
        ),
        pytest.param(
            edited(GRAPH, lambda g: g["graph_module"]["graph"]["inputs"].append({"as_custom_obj": {"name": "x"}})),
            id="custom-object",
        ),
        pytest.param(
            edited(WEIGHTS, lambda w: w["config"]["fc.weight"].update(use_pickle=True)), id="weights-as-pickle"
        ),
        pytest.param(
            edited(WEIGHTS, lambda w: w["config"]["fc.weight"].update(path_name="../../etc/passwd")), id="path"
        ),
        pytest.param(lambda entries: entries.update({"data/constants/opaque_obj_0": b"x"}), id="opaque-object"),
        pytest.param(lambda entries: entries.update({"data/constants/custom_obj_0": b"x"}), id="script-object"),
        pytest.param(lambda entries: entries.update({"data/weights/model.pt": b"x"}), id="legacy-weights"),
        pytest.param(lambda entries: entries.update({"data/aotinductor/m/x.so": b"x"}), id="compiled-code"),
        pytest.param(lambda entries: entries.pop(GRAPH), id="no-graph"),
        pytest.param(lambda entries: entries.update({GRAPH: b"{"}), id="no-json"),
        pytest.param(lambda entries: entries.update({GRAPH: b"{}"}), id="empty-graph"),
        pytest.param(lambda entries: entries.pop("data/weights/weight_0"), id="no-weight"),
        pytest.param(lambda entries: entries.update({"data/weights/weight_0": b"12"}), id="short-weight"),
    ],
)
def test_damaged_and_hostile_programs_are_refused(
    pt2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, bytes]], None]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError) as caught:
        load_module(changed(pt2, tmp_path / "bad.pt2", change), None)
    assert "bad.pt2" in caught.value.where
    assert caught.value.hint
    assert not (tmp_path / "HIT").exists()


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.load_library",
        "torch.hub.load",
        "torch.ops.aten.from_file.default",
        "_operator.attrgetter",
        "os.system",
    ],
)
def test_operators_beyond_the_known_ones_are_unsupported(pt2: Path, tmp_path: Path, target: str) -> None:
    bad = changed(pt2, tmp_path / "bad.pt2", edited(GRAPH, lambda g: _set_target(g, target)))
    with pytest.raises(UnsupportedError, match=target) as caught:
        load_module(bad, None)
    assert caught.value.exit_code == 4


def test_guards_metadata_and_sample_inputs_never_reach_torch(
    pt2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def change(entries: dict[str, bytes]) -> None:
        edited(GRAPH, lambda g: g.update(guards_code=[CODE]))(entries)
        edited(GRAPH, lambda g: g["graph_module"]["graph"]["nodes"][0]["metadata"].update(custom=CODE))(entries)
        entries["data/sample_inputs/model.pt"] = b"cos\nsystem\n(S'touch HIT'\ntR."

    module = load_module(changed(pt2, tmp_path / "odd.pt2", change), None).module
    assert module(torch.rand(2, 4))["y"].shape == (2, 4)
    assert not (tmp_path / "HIT").exists()


def test_a_program_of_an_older_torch_says_what_to_do(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "old.pt2", "w") as archive:
        archive.writestr("serialized_exported_program.json", "{}")
    with pytest.raises(CheckpointError, match="older torch"):
        load_module(tmp_path / "old.pt2", None)
    (tmp_path / "text.pt2").write_text("hello")
    with pytest.raises(CheckpointError, match="not a zip archive"):
        load_module(tmp_path / "text.pt2", None)
