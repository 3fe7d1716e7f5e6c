"""Which committee is asked: given what a rollout noted of a version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.committee.manifests import put_members
from winnow.adapters.deployed_committee import DeployedCommittee, endpoints_in
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts import serving
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import IntegrityError, NotFound
from winnow.domain.ids import CommitteeVersion
from winnow.domain.rows import CommitteeRow
from winnow.domain.tables import COMMITTEES
from winnow.testing.inference_server import InferenceServer, ScriptedModel

VERSION = CommitteeVersion("c3")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


def note(ledger: SqliteLedger, members: BlobRef, *endpoints: str) -> None:
    with ledger.transaction() as tx:
        row = CommitteeRow(VERSION, "r3", "active", members, "", endpoints=endpoints)
        tx.records.insert(COMMITTEES, row)


def test_a_served_version_is_asked_where_it_is_served(tmp_path: Path, ledger: SqliteLedger) -> None:
    blobs = FileBlobs(tmp_path)
    members = put_members(blobs, ("m0",), ("a", "b"), version=VERSION)
    model = ScriptedModel(serving.served_version(VERSION, members), ("m0",), 2)
    committee = DeployedCommittee(blobs, endpoints_in(ledger))
    with InferenceServer({"c": model}) as server:
        note(ledger, members, server.url("c"))
        assert committee.load(VERSION, members) == ("m0",)
        assert committee.score(VERSION, [b"x"]).members_answered == ("m0",)
        committee.close()
    assert model.calls == [1]


@pytest.mark.parametrize("endpoints", [(), ("local:c3",)])
def test_any_other_is_loaded_into_this_process(
    tmp_path: Path, ledger: SqliteLedger, endpoints: tuple[str, ...]
) -> None:
    blobs = FileBlobs(tmp_path)
    members = put_members(blobs, ("m0",), ("a", "b"), version=VERSION)
    if endpoints:
        note(ledger, members, *endpoints)
    committee = DeployedCommittee(blobs, endpoints_in(ledger))
    with pytest.raises(IntegrityError, match="expected a checkpoint"):
        committee.load(VERSION, members)
    with pytest.raises(NotFound, match="expected it to be loaded first"):
        committee.score(VERSION, [b"x"])
    committee.close()
