"""The engines that there are, each with the exact packages that it is made of."""

import re
from dataclasses import dataclass
from pathlib import Path

from converter.errors import ConfigError
from converter.fileio import sha256_of

PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s\\]+)", re.MULTILINE)


@dataclass(frozen=True)
class Engine:
    """What an engine needs; its lock is the file of its packages, with the digests of their files.

    Units: download and disk in MB (1e6 bytes), as measured for this lock.
    """

    name: str
    lock: Path
    python: str
    download_mb: int
    disk_mb: int
    imports: tuple[str, ...]  # what it must be able to import

    def lock_sha256(self) -> str:
        """The digest of its lock, by which an older environment is told from one of this version."""
        return sha256_of(self.lock)

    def versions(self) -> dict[str, str]:
        """The version of each package of its lock, by normalised name."""
        return {pin["name"]: pin["version"] for pin in PIN.finditer(self.lock.read_text(encoding="utf-8"))}


ENGINES = {
    "onnx-tf": Engine(
        "onnx-tf",
        Path(__file__).with_name("onnx-tf.lock"),
        python="3.11",
        download_mb=420,
        disk_mb=1800,
        imports=("onnx_tf.backend", "tensorflowjs.converters.tf_saved_model_conversion_v2"),
    )
}


def engine_named(name: str) -> Engine:
    """The engine of a name.

    Raises: ConfigError if there is none.
    """
    if name not in ENGINES:
        raise ConfigError(f"there is no engine {name!r} to install", hint=f"the engines are: {', '.join(ENGINES)}")
    return ENGINES[name]
