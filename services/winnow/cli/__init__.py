"""The command line. Groups are imported when they are called, so that help comes at once."""

from __future__ import annotations

import errno
import importlib
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("winnow.cli.demo.command", "demo", "Run rounds on a simulated fleet, with a report."),
    "ingest": ("winnow.cli.ingest", "ingest", "Register frames: a folder, COCO file or .npz."),
    "upload": ("winnow.cli.upload", "app", "On a vehicle: choose and send, under bytes, signed."),
    "simulate": ("winnow.cli.simulate", "simulate", "Write a simulated town's frames, to look at."),
    "up": ("winnow.cli.up", "up", "Run all services on one state folder."),
    "status": ("winnow.cli.status", "status", "One screen: what flows, what waits, what it cost."),
    "round": ("winnow.cli.round", "app", "Open, list and show rounds."),
    "batch": ("winnow.cli.batch", "app", "Show, approve, reject or amend a proposed batch."),
    "label": ("winnow.cli.label", "app", "Promote labels, count them, show a label's history."),
    "budget": ("winnow.cli.budget", "app", "Allocate, show, transfer, adjust, close, report."),
    "policy": ("winnow.cli.policy", "app", "Check, explain and start round policies."),
    "select": ("winnow.cli.select", "select", "Choose a batch from files alone, no service."),
    "replay": ("winnow.cli.replay", "replay", "Choose a round's batch again, compare every byte."),
    "report": ("winnow.cli.report.command", "report", "Write the report of a state folder."),
    "exception": ("winnow.cli.exception", "app", "List and resolve what a person must decide."),
    "dlq": ("winnow.cli.dlq", "app", "List, show and replay messages nobody could handle."),
    "audit": ("winnow.cli.audit", "audit", "Show who did what, allowed or refused."),
    "people": ("winnow.cli.people", "app", "Let people in, with roles and a token."),
}
"""Name, then module, attribute (a Typer app or a function) and one line of help."""


class LazyGroup(TyperGroup):
    """The root: knows its commands' names and help, and loads the one that is called."""

    def __init__(self, **attrs: Any) -> None:  # noqa: ANN401 - whatever typer hands over
        super().__init__(**attrs)
        for name, (_, _, text) in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=text)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - typer's own
        """Load a command; None if there is none of this name."""
        del ctx
        return load(cmd_name) if cmd_name in COMMANDS else None

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer's own
        """Print help from the table above, so that nothing is imported for it."""
        listing = TyperGroup(name=self.name, commands=dict(self.commands), params=self.params)
        listing.help = self.help
        listing.epilog = self.epilog
        listing.rich_markup_mode = self.rich_markup_mode
        listing.format_help(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer's own
        """Run a command; a refusal becomes one block of text and an exit code.

        So does a file that cannot be read or written: the person's disk, not a bug of ours.
        """
        from winnow.domain.errors import WinnowError

        try:
            return super().invoke(ctx)
        except WinnowError as error:
            from winnow.cli.door import fail

            raise fail(error, as_json=False) from error
        except OSError as error:
            from winnow.cli.door import fail_of_disk

            if error.errno == errno.EPIPE:
                raise  # `winnow … | head`: typer ends quietly
            raise fail_of_disk(error) from error


def load(name: str) -> Any:  # noqa: ANN401 - a command of typer's
    """Import a command's module and give the command."""
    module, attribute, text = COMMANDS[name]
    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        wrapped = typer.Typer(add_completion=False)
        wrapped.command(name)(found)
        found = wrapped
    command = typer.main.get_command(found)
    command.name = name
    command.help = command.help or text
    return command


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="Start: [bold]winnow demo[/bold], or budget allocate, ingest, round open, up.",
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"winnow {version('winnow')}")
        raise typer.Exit


@app.callback()
def winnow(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Decide which frames earn a label, and prove it."""
    del version


def main() -> None:
    """Run the command line."""
    sys.exit(app())
