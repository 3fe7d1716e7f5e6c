"""What a whole loop leaves as evidence: all seven artifacts, sealed, naming real bytes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from tests.integration.simulation import Simulation, loop_ended, prepare
from tests.unit.ingest.images import class_folder
from winnow.adapters.file_blobs import FileBlobs
from winnow.cli.demo.world import command
from winnow.domain.blob_ref import BlobRef
from winnow.evidence.annotation_batch import AnnotationBatch
from winnow.evidence.artifact import Artifact
from winnow.evidence.budget_report import BudgetReport
from winnow.evidence.candidate_record import CandidateRecord
from winnow.evidence.pre_annotation import PreAnnotationRecord
from winnow.evidence.promotion_record import PromotionRecord
from winnow.evidence.qa_report import QaReport
from winnow.evidence.upload_manifest import UploadSelectionManifest
from winnow.testing.harness import drive

ROUNDS = 2
ARTIFACTS: dict[str, type[Artifact]] = {
    "candidate_record": CandidateRecord,
    "annotation_batch": AnnotationBatch,
    "pre_annotation": PreAnnotationRecord,
    "qa_report": QaReport,
    "promotion_record": PromotionRecord,
    "budget_report": BudgetReport,
    "upload_selection": UploadSelectionManifest,
}
FOLDERS = (
    "selection/evidence", "labeling_gateway/evidence", "qa/evidence", "budgets/evidence",
    "ingest/evidence",
)  # fmt: skip
REFERENCE = TypeAdapter(BlobRef)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The object store after two rounds and the end of a budget's period."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("evidence")
        simulation = prepare(folder, monkeypatch)
        run_to_the_end(simulation)
        state = ["--state", str(simulation.state_dir)]
        upload_from_a_vehicle(folder, simulation.state_dir)
        command(["budget", "close", "human_annotation", *state], log=folder / "cli.log")
        yield simulation.state_dir / "blobs"


def run_to_the_end(simulation: Simulation) -> None:
    workers, ledger = simulation.start(), simulation.ledger()
    try:
        drive(workers, simulation.clock, lambda: loop_ended(ledger, rounds=ROUNDS))
    finally:
        ledger.close()
        simulation.stop(workers)


def upload_from_a_vehicle(folder: Path, state_dir: Path) -> None:
    """Send more frames into the same object store, and register them."""
    log, blobs = folder / "cli.log", state_dir / "blobs"
    command(["upload", "keygen", "--vehicle", "v7", "--out", str(folder)], log=log)
    (state_dir / "vehicles").mkdir()
    (state_dir / "vehicles" / "v7.pem").write_bytes((folder / "v7.pem").read_bytes())
    source = class_folder(folder / "recordings")
    key = ["--key", str(folder / "v7.key.pem"), "--to", str(blobs)]
    what = ["--vehicle", "v7", "--source", str(source), "--budget-bytes", "1MB"]
    command(["upload", *what, *key], log=log)
    (manifest,) = FileBlobs(blobs).keys("uploads")
    command(["ingest", manifest, "--state", str(state_dir)], log=log)


def documents(store: Path) -> Iterator[bytes]:
    for folder in FOLDERS:
        for key in FileBlobs(store).keys(folder):
            yield (store / key).read_bytes()


def artifact_of(data: bytes) -> Artifact:
    return ARTIFACTS[json.loads(data)["artifact"]].model_validate_json(data)


def references(part: object) -> Iterator[BlobRef]:
    """Give every reference in a document, at any depth."""
    if isinstance(part, dict):
        if part.keys() >= {"bucket", "key", "sha256"}:
            yield REFERENCE.validate_python(part)
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_a_loop_leaves_every_artifact_sealed_and_its_references_lead_to_the_bytes(
    store: Path,
) -> None:
    found = [artifact_of(data) for data in documents(store)]
    assert Counter(one.artifact for one in found) == {
        "candidate_record": ROUNDS,
        "annotation_batch": ROUNDS,
        "pre_annotation": ROUNDS - 1,  # the cold start has no committee to predict
        "qa_report": ROUNDS,
        "promotion_record": ROUNDS,
        "budget_report": 1,
        "upload_selection": 1,
    }
    for one in found:
        assert one.verify()
        assert not one.model_copy(update={"round_id": "r99"}).verify()
        assert one.producer.version
        for ref in references(one.model_dump(mode="json")):
            assert len(FileBlobs(store).get(ref)) == ref.size_bytes  # raises on another digest
