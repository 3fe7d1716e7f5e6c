"""Servers as processes: given what the folder remembers, then what is started and ended."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.unit.committee.manifests import put_members
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.process_deployments import ProcessDeployments
from winnow.contracts.artifacts import read_manifest
from winnow.contracts.manifests import Members
from winnow.contracts.serving import parts_of
from winnow.domain.errors import BadInput, NotFound
from winnow.domain.ids import CommitteeVersion
from winnow.ports.deployments import Part

VERSION = CommitteeVersion("c3")


@pytest.mark.slow
def test_a_server_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path / "blobs")
    members = put_members(blobs, ("m0",), ("a", "b"), version=VERSION)
    deployments = ProcessDeployments(tmp_path / "servers", blobs_url="file:///nowhere/at/all")
    with pytest.raises(NotFound, match="expected servers, found none"):
        deployments.lacks(VERSION)
    (endpoint,) = deployments.apply(VERSION, members, [Part("committee-r3-c3")])
    assert endpoint.startswith("grpc://127.0.0.1:")
    assert endpoint.endswith("/committee-r3-c3")
    assert deployments.versions() == [VERSION]
    try:
        with pytest.raises(NotFound, match=r"committee-r3-c3: expected process .* it ended"):
            until_it_ends(deployments)
    finally:
        deployments.remove(VERSION)
    assert deployments.versions() == []
    deployments.remove(VERSION)


def until_it_ends(deployments: ProcessDeployments) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        deployments.lacks(VERSION)


def test_parts_hold_all_members_or_so_many(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    reference = put_members(blobs, ("m0", "m1", "m2"), ("a", "b"), version=VERSION)
    manifest = read_manifest(blobs, reference, Members)
    for all_of_them in (0, 3, 9):
        assert parts_of(manifest, members_per_endpoint=all_of_them) == [Part("committee-r3-c3")]
    assert parts_of(manifest, members_per_endpoint=2) == [
        Part("committee-r3-c3-m0-m1", ("m0", "m1")),
        Part("committee-r3-c3-m2", ("m2",)),
    ]
    detection = manifest.model_copy(update={"label_kind": "detection"})
    assert len(parts_of(detection, members_per_endpoint=0)) == 1
    with pytest.raises(BadInput, match="members_per_endpoint 0 for detection, found 1"):
        parts_of(detection, members_per_endpoint=1)
