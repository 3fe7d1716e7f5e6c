"""A small batch that must stay the same for ever, and the schemas of selection's evidence.

Origin of the files: the pool of `tests/unit/selection/pools.py`, seed 11, chosen by this module
under `make golden`. Values, not bytes: the Parquet writer names its version in each file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.unit.selection.pools import ROUND, store_pool
from winnow.adapters.file_blobs import FileBlobs
from winnow.contracts.artifacts import read_table
from winnow.contracts.batches import Sources
from winnow.contracts.manifests import Batch
from winnow.contracts.orders import annotation_batch, orders_of
from winnow.contracts.proposals import store_proposal
from winnow.contracts.tables import BATCH, CANDIDATES
from winnow.domain.blob_ref import BlobRef
from winnow.evidence.annotation_batch import AnnotationBatch
from winnow.evidence.artifact import Artifact, Producer
from winnow.evidence.candidate_record import CandidateRecord, CandidateRecord1
from winnow.policy.constraint_section import ConstraintSection
from winnow.policy.model import parse_policy
from winnow.testing.manual_clock import ManualClock

PRODUCER = Producer(service="selection", version="0", commit="")
FOLDER = Path(__file__).parent
POLICIES = {
    "cold_start": "selection: {batch_size: 6, cold_start: random}\nrandom_arm: {share: 0.34}\n",
    "shortlist_k_center": (
        "selection: {batch_size: 6, acquisition: bald, strategy: {name: shortlist_k_center, "
        "shortlist_factor: 3}}\nrandom_arm: {share: 0.34}\n"
    ),
    "herding": "selection: {batch_size: 6}\nrandom_arm: {share: 0.34}\n",
    "top_k": "selection: {batch_size: 6, strategy: top_k, acquisition: entropy}\n",
}
EVIDENCE: dict[str, type[Artifact]] = {
    "candidate_record.2": CandidateRecord,
    "annotation_batch.1": AnnotationBatch,
}


def golden(path: Path, found: object) -> object:
    """Give what the file holds; rewrite it first under `make golden`."""
    if os.environ.get("WINNOW_GOLDEN") == "rewrite":
        path.parent.mkdir(exist_ok=True)
        text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def rows_of(blobs: FileBlobs, ref: BlobRef, schema: object) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = read_table(blobs, ref, schema).to_pylist()
    return rows


def stored_in(folder: Path, name: str) -> tuple[FileBlobs, Batch]:
    blobs = FileBlobs(folder)
    event = store_pool(blobs, POLICIES[name], n_frames=20, committee=name != "cold_start").event
    sources = Sources(ROUND, event.snapshot, event.scores, event.policy, event.seed, 10**9)
    stored = store_proposal(blobs, sources, producer=PRODUCER, at=ManualClock().now())
    assert stored.batch is not None
    return blobs, stored.batch


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_a_batch_is_chosen_as_it_always_was(name: str, tmp_path: Path) -> None:
    blobs, batch = stored_in(tmp_path, name)
    found = {
        "batch": rows_of(blobs, batch.table, BATCH),
        "candidates": rows_of(blobs, batch.candidates, CANDIDATES),
    }
    assert golden(FOLDER / "selection" / f"{name}.json", found) == found


@pytest.mark.parametrize("name", sorted(EVIDENCE))
def test_schemas_of_the_evidence_change_only_on_purpose(name: str) -> None:
    schema = EVIDENCE[name].model_json_schema()
    artifact, version = name.split(".")
    assert schema["$id"] == f"urn:winnow:evidence:{artifact}:{version}"
    assert golden(FOLDER / "evidence" / f"{artifact}.schema.json", schema) == schema


@pytest.mark.parametrize("name", sorted(EVIDENCE))
def test_evidence_once_written_is_read_for_ever(name: str, tmp_path: Path) -> None:
    blobs, batch = stored_in(tmp_path, "top_k")
    assert batch.candidate_record is not None
    at = ManualClock().now()
    ordered = annotation_batch(
        batch, batch.table, orders_of(blobs, batch),
        approved_by="rita", producer=PRODUCER, at=at, due_at=at,
    )  # fmt: skip
    found = {
        "candidate_record.2": json.loads(blobs.get(batch.candidate_record)),
        "annotation_batch.1": ordered.model_dump(mode="json"),
    }[name]
    stored = golden(FOLDER / "evidence" / f"{name}.json", found)
    read = EVIDENCE[name].model_validate(stored)
    assert read.verify()
    assert read.model_dump(mode="json") == stored


def test_a_record_of_the_first_version_is_read_for_ever() -> None:
    stored = json.loads((FOLDER / "evidence" / "candidate_record.1.json").read_text())
    read = CandidateRecord1.model_validate(stored)
    assert read.verify()
    assert read.model_dump(mode="json") == stored


def test_what_the_first_selector_stored_is_read_for_ever() -> None:
    """Both files were written by selector 1 and are never rewritten."""
    policy = parse_policy((FOLDER / "selection" / "policy.1.json").read_bytes())
    assert str(policy.selection.strategy) == "shortlist_k_center (shortlist_factor 3.0)"
    assert (policy.selection.batch_size, policy.selection.acquisition) == (6, "entropy")
    assert policy.constraints == ConstraintSection()
    batch = Batch.model_validate_json((FOLDER / "selection" / "batch.1.json").read_bytes())
    assert (batch.selector_version, batch.n_asked, batch.strategy) == ("1", None, "")
    assert batch.acquisitions == ("bald", "entropy", "least_confidence", "margin")
