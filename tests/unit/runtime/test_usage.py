"""`python -m SERVICE --help`: what each service does and reads, without any of it being set."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from pydantic_settings import BaseSettings

from committee.settings import CommitteeSettings
from winnow.contracts.topics import consumed_by
from winnow.runtime.run import main
from winnow.runtime.service import App
from winnow.runtime.usage import service_usage, tell_usage

SERVICES = sorted(one.name for one in entry_points(group="winnow.services"))


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_says_what_it_does_and_which_settings_it_reads(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (entry,) = entry_points(group="winnow.services", name=name)
    app: App[BaseSettings] = entry.load()  # type: ignore[type-var]
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        main(app)  # type: ignore[type-var]
    said, mistakes = capsys.readouterr()
    assert (ended.value.code, mistakes) == (0, "")
    assert said.startswith(f"python -m {name}\n\n")
    assert all(topic.name in said for topic in consumed_by(name))
    described_in(said, app.settings)


def described_in(said: str, settings: type[BaseSettings]) -> None:
    lines = {line.split()[0]: line for line in said.splitlines() if line.startswith("  ")}
    prefix = settings.model_config.get("env_prefix", "")
    assert set(lines) == {f"{prefix}{name}".upper() for name in settings.model_fields}
    for name, field in settings.model_fields.items():
        line = lines[f"{prefix}{name}".upper()]
        assert str(field.description) in line
        assert line.endswith(" (must be given)") == field.is_required()


def test_the_committee_describes_its_settings_too() -> None:
    described_in(service_usage(CommitteeSettings), CommitteeSettings)


def test_other_words_are_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell_usage(["--halp"], CommitteeSettings) == 2
    said, mistakes = capsys.readouterr()
    assert said == ""
    assert mistakes == service_usage(CommitteeSettings)


@pytest.mark.parametrize("name", ["scoring", "committee"])
def test_nothing_is_connected_to_for_help(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", name, "--help"],
        env={"PYTHONPATH": "services:pipelines"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"python -m {name}\n")
    assert done.stderr == ""


def test_the_committees_mistakes_in_settings_are_told_together() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "committee"],
        env={"PYTHONPATH": "services:pipelines"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("committee: 2 mistakes in the settings:\n")
