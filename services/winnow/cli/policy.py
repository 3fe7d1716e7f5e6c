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
    help="Check, explain and start round policies.",
)
File = Annotated[
    str,
    typer.Argument(help="Round policy (YAML), or a preset's name.", show_default=False),
]


@app.callback()
def policy() -> None:
    """Check a round policy before opening a round."""


@app.command()
def check(
    file: File,
    full: Annotated[bool, typer.Option("--full", help="Print it with every default.")] = False,
) -> None:
    """List every mistake in a policy at once, each with its line; needs no state folder.

    [bold]winnow policy check policy.yaml[/bold]
    """
    parsed = policy_named(file)
    if full:
        import yaml

        typer.echo(yaml.safe_dump(parsed.model_dump(mode="json"), sort_keys=False), nl=False)
    else:
        typer.echo(f"{file}: policy {parsed.name!r} is sound, sha256 {parsed.sha256}")


@app.command()
def explain(
    file: Annotated[
        str,
        typer.Argument(help="Round policy (YAML), or a preset's name; none: the default policy."),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say in plain words, step by step, what a policy will do, with its numbers.

    [bold]winnow policy explain policy.yaml[/bold]
    """
    import json
    from dataclasses import asdict

    from winnow.policy.explain import explain as explained

    parsed = policy_named(file)
    steps = explained(parsed)
    if as_json:
        typer.echo(json.dumps([asdict(step) for step in steps], indent=2, ensure_ascii=False))
        return
    typer.echo(
        f"Policy {parsed.name!r}" + (f": {parsed.description}" if parsed.description else "")
    )
    for place, step in enumerate(steps, 1):
        typer.echo(f"\n{place}. {step.title}")
        for sentence in step.sentences:
            typer.echo(f"   {sentence}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of policies, for editors and other tools.

    [bold]winnow policy schema > policy.schema.json[/bold]
    """
    from winnow.policy.schema import schema_text

    typer.echo(schema_text(), nl=False)


@app.command()
def presets() -> None:
    """List the policies that come with Winnow, and when to use each.

    [bold]winnow policy show NAME[/bold] prints one to start from.
    """
    from winnow.cli.presets import NAMES, preset

    width = max(map(len, NAMES))
    for name in NAMES:
        typer.echo(f"{name:<{width}}  {preset(name).description}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of a preset.", show_default=False)],
) -> None:
    """Print a preset as a file to start from.

    [bold]winnow policy show balanced > policy.yaml[/bold]
    """
    from winnow.cli.presets import preset_text

    typer.echo(preset_text(name), nl=False)


def policy_named(name: str) -> Policy:
    """Give the policy of a file, of a preset, or the default one for an empty name.

    Raises
    ------
    BadInput
        The file cannot be read or has mistakes.
    """
    from winnow.cli.presets import NAMES, preset
    from winnow.policy.model import Policy, parse_policy
    from winnow.policy.section import did_you_mean

    if not name:
        return Policy()
    if name in NAMES and not Path(name).exists():
        return preset(name)
    hint = did_you_mean(name, NAMES)
    if hint and not Path(name).exists():
        msg = f"{name}: expected a readable file or a preset, found neither{hint}"
        raise BadInput(msg)
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
