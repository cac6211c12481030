"""The JSON Schema of the report, as the package carries it."""

from __future__ import annotations

CONTRACT = "verifier/1"
"""Name of the contract; it changes only if a field is renamed or given another meaning."""


def text() -> str:
    """The schema, as JSON (2020-12) ending in a newline."""
    from importlib.resources import files

    return files("verifier.report").joinpath("schema.json").read_text(encoding="utf-8")
