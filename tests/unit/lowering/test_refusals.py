import onnx
import pytest
from onnx import TensorProto, defs, helper
from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema

from converter.errors import UnsupportedError
from converter.lowering import REGISTRY
from converter.lowering.ops import load_all
from converter.lowering.refusals import DOMAINS, OPERATORS, refusal
from converter.onnx_model import load_bytes
from converter.pipeline.compile import compile_onnx

ONNXRUNTIME_ONLY = {schema.domain for schema in get_all_operator_schema()}
KNOWN = {(schema.domain, schema.name): schema.since_version for schema in defs.get_all_schemas()}

load_all()
LOWERED = {(key.domain, key.op) for key in REGISTRY.table}


def test_refused_operators_exist_and_have_no_lowering():
    assert OPERATORS.keys() <= KNOWN.keys()
    assert OPERATORS.keys() & LOWERED == set()
    assert DOMAINS.keys() <= {domain for domain, _ in KNOWN} | ONNXRUNTIME_ONLY
    assert {domain for domain, _ in LOWERED} & DOMAINS.keys() == {"com.microsoft"}


@pytest.mark.parametrize(
    "key", [*OPERATORS, *(key for key in KNOWN if key[0] in DOMAINS and key not in LOWERED)], ids="::".join
)
def test_a_refused_operator_says_why_and_what_to_do(key):
    domain, op = key
    with pytest.raises(UnsupportedError) as refused:
        REGISTRY.find(domain, op, KNOWN[key])
    assert (refused.value.what, refused.value.hint) == (refusal(domain, op).reason, refusal(domain, op).hint)
    assert "no lowering" not in refused.value.what


def test_other_operators_are_refused_in_general():
    with pytest.raises(UnsupportedError, match="no lowering for this operator"):
        REGISTRY.find("", "NoSuchOperator", 1)


def test_a_refusal_names_the_node():
    graph = helper.make_graph(
        [helper.make_node("StringConcat", ["A", "B"], ["Y"], name="joined")],
        "net",
        [helper.make_tensor_value_info(name, TensorProto.STRING, [2]) for name in ("A", "B")],
        [helper.make_tensor_value_info("Y", TensorProto.STRING, [2])],
    )
    content = model_of(graph)
    with pytest.raises(UnsupportedError, match="joins two texts") as refused:
        compile_onnx(load_bytes(content, where="net"))
    assert "joined (StringConcat, since 20)" in refused.value.where
    assert "outside the model" in refused.value.hint
    assert refused.value.exit_code == 4


def model_of(graph: onnx.GraphProto) -> bytes:
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9).SerializeToString()
