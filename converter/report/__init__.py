"""Verdicts as documents: a page for people, JUnit for CI, Markdown for a summary."""
