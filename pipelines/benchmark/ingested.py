"""Any ingested pool as a source: its frames, with the labels that are known of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from functools import cached_property

from winnow.contracts.artifacts import read_table
from winnow.contracts.references import frame_refs
from winnow.contracts.tables import FRAMES, ORACLE
from winnow.domain.labels import CLASSIFICATION
from winnow.domain.rows import SourceRow
from winnow.domain.tables import SHARDS, SOURCES
from winnow.ports.blobs import Blobs
from winnow.ports.frame_source import SourceFrame
from winnow.ports.ledger import Ledger


class IngestedSource:
    """The pool frames of a ledger; the holdouts of its sources are never looked at."""

    def __init__(self, ledger: Ledger, blobs: Blobs) -> None:
        self._blobs = blobs
        with ledger.snapshot() as view:
            self._sources = view.records.find(SOURCES)
            self._shards = view.records.find(SHARDS)

    @property
    def name(self) -> str:
        """Names of the sources, joined."""
        return "+".join(row.key for row in self._sources) or "empty pool"

    @property
    def n_frames(self) -> int:
        """Frames of all shards."""
        return sum(shard.n_frames for shard in self._shards)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Classes of all sources."""
        names = [name for row in self._sources for name in row.class_names]
        return tuple(dict.fromkeys(names))

    @property
    def label_kind(self) -> str:
        """Of the first source: those of a pool are of one kind."""
        return self._sources[0].label_kind if self._sources else CLASSIFICATION

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing to say."""
        return ()

    def frames(self, positions: Collection[int] | None = None) -> Iterator[SourceFrame]:
        """Give the frames shard by shard; those that nobody knows a label of have none."""
        place = 0
        for shard in self._shards:
            table = read_table(self._blobs, shard.manifest, FRAMES)
            rows = table.to_pylist()
            for row, ref in zip(rows, frame_refs(table), strict=True):
                if positions is None or place in positions:
                    yield SourceFrame(
                        data=self._blobs.get(ref),
                        name=row["frame_id"],
                        media_type=ref.media_type,
                        label=self._labels.get(row["frame_id"]) or None,
                        session=row["session"] or "",
                        captured_at=row["captured_at"],
                        site=row["site"] or "",
                        privacy_blocked=bool(row["privacy_blocked"]),
                        tags=json.loads(row["tags"] or "{}"),
                    )
                place += 1

    @cached_property
    def _labels(self) -> dict[str, str]:
        return {frame_id: label for row in self._sources for frame_id, label in self._known(row)}

    def _known(self, row: SourceRow) -> Iterator[tuple[str, str]]:
        if row.oracle is not None:
            table = read_table(self._blobs, row.oracle, ORACLE)
            yield from zip(*(table[name].to_pylist() for name in ORACLE.names), strict=True)
