from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from converter.config import TensorSpec
from converter.errors import ConverterError
from converter.runtimes.base import Runtime
from converter.runtimes.torch_ import TorchRuntime

SPECS = (TensorSpec(name="a", shape=("batch", 3)), TensorSpec(name="ids", dtype="int64", shape=("batch",)))
MODEL = Path("model.onnx")
A, IDS = np.ones((2, 3), np.float32), np.array([4, 5], np.int64)


class Net(nn.Module):
    def forward(self, a: Tensor, ids: Tensor) -> dict[str, Tensor]:
        return {"sum": a.sum(1) + ids, "ids": ids, "is_big": a > 0.5}


def runtime(outputs: tuple[str, ...] = ("sum", "ids", "big")) -> Runtime:
    return TorchRuntime(Net().eval(), SPECS, outputs)


def test_inputs_go_in_by_name_and_outputs_come_out_by_name() -> None:
    result = runtime().load(MODEL).run({"ids": IDS, "a": A})
    assert list(result.outputs) == ["sum", "ids", "big"]
    assert result.outputs["sum"].tolist() == [7.0, 8.0]
    assert [array.dtype.name for array in result.outputs.values()] == ["float32", "int64", "bool"]
    assert result.predict_ms > 0


def test_outputs_do_not_share_memory_with_inputs() -> None:
    ids = IDS.copy()
    result = runtime().load(MODEL).run({"a": A, "ids": ids})
    ids[0] = 99
    assert result.outputs["ids"].tolist() == [4, 5]


def test_the_number_of_threads_is_put_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        runtime().load(MODEL).run({"a": A, "ids": IDS})
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_it_says_its_version() -> None:
    info = runtime().start()
    assert info.name == "torch"
    assert info.versions == {"torch": torch.__version__}


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        pytest.param({"a": A}, r"inputs \['a'\] given, the network takes \['a', 'ids'\]", id="missing"),
        pytest.param({"a": A, "ids": IDS, "c": A}, "given, the network takes", id="unknown"),
        pytest.param({"a": A.astype(np.float64), "ids": IDS}, "input a: float64 given", id="dtype"),
        pytest.param({"a": A, "ids": np.arange(3)}, r"fails on a float32\[2, 3\], ids int64\[3\]", id="shape"),
    ],
)
def test_inputs_that_do_not_fit(inputs: dict[str, np.ndarray], complaint: str) -> None:
    with pytest.raises(ConverterError, match=complaint) as caught:
        runtime().load(MODEL).run(inputs)
    assert caught.value.hint


def test_every_output_needs_a_name() -> None:
    with pytest.raises(ConverterError, match=r"returns 3 tensor\(s\) for 1 name"):
        runtime(("sum",)).load(MODEL).run({"a": A, "ids": IDS})
