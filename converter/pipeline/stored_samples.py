"""Choose the samples of a proof that an artifact stores as its test vectors."""

from collections.abc import Mapping, Sequence

import numpy as np

from converter.artifact.vectors import Vectors
from converter.config import ParitySection
from converter.errors import ConfigError
from converter.parity.inputs import Sample

BYTES_PER_MB = 1_000_000
Named = Mapping[str, np.ndarray]


def stored_vectors(samples: Sequence[Sample], outputs: Mapping[str, Named], settings: ParitySection) -> Vectors:
    """Return the samples to store, in their order, with the reference's outputs.

    Drawn samples are taken from the smallest on while all together fit `test_vectors_mb`; the first always is. A user's
    own are all taken if `store_samples` asks for them, else none.

    Raises: ConfigError if there is no sample but a user's own, and these are not to be stored.
    """
    drawn = [sample for sample in samples if not sample.is_given]
    if not drawn and not settings.store_samples:
        raise ConfigError(
            "there is no drawn sample to store, so the artifact could not be verified",
            where="parity.samples",
            hint="draw some as well, or store yours: --store-samples",
        )
    chosen = {sample.label for sample in samples if sample.is_given and settings.store_samples}
    left = settings.test_vectors_mb * BYTES_PER_MB
    for place, sample in enumerate(sorted(drawn, key=lambda one: _size_bytes(one, outputs))):
        left -= _size_bytes(sample, outputs)
        if left < 0 and place > 0:
            break
        chosen.add(sample.label)
    stored = [sample for sample in samples if sample.label in chosen]
    return Vectors(
        {sample.label: sample.inputs for sample in stored}, {sample.label: outputs[sample.label] for sample in stored}
    )


def _size_bytes(sample: Sample, outputs: Mapping[str, Named]) -> int:
    return sum(array.nbytes for named in (sample.inputs, outputs[sample.label]) for array in named.values())
