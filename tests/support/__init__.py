"""Shared code of tests: scenarios, fixtures, files, processes. No test imports another test."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The folder of the repository."""
UNIT = ROOT / "tests" / "unit"
"""Tests that need no Django."""
