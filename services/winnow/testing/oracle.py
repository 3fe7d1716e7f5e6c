"""What scripted people know: the true labels that came with the ingested sources."""

from __future__ import annotations

from winnow.contracts.artifacts import read_table
from winnow.contracts.tables import ORACLE
from winnow.domain.ids import FrameId
from winnow.domain.tables import SOURCES
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Ledger


class Oracle:
    """Looks up a frame's label; a source's table is read when it is first needed."""

    def __init__(self, ledger: Ledger, blobs: Blobs) -> None:
        self._ledger = ledger
        self._blobs = blobs
        self._labels: dict[str, str] = {}
        self._read: set[str] = set()

    def __call__(self, frame_id: FrameId) -> str | None:
        """Give the label, or None if no source says it."""
        if frame_id not in self._labels:
            self._read_new_sources()
        return self._labels.get(frame_id) or None

    def _read_new_sources(self) -> None:
        with self._ledger.snapshot() as view:
            rows = view.records.find(SOURCES)
        for row in rows:
            if row.oracle is not None and row.oracle.key not in self._read:
                table = read_table(self._blobs, row.oracle, ORACLE)
                columns = (table[name].to_pylist() for name in ("frame_id", "label"))
                self._labels.update(zip(*columns, strict=True))
                self._read.add(row.oracle.key)
