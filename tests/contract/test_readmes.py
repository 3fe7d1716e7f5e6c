"""The READMEs of services and pipelines name the topics, settings and metrics of the code."""

from __future__ import annotations

import importlib
import re
import sys
from collections import Counter
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from prometheus_client import generate_latest
from prometheus_client.metrics import MetricWrapperBase
from pydantic_settings import BaseSettings
from typer.core import TyperGroup

from winnow.cli import COMMANDS, load
from winnow.contracts.topics import TOPICS
from winnow.runtime.settings import ServiceSettings
from winnow.telemetry.metrics import exposition

ROOT = Path(__file__).parents[2]
PARTS = sorted(
    folder
    for parent in ("services", "pipelines")
    for folder in (ROOT / parent).iterdir()
    if (folder / "README.md").is_file() and (folder / "__init__.py").is_file()
)
PACKAGES = sorted(
    folder.name
    for parent in ("services", "pipelines")
    for folder in (ROOT / parent).iterdir()
    if (folder / "__init__.py").is_file() and folder.name != "winnow"
)
READMES = sorted(
    {
        path
        for pattern in ("*.md", "*/*.md", "services/*/*.md", "pipelines/*/*.md", "charts/*/*.md")
        for path in ROOT.glob(pattern)
    }
)
COMMAND = r"(?:^|`)winnow ([a-z]+)(?: ([a-z][a-z-]*))?"
"""A command at the beginning of a line or of inline code."""
parts = pytest.mark.parametrize("part", PARTS, ids=lambda folder: folder.name)


def named(part: Path, pattern: str) -> set[str]:
    return set(re.findall(pattern, (part / "README.md").read_text()))


def topics_of(service: str) -> set[str]:
    return {t.name for t in TOPICS if service in t.producers or service in t.consumers}


def settings_of(part: Path) -> list[type[BaseSettings]]:
    if not (part / "settings.py").is_file():
        return []
    module = importlib.import_module(f"{part.name}.settings")
    return [
        thing
        for thing in vars(module).values()
        if isinstance(thing, type)
        and issubclass(thing, BaseSettings)
        and thing.__module__ == module.__name__
    ]


def variables(kind: type[BaseSettings], *, inherited: bool) -> set[str]:
    prefix = str(kind.model_config.get("env_prefix", ""))
    base = set(ServiceSettings.model_fields) if issubclass(kind, ServiceSettings) else set()
    fields = set(kind.model_fields) if inherited else set(kind.model_fields) - base
    return {f"{prefix}{field}".upper() for field in fields}


def metrics_of(part: Path) -> set[str]:
    if not (part / "metrics.py").is_file():
        return set()
    return families_in(importlib.import_module(f"{part.name}.metrics"))


def families_in(module: ModuleType) -> set[str]:
    families = [
        family
        for thing in vars(module).values()
        if isinstance(thing, MetricWrapperBase)
        for family in thing.describe()
    ]
    suffixes = {"counter": "_total", "info": "_info"}
    return {f"{family.name}{suffixes.get(family.type, '')}" for family in families}


@parts
def test_a_readme_names_the_topics_of_the_table(part: Path) -> None:
    assert named(part, r"\b[a-z_]+\.[a-z_]+\.v\d+\b") == topics_of(part.name)


@parts
def test_a_readme_names_the_settings_of_the_class(part: Path) -> None:
    kinds = settings_of(part)
    own = {name for kind in kinds for name in variables(kind, inherited=False)}
    known = {name for kind in kinds for name in variables(kind, inherited=True)}
    found = named(part, r"\bWINNOW_[A-Z0-9_]+\b")
    assert own - found == set(), "settings that the README does not name"
    assert found - known == set(), "settings that the code does not have"


@parts
def test_a_readme_names_the_metrics_of_the_module(part: Path) -> None:
    assert named(part, r"\bwinnow_[a-z0-9_]+\b") == metrics_of(part)


@parts
def test_metrics_of_a_part_are_on_its_metrics_page(part: Path) -> None:
    own = metrics_of(part)
    # KServe serves the client's default registry, all others serve ours.
    page = (generate_latest() if part.name == "committee" else exposition()).decode()
    assert {name for name in own if not re.search(rf"^# HELP {name} ", page, re.M)} == set()


def test_what_all_services_share_is_told_once() -> None:
    text = (ROOT / "services" / "README.md").read_text()
    shared = {f"WINNOW_SERVICE_{name}".upper() for name in ServiceSettings.model_fields}
    assert set(re.findall(r"\bWINNOW_[A-Z0-9_]+\b", text)) == shared
    told = set(re.findall(r"\bwinnow_[a-z0-9_]+\b", text))
    assert told == families_in(importlib.import_module("winnow.runtime.metrics"))


def test_python_in_the_readme_runs_and_keeps_what_it_asks_for() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    rng, n = np.random.default_rng(0), 60
    names: dict[str, Any] = {
        "frame_ids": np.array([f"f{place:02}" for place in range(n)]),
        "sessions_N": np.array([f"s{place // 5:02}" for place in range(n)]),
        "probs_NMC": rng.dirichlet(np.ones(3), (n, 4)).astype(np.float32),
        "embeddings_ND": rng.standard_normal((n, 8)).astype(np.float32),
    }
    exec(code, names)
    sessions = Counter(int(frame_id[1:]) // 5 for frame_id, _ in names["batch"])
    assert len(names["batch"]) == 20
    assert max(sessions.values()) == 2
    assert all(reason for _, reason in names["batch"])


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_a_readme_exist(readme: Path) -> None:
    for name, word in re.findall(COMMAND, readme.read_text(), re.MULTILINE):
        assert name in COMMANDS, f"winnow {name}"
        command = load(name)
        if isinstance(command, TyperGroup) and (word or not command.invoke_without_command):
            assert word in command.commands, f"winnow {name} {word}"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_shadows_a_standard_or_installed_module(package: str) -> None:
    assert package not in sys.stdlib_module_names
    assert set(packages_distributions().get(package, ())) <= {"winnow"}
