"""The program that runs inside the engine's environment, and imports nothing of this package.

One JSON request a line on stdin, one JSON reply a line on what was stdout; whatever its packages print goes to stderr.
When stdin ends it removes the folder that is its argument, and ends with all that it started.
`converter/tensorflow_chain/process.py` is the other side.
"""

import json
import os
import queue
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("onnx-tf", "tensorflow-cpu", "tensorflowjs")
SIGNATURE = "serving_default"
INT32_LOWEST, INT32_HIGHEST = -(1 << 31), (1 << 31) - 1
NO_SPACE = "No space left on device"
MESSAGE_LENGTH = 2000
NAMES_FILE = Path("assets.extra", "compat-export.json")  # the folder that SavedModel keeps for others


class Refusal(Exception):  # noqa: N818 - it says what a step answers
    """What a step of the chain can't do; `by` names the step, the message is its own."""

    def __init__(self, by: str, message: str) -> None:
        super().__init__(message)
        self.by = by


class SavedModels:
    """The SavedModels in memory, by handle."""

    def __init__(self) -> None:
        self._models: dict[int, tuple[Any, dict[str, Any], Any]] = {}
        self._next = 1

    def load(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The handle, and the inputs and outputs, of the SavedModel in a folder."""
        tf = tensorflow()
        began = time.perf_counter()
        folder = request["saved_model"]
        try:
            names = json.loads(Path(folder, NAMES_FILE).read_bytes())
            model = tf.saved_model.load(folder)
            function = model.signatures[SIGNATURE]
        except Exception as error:  # TensorFlow raises of many kinds
            raise Refusal("tensorflow", message_of(error)) from error
        handle, self._next = self._next, self._next + 1
        self._models[handle] = (function, names, model)
        load_ms = (time.perf_counter() - began) * 1e3
        return {"handle": handle, "load_ms": load_ms, "inputs": names["inputs"], "outputs": names["outputs"]}

    def run(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Run a model on the arrays of one .npz file, and write another with its outputs in the model's order."""
        import numpy as np

        tf = tensorflow()
        function, names, _ = self._models[request["handle"]]
        with np.load(request["inputs"], allow_pickle=False) as arrays:
            given = {one["key"]: arrays[f"a{i}"] for i, one in enumerate(names["inputs"])}
        began = time.perf_counter()
        try:
            result = function(**{key: tf.constant(array) for key, array in given.items()})
            outputs = {f"a{i}": result[one["key"]].numpy() for i, one in enumerate(names["outputs"])}
        except Exception as error:  # TensorFlow raises of many kinds
            raise Refusal("tensorflow", message_of(error)) from error
        predict_ms = (time.perf_counter() - began) * 1e3
        np.savez(request["outputs"], **outputs)
        return {"predict_ms": predict_ms}

    def unload(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Free a model."""
        self._models.pop(request["handle"], None)
        return {}


def tensorflow() -> Any:
    """TensorFlow on one thread: sums must not depend on how work is shared."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return tf


def versions(_: Mapping[str, Any]) -> dict[str, Any]:
    """Get ready, and tell who runs."""
    tensorflow()
    return {"versions": {name: version(name) for name in PACKAGES}, "device": f"cpu ({os.uname().machine})"}


def savedmodel_from_onnx(request: Mapping[str, Any]) -> dict[str, Any]:
    """A SavedModel from the ONNX model of a file, whose inputs and outputs are told by their names there."""
    tf = tensorflow()
    import onnx
    from onnx_tf.backend import prepare
    from tensorflow.python.framework.smart_cond import smart_cond

    tf.cond = smart_cond  # onnx-tf's Pad traces its branch for negative sizes as well, where positive ones are illegal
    folder = request["saved_model"]
    model = onnx.load(request["onnx"])
    drop_trailing_blanks(model.graph)
    names = with_safe_names(model)
    try:
        prepare(model).export_graph(folder)
    except Exception as error:  # its refusals are of many kinds, and come through TensorFlow's tracing
        raise Refusal("onnx-tf", message_of(error)) from error
    Path(folder, "fingerprint.pb").unlink(missing_ok=True)  # of the time and place, and read by nobody
    Path(folder, "assets").rmdir()  # empty
    path = Path(folder, NAMES_FILE)
    path.parent.mkdir()
    path.write_text(json.dumps(names, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return names


def graph_from_savedmodel(request: Mapping[str, Any]) -> dict[str, Any]:
    """A TF.js graph model from a SavedModel."""
    from tensorflowjs.converters import tf_saved_model_conversion_v2 as conversion

    write = conversion.write_weights.write_weights

    def write_checked(groups: Any, *args: Any, **kwargs: Any) -> Any:
        check_ranges((entry["name"], entry["data"]) for group in groups for entry in group)
        return write(groups, *args, **kwargs)

    conversion.write_weights.write_weights = write_checked
    try:
        conversion.convert_tf_saved_model(request["saved_model"], request["graph"], strip_debug_ops=True)
    except Refusal:
        raise
    except Exception as error:  # it raises of many kinds
        raise Refusal("tensorflowjs", message_of(error)) from error
    finally:
        conversion.write_weights.write_weights = write
    return {}


def check_ranges(weights: Iterable[tuple[str, Any]]) -> None:
    """Nothing, if every weight keeps its value where tensorflowjs stores int64 as int32, and float64 as float32.

    Raises: Refusal naming each that doesn't.
    """
    import numpy as np

    faults = []
    for name, values in weights:
        if values.dtype == np.int64 and values.size:
            lowest, highest = values.min(), values.max()
            if lowest < INT32_LOWEST or highest > INT32_HIGHEST:
                faults.append(f"{name} holds int64 values from {lowest} to {highest}, and int32 is all that TF.js has")
        elif values.dtype == np.float64 and values.size:
            finite = np.abs(values[np.isfinite(values)])
            if finite.size and finite.max() > np.finfo(np.float32).max:
                faults.append(f"{name} holds float64 values up to {finite.max():g}, beyond float32")
    if faults:
        raise Refusal("tensorflowjs", "; ".join(faults))


def drop_trailing_blanks(graph: Any) -> None:
    """Leave out the optional inputs at the end of a node that are blank: the same to ONNX, but not to onnx-tf."""
    for node in graph.node:
        while node.input and not node.input[-1]:
            node.input.pop()
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs):
                drop_trailing_blanks(body)


def with_safe_names(model: Any) -> dict[str, Any]:
    """What the inputs and outputs are called, and the `key` of each in the signature that onnx-tf will write.

    TensorFlow takes an identifier for a key; an input or output with another name gets one through an Identity.
    """
    from onnx import helper

    graph = model.graph
    weights = {one.name for one in graph.initializer}
    taken = {name for node in graph.node for name in (*node.input, *node.output)} | weights
    inputs, outputs = [], []
    for i, value in enumerate(one for one in graph.input if one.name not in weights):
        key = key_of(value.name, f"input_{i}", taken)
        inputs.append({"name": value.name, "key": key})
        if key != value.name:
            graph.node.insert(0, helper.make_node("Identity", [key], [value.name]))
            value.name = key
    for i, value in enumerate(graph.output):
        if not value.type.tensor_type.HasField("shape"):
            value.type.tensor_type.shape.dim.add(dim_value=0)  # unknown to onnx-tf, which takes none for a scalar
        key = key_of(value.name, f"output_{i}", taken)
        outputs.append({"name": value.name, "key": key})
        if key != value.name:
            graph.node.append(helper.make_node("Identity", [value.name], [key]))
            value.name = key
    return {"inputs": inputs, "outputs": outputs}


def key_of(name: str, otherwise: str, taken: set[str]) -> str:
    """A name, if TensorFlow takes it as it is, or another that nothing has."""
    if name.isascii() and name.isidentifier() and name != "self":
        return name
    while otherwise in taken:
        otherwise += "_"
    taken.add(otherwise)
    return otherwise


def message_of(error: BaseException) -> str:
    """What an error says, without the frames that TensorFlow's tracing puts before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    is_traced = bool(lines) and lines[0].endswith("in user code:")
    text = lines[-1] if is_traced else " ".join(lines) or type(error).__name__
    return text[:MESSAGE_LENGTH]


def reply_to(request: Mapping[str, Any], verbs: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]]) -> Any:
    """What a verb gives, or why it doesn't."""
    try:
        return verbs[request["verb"]](request)
    except Exception as error:  # the one place where an error becomes a reply
        traceback.print_exc()  # into the log
        if NO_SPACE in str(error):
            return {"error": {"code": "no-space", "message": NO_SPACE}}
        if isinstance(error, Refusal):
            return {"error": {"code": "refused", "by": error.by, "message": str(error)}}
        if isinstance(error, ImportError):
            return {"error": {"code": "broken", "message": f"{type(error).__name__}: {message_of(error)}"}}
        return {"error": {"code": "failed", "message": f"{type(error).__name__}: {message_of(error)}"}}


def requests(scratch: str) -> Iterator[Mapping[str, Any]]:
    """The requests; where stdin ends, even in the midst of one, so does the process, with all that it started."""
    lines: queue.Queue[bytes] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin.buffer:
            lines.put(line)
        shutil.rmtree(scratch, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        yield json.loads(lines.get())


def main() -> None:
    """Answer requests until there are no more."""
    scratch = sys.argv[1]
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    models = SavedModels()
    verbs = {
        "versions": versions,
        "savedmodel-from-onnx": savedmodel_from_onnx,
        "graph-from-savedmodel": graph_from_savedmodel,
        "load": models.load,
        "run": models.run,
        "unload": models.unload,
    }
    for request in requests(scratch):
        print(json.dumps(reply_to(request, verbs)), file=replies, flush=True)


if __name__ == "__main__":
    main()
