"""Both services as they are composed: real settings, bus, ledger and clock, two workers."""

import time
from pathlib import Path

import pyarrow as pa
import pytest

from labeling_gateway.app import app as gateway_app
from labeling_gateway.settings import LabelingGatewaySettings
from qa.app import app as qa_app
from qa.settings import QaSettings
from tests.unit.labeling.world import CLASSES, World, frame_of, truth
from winnow.contracts.artifacts import write_table
from winnow.contracts.tables import ORACLE
from winnow.contracts.topics import consumed_by
from winnow.domain.rows import SourceRow
from winnow.domain.tables import GATEWAY_EXCEPTIONS, PROMOTIONS, SOURCES
from winnow.runtime.stating import messages_of
from winnow.runtime.worker import Worker

DEADLINE_SECONDS = 60
FAST = {"tick_seconds": 0.01, "log_format": "json"}


def test_subscriptions_equal_the_table(tmp_path: Path) -> None:
    for app, settings in (
        (gateway_app, LabelingGatewaySettings.embedded(tmp_path)),
        (qa_app, QaSettings.embedded(tmp_path)),
    ):
        service = app.build(settings)  # type: ignore[arg-type]
        assert {event.type for event in service.on_event} == {
            topic.name for topic in consumed_by(service.name)
        }
        service.close()


def test_a_batch_goes_through_both_services_to_a_data_set(tmp_path: Path) -> None:
    world = World(tmp_path)
    event = world.selected(20, pre_labels=dict.fromkeys(range(20), "cat"))
    frames = [frame_of(number) for number in range(20)]
    table = pa.table({"frame_id": frames, "label": [truth(f) for f in frames]}, schema=ORACLE)
    oracle = write_table(world.blobs, table, ORACLE, prefix="oracle")
    with world.ledger.transaction() as tx:
        tx.records.insert(SOURCES, SourceRow("pets", CLASSES, None, oracle))
    services = [
        gateway_app.build(LabelingGatewaySettings.embedded(tmp_path, **FAST)),
        qa_app.build(QaSettings.embedded(tmp_path, **FAST)),
    ]
    workers = [Worker(service) for service in services]
    now = world.clock.now()
    services[0].bus.publish(
        messages_of([event], service="selection", at=now, topic_prefix="winnow.") * 2
    )
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        for worker in workers:
            worker.step(0.01)
        with world.ledger.snapshot() as view:
            promoted = view.records.find(PROMOTIONS)
            exceptions = view.records.find(GATEWAY_EXCEPTIONS)
        if promoted:
            break
    else:
        pytest.fail(f"no promotion within {DEADLINE_SECONDS} s; {world.states()}")
    assert 15 <= promoted[0].n_labels <= 20
    assert exceptions == []
    assert (tmp_path / "scripted_annotators.db").exists()
    assert (tmp_path / "scripted_reviewers.db").exists()
    assert world.balances("human_annotation").reserved == 0
    for worker, service in zip(workers, services, strict=True):
        worker.close()
        service.close()
