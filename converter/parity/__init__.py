"""Parity: the inputs, the comparison and the verdicts; runtimes are handed in."""
