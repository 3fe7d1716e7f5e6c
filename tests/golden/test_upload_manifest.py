"""The upload selection manifest and its schema, as readers of its files know them.

Origin of the golden files: this module, `make golden`. Ed25519 signatures are deterministic, so
the signature is part of what is kept.
"""

from __future__ import annotations

import base64
import json
import os
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.unit.fleet.vehicle import NOW, cloud, key_pair, recordings, send
from winnow.adapters.ed25519_keys import KeyFolder
from winnow.adapters.file_blobs import FileBlobs
from winnow.evidence.upload_manifest import UploadSelectionManifest

FOLDER = Path(__file__).parent / "evidence"
SCHEMA = FOLDER / "upload_selection.schema.json"
DOCUMENT = FOLDER / "upload_selection.1.json"
KEY = FOLDER / "upload_selection.pem"


@pytest.fixture
def manifest(tmp_path: Path) -> UploadSelectionManifest:
    """Something chosen, something too large, something known, something past its retention."""
    source = recordings(
        {"gone": [5, 6], "day": [0, 1, 2, 3], "night": [900, 901, 500, 501, 700, 701, 702]}
    )
    sent = send(
        source,
        FileBlobs(tmp_path / "bucket"),
        key_pair(tmp_path / "keys"),
        known=cloud([0, 1, 2, 3]),
        budget_bytes=350,
        storage_bytes=900,
        retention=timedelta(hours=3, minutes=30),
        next_window=timedelta(minutes=40),
        model_version="m3",
        segment_frames=4,
        scores=np.arange(1, 1 + source.n_frames).astype(np.float64),
    )
    if os.environ.get("WINNOW_GOLDEN") == "rewrite":
        KEY.write_bytes((tmp_path / "keys" / "v7.pem").read_bytes())
    return sent.manifest


def golden(path: Path, text: str) -> str:
    if os.environ.get("WINNOW_GOLDEN") == "rewrite":
        path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8")


def test_the_schema_is_the_released_one() -> None:
    schema = UploadSelectionManifest.model_json_schema()
    assert schema["$id"] == "urn:winnow:evidence:upload_selection:1"
    text = json.dumps(schema, indent=1, sort_keys=True) + "\n"
    assert text == golden(SCHEMA, text)


def test_the_manifest_is_the_released_one_and_still_verifies(
    manifest: UploadSelectionManifest, tmp_path: Path
) -> None:
    document = manifest.model_dump(mode="json")
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    kept = UploadSelectionManifest.model_validate_json(golden(DOCUMENT, text))
    assert kept == manifest
    assert kept.verify()
    (tmp_path / "v7.pem").write_bytes(KEY.read_bytes())
    signature = base64.b64decode(kept.signature)
    keys = KeyFolder(tmp_path)
    keys.check("v7", kept.key_fingerprint, kept.canonical(), signature)
    assert not kept.has_expired(NOW)


def test_the_golden_manifest_has_every_kind_of_verdict(manifest: UploadSelectionManifest) -> None:
    reasons = " ".join(segment.reason for segment in manifest.segments)
    for word in ("adds", "retention ended", "larger than the budget", "adds nothing"):
        assert word in reasons
    assert {segment.kept for segment in manifest.segments} == {True, False}
