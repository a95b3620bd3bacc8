"""Signatures of artifacts by the OpenSSF's `model-signing`, with a key pair and without any network."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.artifact.files import SIGNATURE_NAME
from converter.errors import ArtifactError, ConfigError

if TYPE_CHECKING:
    from model_signing.hashing import Config as Hashing

KEY_HINT = "an elliptic-curve key in PEM, such as `openssl ecparam -name prime256v1 -genkey -noout` writes"


def sign_folder(folder: Path, private_key: Path, password: str | None = None) -> bytes:
    """What `model.sig` holds for a folder: a signature of every file in it, but of `model.sig` itself.

    Raises: ConfigError if the key can't be used, or model-signing isn't installed.
    """
    folder = folder.absolute()  # what is ignored is told from the rest by its path
    hashing = _hashing(folder)
    from model_signing import signing

    try:
        secret: Any = password.encode() if password else None
        config = signing.Config().use_elliptic_key_signer(private_key=private_key, password=secret)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"can't sign with this key: {error}", where=str(private_key), hint=KEY_HINT) from error
    with tempfile.TemporaryDirectory() as place:
        config.set_hashing_config(hashing).sign(folder, Path(place, SIGNATURE_NAME))
        return Path(place, SIGNATURE_NAME).read_bytes()


def verify_signature(folder: Path, public_key: Path) -> None:
    """Nothing, if `model.sig` signs exactly what the folder holds, by the private half of this key.

    Raises: ArtifactError if it doesn't; ConfigError if the key can't be used, or model-signing isn't installed.
    """
    folder = folder.absolute()
    hashing = _hashing(folder)
    from model_signing import verifying

    try:
        config = verifying.Config().use_elliptic_key_verifier(public_key=public_key)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"can't verify with this key: {error}", where=str(public_key), hint=KEY_HINT) from error
    signature = folder / SIGNATURE_NAME
    if not signature.is_file():
        raise ArtifactError("not signed", where=str(folder), hint=f"a signed artifact holds {SIGNATURE_NAME}")
    try:
        config.set_hashing_config(hashing).verify(folder, signature)
    except Exception as error:  # the bundle comes from outside, and its readers raise what they like
        raise ArtifactError(
            f"the signature does not hold: {error or type(error).__name__}",
            where=str(signature),
            hint="don't use this artifact, unless another key signed it",
        ) from error


def _hashing(folder: Path) -> "Hashing":
    try:
        from model_signing import hashing
    except ImportError as error:
        raise ConfigError(
            f"signatures need the package model-signing: {error}",
            where=str(folder),
            hint="pip install 'compat-export[sign]'",
        ) from error
    return hashing.Config().set_ignored_paths(paths=[folder / SIGNATURE_NAME], ignore_git_paths=True)
