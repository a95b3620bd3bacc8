"""Exported programs (`.pt2`), rebuilt before `torch.export.load`, which unpickles and evaluates strings, sees them.

The rebuilt archive holds what was checked and nothing else: raw weights, their descriptions, and a graph whose every
string is an identifier, a known operator or arithmetic over sizes. Sample inputs, guards and metadata are left out.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import torch
from torch import nn

from converter.checkpoint.quiet import first_line, torch_is_quiet
from converter.config import InputDType, TensorSpec
from converter.dtypes import BY_NAME
from converter.errors import CheckpointError, UnsupportedError

GRAPH = "models/model.json"
SAMPLE_INPUTS = "data/sample_inputs/model.pt"
PAYLOADS = {  # description -> the folder and file names of the raw tensors that it may name
    "data/weights/model_weights_config.json": ("data/weights/", re.compile(r"weight_\d+")),
    "data/constants/model_constants_config.json": ("data/constants/", re.compile(r"tensor_\d+")),
}
LEFT_OUT = re.compile(r"archive_format|archive_version|byteorder|\.\w+|\.data/\w+|extra/.*")
HINT = "export it again: torch.export.save(torch.export.export(model.eval(), example), path)"

NAME = re.compile(r"[A-Za-z0-9_.]*", re.ASCII)
OPERATOR = re.compile(
    r"torch\.ops\.(aten|prims)\.(?!from_file\b)\w+(\.\w+)?"
    r"|torch\.ops\.higher_order\.(cond|while_loop|scan|wrap_with_set_grad_enabled|wrap_with_autocast)"
    r"|torch\.(_?sym_\w+)|math\.\w+"
    r"|_operator\.(getitem|add|sub|mul|floordiv|truediv|mod|pow|neg|pos|eq|ne|lt|le|gt|ge|and_|or_|not_|lshift|rshift)",
    re.ASCII,
)
# sizes are written as sympy's `srepr` writes them: Mul(Integer(2), Symbol('s77', positive=True, integer=True))
TOKEN = re.compile(r"\s*([A-Za-z_]\w*|'[suzft]+\d+'|'\d+(?:\.\d+)?'|\d+(?:\.\d+)?|[-(),=])", re.ASCII)
WORD = re.compile(
    r"Symbol|Integer|Rational|Float|Add|Mul|Pow|Max|Min|Abs|floor|ceiling|Piecewise|And|Or|Not|Equality|Unequality"
    r"|LessThan|GreaterThan|StrictLessThan|StrictGreaterThan|true|false|True|False|oo|int_oo|FloorDiv|ModularIndexing"
    r"|Where|PythonMod|Mod|CleanDiv|CeilToInt|FloorToInt|CeilDiv|LShift|RShift|PowByNatural|FloatPow|FloatTrueDiv"
    r"|IntTrueDiv|TruncToFloat|TruncToInt|RoundToInt|RoundDecimal|ToFloat|Identity"
    r"|positive|nonnegative|integer|real|precision|[suzft]+\d+"
)
FLOAT_NAMES = frozenset({"Infinity", "-Infinity", "NaN"})
CONTAINERS = frozenset({None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict"})
NEEDS_PICKLE = frozenset({"as_custom_obj", "custom_obj", "as_operator"})
# operators that behave differently in training, and the position of the argument that says so
TRAINING_FLAG = {"dropout.default": 2, "native_dropout.default": 2, "batch_norm.default": 5}


Program = tuple[nn.Module, Mapping[str, torch.Tensor], tuple[TensorSpec, ...]]


def module_from_pt2(data: bytes, where: str) -> Program:
    """Return the network of an exported program whose zip entries are known to be honest, its weights and its inputs.

    Inputs are empty where they are not all tensors.

    Raises: CheckpointError if it is damaged, or would need unpickling or evaluation to load.
    Source: torch/export/pt2_archive/_package.py and torch/_export/serde/serialize.py, torch 2.13.
    """
    try:
        with torch_is_quiet():
            program = torch.export.load(_rebuilt(_entries(data)))
            _check_trained(program)
            return program.module(check_guards=False), program.state_dict, _inputs(program)
    except (CheckpointError, UnsupportedError) as error:
        error.where = where
        raise
    except Exception as error:  # the deserialiser raises nearly any type on damaged content
        raise CheckpointError(
            f"can't be read as an exported program: {type(error).__name__}: {first_line(error)}", where=where, hint=HINT
        ) from error


def _entries(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    for needed in (GRAPH, *PAYLOADS):
        if needed not in entries:
            raise CheckpointError(f"has no {needed}", hint=HINT)
    known = {GRAPH, SAMPLE_INPUTS, *PAYLOADS}
    for name in entries.keys() - known:
        is_payload = any(
            name.startswith(folder) and pattern.fullmatch(name.removeprefix(folder))
            for folder, pattern in PAYLOADS.values()
        )
        if not is_payload and not LEFT_OUT.fullmatch(name):
            raise CheckpointError(f"entry {name!r} is code, a pickle or unknown, and is refused", hint=HINT)
    return entries


def _rebuilt(entries: Mapping[str, bytes]) -> io.BytesIO:
    from torch.export.pt2_archive import PT2ArchiveWriter  # takes seconds to import

    buffer = io.BytesIO()
    with PT2ArchiveWriter(buffer) as writer:
        for description, (folder, _) in PAYLOADS.items():
            payloads = json.loads(entries[description])
            _check("config", payloads)
            for path in dict.fromkeys(_payload_paths(payloads)):
                if folder + path not in entries:
                    raise CheckpointError(f"{description} names {path!r}, which isn't there", hint=HINT)
                writer.write_bytes(folder + path, entries[folder + path])
            writer.write_bytes(description, entries[description])
        writer.write_bytes(GRAPH, _checked_graph(entries[GRAPH]))
        writer.write_bytes(SAMPLE_INPUTS, b"")
    buffer.seek(0)
    return buffer


def _payload_paths(description: Mapping[str, Any]) -> Iterator[str]:
    for name, payload in description["config"].items():
        if payload["use_pickle"] is not False:
            raise CheckpointError(f"{name} is stored as a pickle, which is refused", hint=HINT)
        yield payload["path_name"]


def _checked_graph(text: bytes) -> bytes:
    graph = json.loads(text)
    graph["guards_code"] = []
    graph["graph_module"]["treespec_namedtuple_fields"] = {}
    _drop_metadata(graph)
    _check("graph", graph)
    return json.dumps(graph).encode()


def _drop_metadata(value: Any) -> None:
    if isinstance(value, dict):
        if "metadata" in value:
            value["metadata"] = {}
        for inner in value.values():
            _drop_metadata(inner)
    elif isinstance(value, list):
        for inner in value:
            _drop_metadata(inner)


def _check(key: str, value: Any) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in NEEDS_PICKLE:
                raise CheckpointError("holds a custom object, which can't be read safely", hint=HINT)
            if not NAME.fullmatch(name):
                raise _suspicious("name", name)
            _check(name, inner)
    elif isinstance(value, list):
        for inner in value:
            _check(key, inner)
    elif isinstance(value, str):
        _check_text(key, value)


def _check_text(key: str, text: str) -> None:
    match key:
        case "target":
            if not OPERATOR.fullmatch(text):
                raise UnsupportedError(
                    f"operator {text!r} is none of torch's own", hint="write it with operators of torch.ops.aten"
                )
        case "expr_str":
            _check_expression(text)
        case "in_spec" | "out_spec":
            _check_tree(json.loads(text)[1])
        case "as_string" | "torch_version":
            return  # only ever handled as text
        case "path_name":
            return  # has to be an entry of the archive
        case _:
            if not NAME.fullmatch(text) and text not in FLOAT_NAMES:
                raise _suspicious(key, text)


def _check_expression(text: str) -> None:
    position = 0
    while position < len(text):
        token = TOKEN.match(text, position)
        if token is None:
            raise _suspicious("size expression", text)
        word = token[1]
        if word[0].isidentifier() and not WORD.fullmatch(word):
            raise _suspicious("size expression", text)
        position = token.end()


def _check_tree(spec: Mapping[str, Any]) -> None:
    if spec["type"] not in CONTAINERS:
        raise CheckpointError(
            f"takes or returns a {spec['type']}", hint="take and return tensors in tuples, lists and dictionaries"
        )
    keys = json.loads(spec["context"] or "null") or []
    if not isinstance(keys, list) or not all(isinstance(key, str | int) for key in keys):
        raise _suspicious("structure", str(spec["context"]))
    for child in spec["children_spec"]:
        _check_tree(child)


def _suspicious(what: str, text: str) -> CheckpointError:
    return CheckpointError(f"holds a {what} that torch.export would not write: {text[:80]!r}", hint=HINT)


def _check_trained(program: torch.export.ExportedProgram) -> None:
    for node in program.graph.nodes:
        flag = TRAINING_FLAG.get(str(node.target).removeprefix("aten."))
        if flag is not None and len(node.args) > flag and node.args[flag] is True:
            raise CheckpointError(f"was exported in training mode ({node.name} is active)", hint=HINT)


def _inputs(program: torch.export.ExportedProgram) -> tuple[TensorSpec, ...]:
    values = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    names = [name for name in program.graph_signature.user_inputs if isinstance(name, str)]
    tensors = {name: values[name] for name in names if isinstance(values.get(name), torch.Tensor)}
    are_known = all(_dtype(value) in get_args(InputDType) for value in tensors.values())
    if len(tensors) != len(program.graph_signature.user_inputs) or not are_known:
        return ()
    symbols: dict[str, str] = {}
    return tuple(_spec(name, value, symbols) for name, value in tensors.items())


def _dtype(value: torch.Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _spec(name: str, value: torch.Tensor, symbols: dict[str, str]) -> TensorSpec:
    shape = [
        int(size) if isinstance(size, int) else symbols.setdefault(str(size), f"{name}_dim_{axis}")
        for axis, size in enumerate(value.shape)
    ]
    dtype = _dtype(value)
    low = -1.0 if BY_NAME[dtype].is_float else 0.0  # an integer input is most often an index
    return TensorSpec.model_validate({"name": name, "dtype": dtype, "shape": shape, "low": low, "high": 1.0})
