"""The outside of a step, in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from retrain.settings import RetrainSettings
from retrain.steps import Context
from tests.unit.training import rollout_world
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.testing.manual_clock import ManualClock


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    settings = RetrainSettings.embedded(tmp_path, runner="inline")
    yield Context(
        blobs=FileBlobs(tmp_path / "blobs"),
        ledger=ledger,
        clock=ManualClock(),
        settings=settings,
    )
    ledger.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[rollout_world.World]:
    with rollout_world.made(tmp_path) as world:
        yield world
