"""Bind named inputs to the parameters of a network's forward(), and name the tensors that it returns."""

import dataclasses
import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from itertools import takewhile
from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from converter.config import TensorSpec
from converter.errors import ConfigError, UnsupportedError

WHERE = "inputs"
POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
NAMED = (*POSITIONAL, Parameter.KEYWORD_ONLY)

Path = tuple[str | int, ...]  # of a tensor in a structure: the keys, field names and indices that lead to it


@dataclass(frozen=True)
class InputBinding:
    """The parameter of forward() that takes each input: either all are bound by name, or all by position.

    `positional` are the inputs that are passed by position, in their order; the others are passed by keyword. Those
    bound by name are passed as an app passes them, `model(x, shift=shift)`: by position up to the first parameter that
    gets no input, so that the network's hooks see them.
    """

    parameters: Mapping[str, str]
    positional: tuple[str, ...]
    is_by_name: bool

    def call(self, module: nn.Module, inputs: Mapping[str, torch.Tensor]) -> object:
        """Return what the network returns for these inputs."""
        keywords = {name: inputs[name] for name in self.parameters if name not in self.positional}
        return module(*(inputs[name] for name in self.positional), **keywords)

    @property
    def note(self) -> str:
        """A sentence on inputs that were bound by position, empty where the names decided."""
        if self.is_by_name:
            return ""
        pairs = ", ".join(f"{name} -> {parameter}" for name, parameter in self.parameters.items())
        return f"by position, as forward() has no parameter of these names: {pairs}"


def bind_inputs(module: nn.Module, inputs: Sequence[TensorSpec]) -> InputBinding:
    """Bind inputs to forward() by name if the names are parameters of it, by position if none of them is.

    Raises: ConfigError if only some names are parameters, an input is declared twice, or a parameter without a default
            gets no input.
    """
    names = [spec.name for spec in inputs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"{twice} is declared twice", where=WHERE, hint="give each input a name of its own")
    signature = _signature(module)
    if signature is None:
        return InputBinding({name: f"argument {i}" for i, name in enumerate(names)}, tuple(names), is_by_name=False)
    named = [one.name for one in signature.parameters.values() if one.kind in NAMED]
    unknown = [name for name in names if name not in named]
    if len(unknown) < len(names):
        if unknown:
            what = f"forward() has no parameter {' or '.join(unknown)}, though the other inputs are parameters of it"
            raise _refusal(what, signature, inputs)
        return _by_name(signature, inputs)
    return _by_position(signature, inputs)


def _by_name(signature: inspect.Signature, inputs: Sequence[TensorSpec]) -> InputBinding:
    names = {spec.name for spec in inputs}
    parameters = list(signature.parameters.values())
    if missing := [one.name for one in parameters if _is_required(one) and one.name not in names]:
        raise _refusal(f"forward() needs {' and '.join(missing)}", signature, inputs)
    slots = [one.name for one in parameters if one.kind in POSITIONAL]
    leading = tuple(takewhile(names.__contains__, slots))
    only = [one.name for one in parameters if one.kind is Parameter.POSITIONAL_ONLY and one.name in names]
    if unreachable := [name for name in only if name not in leading]:
        what = f"forward() takes {unreachable[0]} by position only, after {slots[len(leading)]}, which is no input"
        raise _refusal(what, signature, inputs)
    return InputBinding({one.name: one.name for one in parameters if one.name in names}, leading, is_by_name=True)


def _by_position(signature: inspect.Signature, inputs: Sequence[TensorSpec]) -> InputBinding:
    names = tuple(spec.name for spec in inputs)
    parameters = list(signature.parameters.values())
    slots = [one.name for one in parameters if one.kind in POSITIONAL]
    rest = next((one.name for one in parameters if one.kind is Parameter.VAR_POSITIONAL), None)
    has_keywords = any(one.kind is Parameter.VAR_KEYWORD for one in parameters)
    missing = [one.name for one in parameters if _is_required(one) and one.name not in slots[: len(names)]]
    if missing:
        raise _refusal(f"forward() needs {' and '.join(missing)}", signature, inputs)
    if not slots and rest is None and has_keywords:
        return InputBinding({name: name for name in names}, (), is_by_name=True)
    if len(names) > len(slots) and rest is None:
        what = f"forward() takes {len(slots)} input(s) by position, {len(names)} are declared: {', '.join(names)}"
        raise _refusal(what, signature, inputs)
    taken = [*slots, *(f"{rest}[{i}]" for i in range(len(names) - len(slots)))]
    return InputBinding(dict(zip(names, taken, strict=False)), names, is_by_name=False)


def _is_required(parameter: Parameter) -> bool:
    return parameter.kind in NAMED and parameter.default is Parameter.empty


def _signature(module: nn.Module) -> inspect.Signature | None:
    """The signature of forward(), without annotations; None if it has none."""
    try:
        signature = inspect.signature(module.forward)
    except (TypeError, ValueError):
        return None  # a compiled method
    keywords = _keywords_of_program(module)
    parameters = [
        one.replace(annotation=Parameter.empty, kind=one.kind if keywords is None else _program_kind(one, keywords))
        for one in signature.parameters.values()
    ]
    return inspect.Signature(parameters)


def _program_kind(parameter: Parameter, keywords: Sequence[str]) -> Any:
    return Parameter.KEYWORD_ONLY if parameter.name in keywords else Parameter.POSITIONAL_ONLY


def _keywords_of_program(module: nn.Module) -> Sequence[str] | None:
    """The inputs that an exported program takes by keyword: the others by position only; None for another module."""
    spec = getattr(module, "_in_spec", None)
    if not isinstance(module, fx.GraphModule) or not isinstance(spec, pytree.TreeSpec) or spec.num_children != 2:
        return None
    context = spec.child(1).context
    return tuple(context) if isinstance(context, list) else ()


def _refusal(what: str, signature: inspect.Signature, inputs: Sequence[TensorSpec]) -> ConfigError:
    """An error that shows the signature, and the options that declare inputs with names of its parameters."""
    parameters = {one.name: one for one in signature.parameters.values() if one.kind in NAMED}
    free = [name for name in parameters if name not in {spec.name for spec in inputs}]
    options: dict[str, str] = {}
    for spec in inputs:
        name: str | None = spec.name
        if name not in parameters:
            name = next(iter([*difflib.get_close_matches(spec.name, free, n=1), *free]), None)
            free = [one for one in free if one != name]
        if name is not None:
            options[name] = _option(spec, name)
    needed = [name for name, one in parameters.items() if _is_required(one)]
    line = " ".join(options.get(one, f"--input {one}=DIMS") for one in parameters if one in options or one in needed)
    return ConfigError(what, where=WHERE, hint=f"the network's code has forward{signature}; declare {line}")


def _option(spec: TensorSpec, name: str) -> str:
    """An input as the command line takes it, under a name."""
    dtype = "" if spec.dtype == "float32" else f":{spec.dtype}"
    return f"--input {name}={','.join(map(str, spec.shape))}{dtype}"


def tensors_of(result: object) -> list[torch.Tensor]:
    """Return the tensors in what a network returned, in the order in which the exporter writes them.

    Raises: UnsupportedError if it returned anything else (None is passed over).
    """
    return [tensor for _, tensor in _tensors(result)]


def output_names(result: object) -> list[str]:
    """Return a name for each tensor of `tensors_of`: keys and field names joined by dots.

    Without keys and field names it is `output`, or `output_0`, `output_1`, … of several.

    Raises: UnsupportedError as `tensors_of`; ConfigError if two tensors would have one name.
    """
    paths = [path for path, _ in _tensors(result)]
    if not any(isinstance(step, str) for path in paths for step in path):
        return ["output"] if len(paths) == 1 else [f"output_{i}" for i in range(len(paths))]
    names = [_joined(path) for path in paths]
    unusable = [name for name in names if names.count(name) > 1 or not name]
    if unusable:
        what = f"the network returns {len(unusable)} tensor(s) called {unusable[0]!r}, and each needs a name of its own"
        raise ConfigError(what, where="outputs", hint=f"name all {len(names)}: {' '.join(['--output NAME'] * 2)} …")
    return names


def _joined(path: Path) -> str:
    first, *others = path
    return ".".join([f"output_{first}" if isinstance(first, int) else first, *map(str, others)])


def _tensors(result: object) -> list[tuple[Path, torch.Tensor]]:
    found: list[tuple[Path, torch.Tensor]] = []
    for path, leaf in _leaves(result, ()):
        if not isinstance(leaf, torch.Tensor):
            place = f" as {_joined(path)}" if path else ""
            raise UnsupportedError(
                f"the network returns a {type(leaf).__name__}{place}",
                where="export",
                hint="return tensors, alone or in tuples, lists, dictionaries and dataclasses",
            )
        found.append((path, leaf))
    if not found:
        raise UnsupportedError("the network returns no tensor", where="export", hint="return its result")
    return found


def _leaves(value: object, path: Path) -> Iterator[tuple[Path, object]]:
    """The parts of a structure that aren't structures themselves, None not among them."""
    if value is None:
        return
    parts = _parts(value)
    if parts is None:
        yield path, value
        return
    for step, part in parts:
        yield from _leaves(part, (*path, step))


def _parts(value: object) -> list[tuple[str | int, object]] | None:
    """The parts of a structure with their keys, field names or indices; None if it is no structure."""
    if isinstance(value, torch.Tensor):
        return None
    if isinstance(value, Mapping):
        return [(str(key), part) for key, part in value.items()]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value)]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return list(zip(value._fields, value, strict=True))
    if isinstance(value, tuple | list):
        return list(enumerate(value))
    node = pytree.SUPPORTED_NODES.get(type(value))
    flatten: Callable[[Any], tuple[list[Any], Any]] | None = node.flatten_fn if node else None
    return None if flatten is None else list(enumerate(flatten(value)[0]))
