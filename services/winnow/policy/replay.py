"""Comparing what was recorded with what the same inputs give again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it was stored: its bytes' digest and its rows."""

    name: str
    sha256: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """Whether a stored batch is what its inputs give, byte for byte."""

    round_id: str
    batch_id: str
    tables: tuple[str, ...]
    """What was compared."""
    n_amendments: int
    first_difference: str = ""
    """Table, row, field, recorded and replayed value; empty if identical."""

    @property
    def identical(self) -> bool:
        """Tell whether every byte is the same."""
        return not self.first_difference


def first_difference(recorded: Table, replayed: Table) -> str:
    """Give the first differing row and field of two tables, or empty if their bytes are equal.

    Examples
    --------
    >>> first_difference(Table("batch", "a", [{"rank": 0}]), Table("batch", "b", [{"rank": 1}]))
    'batch, row 0, rank: recorded 0, replayed 1'
    """
    if recorded.sha256 == replayed.sha256:
        return ""
    for row, (old, new) in enumerate(zip(recorded.rows, replayed.rows, strict=False)):
        for field, value in old.items():
            if not _same(value, new.get(field)):
                return (
                    f"{recorded.name}, row {row}, {field}: recorded {value!r}, "
                    f"replayed {new.get(field)!r}"
                )
    if len(recorded.rows) != len(replayed.rows):
        return f"{recorded.name}: recorded {len(recorded.rows)} rows, replayed {len(replayed.rows)}"
    return (
        f"{recorded.name}: all values equal, bytes differ (recorded {recorded.sha256}, replayed "
        f"{replayed.sha256}): written by another version of the Parquet writer"
    )


def _same(old: object, new: object) -> bool:
    if isinstance(old, float) and isinstance(new, float) and math.isnan(old):
        return math.isnan(new)
    return old == new
