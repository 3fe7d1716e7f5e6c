"""Evidence of labeling and QA that was written once is read for ever.

Origin of the files: two small batches of `tests/unit/labeling/world.py`, run by this module under
`make golden`. References and digests of Parquet files are left out: their writer names its version.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.unit.labeling.world import PERFECT, World
from winnow.domain.blob_ref import BlobRef
from winnow.domain.tables import PROJECTS, QA_BATCHES
from winnow.evidence.artifact import Artifact
from winnow.evidence.pre_annotation import PreAnnotationRecord
from winnow.evidence.promotion_record import PromotionRecord
from winnow.evidence.qa_report import QaReport

FOLDER = Path(__file__).parent / "evidence"
EVIDENCE: dict[str, type[Artifact]] = {
    "pre_annotation": PreAnnotationRecord,
    "qa_report": QaReport,
    "promotion_record": PromotionRecord,
}
REFERENCES = ("items", "dataset", "qa_report")
"""Fields that refer to bytes with a version of their writer in them, directly or further on."""


def golden(path: Path, found: object) -> object:
    """Give what the file holds; rewrite it first under `make golden`."""
    if os.environ.get("WINNOW_GOLDEN") == "rewrite":
        path.parent.mkdir(exist_ok=True)
        text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """One round with predictions, errors and a few reworks, as its evidence tells it."""
    crowd = PERFECT.model_copy(update={"accuracy": 0.6, "seed": 5})
    world = World(tmp_path_factory.mktemp("world"), annotators=crowd)
    world.order(world.selected(12, policy="qa: {sample_share: 1.0}", pre_labels={0: "cat"}))
    world.settle()
    with world.ledger.snapshot() as view:
        (project,) = view.records.find(PROJECTS)
        (row,) = view.records.find(QA_BATCHES)
    refs = {
        "pre_annotation": project.pre_annotations,
        "qa_report": row.report,
        "promotion_record": row.record,
    }
    return {name: read(world, ref) for name, ref in refs.items()}


def read(world: World, ref: BlobRef | None) -> dict[str, object]:
    assert ref is not None
    document: dict[str, object] = json.loads(world.blobs.get(ref))
    return document


def without_references(document: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in document.items() if key not in (*REFERENCES, "digest")}


@pytest.mark.parametrize("name", sorted(EVIDENCE))
def test_schemas_change_only_on_purpose(name: str) -> None:
    schema = EVIDENCE[name].model_json_schema()
    assert schema["$id"] == f"urn:winnow:evidence:{name}:1"
    assert golden(FOLDER / f"{name}.schema.json", schema) == schema


@pytest.mark.parametrize("name", sorted(EVIDENCE))
def test_evidence_says_what_it_always_said(
    name: str, written: dict[str, dict[str, object]]
) -> None:
    stored = golden(FOLDER / f"{name}.1.json", written[name])
    read_again = EVIDENCE[name].model_validate(stored)
    assert read_again.verify()
    assert read_again.model_dump(mode="json") == stored
    assert isinstance(stored, dict)
    assert without_references(stored) == without_references(written[name])
