"""Writes values.schema.json beside the chart's values.yaml."""

from __future__ import annotations

from pathlib import Path

from charts.winnow.schema.document import text

if __name__ == "__main__":
    (Path(__file__).parents[1] / "values.schema.json").write_text(text())
