"""The inputs of a proof: drawn as the config says, and read from a person's own file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from converter.config import ParitySection, TensorSpec
from converter.parity.inputs import Sample, make_samples
from converter.parity.samples import read_samples


@dataclass(frozen=True)
class Wanted:
    """Inputs that a person asks for beside those that there are; None leaves it to the config."""

    seed: int | None = None
    batches: Sequence[int] | None = None
    sizes: Mapping[str, Sequence[int]] | None = None
    samples: Path | None = None

    @property
    def is_drawn(self) -> bool:
        """Whether inputs are to be drawn, and not only read."""
        return any(one is not None for one in (self.seed, self.batches, self.sizes))

    def settings(self, settings: ParitySection) -> ParitySection:
        """The settings with what is asked for in their place."""
        given = {"seed": self.seed, "batches": self.batches, "sizes": self.sizes}
        return settings.model_copy(update={key: value for key, value in given.items() if value is not None})


def draw(specs: Sequence[TensorSpec], settings: ParitySection) -> list[Sample]:
    """Inputs drawn as the settings say."""
    return make_samples(
        specs,
        seed=settings.seed,
        batches=settings.batches,
        sizes=settings.sizes,
        random_rows=settings.random_rows,
        edges=settings.edges,
    )


def beside(
    known: Sequence[Sample],
    wanted: Wanted,
    settings: ParitySection,
    specs: Sequence[TensorSpec],
    features: Sequence[str],
) -> list[Sample]:
    """The samples asked for that aren't known yet, under labels of their own."""
    drawn = draw(specs, wanted.settings(settings)) if wanted.is_drawn else []
    read = read_samples(wanted.samples, specs, features) if wanted.samples else []
    seen = {sample.sha256 for sample in known}
    return [replace(one, label=f"new-{one.label}") for one in [*drawn, *read] if one.sha256 not in seen]
