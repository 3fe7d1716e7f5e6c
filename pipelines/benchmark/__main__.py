"""Strategies x budgets x seeds on any data: `python -m benchmark run`, `compile`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmark import answers
from benchmark.plan import METHODS, Plan
from benchmark.report import FIGURE
from benchmark.runs import THREADS
from winnow.adapters.kfp_compiler import compile_pipeline
from winnow.cli.bars import Show, bars
from winnow.domain.errors import WinnowError

# Before numpy starts its threads: processes side by side, one core each.
os.environ.update({name: os.environ.get(name, "1") for name in THREADS})
app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
INTERRUPTED = 130
_DEFAULT = Plan()
_SHARES = ", ".join(f"{share:g}" for share in _DEFAULT.budgets)


@app.command()
def run(
    data: Annotated[
        str,
        typer.Option(
            help="`digits` (scikit-learn's), a folder with one sub-folder per class, an .npz, a "
            "COCO .json, or `pool:STATE_FOLDER` for the ingested pool of a state folder."
        ),
    ] = "digits",
    out: Annotated[
        Path, typer.Option(help="Folder of outputs and finished runs; the same one goes on.")
    ] = Path("build/benchmark"),
    seeds: Annotated[int, typer.Option(help="Seeds; at least 3 for a test.")] = _DEFAULT.seeds,
    methods: Annotated[
        str,
        typer.Option(
            help="Names, apart by commas: those of the default, any strategy, or "
            "STRATEGY:ACQUISITION, e.g. power:bald."
        ),
    ] = ", ".join(METHODS),
    budgets: Annotated[
        str, typer.Option(help="Shares of the pool that are labeled, rising, apart by commas.")
    ] = _SHARES,
    pools: Annotated[
        str, typer.Option(help="plain, duplicated, deduplicated: some, apart by commas.")
    ] = ", ".join(_DEFAULT.pools),
    learner: Annotated[
        str, typer.Option(help="`probe`: a head on frozen features; `network`: a small CNN.")
    ] = _DEFAULT.learner,
    encoder: Annotated[
        str, typer.Option(help="`pixel`, or torchvision:MODEL:WEIGHTS_FILE; no downloads.")
    ] = "pixel",
    label_price: Annotated[
        float, typer.Option(help="Price of one label, in the currency of your budget.")
    ] = _DEFAULT.label_price_micros / 1e6,
    machine_hour: Annotated[
        float, typer.Option(help="Price of an hour of the machine that selects and trains.")
    ] = _DEFAULT.machine_hour_micros / 1e6,
    network_steps: Annotated[
        int, typer.Option(help="Training steps of each member of the network learner.")
    ] = _DEFAULT.network_steps,
    mining: Annotated[
        bool, typer.Option(help="Also mine the worst slice by known failures, beside BADGE.")
    ] = _DEFAULT.mining,
    jobs: Annotated[int, typer.Option(min=1, help="Processes side by side, one core each.")] = min(
        2, os.cpu_count() or 1
    ),
) -> None:
    """Run a benchmark, or go on with one that was stopped; write figure, tables and report."""
    from benchmark import steps

    plan = steps.plan_of(
        methods=methods,
        budgets=budgets,
        pools=pools,
        label_price=label_price,
        seeds=seeds,
        learner=learner,
        mining=mining,
        machine_hour_micros=round(machine_hour * 1e6),
        network_steps=network_steps,
    )
    with _progress() as show:
        found = steps.run_here(data, out, plan, encoder=encoder, jobs=jobs, show=show)
    typer.echo(answers.verdict(found)[0].replace("**", ""))
    typer.echo(answers.winner(found, answers.low_places(found), "low").replace("**", ""))
    typer.echo(answers.fewest_labels(found).replace("**", ""))
    typer.echo(f"\nReport: {out / 'outputs' / steps.REPORT}")
    typer.echo(f"Figure: {out / 'outputs' / FIGURE}")
    typer.echo(f"Tables: {out / 'outputs' / 'tables'}")


@app.command("compile")
def compile_yaml(
    out: Annotated[Path, typer.Argument(help="Where the YAML goes.")],
    image: Annotated[str, typer.Argument(help="What the steps run in.")] = "",
) -> None:
    """Write the same benchmark as a pipeline for Kubeflow."""
    compile_graph(out, image)


def compile_graph(out: Path, image: str) -> None:
    """Write the graph as YAML for a cluster, its steps running in `image`."""
    compile_pipeline("benchmark", out, image=image)


@contextmanager
def _progress() -> Iterator[Show]:
    """Give bars at a terminal, else a line for every tenth."""
    screen = Console(stderr=True)
    if screen.is_terminal:
        with bars() as show:
            yield show
        return
    told: dict[str, int] = {}

    def show_lines(what: str, done: int, total: int) -> None:
        tenth = 10 * done // max(1, total)
        if told.get(what, 0) != tenth:
            told[what] = tenth
            typer.echo(f"{what}: {done} of {total}", err=True)

    yield show_lines


def main() -> int:
    """Do what the command line says; a refusal is one block of text."""
    try:
        app()
    except WinnowError as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        return 2
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            typer.echo("stopped; the same command goes on", err=True)
        raise
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
