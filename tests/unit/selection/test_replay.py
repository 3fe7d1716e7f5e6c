"""Replay says "identical", or which row and field is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import typer
from typer.testing import CliRunner

from tests.unit.selection.pools import ROUND, store_pool
from winnow.acquisition.registry import ACQUISITIONS, RECORDED
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.cli.replay import replay, replay_round
from winnow.contracts.artifacts import read_manifest, read_table, write_manifest, write_table
from winnow.contracts.batch_replay import replay_batch
from winnow.contracts.batches import Sources, load_inputs
from winnow.contracts.manifests import Batch, Snapshot
from winnow.contracts.proposals import store_proposal
from winnow.contracts.tables import BATCH, CANDIDATES, EMBEDDED, SNAPSHOT_PART
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import NotFound, SchemaMismatch
from winnow.domain.tables import BATCHES, BatchRow
from winnow.evidence.artifact import Producer
from winnow.policy.select import SELECTOR_VERSION, propose
from winnow.testing.manual_clock import ManualClock

POLICY = "selection: {batch_size: 8}\nrandom_arm: {share: 0.25}\n"
PRODUCER = Producer(service="selection", version="0", commit="")


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path / "blobs")


def sources_in(blobs: FileBlobs, policy: str = POLICY) -> Sources:
    event = store_pool(blobs, policy).event
    return Sources(ROUND, event.snapshot, event.scores, event.policy, event.seed, 10**9)


def stored_batch(blobs: FileBlobs) -> tuple[Batch, BlobRef]:
    stored = store_proposal(blobs, sources_in(blobs), producer=PRODUCER, at=ManualClock().now())
    assert stored.batch is not None
    assert stored.manifest is not None
    return stored.batch, stored.manifest


def with_column(table: pa.Table, name: str, values: object) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)


def test_a_tampered_reason_is_found_by_row_and_field(blobs: FileBlobs) -> None:
    batch, _ = stored_batch(blobs)
    table = read_table(blobs, batch.table, BATCH)
    reasons = table["reason"].to_pylist()
    reasons[3] = "because"
    forged = write_table(blobs, with_column(table, "reason", pa.array(reasons)), BATCH, prefix="x")
    manifest = write_manifest(blobs, batch.model_copy(update={"table": forged}), prefix="x")
    report = replay_batch(blobs, manifest)
    assert not report.identical
    assert report.first_difference.startswith("batch, row 3, reason: recorded 'because', replayed ")


def test_one_unit_in_the_last_place_is_found(blobs: FileBlobs) -> None:
    batch, _ = stored_batch(blobs)
    table = read_table(blobs, batch.candidates, CANDIDATES)
    row = next(i for i, score in enumerate(table["score"].to_pylist()) if score is not None)
    scores = table["score"].to_pylist()
    scores[row] = float(np.nextafter(scores[row], 2))
    column = pa.array(scores, type=pa.float64())
    forged = write_table(blobs, with_column(table, "score", column), CANDIDATES, prefix="x")
    manifest = write_manifest(blobs, batch.model_copy(update={"candidates": forged}), prefix="x")
    assert f"candidates, row {row}, score" in replay_batch(blobs, manifest).first_difference


def test_a_batch_of_a_version_without_a_later_column_is_replayed_as_it_was(
    blobs: FileBlobs,
) -> None:
    batch, _ = stored_batch(blobs)
    table = read_table(blobs, batch.table, BATCH).drop_columns("lure_weight")
    earlier = write_table(blobs, table, table.schema, prefix="x")
    manifest = write_manifest(blobs, batch.model_copy(update={"table": earlier}), prefix="x")
    assert replay_batch(blobs, manifest).identical
    read = read_table(blobs, earlier, BATCH, columns=["frame_id", "lure_weight"])
    assert read.column_names == ["frame_id", "lure_weight"]
    assert set(read["lure_weight"].to_pylist()) == {None}


def test_a_missing_row_is_found(blobs: FileBlobs) -> None:
    batch, _ = stored_batch(blobs)
    table = read_table(blobs, batch.table, BATCH)
    forged = write_table(blobs, table.slice(0, 7), BATCH, prefix="x")
    manifest = write_manifest(blobs, batch.model_copy(update={"table": forged}), prefix="x")
    assert replay_batch(blobs, manifest).first_difference == "batch: recorded 7 rows, replayed 8"


@pytest.mark.parametrize("change", [{"seed": 6}, {"affordable_micros": 80_000 * 3}])
def test_other_inputs_give_another_batch(blobs: FileBlobs, change: dict[str, object]) -> None:
    batch, _ = stored_batch(blobs)
    manifest = write_manifest(blobs, batch.model_copy(update=change), prefix="x")
    assert not replay_batch(blobs, manifest).identical


def test_the_order_of_the_snapshots_parts_changes_no_choice(blobs: FileBlobs) -> None:
    sources = sources_in(blobs)
    snapshot = read_manifest(blobs, sources.snapshot, Snapshot)
    turned = snapshot.model_copy(update={"parts": snapshot.parts[::-1]})
    again = replace(sources, snapshot=write_manifest(blobs, turned, prefix="x"))
    first, second = load_inputs(blobs, sources), load_inputs(blobs, again)
    chosen = first.frame_ids[propose(first).batch].tolist()
    assert second.frame_ids[propose(second).batch].tolist() == chosen


def test_embeddings_are_those_of_the_frames(blobs: FileBlobs) -> None:
    """Rows of the embedded table lie in another order than the snapshot's."""
    sources = sources_in(blobs)
    inputs = load_inputs(blobs, sources)
    expected: dict[str, pa.Scalar] = {}
    for part in read_manifest(blobs, sources.snapshot, Snapshot).parts:
        table = read_table(blobs, part.embedded, EMBEDDED)
        expected |= dict(zip(table["frame_id"].to_pylist(), table["embedding"], strict=True))
    assert inputs.embeddings_ND is not None
    passed = inputs.frame_ids[inputs.gates == ""]
    for frame_id, row in zip(passed.tolist(), inputs.embeddings_ND, strict=True):
        np.testing.assert_array_equal(row, expected[frame_id].as_py())


def test_rows_that_point_elsewhere_are_refused(blobs: FileBlobs) -> None:
    sources = sources_in(blobs)
    snapshot = read_manifest(blobs, sources.snapshot, Snapshot)
    part = read_table(blobs, snapshot.parts[0].part, SNAPSHOT_PART)
    shifted = with_column(part, "row", pc.subtract(pa.scalar(9, pa.int32()), part["row"]))
    forged = write_table(blobs, shifted, SNAPSHOT_PART, prefix="x")
    parts = (snapshot.parts[0].model_copy(update={"part": forged}), *snapshot.parts[1:])
    broken = snapshot.model_copy(update={"parts": parts})
    with pytest.raises(SchemaMismatch, match="column row"):
        load_inputs(blobs, replace(sources, snapshot=write_manifest(blobs, broken, prefix="x")))


def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(replay)
    return app


def test_the_command_prints_identical_or_the_difference_and_exits_with_it(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path / "blobs")
    batch, manifest = stored_batch(blobs)
    other = write_manifest(blobs, batch.model_copy(update={"seed": 6}), prefix="x")
    ledger = SqliteLedger(tmp_path / "ledger.db")
    with ledger.transaction() as tx:
        for number, ref in ((1, manifest), (2, other)):
            row = BatchRow(f"r{number}-batch", f"r{number}", "approved", 8, 8, ref, 640_000)
            tx.records.insert(BATCHES, row)
    with pytest.raises(NotFound, match="r3-batch"):
        replay_round(3, ledger=ledger, blobs=blobs)
    ledger.close()

    same = CliRunner().invoke(command(), ["1", "--state", str(tmp_path)])
    assert (same.exit_code, same.output) == (
        0, "r1-batch: identical, byte for byte (candidates and batch)\n",
    )  # fmt: skip
    differs = CliRunner().invoke(command(), ["2", "--state", str(tmp_path), "--json"])
    assert differs.exit_code == 1
    assert json.loads(differs.output)["first_difference"].startswith("candidates, row ")


def test_an_acquisition_function_that_is_added_later_changes_no_replay(
    blobs: FileBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, manifest = stored_batch(blobs)
    monkeypatch.setitem(ACQUISITIONS, "again", ACQUISITIONS["entropy"])
    assert replay_batch(blobs, manifest).identical
    assert stored_batch(blobs)[0].acquisitions == RECORDED


def test_a_difference_says_that_another_selector_chose(blobs: FileBlobs) -> None:
    batch, _ = stored_batch(blobs)
    older = batch.model_copy(update={"selector_version": "0", "seed": batch.seed + 1})
    report = replay_batch(blobs, write_manifest(blobs, older, prefix="x"))
    assert report.first_difference.endswith(
        f"chosen by selector 0, replayed by selector {SELECTOR_VERSION}"
    )
