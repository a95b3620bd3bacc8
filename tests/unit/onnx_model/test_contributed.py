"""The declarations of contributed operators are onnxruntime's, and so are the types that they infer."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import defs, helper, numpy_helper, shape_inference
from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema

from converter.lowering import REGISTRY
from converter.onnx_model import load_bytes, prepare
from converter.onnx_model.contributed import DOMAIN, OPERATORS, VERSION, Operator
from converter.runtimes.onnxruntime_ import OnnxRuntime
from tests.ops.case import Case
from tests.ops.cases import CASES

JUDGE = {(one.domain, one.name, one.since_version): one for one in get_all_operator_schema()}
CONTRIBUTED = [case for case in CASES if case.domain and case.reference == "onnxruntime"]


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda one: one.name)
def test_a_declaration_is_onnxruntimes(operator: Operator) -> None:
    wanted = JUDGE[operator.domain, operator.name, VERSION]
    declared = defs.get_schema(operator.name, VERSION, operator.domain)
    for mine, theirs in ((declared.inputs, wanted.inputs), (declared.outputs, wanted.outputs)):
        assert [(one.name, one.option.name) for one in mine] == [(one.name, one.option.name) for one in theirs]
    kinds = {name: attribute.type.name for name, attribute in wanted.attributes.items()}
    assert {name: attribute.type.name for name, attribute in declared.attributes.items()} == kinds


def without_names(case: Case) -> onnx.ModelProto:
    model = onnx.ModelProto()
    model.CopyFrom(case.model())
    arrays = case.arrays()
    for info in model.graph.input:
        array = arrays[info.name]
        code = helper.np_dtype_to_tensor_dtype(array.dtype)
        info.CopyFrom(helper.make_tensor_value_info(info.name, code, array.shape))
    for info in model.graph.output:
        info.ClearField("type")
    return shape_inference.infer_shapes(model, check_type=True, strict_mode=True)


@pytest.mark.parametrize("case", CONTRIBUTED, ids=lambda case: case.id)
def test_types_are_inferred_as_onnxruntime_makes_them(case: Case) -> None:
    made = OnnxRuntime().load(case.model().SerializeToString()).run(case.feed()).outputs
    inferred = {
        info.name: (info.type.tensor_type.elem_type, tuple(dim.dim_value for dim in info.type.tensor_type.shape.dim))
        for info in without_names(case).graph.output
    }
    assert inferred == {
        name: (helper.np_dtype_to_tensor_dtype(np.dtype(array.dtype)), array.shape) for name, array in made.items()
    }


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda one: one.name)
def test_operands_of_unknown_type_and_rank_are_no_error(operator: Operator) -> None:
    names = [word.rstrip("?*") for word in operator.inputs.split()]
    made = [word.rstrip("?") for word in operator.outputs.split()]
    for known in ({}, {"type": onnx.TensorProto.FLOAT}):
        source = helper.make_node("Opaque", [], names, domain="custom")
        node = helper.make_node(operator.name, names, made, domain=operator.domain)
        infos = [helper.make_tensor_value_info(name, known["type"], None) for name in names if known]
        graph = helper.make_graph([source, node], "g", [], [onnx.ValueInfoProto(name=made[0])], value_info=infos)
        opsets = [helper.make_opsetid(domain, version) for domain, version in (("", 13), (DOMAIN, 1), ("custom", 1))]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        shape_inference.infer_shapes(model, check_type=True, strict_mode=True)


def test_onnx_itself_still_works_with_them_registered() -> None:
    """Its evaluator fails on one name in two domains if it is imported after they are registered."""
    code = "import converter.onnx_model, onnx.reference; print('imported')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "imported", run.stderr


def test_small_constants_of_16_bits_are_dequantized_before_the_graph_runs() -> None:
    zero = np.uint16(32768)
    small = {"x": np.uint16([0, 32768, 65535]), "s": np.float32(0.5), "z": zero}
    graph = helper.make_graph(
        [
            helper.make_node("DequantizeLinear", ["x", "s", "z"], ["d"], domain=DOMAIN),
            helper.make_node("Neg", ["d"], ["y"]),
        ],
        "g",
        [],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [3])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in small.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, VERSION)]
    loaded = load_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString(), where="g")
    model = prepare(loaded, has_lowering=REGISTRY.has)
    assert model.graph.nodes == ()
    assert model.graph.constants["y"].tolist() == [16384.0, 0.0, -16383.5]
