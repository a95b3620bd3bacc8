"""All graphs, gathered from the modules beside this one."""

from tests.ops import branch_cases, loop_cases, scan_cases, structure_cases

GRAPH_CASES = [*branch_cases.CASES, *loop_cases.CASES, *scan_cases.CASES, *structure_cases.CASES]
