import subprocess
import sys

import psutil
import pytest

from converter.errors import ConfigError
from converter.runtimes.catalog import RUNTIME_NAMES, RuntimePool


def test_every_name_but_torch_has_a_runtime():
    names = [name for name in RUNTIME_NAMES if name != "torch"]
    with RuntimePool() as pool:
        assert [pool.get(name).name for name in names] == names
        assert pool.get("tfjs-wasm@node") is pool.get("tfjs-wasm@node")


def test_unknown_names_list_the_known_ones():
    with RuntimePool() as pool, pytest.raises(ConfigError, match="no runtime 'tflite'") as unknown:
        pool.get("tflite")
    assert "tfjs-webgl@chromium" in unknown.value.hint


def test_torch_needs_the_checkpoint():
    with RuntimePool() as pool, pytest.raises(ConfigError, match="needs the checkpoint"):
        pool.get("torch")


def test_all_hosted_runtimes_share_one_node_process_and_one_browser():
    before = set(psutil.Process().children())
    with RuntimePool() as pool:
        for name in ("tfjs-cpu@node", "onnxruntime-web@node", "tfjs-wasm@chromium", "onnxruntime-web@chromium"):
            pool.get(name).start()
        [node] = set(psutil.Process().children()) - before
        assert len(node.children()) == 1
    assert set(psutil.Process().children()) == before


def test_names_come_without_heavy_imports():
    program = "import sys, converter.runtimes; print({'numpy', 'torch', 'onnx', 'onnxruntime'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
