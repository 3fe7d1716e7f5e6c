"""The graphs compile, and no task asks its parent for what the parent has not got."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from benchmark.settings import BenchmarkSettings
from open_round.settings import OpenRoundSettings
from retrain.settings import RetrainSettings
from rollout.settings import RolloutSettings

GRAPHS = ["retrain", "rollout", "open_round", "benchmark", "ab_test"]


def compiled(name: str, folder: Path) -> dict[str, Any]:
    out = folder / f"{name}.yaml"
    importlib.import_module(f"{name}.__main__").compile_graph(out, "registry/pipelines:7")
    return documents(out)[0]


def documents(out: Path) -> list[dict[str, Any]]:
    """Give the graph and, if it asks for anything of Kubernetes, what it asks for."""
    return list(yaml.safe_load_all(out.read_text()))


def dags(graph: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Give (inputs of a component, its dag), the root first."""
    for component in [graph["root"], *graph["components"].values()]:
        if "dag" in component:
            yield component.get("inputDefinitions", {}).get("parameters", {}), component["dag"]


@pytest.mark.parametrize("name", GRAPHS)
def test_every_component_input_exists_in_its_parent(name: str, tmp_path: Path) -> None:
    asked = 0
    for inputs, dag in dags(compiled(name, tmp_path)):
        for task in dag["tasks"].values():
            for source in task.get("inputs", {}).get("parameters", {}).values():
                if "componentInputParameter" in source:
                    assert source["componentInputParameter"] in inputs
                    asked += 1
    assert asked


@pytest.mark.parametrize("name", GRAPHS)
def test_steps_run_in_the_image_and_install_nothing(name: str, tmp_path: Path) -> None:
    graph = compiled(name, tmp_path)
    executors = graph["deploymentSpec"]["executors"].values()
    assert {executor["container"]["image"] for executor in executors} == {"registry/pipelines:7"}
    assert "pip install" not in str(graph)


def test_nothing_that_writes_to_the_ledger_comes_out_of_a_cache(tmp_path: Path) -> None:
    for name, writers in (("retrain", {"register"}), ("rollout", {"deploy", "probe", "conclude"})):
        tasks = compiled(name, tmp_path)["root"]["dag"]["tasks"]
        for writer in writers:
            assert not tasks[writer]["cachingOptions"].get("enableCache", False), writer


def test_no_step_that_opens_a_round_comes_out_of_a_cache(tmp_path: Path) -> None:
    graph = compiled("open_round", tmp_path)
    tasks = [task for _, dag in dags(graph) for task in dag["tasks"].values()]
    steps = {task["taskInfo"]["name"]: task for task in tasks if "retryPolicy" in task}
    assert set(steps) == {"check", "ask"}
    for task in steps.values():
        assert not task["cachingOptions"].get("enableCache", False)


def test_the_form_of_open_round_explains_every_field(tmp_path: Path) -> None:
    fields = compiled("open_round", tmp_path)["root"]["inputDefinitions"]["parameters"]
    assert {name for name, field in fields.items() if not field.get("description")} == set()
    assert {name for name, field in fields.items() if "defaultValue" not in field} == set()


def test_the_token_of_open_round_comes_from_a_secret_that_the_form_names(tmp_path: Path) -> None:
    graph = compiled("open_round", tmp_path)
    (platform,) = documents(tmp_path / "open_round.yaml")[1:]
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(executors) == set(graph["deploymentSpec"]["executors"])
    prefix = OpenRoundSettings.model_config["env_prefix"]
    for step in executors.values():
        (secret,) = step["secretAsEnv"]
        asked_for = secret["secretNameParameter"]["componentInputParameter"]
        assert asked_for in graph["root"]["inputDefinitions"]["parameters"]
        (variable,) = secret["keyToEnv"]
        assert variable["secretKey"] == "console-token"
        assert variable["envVar"].removeprefix(prefix).lower() in OpenRoundSettings.model_fields
        assert secret["optional"], "without it the step starts, and says what is missing"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("retrain", RetrainSettings), ("rollout", RolloutSettings), ("benchmark", BenchmarkSettings)],
)
def test_every_step_reads_its_settings_from_what_the_form_names(
    name: str, kind: type[BaseSettings], tmp_path: Path
) -> None:
    graph = compiled(name, tmp_path)
    (platform,) = documents(tmp_path / f"{name}.yaml")[1:]
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(executors) == set(graph["deploymentSpec"]["executors"])
    fields = graph["root"]["inputDefinitions"]["parameters"]
    assert fields["connections_secret"]["defaultValue"] == "winnow-connections"
    assert fields["settings_config_map"]["defaultValue"] == f"winnow-{name}"
    for label, step in executors.items():
        (secret,), (config,) = step["secretAsEnv"], step["configMapAsEnv"]
        for one, key in ((secret, "secretNameParameter"), (config, "configMapNameParameter")):
            assert one["optional"], "without it the step starts, and says what is missing"
            assert one[key]["componentInputParameter"] in inputs_beside(graph, label)
        keys = {one["secretKey"]: one["envVar"] for one in secret["keyToEnv"]}
        assert keys == {
            f"{word}-url": f"{kind.model_config['env_prefix']}{word.upper()}_URL"
            for word in ("ledger", "bus", "blobs")
            if f"{word}_url" in kind.model_fields
        }
        plain = {one["envVar"] for one in config["keyToEnv"]}
        assert plain == {one["configMapKey"] for one in config["keyToEnv"]}
        assert {*keys.values(), *plain} == {
            f"{kind.model_config['env_prefix']}{field}".upper() for field in kind.model_fields
        }
        without_default = {
            f"{kind.model_config['env_prefix']}{field}".upper()
            for field, one in kind.model_fields.items()
            if one.is_required()
        }
        assert plain & without_default, "a mistyped ConfigMap ends the step and is not all defaults"


def inputs_beside(graph: dict[str, Any], label: str) -> set[str]:
    """Give what the graph around a step has got: that is what its Secret's name comes from."""
    (component,) = (
        name for name, one in graph["components"].items() if one.get("executorLabel") == label
    )
    (inputs,) = (
        set(inputs)
        for inputs, dag in dags(graph)
        for task in dag["tasks"].values()
        if task["componentRef"]["name"] == component
    )
    return inputs


def test_where_members_train_is_a_matter_of_the_run_form(tmp_path: Path) -> None:
    graph = compiled("retrain", tmp_path)
    asked = graph["root"]["inputDefinitions"]["parameters"]
    assert {name: one["defaultValue"] for name, one in asked.items() if one.get("isOptional")} == {
        "accelerator_type": "nvidia.com/gpu",
        "accelerator_limit": "0",
        "cpu_limit": "2",
        "memory_limit": "8Gi",
        "node_selector": {},
        "tolerations": [],
        "connections_secret": "winnow-connections",
        "settings_config_map": "winnow-retrain",
    }
    assert all(one.get("description") for one in asked.values())
    trained_in = graph["deploymentSpec"]["executors"]["exec-train"]["container"]["resources"]
    assert set(trained_in) == {"accelerator", "resourceCpuLimit", "resourceMemoryLimit"}
    (platform,) = documents(tmp_path / "retrain.yaml")[1:]
    train = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-train"]
    assert "nodeSelectorJson" in train["nodeSelector"]
    assert "tolerationJson" in train["tolerations"][0]


def test_a_run_of_retrain_shows_scalars_confusion_report_and_decision(tmp_path: Path) -> None:
    evaluate = compiled("retrain", tmp_path)["components"]["comp-evaluate"]
    shown = evaluate["outputDefinitions"]["artifacts"].values()
    assert {one["artifactType"]["schemaTitle"] for one in shown} == {
        "system.Metrics", "system.ClassificationMetrics", "system.HTML", "system.Markdown",
    }  # fmt: skip
