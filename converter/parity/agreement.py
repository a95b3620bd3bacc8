"""What agreement means for each output in each class of runtimes, as the config says it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from converter.config import TOLERANCES, OutputSection, ParitySection
from converter.errors import ConfigError
from converter.parity.compare import Rule, Rules, Tolerance


@dataclass(frozen=True)
class Agreement:
    """The tolerance of each class of runtimes, and what single outputs have of their own."""

    tolerances: Mapping[str, Tolerance]
    outputs: Mapping[str, OutputSection]

    @classmethod
    def of(cls, settings: ParitySection) -> "Agreement":
        """The agreement that a config asks for."""
        tolerances = {str(name): Tolerance(one.atol, one.rtol) for name, one in settings.tolerances.items()}
        return cls(tolerances, settings.outputs)

    @classmethod
    def everywhere(cls, tolerance: Tolerance) -> "Agreement":
        """One tolerance for all outputs in all classes."""
        return cls(dict.fromkeys(map(str, TOLERANCES), tolerance), {})

    def rules(self, classes: Sequence[str]) -> Rules:
        """The rule for each output in a runtime of these classes: of their tolerances the widest."""
        return lambda output: self._rule(output, classes)

    def require_known(self, outputs: Iterable[str]) -> None:
        """Nothing, if every output that has settings is among those of the model.

        Raises: ConfigError if one isn't: its settings would be without effect.
        """
        known = sorted(outputs)
        unknown = sorted(self.outputs.keys() - set(known))
        if unknown:
            raise ConfigError(
                f"the model has no output {', '.join(unknown)}",
                where="parity.outputs",
                hint=f"its outputs: {', '.join(known)}",
            )

    def _rule(self, output: str, classes: Sequence[str]) -> Rule:
        own = self.outputs.get(output, OutputSection())
        found = [self._tolerance(own, name) for name in classes]
        tolerance = Tolerance(max(one.atol for one in found), max(one.rtol for one in found))
        has_own = any(name in own.tolerances for name in classes)
        setting = f"{f'parity.outputs.{output}' if has_own else 'parity'}.tolerances.{classes[-1]}"
        return Rule(tolerance, own.distribution, own.min_top1, setting)

    def _tolerance(self, own: OutputSection, name: str) -> Tolerance:
        general, given = self.tolerances[name], {str(key): one for key, one in own.tolerances.items()}.get(name)
        if given is None:
            return general
        atol = general.atol if given.atol is None else given.atol
        return Tolerance(atol, general.rtol if given.rtol is None else given.rtol)
