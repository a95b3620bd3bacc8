"""The samples that parity draws reach rows that a mask hides entirely, where a wrong kernel shows."""

import pytest
from onnx import parser

from converter.config import TensorSpec
from converter.onnx_model import load_bytes
from converter.parity.agreement import Agreement
from converter.parity.compare import Tolerance
from converter.parity.inputs import make_samples
from converter.parity.run import Candidate, check_parity, compute_reference
from converter.pipeline.compile import compile_onnx, write_graph
from converter.runtimes.onnxruntime_ import OnnxRuntime

SOFTMAX = """<ir_version: 8, opset_import: ["" : 17]>
net (float[N, 4] x, bool[N, 4] m) => (float[N, 4] y) <float k = {-3.4028234663852886e38}> {
  p = Where (m, x, k)
  y = Softmax <axis = -1> (p)
}"""
SCORES = TensorSpec(name="x", shape=("N", 4), low=1.0, high=2.0)  # no set of zeros is drawn beside it
MASK = TensorSpec(name="m", dtype="bool", shape=("N", 4))


@pytest.mark.parametrize("runtime", ["tfjs-webgl@chromium", "tfjs-webgpu@chromium"])
@pytest.mark.parametrize("skipped", [(), ("extend-reduction-range",)], ids=["right", "wrong"])
def test_hidden_rows_are_compared(runtime, skipped, pool, tmp_path):
    model = tmp_path / "model.onnx"
    model.write_bytes(parser.parse_model(SOFTMAX).SerializeToString())
    write_graph(compile_onnx(load_bytes(model.read_bytes(), where="net"), skip_passes=skipped), tmp_path / "tfjs")
    samples = [one for one in make_samples([SCORES, MASK], seed=0, batches=[4]) if one.label == "batch4-masked"]
    reference = compute_reference(OnnxRuntime(), model, samples)
    assert (reference.outputs["batch4-masked"]["y"][0] == 0.25).all()
    candidate = Candidate(pool.get(runtime), tmp_path / "tfjs")
    report = check_parity(reference, [candidate], samples, Agreement.everywhere(Tolerance(1e-5, 1e-4)))
    assert report.passed == (not skipped), str(report.runtimes[0])
    assert report.runtimes[0].message == ""
