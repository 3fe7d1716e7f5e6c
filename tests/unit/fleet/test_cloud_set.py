"""What the cloud tells vehicles it knows."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts.artifacts import write_table
from winnow.contracts.tables import EMBEDDED
from winnow.domain.errors import BadInput
from winnow.domain.ids import EPOCH
from winnow.domain.tables import EMBEDDED_SHARDS, EmbeddedShardRow
from winnow.runtime.cloud_set import cloud_set_bytes, read_cloud_set


def embedded(
    ledger: SqliteLedger, blobs: FileBlobs, key: str, places: list[float | None], *, version: str
) -> None:
    """Put a shard with these embeddings where the embedding service would."""
    rows = [
        {
            "frame_id": f"{key}{number:02d}",
            "bucket": "files",
            "key": "k",
            "sha256": hashlib.sha256(f"{key}{number}".encode()).hexdigest(),
            "size_bytes": 1,
            "media_type": "image/png",
            "captured_at": EPOCH,
            **dict.fromkeys(("session", "sensor", "vehicle", "site", "gate", "gate_detail"), ""),
            "tags": "{}",
            "privacy_blocked": False,
            "calibrated": True,
            "width": 1,
            "height": 1,
            "phash": 0,
            "embedding": None if place is None else [place, 1.0],
        }
        for number, place in enumerate(places)
    ]
    table = pa.Table.from_pylist(rows, schema=EMBEDDED)
    ref = write_table(blobs, table, EMBEDDED, prefix="embedded")
    with ledger.transaction() as tx:
        tx.records.insert(EMBEDDED_SHARDS, EmbeddedShardRow(key, version, len(rows), (), ref))


@pytest.fixture
def stores(tmp_path: Path) -> tuple[SqliteLedger, FileBlobs]:
    return SqliteLedger(tmp_path / "ledger.db"), FileBlobs(tmp_path / "blobs")


def test_it_holds_every_embedding_and_every_id(stores: tuple[SqliteLedger, FileBlobs]) -> None:
    embedded(*stores, "b", [3.0, None], version="pixel/1")
    embedded(*stores, "a", [1.0, 2.0], version="pixel/1")
    data = cloud_set_bytes(*stores, limit=None, seed=0)
    known = read_cloud_set(data, where="here")
    assert sorted(known.embeddings[:, 0].tolist()) == [1.0, 2.0, 3.0]
    assert known.frame_ids == {"a00", "a01", "b00", "b01"}  # the unreadable one, too
    assert known.encoder_version == "pixel/1"
    assert known.sha256 == hashlib.sha256(data).hexdigest()
    assert cloud_set_bytes(*stores, limit=None, seed=0) == data


def test_a_limit_draws_embeddings_and_keeps_all_ids(
    stores: tuple[SqliteLedger, FileBlobs],
) -> None:
    embedded(*stores, "a", [float(number) for number in range(20)], version="pixel/1")
    drawn = {
        tuple(
            read_cloud_set(cloud_set_bytes(*stores, limit=5, seed=seed), where="here")
            .embeddings[:, 0]
            .tolist()
        )
        for seed in range(4)
    }
    assert {len(one) for one in drawn} == {5}
    assert len(drawn) > 1
    known = read_cloud_set(cloud_set_bytes(*stores, limit=5, seed=0), where="here")
    assert len(known.frame_ids) == 20


def test_a_pool_without_embeddings_or_of_two_encoders_is_refused(
    stores: tuple[SqliteLedger, FileBlobs],
) -> None:
    with pytest.raises(BadInput, match="nothing embedded yet"):
        cloud_set_bytes(*stores, limit=None, seed=0)
    embedded(*stores, "a", [1.0], version="pixel/1")
    embedded(*stores, "b", [1.0], version="clip/1")
    with pytest.raises(BadInput, match="found clip/1, pixel/1"):
        cloud_set_bytes(*stores, limit=None, seed=0)


def test_a_bare_array_is_a_cloud_set_and_other_files_are_none() -> None:
    sink = io.BytesIO()
    np.save(sink, np.arange(6.0).reshape(3, 2))
    known = read_cloud_set(sink.getvalue(), where="here")
    assert known.embeddings.dtype == np.float32
    assert (known.embeddings.shape, known.frame_ids, known.encoder_version) == (
        (3, 2), frozenset(), "",
    )  # fmt: skip
    flat, texts, other = (io.BytesIO() for _ in range(3))
    np.save(flat, np.arange(6.0))
    np.save(texts, np.array([["a"]]))
    np.savez(other, x=np.zeros(1))
    for data in (b"", b"nonsense", flat.getvalue(), texts.getvalue(), other.getvalue()):
        with pytest.raises(BadInput, match="here: expected"):
            read_cloud_set(data, where="here")
