"""What a search for the encodings of weights comes to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from converter.tfjs.encodings import Encoding

Encodings = Mapping[str, Encoding]


@dataclass(frozen=True)
class Trial:
    """What one choice of encodings takes, and how far outputs are from their reference with it.

    Units: size_bytes of all shards; max_error in the unit of the output, over all samples and outputs
    """

    name: str
    size_bytes: int
    max_error: float


@dataclass(frozen=True)
class Choice:
    """The encoding of each weight by its node, and what was tried to find it, the last of which it is."""

    encodings: Encodings = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
