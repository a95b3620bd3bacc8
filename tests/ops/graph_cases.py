"""All graphs, gathered from the modules beside this one."""

from tests.ops import branch_cases, extreme_cases, loop_cases, operand_cases, scan_cases, shape_cases, structure_cases

FAMILIES = (branch_cases, extreme_cases, loop_cases, operand_cases, scan_cases, shape_cases, structure_cases)
GRAPH_CASES = [case for family in FAMILIES for case in family.CASES]
