"""What the bytes of a checkpoint are, decided before anything parses them as weights; the rest is refused."""

import io
import struct
import zipfile
import zlib
from collections import Counter
from typing import Literal

from converter.checkpoint.quiet import first_line
from converter.errors import CheckpointError
from converter.fileio import CHUNK_BYTES

Format = Literal["state-dict", "safetensors", "pt2", "sharded"]

SAVE_A_STATE_DICT = 'load it where its code is and save the weights alone: torch.save(model.state_dict(), "model.pth")'

ZIP_START, ZIP_END, ZIP_END_BYTES = b"PK\x03\x04", b"PK\x05\x06", 22
LOCAL_HEADER = struct.Struct("<4s5H3I2H")
SIZE_IS_ELSEWHERE = 0xFFFFFFFF
STREAMED, ENCRYPTED = 0x08, 0x01
BOMB_RATIO, BOMB_FLOOR_BYTES = 10, 1 << 20
TAR_MAGIC = slice(257, 262)

# (first bytes, what it is, hint)
NOT_WEIGHTS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the file itself", "run `git lfs pull`"),
    (b"<", "is a web page or XML, not a checkpoint", "download it again and look at what the server sent"),
    (b"\x89HDF", "is an HDF5 file (Keras)", "give a PyTorch checkpoint (.pth, .pt, .pt2, .safetensors) or an .onnx"),
    (b"\x1f\x8b", "is compressed with gzip", "unpack it first"),
)


def recognise(data: bytes, suffix: str, where: str) -> Format:
    """The format of a checkpoint's bytes.

    Raises: CheckpointError if they are damaged, or of a kind that can't be read without executing what is inside.
    """
    if not data:
        raise CheckpointError("is empty", where=where, hint="save or copy the checkpoint again")
    if suffix == ".safetensors":
        return "safetensors"
    for start, what, hint in NOT_WEIGHTS:
        if data.startswith(start):
            raise CheckpointError(what, where=where, hint=hint)
    if data[TAR_MAGIC] == b"ustar":
        raise CheckpointError(
            "is a legacy tar checkpoint, whose pickles can't be read safely", where=where, hint=SAVE_A_STATE_DICT
        )
    if data.startswith(ZIP_START):
        return _zip_kind(check_zip(data, where), where)
    if suffix == ".pt2":
        raise _damaged("not a zip archive", where)
    return "state-dict"


def check_zip(data: bytes, where: str) -> list[str]:
    """The entry names of a zip archive, once none of its entries lies about its name, place or size.

    Raises: CheckpointError for whatever torch.save would never write.
    """
    if data[-ZIP_END_BYTES:][:4] != ZIP_END:
        raise _damaged("the end of the zip archive is missing: truncated, or something is appended", where)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            for entry in entries:
                _check_entry(entry, data, where)
            _check_together(entries, data, where)
            _check_sums(archive, where)
    except CheckpointError:
        raise
    except Exception as error:  # zipfile raises BadZipFile, ValueError, struct.error, zlib.error and others
        raise _damaged(first_line(error), where) from error
    return [entry.orig_filename for entry in entries]


def _check_entry(entry: zipfile.ZipInfo, data: bytes, where: str) -> None:
    name = entry.orig_filename
    if name != entry.filename or "\\" in name or ":" in name or name.startswith("/") or ".." in name.split("/"):
        raise _damaged(f"entry {name!r} would leave its folder", where)
    if entry.flag_bits & ENCRYPTED:
        raise _damaged(f"entry {name!r} is encrypted", where)
    if entry.compress_type == zipfile.ZIP_STORED and entry.compress_size != entry.file_size:
        raise _damaged(f"entry {name!r} has two different sizes", where)
    header = LOCAL_HEADER.unpack_from(data, entry.header_offset)
    flags, sizes = header[2], header[7:9]
    is_elsewhere = flags & STREAMED or SIZE_IS_ELSEWHERE in sizes
    if not is_elsewhere and sizes != (entry.compress_size, entry.file_size):
        raise _damaged(f"entry {name!r} has two different sizes", where)


def _check_together(entries: list[zipfile.ZipInfo], data: bytes, where: str) -> None:
    name, n_times = Counter(entry.orig_filename for entry in entries).most_common(1)[0] if entries else ("", 1)
    if n_times > 1:
        raise _damaged(f"entry {name!r} appears twice", where)
    if sum(entry.compress_size for entry in entries) > len(data):
        raise _damaged("its entries overlap", where)
    if sum(entry.file_size for entry in entries) > max(BOMB_FLOOR_BYTES, BOMB_RATIO * len(data)):
        raise _damaged(f"would unpack to more than {BOMB_RATIO} times its size", where)


def _check_sums(archive: zipfile.ZipFile, where: str) -> None:
    """Compare checksums, which torch.load doesn't; torch can be told to write none, then not one of them is right."""
    bad: list[str] = []
    entries = [entry for entry in archive.infolist() if entry.file_size]
    for entry in entries:
        checksum = 0
        recorded, entry.CRC = entry.CRC, None  # type: ignore[assignment]  # zipfile compares no checksum of None
        with archive.open(entry) as file:  # raises where the two headers name the entry differently
            while chunk := file.read(CHUNK_BYTES):
                checksum = zlib.crc32(chunk, checksum)
        if checksum != recorded:
            bad.append(entry.orig_filename)
    if bad and len(bad) < len(entries):
        raise _damaged(f"the checksum of entry {bad[0]!r} is wrong", where)


def _zip_kind(names: list[str], where: str) -> Format:
    leaves = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in leaves:
        raise CheckpointError(
            "is a TorchScript archive, a program that can't be read safely", where=where, hint=SAVE_A_STATE_DICT
        )
    if "serialized_exported_program.json" in leaves:
        raise CheckpointError(
            "is an exported program of an older torch",
            where=where,
            hint="export it again with torch 2.8 or newer: torch.export.save(program, path)",
        )
    return "pt2" if "archive_format" in leaves else "state-dict"


def _damaged(what: str, where: str) -> CheckpointError:
    return CheckpointError(f"is damaged: {what}", where=where, hint="save or copy the checkpoint again")
