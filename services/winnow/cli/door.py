"""What all commands that talk to the console share: options, output, errors, exit codes."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import typer
from rich.console import Console

from winnow.adapters.disk_errors import told
from winnow.cli.client import ConsoleClient, Document
from winnow.domain.errors import BadInput, Retryable, WinnowError

P = ParamSpec("P")
STATE_DEFAULT = Path(".winnow")
WIDTH_OF_FILES = 120
START = """Start with:
  winnow budget allocate upload 10GB            fund what you will need
  winnow ingest PHOTOS/ --holdout 0.2           register frames
  winnow round open --policy policy.yaml        ask for a round
  winnow up                                     run it
or name another folder with --state DIR, or a running console with --console URL."""


@dataclass(frozen=True, slots=True)
class Door:
    """An open way to the console, and how its answers are to be shown."""

    client: ConsoleClient
    as_json: bool
    key: str = ""
    wait: bool = False
    timeout_seconds: float = 60.0

    def post(self, path: str, body: Mapping[str, object]) -> Document:
        """Do something under this call's key; wait for its end if that was asked for."""
        document = self.client.post(path, body, key=self.key)
        return self.client.settled(document, self.timeout_seconds) if self.wait else document

    def show(self, document: object, *renderables: object) -> None:
        """Print an answer: the document itself with --json, else what people read."""
        if self.as_json:
            typer.echo(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False))
            return
        screen = screen_of_width()
        for renderable in renderables:
            screen.print(renderable, highlight=False)


def screen_of_width() -> Console:
    """Give a console whose tables keep their columns when they are piped into a file."""
    screen = Console()
    return screen if screen.is_terminal else Console(width=WIDTH_OF_FILES)


def fail(error: WinnowError, *, as_json: bool) -> typer.Exit:
    """Print a refusal as one block and give the exit: 2 for bad usage, else 1."""
    kind = type(error).__name__
    if as_json:
        typer.echo(json.dumps({"error": {"kind": kind, "message": str(error)}}, indent=2))
    else:
        typer.echo(f"{kind}: {error}", err=True)
    return typer.Exit(2 if isinstance(error, BadInput) else 1)


def fail_of_disk(error: OSError) -> typer.Exit:
    """Print what the operating system refused as one block and give the exit."""
    where = error.filename or "a file"
    msg = f"{where}: expected to read or write, found: {told(error)}"
    return fail(Retryable(msg), as_json=False)


def _reading(
    door_state: Annotated[
        Path, typer.Option("--state", envvar="WINNOW_STATE", help="State folder on this machine.")
    ] = STATE_DEFAULT,
    door_console: Annotated[
        str, typer.Option("--console", envvar="WINNOW_CONSOLE_URL", help="A running console.")
    ] = "",
    door_token: Annotated[
        str, typer.Option("--token", envvar="WINNOW_TOKEN", help="Who you are there.")
    ] = "",
    door_as_json: Annotated[bool, typer.Option("--json", help="Print JSON, errors too.")] = False,
) -> None:
    """Hold the options of every command."""


def _acting(
    door_key: Annotated[
        str, typer.Option("--key", help="Idempotency key: the same key acts once.")
    ] = "",
) -> None:
    """Hold the options of commands that change something."""


def _asking(
    door_wait: Annotated[bool, typer.Option("--wait", help="Wait until it is done.")] = False,
    door_timeout_seconds: Annotated[
        float, typer.Option("--timeout", min=0, help="Longest wait in seconds.")
    ] = 60.0,
) -> None:
    """Hold the options of commands that another service carries out."""


def console_command(
    app: typer.Typer,
    name: str,
    *,
    acts: bool = False,
    asks: bool = False,
    starts: bool = False,
    lenient: bool = False,
) -> Callable[[Callable[Concatenate[Door, P], None]], Callable[..., None]]:
    """Register a function as a command that gets a `Door` and the shared options.

    Parameters
    ----------
    acts, asks
        Add the options of acts (`--key`), of acts that another service does (`--wait`).
    starts
        The command may be the first on a state folder: it makes the folder.
    lenient
        Arguments may begin with a minus sign, so that a negative amount gets a clear answer.
    """

    def register(function: Callable[Concatenate[Door, P], None]) -> Callable[..., None]:
        command = _through_the_door(function, acts=acts, asks=asks, starts=starts)
        settings = {"ignore_unknown_options": True} if lenient else None
        return app.command(name, context_settings=settings)(command)

    return register


def with_door(
    function: Callable[Concatenate[Door, P], None],
) -> Callable[..., None]:
    """Give the function as a reading command of its own, for the root's table."""
    return _through_the_door(function, acts=False, asks=False, starts=False)


def _through_the_door(
    function: Callable[Concatenate[Door, P], None], *, acts: bool, asks: bool, starts: bool
) -> Callable[..., None]:
    shared: list[Callable[..., None]] = [_reading]
    shared += [_acting] if acts or asks else []
    shared += [_asking] if asks else []
    options = [p for source in shared for p in _parameters(source)]
    own = _parameters(function)[1:]

    @functools.wraps(function)
    def command(**values: Any) -> None:  # noqa: ANN401 - typed by the signature below
        given = {o.name.removeprefix("door_"): values.pop(o.name) for o in options}
        state, console = given.pop("state"), given.pop("console")
        token, as_json = given.pop("token"), given.pop("as_json")
        try:
            client = _connect(state, console, token, starts=starts)
            try:
                door = Door(client, as_json, **given)
                function(door, **values)  # type: ignore[call-arg]
            finally:
                client.close()
        except WinnowError as error:
            raise fail(error, as_json=as_json) from error

    signature = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in [*own, *options]]
    command.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    command.__annotations__ = {}
    return command


def _parameters(function: Callable[..., None]) -> list[inspect.Parameter]:
    return list(inspect.signature(function, eval_str=True).parameters.values())


def _connect(state: Path, console: str, token: str, *, starts: bool) -> ConsoleClient:
    if console:
        return ConsoleClient.at(console, token)
    if not starts and not (state / "ledger.db").exists():
        found = "a folder without a ledger" if state.exists() else "none"
        msg = f"state folder {state}: expected one that Winnow wrote, found {found}.\n{START}"
        raise BadInput(msg)
    return ConsoleClient.embedded(state, token)
