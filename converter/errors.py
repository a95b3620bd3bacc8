"""Every error this package raises on purpose, and the exit code of each.

ConverterError        a person can act on it                          1
  ConfigError         a setting is wrong                              2
  CheckpointError     the input can't be read                         3
  UnsupportedError    the model needs what we lack                    4
  ParityError         two runtimes disagree                           5
  ArtifactError       a stored artifact is damaged or would be overwritten  6
  RuntimeMissing      a runtime that was asked for can't start        7
    EngineMissing     the environment of an engine isn't there, isn't whole, or can't be built
  BudgetError         a budget is exceeded                            8
InternalError         our bug, not a ConverterError                  70
"""


class ConverterError(Exception):
    """What happened, where, and what the person can do next."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.hint = what, where, hint

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  hint: {self.hint}" if self.hint else head


class ConfigError(ConverterError):
    """A setting is wrong: in the config file, or on the command line."""

    exit_code = 2


class CheckpointError(ConverterError):
    """The input (checkpoint, ONNX file, factory) can't be read."""

    exit_code = 3


class UnsupportedError(ConverterError):
    """The model needs an operator, a type or a shape that the target lacks."""

    exit_code = 4


class ParityError(ConverterError):
    """Two runtimes disagree about the same inputs.

    `runtimes` names those whose values differ from the reference.
    """

    exit_code = 5
    runtimes: tuple[str, ...] = ()


class ArtifactError(ConverterError):
    """A stored artifact is damaged, or would be overwritten."""

    exit_code = 6


class RuntimeMissing(ConverterError):  # noqa: N818 - "missing" says it
    """A runtime that was asked for can't start."""

    exit_code = 7


class EngineMissing(RuntimeMissing):
    """The environment of an engine isn't there, isn't whole, or can't be built."""


class BudgetError(ConverterError):
    """A budget of the config is exceeded."""

    exit_code = 8


class InternalError(Exception):
    """A bug of this package: nothing the person did wrong."""

    exit_code = 70
