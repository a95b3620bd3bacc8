import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

INTEGERS = np.arange(12, dtype=np.int32).reshape(3, 4)

CASES = [
    Case("einsum-matrix", "Einsum", {"A": (3, 4), "B": (4, 5)}, {"equation": "ij,jk->ik"}),
    Case("einsum-attention", "Einsum", {"A": (2, 3, 4, 5), "B": (2, 6, 4, 5)}, {"equation": "bqhd,bkhd->bhqk"}),
    Case("einsum-dynamic", "Einsum", {"A": (2, 3, 4), "B": (2, 4, 5)}, {"equation": "bij,bjk->bki"},
         declared={"A": ("batch", 3, 4), "B": ("batch", 4, 5)}),
    Case("einsum-28", "Einsum", {"A": (3, 4), "B": (5, 4)}, {"equation": "ij,kj->ki"}, opset=28,
         reference="evaluator"),
    Case("einsum-transpose", "Einsum", {"A": (3, 4)}, {"equation": "ij->ji"}),
    Case("einsum-implicit", "Einsum", {"A": (3, 4), "B": (4, 2)}, {"equation": "bi,ia"}),
    Case("einsum-sum", "Einsum", {"A": (3, 4)}, {"equation": "ij->i"}),
    Case("einsum-total", "Einsum", {"A": (3, 4)}, {"equation": "ij->"}),
    Case("einsum-inner", "Einsum", {"A": (4,), "B": (4,)}, {"equation": "i,i"}),
    Case("einsum-outer", "Einsum", {"A": (3,), "B": (4,)}, {"equation": "i,j->ij"}),
    Case("einsum-diagonal", "Einsum", {"A": (2, 3, 3)}, {"equation": "...ii->...i"}),
    Case("einsum-trace", "Einsum", {"A": (3, 3)}, {"equation": "ii"}),
    Case("einsum-ellipsis", "Einsum", {"A": (2, 5, 3, 4), "B": (4, 6)}, {"equation": "...ij,jk->...ik"}),
    Case("einsum-ellipsis-broadcast", "Einsum", {"A": (1, 3, 4), "B": (5, 4, 2)}, {"equation": "...ij,...jk->...ik"}),
    Case("einsum-three", "Einsum", {"A": (2, 3), "B": (3, 4), "C": (4, 5)}, {"equation": "ij,jk,kl->il"}),
    Case("einsum-int32", "Einsum", {"A": INTEGERS, "B": INTEGERS.T.copy()}, {"equation": "ij,jk->ik"},
         outputs={"Y": TensorProto.INT32}),
]  # fmt: skip
