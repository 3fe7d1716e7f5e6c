"""Runs an A/B comparison, or compiles it for a cluster: `python -m ab_test --help`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ab_test.comparison import n_models
from ab_test.results import verdicts
from ab_test.setting import read_setting
from ab_test.steps import compare_all
from winnow.adapters.kfp_compiler import compile_pipeline
from winnow.domain.errors import WinnowError

TOWNS = [f"roads:town={town},frames=20000" for town in range(10)]

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Does a committee choose better labels than a person? Trains and tests both.",
)


@cli.command()
def run(
    *,
    place: Annotated[
        list[str] | None,
        typer.Option(
            help="A folder or COCO file with boxes, or a simulated town such as "
            "roads:town=3,frames=20000; may be given more than once. None: ten simulated towns."
        ),
    ] = None,
    setting: Annotated[
        Path | None,
        typer.Option(help="YAML with settings; ab_test/setting.py names and explains them."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where models and report go.")] = Path("build/ab-test"),
    processes: Annotated[int, typer.Option(min=1, help="Places side by side, a core each.")] = 2,
    manual: Annotated[
        Path | None,
        typer.Option(help="Names of the frames that a person chose, one a line; one place."),
    ] = None,
) -> None:
    """Compare committee, manual curation and random at places, and write a report.

    A run that was broken off goes on when it is started again. Ten simulated towns take
    some hours on two cores.

    Example: python -m ab_test run --place roads:town=3,frames=20000
    """
    chosen, places = read_setting(setting), place or TOWNS
    if manual is not None and len(places) != 1:
        raise typer.BadParameter("expected one --place with --manual", param_hint="--manual")
    console = Console()
    with Progress(
        TextColumn("{task.description:<44}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), console=console,
    ) as progress:  # fmt: skip
        bar = progress.add_task("models", total=n_models(chosen) * len(places))
        outcome = compare_all(
            places,
            chosen,
            out,
            processes=processes,
            manual=manual,
            done=lambda name: progress.update(bar, advance=1, description=f"models: {name}"),
        )
    for verdict in verdicts(outcome.results):
        console.print(
            f"{verdict.n_yes} of {verdict.n_places}  {verdict.question} ({verdict.detail})",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    for name, why in outcome.failed.items():
        console.print(f"left out  {name}: {why}", style="red", highlight=False, soft_wrap=True)
    console.print(f"report  {outcome.report}", style="bold", soft_wrap=True)


@cli.command(name="compile")
def compile_command(
    out: Annotated[Path, typer.Argument(help="YAML file for a Kubeflow Pipelines server.")],
    image: Annotated[str, typer.Argument(help="Image that the steps run in.")] = "",
) -> None:
    """Write the graph as YAML for a cluster."""
    compile_graph(out, image)


def compile_graph(out: Path, image: str) -> None:
    """Write the graph as YAML for a cluster, its steps running in `image`."""
    compile_pipeline("ab_test", out, image=image)


if __name__ == "__main__":
    try:
        cli()
    except WinnowError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(1)
