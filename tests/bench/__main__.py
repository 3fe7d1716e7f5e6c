"""Runs every benchmark beside its peers, prints the ratios, writes `build/bench.json`.

`--large` runs the long cases instead. Further words name the benchmarks that are wanted.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests import bench

OUT, LARGE = Path("build/bench.json"), Path("build/bench-large.json")
FIELDS = (
    "name", "ours_seconds", "peer", "peer_seconds", "ratio", "goal", "holds", "peak_rss_bytes",
    "cores",
)  # fmt: skip


def main() -> int:
    """Run the benchmarks named on the command line, or all; 1 if a goal does not hold."""
    large = "--large" in sys.argv[1:]
    wanted = set(sys.argv[1:]) - {"--large"}
    prefix = "large_" if large else "bench_"
    names = [name for _, name, _ in pkgutil.iter_modules(bench.__path__) if name.startswith(prefix)]
    rows: list[dict[str, object]] = []
    for name in names:
        if wanted and name.removeprefix(prefix) not in wanted:
            continue
        print(f"{name} …", file=sys.stderr)
        rows += importlib.import_module(f"tests.bench.{name}").run()
    out = LARGE if large else OUT
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    Console().print(_table(rows))
    return 0 if all(row["holds"] for row in rows) else 1


def _table(rows: list[dict[str, object]]) -> Table:
    table = Table(title="ratio: peer's time over ours, larger is better")
    for field in FIELDS:
        table.add_column(field, justify="left" if field in ("name", "peer", "goal") else "right")
    for row in rows:
        table.add_row(*(_cell(row[field]) for field in FIELDS))
    return table


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    raise SystemExit(main())
