"""Choose a stored batch again from what its manifest is pinned to, and compare every byte."""

from __future__ import annotations

import hashlib

import pyarrow as pa

from winnow.contracts.amendments import overlay
from winnow.contracts.artifacts import read_manifest, read_table, table_bytes, written_schema
from winnow.contracts.batches import batch_table, candidates_table, load_inputs, sources_of
from winnow.contracts.manifests import Batch, Snapshot
from winnow.contracts.tables import CANDIDATES, batch_schema
from winnow.domain.blob_ref import BlobRef
from winnow.policy.replay import ReplayReport, Table, first_difference
from winnow.policy.select import SELECTOR_VERSION, propose
from winnow.ports.blobs import Blobs


def replay_batch(blobs: Blobs, manifest: BlobRef) -> ReplayReport:
    """Replay the proposal behind a batch, then its amendments.

    Raises
    ------
    IntegrityError
        Stored bytes are not those that the manifest names.
    """
    batch = read_manifest(blobs, manifest, Batch)
    proposed = batch if batch.proposal is None else read_manifest(blobs, batch.proposal, Batch)
    snapshot = read_manifest(blobs, proposed.snapshot, Snapshot)
    inputs = load_inputs(blobs, sources_of(proposed))
    proposal = propose(inputs)
    schema = batch_schema(batch.label_kind)
    table = batch_table(blobs, snapshot, inputs, proposal, scores=proposed.scores)
    pairs = [
        ("candidates", proposed.candidates, candidates_table(inputs, proposal), CANDIDATES),
        ("batch", proposed.table, table, schema),
    ]
    if batch.amendments:
        pairs.append(("amended batch", batch.table, _amended(blobs, proposed, batch), schema))
    differences = [_compare(blobs, *pair) for pair in pairs]
    return ReplayReport(
        round_id=batch.round_id,
        batch_id=batch.batch_id,
        tables=tuple(name for name, *_ in pairs),
        n_amendments=len(batch.amendments),
        first_difference=_by_version(proposed, next(filter(None, differences), "")),
    )


def _by_version(batch: Batch, difference: str) -> str:
    """Say of a difference that another selector made the batch, if so."""
    if not difference or batch.selector_version == SELECTOR_VERSION:
        return difference
    versions = f"selector {batch.selector_version}, replayed by selector {SELECTOR_VERSION}"
    return f"{difference}; chosen by {versions}"


def _amended(blobs: Blobs, proposed: Batch, batch: Batch) -> pa.Table:
    """Lay the recorded amendment over the proposal; a batch is amended once, at approval."""
    return overlay(blobs, proposed, batch.amendments[0])


def _compare(
    blobs: Blobs, name: str, recorded: BlobRef, replayed: pa.Table, schema: pa.Schema
) -> str:
    schema = written_schema(blobs, recorded, schema)
    data = table_bytes(replayed, schema, where=name)
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 == recorded.sha256 and blobs.get(recorded) == data:
        return ""
    stored = read_table(blobs, recorded, schema)
    return first_difference(
        Table(name, recorded.sha256, stored.to_pylist()),
        Table(name, sha256, replayed.select(schema.names).to_pylist()),
    )
