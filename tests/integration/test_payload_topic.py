"""A topic of payload records on a real broker, read as often as one likes."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

import pytest

from tests.unit.cli.test_ingest import funded, run
from tests.unit.ingest.images import image_bytes
from tests.unit.ingest.payload_records import SURE, UNSURE, Json, classes, exchange

pytestmark = pytest.mark.kafka


def binary(record: Json) -> tuple[list[tuple[str, bytes]], bytes]:
    """Give headers and value of an event in binary mode."""
    headers = [(f"ce_{k}", str(v).encode()) for k, v in record.items() if k != "data"]
    return headers, json.dumps(record["data"]).encode()


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Write three requests of two frames each, one of them large, over two partitions."""
    where = os.environ.get("WINNOW_TEST_KAFKA", "")
    if not where:
        pytest.skip("WINNOW_TEST_KAFKA names no broker")
    from kafka import KafkaProducer

    from winnow.adapters.kafka_bus import KafkaBus
    from winnow.adapters.kafka_settings import KafkaSettings

    name = f"payloads-{uuid.uuid4().hex[:8]}"
    bus = KafkaBus(KafkaSettings(where, partitions=2))
    bus.ensure_topics([name])
    bus.close()
    producer = KafkaProducer(bootstrap_servers=where, acks="all")
    for number in ("a1", "b2", "c3"):
        images = [image_bytes(ord(number[0]), side=240), image_bytes(ord(number[1]))]
        for record in exchange(number, classes(SURE, UNSURE), frames=images):
            partition = int(record["type"] == "org.kubeflow.serving.inference.response")
            if number == "b2":
                producer.send(name, json.dumps(record).encode(), partition=partition)
                continue
            headers, value = binary(record)
            producer.send(name, value, headers=headers, partition=partition)
    producer.send(name, b"no event", partition=0)
    producer.flush()
    producer.close()
    return name, f"kafka://{where}"


def test_a_topic_is_taken_once_and_what_is_no_event_is_told(
    topic: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, url = topic
    state = funded(tmp_path / "state")
    arguments = ("ingest", name, "--format", "payload-log", "--bus-url", url, "--state", state)
    assert run(*arguments) == 0
    said = capsys.readouterr().out
    assert "production: 3 frames read, 3 new in the pool" in said
    assert "6 frame(s) answered, 3 of them surely" in said
    assert f"first {name} partition 0 offset 3: expected JSON, found b'no event'" in said
    assert run(*arguments) == 0
    assert "3 already known; 0 bytes paid" in capsys.readouterr().out


def test_a_topic_that_is_not_there_is_refused(
    topic: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, url = topic
    arguments = ("--format", "payload-log", "--bus-url", url, "--state", tmp_path / "state")
    assert run("ingest", f"{name}x", *arguments) == 2
    assert f"topic {name}x: expected it to exist" in capsys.readouterr().err
