"""The committee in this process: given a manifest, then members that fit it, or why they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.committee.manifests import put_untrained
from winnow.adapters.file_blobs import FileBlobs
from winnow.contracts.artifacts import read_manifest, write_manifest
from winnow.contracts.manifests import Members
from winnow.domain.errors import SchemaMismatch
from winnow.tasks.committee import CommitteeModel


@pytest.mark.parametrize("network", ["classification", "grid_detection"])
@pytest.mark.parametrize("asked", [("person", "car"), ("car",), ("car", "person", "sign")])
def test_checkpoints_of_another_class_list_are_refused(
    tmp_path: Path, network: str, asked: tuple[str, ...]
) -> None:
    blobs = FileBlobs(tmp_path)
    ref = put_untrained(blobs, 2, ("car", "person"), version="c3", network=network)
    assert CommitteeModel.load(blobs, ref).class_names == ("car", "person")
    manifest = read_manifest(blobs, ref, Members).model_copy(update={"class_names": asked})
    expected = f"expected a checkpoint of the classes {', '.join(asked)}, found one of car, person"
    with pytest.raises(SchemaMismatch, match=expected):
        CommitteeModel.load(blobs, write_manifest(blobs, manifest, prefix="models"))
