"""What agreement means for each output in each class of runtimes, as the config says it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from converter.config import TOLERANCES, OutputSection, ParitySection
from converter.errors import ConfigError
from converter.parity.compare import Rule, Rules, Tolerance

FLOAT16_VALUES = "float16-values"
ROUNDED_REASON = "its tolerance is float16's: the graph rounds values that it depends on to float16"


@dataclass(frozen=True)
class Agreement:
    """The tolerance of each class of runtimes, and what single outputs have of their own.

    `float16_outputs` depend on values that the graph rounds to float16. Some runtimes do that and others keep float32,
    so that these outputs have the tolerance of `float16-values` in each runtime.
    """

    tolerances: Mapping[str, Tolerance]
    outputs: Mapping[str, OutputSection]
    float16_outputs: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: ParitySection, float16_outputs: frozenset[str] = frozenset()) -> "Agreement":
        """The agreement that a config asks for."""
        tolerances = {str(name): Tolerance(one.atol, one.rtol) for name, one in settings.tolerances.items()}
        return cls(tolerances, settings.outputs, float16_outputs)

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
        is_rounded = output in self.float16_outputs and FLOAT16_VALUES in self.tolerances
        classes = (*classes, FLOAT16_VALUES) if is_rounded else classes
        found = [self._tolerance(own, name) for name in classes]
        tolerance = Tolerance(max(one.atol for one in found), max(one.rtol for one in found))
        has_own = any(name in own.tolerances for name in classes)
        setting = f"{f'parity.outputs.{output}' if has_own else 'parity'}.tolerances.{classes[-1]}"
        return Rule(tolerance, own.distribution, own.min_top1, setting, ROUNDED_REASON if is_rounded else "")

    def _tolerance(self, own: OutputSection, name: str) -> Tolerance:
        general, given = self.tolerances[name], {str(key): one for key, one in own.tolerances.items()}.get(name)
        if given is None:
            return general
        atol = general.atol if given.atol is None else given.atol
        return Tolerance(atol, general.rtol if given.rtol is None else given.rtol)
