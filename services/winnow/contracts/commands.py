"""The table of commands as data: what people may ask of a service, and the arguments it gets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One command: the name on its row, who can carry it out, and the keys of its arguments.

    Who asked, and under which role, stands on the row itself (`actor`, `role`).
    """

    name: str
    services: tuple[str, ...]
    arguments: tuple[str, ...]


COMMAND_TABLE: tuple[Command, ...] = (
    Command("round.open", ("rounds",), ("policy", "opened_by", "open_max")),
    Command("batch.approve", ("selection",), ("batch_id", "reason")),
    Command("batch.reject", ("selection",), ("batch_id", "reason")),
    Command("batch.amend", ("selection",), ("batch_id", "removed", "added", "reason")),
    Command("label.promote", ("qa",), ("round_id", "reason")),
    Command("exception.resolve", ("labeling_gateway", "rounds"), ("key", "resolution")),
)
COMMAND_BY_NAME = {command.name: command for command in COMMAND_TABLE}


def commands_of(service: str) -> tuple[str, ...]:
    """Give the names of the commands that a service carries out, in table order."""
    return tuple(command.name for command in COMMAND_TABLE if service in command.services)
