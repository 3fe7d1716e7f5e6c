"""What a running committee server was asked and answered, as KServe logs it, grows the pool."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.integration.committee_servers import Server, serving, train
from tests.unit.cli.test_ingest import funded, run
from tests.unit.ingest.payload_records import event, request_body, stored, write_log
from tests.unit.training.toy_world import CLASSES, frame
from winnow.acquisition.registry import score_of
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.pixel_encoder import PixelEncoder
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.constraints.gates import GateThresholds
from winnow.contracts.artifacts import read_table
from winnow.contracts.references import frame_refs, read_reference
from winnow.contracts.serving import served_version
from winnow.contracts.tables import FRAMES
from winnow.domain.tables import SHARDS
from winnow.tasks.committee import CommitteeModel
from winnow.tasks.shard_embedding import embed_shard

pytestmark = pytest.mark.slow
IMAGES = [frame(label, number) for number in range(100, 108) for label in CLASSES]
PRIVATE = {"X-Winnow-Session": "drive-2", "X-Winnow-Privacy-Blocked": "true"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path, str]]:
    folder = tmp_path_factory.mktemp("served")
    members = train(folder)
    with serving(folder, members) as server:
        yield server, folder, members


def logged(server: Server, folder: Path) -> Path:
    """Ask about all images, and log what went over the wire in the forms that KServe has."""

    def asked(frames: list[bytes]) -> tuple[bytes, bytes]:
        answer = httpx.post(f"{server.url}/infer", json=request_body(frames), timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.request.content, answer.content

    first, second = asked(IMAGES[:8]), asked(IMAGES[8:16])
    write_log(
        folder / "events.jsonl",
        event("r1", "request", json.loads(first[0]), {"X-Winnow-Session": "drive-1"}),
        event("r2", "response", json.loads(second[1])),
        event("r1", "response", json.loads(first[1])),
        event("r2", "request", json.loads(second[0]), PRIVATE),
    )
    for number, (ask, answer) in (("r3", asked(IMAGES[16:])), ("r4", asked([]))):
        for side, body in (("request", ask), ("response", answer)):
            file = folder / f"{number}-{side}.json"
            file.write_text(json.dumps(stored(number, side, body)))
    return folder


def test_frames_of_which_the_served_committee_was_least_sure_reach_the_pool_and_its_gates(
    served: tuple[Server, Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server, folder, members = served
    model = CommitteeModel.load(FileBlobs(folder / "blobs"), read_reference(members))
    confidence_N = 1.0 - score_of("least_confidence", model.score(IMAGES).class_probs())
    ordered = np.sort(confidence_N)
    below = float((ordered[9] + ordered[10]) / 2)
    expected = {IMAGES[pos] for pos in np.flatnonzero(confidence_N < below).tolist()}
    assert len(expected) == 10

    log = tmp_path / "log"
    log.mkdir()
    logged(server, log)
    state = funded(tmp_path / "state")
    chosen = ("--confidence-below", below, "--disagreement-above", 2.0)
    assert run("ingest", log, "--format", "payload-log", *chosen, "--state", state) == 0
    said = capsys.readouterr().out
    assert "10 frames read, 10 new in the pool" in said
    assert "classification: 24 frame(s) answered, 14 of them surely" in said
    assert f"answered by {served_version('c0', read_reference(members))} (24)" in said
    assert (
        "1 request(s) without frames, which ask who is there left out, first r4-request.json line 1"
        in said
    )

    blobs, ledger = FileBlobs(state / "blobs"), SqliteLedger(state / "ledger.db")
    with ledger.snapshot() as view:
        (shard,) = view.records.find(SHARDS, group="production")
    ledger.close()
    table = read_table(blobs, shard.manifest, FRAMES)
    rows, frames = table.to_pylist(), [blobs.get(ref) for ref in frame_refs(table)]
    assert set(frames) == expected
    for row, data in zip(rows, frames, strict=True):
        pos, tags = IMAGES.index(data), json.loads(row["tags"])
        assert float(tags["confidence"]) == pytest.approx(confidence_N[pos], abs=1e-4)
        assert tags["request"] == f"r{pos // 8 + 1}/{pos % 8}"
        assert row["session"] == ("drive-1", "drive-2", "")[pos // 8]
        assert row["privacy_blocked"] == (pos // 8 == 1)
    embedded = embed_shard(blobs, PixelEncoder(), shard.manifest, thresholds=GateThresholds())
    assert (
        dict(embedded.n_blocked_by_gate)["privacy"]
        == sum(row["privacy_blocked"] for row in rows)
        > 0
    )
