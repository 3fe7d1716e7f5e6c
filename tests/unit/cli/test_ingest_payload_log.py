"""`winnow ingest --format payload-log` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.test_ingest import funded, run
from tests.unit.ingest.payload_records import SPLIT, SURE, UNSURE, classes, exchange, write_log
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts.artifacts import read_table
from winnow.contracts.tables import FRAMES
from winnow.domain.tables import SHARDS


def test_a_payload_log_is_taken_once_wherever_it_lies_and_what_is_new_is_added(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = funded(tmp_path / "state")
    headers = {"X-Winnow-Vehicle": "v7", "X-Winnow-Privacy-Blocked": "true"}
    records = exchange("a1", classes(SURE, UNSURE), headers=headers)
    log = write_log(tmp_path / "monday" / "log.jsonl", *records)
    arguments = ("--format", "payload-log", "--state", state)
    assert run("ingest", log, *arguments) == 0
    said = capsys.readouterr().out
    assert "production: 1 frames read, 1 new in the pool" in said
    assert "classification: 2 frame(s) answered, 1 of them surely" in said
    elsewhere = write_log(
        tmp_path / "week" / "all.jsonl", *exchange("b1", classes(SPLIT)), *reversed(records)
    )
    assert run("ingest", elsewhere.parent, *arguments) == 0
    assert "2 frames read, 1 new in the pool" in capsys.readouterr().out
    assert run("ingest", elsewhere, *arguments) == 0
    assert "0 new in the holdout, 2 already known; 0 bytes paid" in capsys.readouterr().out

    ledger, blobs = SqliteLedger(state / "ledger.db"), FileBlobs(state / "blobs")
    with ledger.snapshot() as view:
        shards = view.records.find(SHARDS, group="production")
    ledger.close()
    rows = [row for s in shards for row in read_table(blobs, s.manifest, FRAMES).to_pylist()]
    by_vehicle = {row["vehicle"]: row for row in rows}
    assert set(by_vehicle) == {"v7", ""}
    assert by_vehicle["v7"]["privacy_blocked"]
    assert json.loads(by_vehicle[""]["tags"])["doubt"] == "disagreement"


def test_a_payload_log_of_sure_answers_gives_no_frames_and_is_no_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write_log(tmp_path / "log.jsonl", *exchange("a1", classes(SURE)))
    arguments = ("ingest", log, "--format", "payload-log", "--state", funded(tmp_path / "state"))
    assert run(*arguments) == 0
    said = capsys.readouterr().out
    assert "production: no frame is taken\n" in said
    assert "classification: 1 frame(s) answered, 1 of them surely" in said
    assert run(*arguments, "--confidence-below", 0.99) == 0
    assert "1 frames read, 1 new in the pool" in capsys.readouterr().out
    assert run("ingest", log, "--disagreement-above", 0.2, "--state", tmp_path / "other") == 2
    assert "expected --format payload-log" in capsys.readouterr().err
