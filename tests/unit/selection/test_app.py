"""The composition root: what selection hears, does and answers, on ring 1's adapters."""

from __future__ import annotations

from pathlib import Path

from selection.app import app
from winnow.contracts.topics import consumed_by


def test_it_hears_its_topics_and_answers_its_commands(tmp_path: Path) -> None:
    service = app.build(app.settings.embedded(tmp_path))
    try:
        assert set(service.on_event) == {topic.event for topic in consumed_by("selection")}
        assert set(service.on_command) == {"batch.approve", "batch.amend", "batch.reject"}
        assert [tick.name for tick in service.on_tick] == ["expiry"]
        assert service.on_tick[0].every_seconds == 60.0
        with service.ledger.transaction() as tx:
            assert service.on_tick[0].handler(tx=tx) == []
    finally:
        service.close()
