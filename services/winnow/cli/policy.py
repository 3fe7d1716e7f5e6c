"""`winnow policy`: the file that says how a round is run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from winnow.domain.errors import BadInput

if TYPE_CHECKING:
    from winnow.policy.model import Policy

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Check a round policy before using it.",
)


@app.callback()
def policy() -> None:
    """Check a round policy before opening a round."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Round policy (YAML).", show_default=False)],
    full: Annotated[bool, typer.Option("--full", help="Print it with every default.")] = False,
) -> None:
    """List every mistake in a policy at once; needs no state folder.

    [bold]winnow policy check policy.yaml[/bold]
    """
    from winnow.policy.model import parse_policy

    parsed = parse_policy(read_text(file), where=str(file))
    if full:
        import yaml

        typer.echo(yaml.safe_dump(parsed.model_dump(mode="json"), sort_keys=False), nl=False)
    else:
        typer.echo(f"{file}: policy {parsed.name!r} is sound, sha256 {parsed.sha256}")


def policy_named(name: str) -> Policy:
    """Give the policy of a file, of a preset, or the default one for an empty name.

    Raises
    ------
    BadInput
        The file cannot be read or has mistakes.
    """
    from winnow.policy.model import Policy, parse_policy

    if not name:
        return Policy()
    return parse_policy(read_text(Path(name)), where=name)


def read_text(file: Path) -> str:
    """Give the text of a file that a person named.

    Raises
    ------
    BadInput
        It cannot be read, or is no text.
    """
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        msg = f"{file}: expected a readable file, found: {error.strerror}"
        raise BadInput(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{file}: expected UTF-8 text, found other bytes at {error.start}"
        raise BadInput(msg) from error
