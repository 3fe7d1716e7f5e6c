"""The table of topics: its own rules, the services' subscriptions, and the README."""

import dataclasses
import importlib
from graphlib import TopologicalSorter
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

import pytest

from winnow.contracts import picture
from winnow.contracts.topics import (
    TOPIC_BY_EVENT,
    TOPIC_BY_NAME,
    TOPICS,
    Topic,
    consumed_by,
)
from winnow.domain.events import EVENT_TYPES, RoundHalted
from winnow.runtime.service import App
from winnow.runtime.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
SERVICES = sorted(entry.name for entry in entry_points(group="winnow.services"))
STATIC_PRODUCERS = {"ingest"}  # a command, not a service


def test_every_fact_has_one_topic() -> None:
    assert [topic.event for topic in TOPICS] == list(EVENT_TYPES)
    assert len(TOPIC_BY_EVENT) == len(TOPIC_BY_NAME) == len(TOPICS)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_is_keyed_by_a_field_of_its_fact(topic: Topic) -> None:
    assert topic.key in {field.name for field in dataclasses.fields(topic.event)}
    assert topic.consumers
    assert set(topic.back_edges) <= set(topic.consumers)


def test_one_producer_each_but_for_a_halt() -> None:
    several = [topic.event for topic in TOPICS if len(topic.producers) > 1]
    assert several == [RoundHalted]


def test_producers_and_consumers_are_services() -> None:
    named = {name for topic in TOPICS for name in (*topic.producers, *topic.consumers)}
    assert named - STATIC_PRODUCERS <= set(SERVICES)


def test_only_declared_edges_run_backwards() -> None:
    graph: dict[str, set[str]] = {}
    for topic in TOPICS:
        for consumer in set(topic.consumers) - set(topic.back_edges):
            graph.setdefault(consumer, set()).update(topic.producers)
    # Raises CycleError, naming the cycle, if one is left.
    order = list(TopologicalSorter(graph).static_order())
    for topic in TOPICS:
        for consumer in topic.back_edges:
            assert any(order.index(consumer) < order.index(p) for p in topic.producers), topic.name


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_hears_what_the_table_says(name: str, tmp_path: Path) -> None:
    (entry,) = entry_points(group="winnow.services", name=name)
    module = importlib.import_module(entry.module)
    app = cast("App[ServiceSettings]", getattr(module, entry.attr))
    assert app.name == name
    service = app.build(app.settings.embedded(tmp_path))
    try:
        assert set(service.on_event) == {topic.event for topic in consumed_by(name)}
    finally:
        service.close()


def test_the_readme_shows_the_table() -> None:
    readme = (ROOT / "README.md").read_text()
    shown = readme.partition(picture.BEGIN)[2].partition(picture.END)[0].strip()
    hint = "run: .venv/bin/python -m winnow.contracts.picture README.md"
    assert shown == picture.render(), hint


def test_the_picture_goes_between_the_markers_and_nowhere_else() -> None:
    document = f"before\n{picture.BEGIN}\nout of date\n{picture.END}\nafter\n"
    once = picture.put_into(document)
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
    assert "out of date" not in once
    assert picture.put_into(once) == once
