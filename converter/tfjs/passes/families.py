"""Operations that the shape of their operands does not matter to."""

UNARY = (
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cast", "Ceil", "ClipByValue", "Cos", "Cosh", "Elu",
    "Erf", "Exp", "Expm1", "Floor", "Identity", "IsFinite", "IsInf", "IsNan", "LeakyRelu", "Log", "Log1p", "LogicalNot",
    "Neg", "OnesLike", "Reciprocal", "Relu", "Relu6", "Round", "Rsqrt", "Selu", "Sigmoid", "Sign", "Sin", "Sinh",
    "Softplus", "Sqrt", "Square", "StopGradient", "Tan", "Tanh", "ZerosLike",
)  # fmt: skip
"""Operations on each element of their first operand; the other operands are arguments."""

BROADCASTING = (
    "Add", "AddV2", "Atan2", "Div", "DivNoNan", "Equal", "FloorDiv", "FloorMod", "Greater", "GreaterEqual", "Less",
    "LessEqual", "LogicalAnd", "LogicalOr", "Maximum", "Minimum", "Mod", "Mul", "NotEqual", "Pow", "RealDiv",
    "SelectV2", "SquaredDifference", "Sub",
)  # fmt: skip
"""Operations on the elements of operands that broadcast to each other."""
