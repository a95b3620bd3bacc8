import io
import os
import pickle
import random
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from converter.checkpoint import load_module
from converter.errors import CheckpointError, ConverterError

HIT = "HIT"


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc(x)
        return y


class Calls:
    """Pickles as a call of anything."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


TOUCH = f"touch {HIT}"
CODE = f"open('{HIT}', 'w').close()"
OBJECTS = {
    "os.system": Calls(os.system, TOUCH),
    "exec": Calls(exec, CODE),
    "eval": Calls(eval, f"open('{HIT}', 'w')"),
    "getattr": Calls(getattr, "text", "upper"),
    "open": Calls(open, HIT, "w"),
    "torch.hub": Calls(torch.hub.load, ".", "x"),
    "torch.load": Calls(torch.load, HIT),
    "bytes-of-memory": Calls(bytearray, -1),
}
PICKLES = {
    "GLOBAL": f"cos\nsystem\n(S'{TOUCH}'\ntR.".encode(),
    "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c" + bytes([len(TOUCH)]) + TOUCH.encode() + b"\x85R.",
    "INST": f"(S'{TOUCH}'\nios\nsystem\n.".encode(),
    "OBJ": f"(cos\nsystem\nS'{TOUCH}'\no.".encode(),
    "BUILD": b"ccollections\nOrderedDict\n)R(dVx\nVy\nsb.",
    "EXT1": b"\x80\x02\x82\x01.",
    "PERSID": b"Pos\n.",
    "deep": b"\x80\x02" + b"(" * 100_000 + b".",
    "many-references": b"\x80\x02]" + b"2" * 5_000 + b"a" * 4_999 + b".",
    "long-string": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "huge-long": b"\x80\x02\x8b\xff\xff\xff\x7f.",
}


@pytest.fixture(autouse=True)
def payload_did_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    yield
    assert not Path(HIT).exists()


def refused(data: bytes, name: str = "bad.pth") -> CheckpointError:
    Path(name).write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        load_module(Path(name), Net)
    assert caught.value.where == name
    assert caught.value.hint
    return caught.value


def torch_saved(content: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def repacked(change: Callable[[dict[str, bytes]], None]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(torch_saved(Net().state_dict()))) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_repacking_alone_is_harmless() -> None:
    Path("good.pth").write_bytes(repacked(lambda entries: None))
    assert load_module(Path("good.pth"), Net).format == "state-dict"


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("attack", OBJECTS)
def test_objects_that_call_when_unpickled(attack: str, protocol: int) -> None:
    refused(pickle.dumps({"fc.weight": OBJECTS[attack]}, protocol))


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "before-zip"])
@pytest.mark.parametrize("attack", OBJECTS)
def test_objects_that_call_inside_a_saved_checkpoint(attack: str, is_zip: bool) -> None:
    content = {"state_dict": Net().state_dict(), "hook": OBJECTS[attack]}
    refused(torch_saved(content, _use_new_zipfile_serialization=is_zip))


@pytest.mark.parametrize("attack", PICKLES)
def test_handwritten_pickles(attack: str) -> None:
    refused(PICKLES[attack])
    refused(repacked(lambda entries: entries.update({"archive/data.pkl": PICKLES[attack]})))


def test_a_whole_module_is_refused_with_the_code_that_saves_its_weights() -> None:
    error = refused(torch_saved(Net()))
    assert "pickled" in error.what
    assert "Net" in error.what
    assert "torch.save(model.state_dict()" in error.hint
    refused(torch_saved(Net(), _use_new_zipfile_serialization=False))


def test_torchscript_is_refused() -> None:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        torch.jit.save(torch.jit.script(Net()), buffer)
    error = refused(buffer.getvalue())
    assert "TorchScript" in error.what
    assert "torch.save(model.state_dict()" in error.hint


def test_legacy_tar_checkpoints_are_refused() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:", format=tarfile.PAX_FORMAT) as archive:
        for name in ("storages", "tensors", "pickle"):
            payload = PICKLES["GLOBAL"]
            entry = tarfile.TarInfo(name)
            entry.size = len(payload)
            archive.addfile(entry, io.BytesIO(payload))
    assert "legacy tar" in refused(buffer.getvalue()).what


@pytest.mark.parametrize("name", ["/etc/passwd", "archive/../../x", "..", "C:/x", "archive\\..\\x"])
def test_zip_names_that_leave_the_folder(name: str) -> None:
    error = refused(repacked(lambda entries: entries.update({name: b"x"})))
    assert "would leave its folder" in error.what


def test_two_entries_of_one_name() -> None:
    buffer = io.BytesIO(repacked(lambda entries: None))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr("archive/data.pkl", PICKLES["GLOBAL"])
    assert "appears twice" in refused(buffer.getvalue()).what


def test_zip_bombs() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
        archive.writestr("archive/data/0", bytes(64 << 20))
    assert "would unpack to more than 10 times its size" in refused(buffer.getvalue()).what


def test_entries_that_overlap() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", bytes(600))
        one = archive.infolist()[0]
        for i in range(4):
            twin = zipfile.ZipInfo(f"archive/data/{i}")
            twin.header_offset, twin.file_size, twin.compress_size, twin.CRC = 0, 600, 600, one.CRC
            archive.filelist.append(twin)
    refused(buffer.getvalue())


@pytest.mark.parametrize("field", [20, 24], ids=["compressed", "uncompressed"])
def test_two_sizes_for_one_entry(field: int) -> None:
    data = bytearray(repacked(lambda entries: None))
    place = data.index(b"PK\x01\x02") + field
    struct.pack_into("<I", data, place, struct.unpack_from("<I", data, place)[0] + 1)
    assert "two different sizes" in refused(bytes(data)).what


def test_a_local_header_that_lies_about_its_size() -> None:
    data = bytearray(repacked(lambda entries: None))
    struct.pack_into("<I", data, 22, 7)
    assert "two different sizes" in refused(bytes(data)).what


def test_encrypted_entries() -> None:
    data = bytearray(repacked(lambda entries: None))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in refused(bytes(data)).what


def test_bytes_after_the_archive() -> None:
    assert "something is appended" in refused(torch_saved(Net().state_dict()) + PICKLES["GLOBAL"]).what


GOOD = {
    "zip": ("bad.pth", torch_saved(Net().state_dict())),
    "before-zip": ("bad.pth", torch_saved(Net().state_dict(), _use_new_zipfile_serialization=False)),
    "safetensors": ("bad.safetensors", save_safetensors(Net().state_dict())),
}


@pytest.mark.parametrize("form", GOOD)
def test_truncation_anywhere(form: str) -> None:
    name, data = GOOD[form]
    for end in {*range(0, len(data), max(1, len(data) // 150)), *range(len(data) - 24, len(data))}:
        refused(data[:end], name)


@pytest.mark.parametrize("form", GOOD)
def test_flipped_bytes_are_read_or_refused_but_never_crash(form: str) -> None:
    name, data = GOOD[form]
    generator = random.Random(20260101)
    for _ in range(200):
        damaged = bytearray(data)
        for _ in range(generator.choice([1, 1, 1, 8])):
            damaged[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        Path(name).write_bytes(damaged)
        try:
            load_module(Path(name), Net)
        except ConverterError as error:
            assert isinstance(error, CheckpointError)  # noqa: PT017  # either outcome is right


def test_one_flipped_bit_of_a_weight_is_noticed() -> None:
    network = Net()
    data = bytearray(torch_saved(network.state_dict()))
    data[data.index(network.fc.weight.detach().numpy().tobytes())] ^= 1
    assert "checksum" in refused(bytes(data)).what


def test_an_archive_that_torch_wrote_without_checksums_is_read() -> None:
    torch.serialization.set_crc32_options(False)
    try:
        Path("good.pth").write_bytes(torch_saved(Net().state_dict()))
    finally:
        torch.serialization.set_crc32_options(True)
    assert load_module(Path("good.pth"), Net).format == "state-dict"


def test_a_tensor_that_claims_more_than_its_storage_holds() -> None:
    huge = torch.empty(1).expand(1 << 40)
    refused(torch_saved({"fc.weight": huge, "fc.bias": torch.zeros(2)}))
    assert "wrong shape" in refused(torch_saved({"fc.weight": huge, "fc.bias": torch.zeros(2)})).what


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(struct.pack("<Q", 1 << 62), id="header-beyond-the-file"),
        pytest.param(struct.pack("<Q", 2) + b"{}", id="no-tensors"),
        pytest.param(struct.pack("<Q", 7) + b'{"a":1}', id="wrong-type"),
        pytest.param(b"\x00", id="one-byte"),
        pytest.param(PICKLES["GLOBAL"], id="pickle"),
    ],
)
def test_damaged_safetensors(data: bytes) -> None:
    refused(data, "bad.safetensors")
