"""The YAML contract of one model: frozen, strict, and resolved as flag > file > default."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from converter.budget_settings import BudgetsSection
from converter.errors import ConfigError
from converter.features import Feature
from converter.training_settings import DataSection, EvaluationSection, NetworkSection, TrainingSection

Source = Literal["flag", "file", "default"]
Dim = int | str
Engine = Literal["direct", "onnx-tf", "both"]
AlsoFormat = Literal["layers", "saved-model"]
InputLayout = Literal["model", "nhwc"]
InputDType = Literal["float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]*$"
SEMVER_PATTERN = (
    r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9A-Za-z-][0-9A-Za-z-]*))*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$"
)


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _dim(value: object) -> object:
    if isinstance(value, bool) or (isinstance(value, int) and value < 0):
        raise ValueError(f"a dimension is a name or a whole number of 0 or more, not {value!r}")
    if isinstance(value, str) and not value.replace("_", "a").isalnum():
        raise ValueError(f"a dimension's name holds letters, digits and _, not {value!r}")
    return value


class TensorSpec(_Strict):
    """One named input or output of a model.

    Shapes: a named dimension (`batch`) is dynamic, a number is fixed.
    Units:  low and high bound each value; parity draws inputs from this range and tests its ends.
            A list gives one bound for each entry of the last dimension.
    """

    name: str = Field(min_length=1)
    dtype: InputDType = "float32"
    shape: tuple[Annotated[Dim, BeforeValidator(_dim)], ...]
    low: float | tuple[float, ...] = -1.0
    high: float | tuple[float, ...] = 1.0
    unit: str = ""


def unnamed_dim(tensor: str, axis: int) -> str:
    """Return the name that a dimension without a name gets: one of its own, as nothing says that it equals another."""
    return f"{dim_name(tensor)}_dim_{axis}"


def unnamed_axis(tensor: str, dim: Dim) -> int | None:
    """Return the axis that `unnamed_dim` named a dimension of a tensor for, None if it has another name."""
    prefix = unnamed_dim(tensor, 0)[:-1]
    axis = str(dim).removeprefix(prefix)
    return int(axis) if str(dim).startswith(prefix) and axis.isdecimal() else None


def dim_name(text: str) -> str:
    """Return a text with `_` for each character that the name of a dimension can't hold."""
    return "".join(c if c.isalnum() else "_" for c in text) or "dim"


class ModelSection(_Strict):
    """Where the weights are, and the code that gives them a network.

    `state_key` is the dotted path of the state dict in a checkpoint that holds several. `ignore_keys` are patterns of
    entries to leave out, `allow_missing` of tensors that the state dict may lack; `*` stands for any text.
    """

    checkpoint: Path | None = None
    factory: str | None = None
    kwargs: dict[str, Any] = {}
    state_key: str | None = None
    ignore_keys: tuple[str, ...] = ()
    allow_missing: tuple[str, ...] = ()


class ExportSection(_Strict):
    """How the module becomes ONNX."""

    opset: int = Field(default=18, ge=18)


RuntimeClass = Literal["float32", "float16-values", "float16-textures", "quantised-weights"]
Bound = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ToleranceSection(_Strict):
    """How far a value may be from its reference: atol + rtol * |reference|.

    Units: atol in the unit of the output; rtol a fraction.
    """

    atol: Bound
    rtol: Bound


class PartialTolerance(_Strict):
    """A tolerance of which a part may be left to the class."""

    atol: Bound | None = None
    rtol: Bound | None = None


class OutputSection(_Strict):
    """What agreement means for one output, where it differs from the other outputs.

    `distribution` says whether each row of the last dimension is one, of which the largest entries are compared too;
    without it, rows of [0, 1] that sum to 1 are taken for one. `min_top1` is the share of rows whose largest entry
    must be the reference's.
    """

    tolerances: dict[RuntimeClass, PartialTolerance] = {}
    distribution: bool | None = None
    min_top1: float | None = Field(default=None, ge=0, le=1)


TOLERANCES: dict[RuntimeClass, dict[str, float]] = {
    "float32": {"atol": 1e-5, "rtol": 1e-4},
    "float16-values": {"atol": 1e-3, "rtol": 2e-3},  # what four roundings to a half may add up to
    "float16-textures": {"atol": 1e-2, "rtol": 1e-2},  # a half has 11 bits, and every layer rounds to them
    "quantised-weights": {"atol": 2e-2, "rtol": 5e-2},
}


def _with_defaults(value: object) -> object:
    if not isinstance(value, dict):
        return value
    known: dict[Any, Any] = dict(TOLERANCES)
    return known | value | {name: known.get(name, {}) | one for name, one in value.items() if isinstance(one, dict)}


def _sizes(value: object) -> object:
    return (value,) if isinstance(value, int) else value


class ParitySection(_Strict):
    """What agreement between runtimes means for this model, and what it is tried on.

    `tolerances` has one tolerance for each class of runtimes; `atol` and `rtol` beside it are short for float32's.
    `random_rows` are drawn at least for each batch size: a batch of 1 gets as many sets. `sizes` are those of the other
    dynamic dimensions by name, one or several. `edges` adds sets at the ends of each range. `samples` is a file with
    inputs of one's own: .npz, .safetensors, .csv or .parquet. They are not stored in the artifact unless
    `store_samples` says so.

    Units: test_vectors_mb of 1e6 bytes, what the stored samples and their outputs may take; one is always stored.
    """

    tolerances: Annotated[dict[RuntimeClass, ToleranceSection], BeforeValidator(_with_defaults)] = Field(
        default={}, validate_default=True
    )
    outputs: dict[str, OutputSection] = {}
    seed: int = 0
    batches: tuple[int, ...] = (1, 4)
    random_rows: int = Field(default=8, ge=1)
    sizes: dict[str, Annotated[tuple[int, ...], BeforeValidator(_sizes), Field(min_length=1)]] = {}
    edges: bool = True
    samples: Path | None = None
    store_samples: bool = False
    test_vectors_mb: float = Field(default=2.0, gt=0, allow_inf_nan=False)
    runtimes: tuple[str, ...] | None = None

    @property
    def atol(self) -> float:
        """The absolute tolerance of float32 runtimes."""
        return self.tolerances["float32"].atol

    @property
    def rtol(self) -> float:
        """The relative tolerance of float32 runtimes."""
        return self.tolerances["float32"].rtol

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: object) -> object:
        return expand_parity(value)[0]


def expand_parity(value: object) -> tuple[object, tuple[str, ...]]:
    """The section with `atol` and `rtol` in their long form, and which of them it had in the short form."""
    if not isinstance(value, dict):
        return value, ()
    short = tuple(key for key in ("atol", "rtol") if key in value)
    tolerances = value.get("tolerances", {})
    float32 = tolerances.get("float32", {}) if isinstance(tolerances, dict) else None
    if not short or not isinstance(float32, dict):
        return value, ()
    rest = {key: inner for key, inner in value.items() if key not in short}
    float32 = float32 | {key: value[key] for key in short}
    return rest | {"tolerances": tolerances | {"float32": float32}}, short


class WeightsSection(_Strict):
    """How the TF.js graph stores its weights of 256 values and more; TF.js widens them to float32 when it loads them.

    `auto` takes the fewest bytes with which no output is further than `max_error` from its reference. `tensors` has
    the encodings of single weights by pattern (`*` stands for any text), of which the first that fits counts.
    """

    encoding: Literal["float32", "float16", "uint16", "uint8", "auto"] = "float32"
    max_error: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    tensors: dict[str, Literal["float32", "float16", "uint16", "uint8"]] = {}

    @model_validator(mode="after")
    def _auto_has_a_budget(self) -> Self:
        if (self.encoding == "auto") != (self.max_error is not None):
            raise ValueError("encoding auto and max_error need each other")
        return self


class CardSection(_Strict):
    """The statements of the card that only people make; `group_names` publishes names, which may be ids of persons."""

    intended_use: str = ""
    limits: tuple[str, ...] = ()
    group_names: bool = False


class Config(_Strict):
    """Everything that decides what one model's artifact holds.

    `engine` is the compiler: `direct`, `onnx-tf` (onnx-tf and tensorflowjs in an environment of their own), or `both`,
    which publishes what `direct` makes once the other agrees.
    `input_layout` is that of the inputs of four dimensions: as the model has them, or `nhwc`, channels last.
    `also` names formats beside ONNX and the TF.js graph model: `layers` is what `tf.loadLayersModel` loads,
    `saved-model` what TensorFlow serves, which the engine onnx-tf makes in any case.
    `without_passes` names passes to leave out; `*` stands for any text, `all` for every pass that is no repair.
    `unroll_limit` is the most nodes that recurrences are unrolled to, a longer one is a loop; by default as measured.
    """

    name: str = Field(pattern=NAME_PATTERN)
    version: str = Field(default="0.1.0", pattern=SEMVER_PATTERN)
    description: str = ""
    engine: Engine = "direct"
    artifacts: Path = Path("artifacts")
    also: tuple[AlsoFormat, ...] = ()
    without_passes: tuple[str, ...] = ()
    unroll_limit: int | None = Field(default=None, ge=0)
    model: ModelSection = ModelSection()
    features: tuple[Feature, ...] = ()
    data: DataSection = DataSection()
    network: NetworkSection = NetworkSection()
    training: TrainingSection = TrainingSection()
    evaluation: EvaluationSection = EvaluationSection()
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[str, ...] = ()
    input_layout: InputLayout = "model"
    export: ExportSection = ExportSection()
    weights: WeightsSection = WeightsSection()
    parity: ParitySection = ParitySection()
    budgets: BudgetsSection = BudgetsSection()
    card: CardSection = CardSection()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for what, names in (("feature", [f.name for f in self.features]), ("input", [i.name for i in self.inputs])):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} named twice: {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _onnx_tf_makes_it(self) -> Self:
        if self.engine == "onnx-tf" and "layers" in self.also:
            raise ValueError("the engine onnx-tf makes no Layers model: also: layers needs the engine direct or both")
        if self.engine == "onnx-tf" and self.weights != WeightsSection():
            raise ValueError("the engine onnx-tf stores weights as they are: weights need the engine direct or both")
        return self


@dataclass(frozen=True)
class ResolvedConfig:
    """A config with the source of each of its values, by dotted path.

    `root` is the folder that relative paths of the file are relative to.
    """

    config: Config
    sources: Mapping[str, Source]
    root: Path

    def path(self, value: Path) -> Path:
        """An absolute path for a path of the config."""
        return Path(os.path.normpath(self.root / value))

    def as_json(self) -> dict[str, Any]:
        """The config as plain JSON values."""
        return self.config.model_dump(mode="json")


def resolve(file: Path | None, flags: Mapping[str, Any]) -> ResolvedConfig:
    """The config of a file under the flags given (dotted path -> value), the source of each value recorded.

    Raises: ConfigError if the file can't be read, a key is unknown or a value doesn't fit.
    """
    data = _read(file) if file else {}
    sources: dict[str, Source] = dict.fromkeys(_leaves(data), "file")
    for path, value in flags.items():
        _put(data, path.split("."), value)
        sources = {known: source for known, source in sources.items() if not (known + ".").startswith(path + ".")}
        sources[path] = "flag"
    data["parity"], short = expand_parity(data.get("parity", {}))
    for key in short:
        if f"parity.{key}" in sources:
            sources[f"parity.tolerances.float32.{key}"] = sources.pop(f"parity.{key}")
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        bullets = "\n".join(f"  - {_location(e['loc'])}: {_message(e)}" for e in error.errors())
        raise ConfigError(
            f"{error.error_count()} value(s) don't fit:\n{bullets}",
            where=str(file or "command line"),
            hint="`compat-export config show --schema` lists every key and its type",
        ) from error
    for path in _leaves(config.model_dump(mode="json")):
        if not any(path == known or path.startswith(known + ".") for known in sources):
            sources[path] = "default"
    root = file.parent.resolve() if file else Path.cwd()
    return ResolvedConfig(config, dict(sorted(sources.items())), root)


def _read(file: Path) -> dict[str, Any]:
    import yaml

    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"can't be read: {error.strerror}", where=str(file), hint="check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"not YAML: {error}", where=str(file), hint="see configs/ for examples") from error
    if not isinstance(data, dict):
        raise ConfigError("not a mapping of settings", where=str(file), hint="start with `name: my-model`")
    return data


def _leaves(value: Any, prefix: str = "") -> list[str]:
    if isinstance(value, dict) and (value or not prefix):
        return [path for key, inner in value.items() for path in _leaves(inner, f"{prefix}.{key}" if prefix else key)]
    return [prefix]


def _put(data: dict[str, Any], path: list[str], value: Any) -> None:
    *parents, last = path
    for key in parents:
        data = data.setdefault(key, {})
        if not isinstance(data, dict):
            raise ConfigError(f"{key} must be a mapping", hint="`compat-export config show --schema` lists every key")
    data[last] = value


def _location(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc) or "config"


def _message(error: Any) -> str:
    return "unknown key" if error["type"] == "extra_forbidden" else str(error["msg"]).removeprefix("Value error, ")
