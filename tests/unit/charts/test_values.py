"""The chart's values: types, schema file, and settings that the services really have."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from charts.winnow.schema import document
from charts.winnow.schema.values import Chart
from pydantic import ValidationError

from winnow.runtime.settings import ServiceSettings

ROOT = Path(__file__).parents[3]
DEFAULTS: dict[str, Any] = yaml.safe_load((ROOT / "charts/winnow/values.yaml").read_text())
FROM_THE_SECRET = {"ledger_url", "bus_url", "blobs_url"}
SERVICES = sorted(DEFAULTS["services"])


def test_the_schema_file_is_that_of_the_types() -> None:
    stored = (ROOT / "charts/winnow/values.schema.json").read_text()
    assert stored == document.text(), "run: make charts"
    assert json.loads(stored)["additionalProperties"] is False


def test_the_defaults_are_valid() -> None:
    chart = Chart.model_validate(DEFAULTS)
    assert chart.connections.existing_secret == "winnow-connections"
    assert {"console", "rounds", "embedding", "scoring", "selection"} <= set(chart.services)
    assert {"labeling_gateway", "qa", "retrain", "rollout"} <= set(chart.services)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"topicPrefx": "x"}, "topicPrefx"),
        ({"runAsUser": 0}, "runAsUser"),
        ({"httpPort": 80}, "httpPort"),
        ({"connections": {}}, "existingSecret"),
        ({"image": {"tag": "no spaces"}}, "tag"),
        ({"committee": {"namespace": "Not A Name"}}, "namespace"),
        ({"services": {"Labeling-Gateway": {}}}, "Labeling-Gateway"),
        ({"services": {"qa": {"replicas": -1}}}, "replicas"),
        ({"services": {"qa": {"resources": {"limits": {"memory": "much"}}}}}, "memory"),
        ({"services": {"qa": {"secretSettings": {"token": {"secret": "s"}}}}}, "key"),
    ],
)
def test_mistakes_are_named(change: dict[str, object], where: str) -> None:
    with pytest.raises(ValidationError, match=where):
        Chart.model_validate({**DEFAULTS, **change})


@pytest.mark.parametrize("name", SERVICES)
def test_settings_exist_in_the_service_and_none_that_it_needs_is_missing(name: str) -> None:
    settings = _settings_of(name)
    service = DEFAULTS["services"][name]
    named = {*service.get("settings", {}), *service.get("secretSettings", {})}
    fields = settings.model_fields
    required = {field for field in fields if fields[field].is_required()}
    assert named <= set(fields)
    assert required - FROM_THE_SECRET <= named
    assert settings.model_config["env_prefix"] == f"WINNOW_{name.upper()}_"


@pytest.mark.parametrize("name", ["topic_prefix", "log_format", "http_port", "ledger_url"])
def test_what_the_chart_sets_for_all_exists_in_all(name: str) -> None:
    assert name in ServiceSettings.model_fields


def _settings_of(name: str) -> type[ServiceSettings]:
    module = importlib.import_module(f"{name}.settings")
    (found,) = (
        kind
        for kind in vars(module).values()
        if isinstance(kind, type)
        and issubclass(kind, ServiceSettings)
        and kind.__module__ == module.__name__
    )
    return found
