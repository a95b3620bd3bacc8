"""The code that gives the weights a network: `package.module:Name` or `path/file.py:Name`."""

import contextlib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from converter.checkpoint.quiet import first_line
from converter.errors import CheckpointError, ConverterError

SPELLING = "write it as package.module:Name or path/file.py:Name"


def resolve_factory(spec: str, root: Path) -> Callable[..., nn.Module]:
    """Return the class or function that a spec names; a file is looked for in `root`, then in the working directory.

    The folders searched stay importable, because a network may import modules when it is built or runs.

    Raises: CheckpointError if there is no such file, module or name, or if importing it fails.
    """
    place, _, name = spec.rpartition(":")
    if not place or not name.replace(".", "_").isidentifier():
        raise CheckpointError(f"{spec!r} names no factory", where="factory", hint=SPELLING)
    _make_importable(root, Path.cwd())
    module = _from_file(place, root) if place.endswith(".py") else _from_package(place)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            networks = ", ".join(_networks_of(module)) or "none"
            raise CheckpointError(
                f"{place} has no {name!r}", where=f"factory {spec}", hint=f"the networks it defines: {networks}"
            )
        found = getattr(found, part)
    if not callable(found):
        raise CheckpointError(
            f"{name} is a {type(found).__name__}, which can't be called",
            where=f"factory {spec}",
            hint="name the network's class, or a function that returns the network",
        )
    return found  # type: ignore[no-any-return]  # whether it returns a module is checked when it is called


def build(factory: Callable[..., nn.Module], kwargs: Mapping[str, Any]) -> nn.Module:
    """The network that a factory builds.

    Raises: CheckpointError if the factory raises, or returns something that is no module.
    """
    where = f"factory {getattr(factory, '__qualname__', type(factory).__name__)}"
    given = ", ".join(f"{key}={value!r}" for key, value in kwargs.items())
    try:
        network = factory(**kwargs)
    except ConverterError:
        raise
    except Exception as error:
        raise CheckpointError(
            f"called with ({given}) it raises {type(error).__name__}: {first_line(error)}",
            where=where,
            hint="model.kwargs in the config must be the arguments that the saved network was built with",
        ) from error
    if not isinstance(network, nn.Module):
        raise CheckpointError(
            f"returns a {type(network).__name__}, not a torch.nn.Module", where=where, hint="return the network itself"
        )
    return network


def _make_importable(*folders: Path) -> None:
    sys.path.extend(folder for folder in dict.fromkeys(map(str, folders)) if folder not in sys.path)


def _from_file(place: str, root: Path) -> ModuleType:
    candidates = [root / place, Path.cwd() / place]
    file = next((path.resolve() for path in candidates if path.is_file()), None)
    if file is None:
        looked = " and ".join(dict.fromkeys(str(path) for path in candidates))
        raise CheckpointError("no such file", where=f"factory {place}", hint=f"looked for {looked}")
    name = f"_factory_{hashlib.sha256(str(file).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise CheckpointError("can't be imported", where=f"factory {place}", hint=SPELLING)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look their module up by name
    _make_importable(file.parent)
    with _import_errors(place):
        spec.loader.exec_module(module)
    return module


def _from_package(place: str) -> ModuleType:
    with _import_errors(place):
        return importlib.import_module(place)


@contextlib.contextmanager
def _import_errors(place: str) -> Iterator[None]:
    where = f"factory {place}"
    try:
        yield
    except SyntaxError as error:
        raise CheckpointError(
            f"syntax error in line {error.lineno}: {error.msg}", where=where, hint="python must be able to import it"
        ) from error
    except ModuleNotFoundError as error:
        missing = error.name or "a module"
        is_itself = place == missing or place.startswith(missing + ".")
        what = "no such module" if is_itself else f"importing it needs {missing}, which isn't installed"
        raise CheckpointError(what, where=where, hint=SPELLING if is_itself else f"install {missing}") from error
    except (Exception, SystemExit) as error:
        raise CheckpointError(
            f"importing it raises {type(error).__name__}: {first_line(error)}",
            where=where,
            hint="python must be able to import it",
        ) from error


def _networks_of(module: ModuleType) -> list[str]:
    return sorted(
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module.__name__
    )
