"""Every command in the table has one act with roles, and a service that carries it out."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from winnow.contracts.commands import COMMAND_TABLE, commands_of
from winnow.domain.acts import ACTS
from winnow.runtime.service import App

SERVICES = sorted({service for command in COMMAND_TABLE for service in command.services})


def test_every_command_is_an_act_that_some_role_covers() -> None:
    assert {command.name for command in COMMAND_TABLE} <= set(ACTS)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_carries_out_the_commands_of_the_table(service: str, tmp_path: Path) -> None:
    app: App = importlib.import_module(f"{service}.app").app  # type: ignore[type-arg]
    built = app.build(app.settings.embedded(tmp_path))
    try:
        assert set(built.on_command) == set(commands_of(service))
    finally:
        built.close()
