"""The `winnow demo` command: run the worlds, compare them, draw the report."""

from __future__ import annotations

import contextlib
import multiprocessing
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.cli.demo import plan
from winnow.cli.demo.plan import World
from winnow.cli.demo.world import command, run_world
from winnow.cli.report.facts import RoundFacts, WorldFacts, read_facts, read_rounds, run_of
from winnow.cli.report.measures import Measure
from winnow.cli.report.page import (
    Report,
    amount,
    cost_per_label,
    counted,
    render,
    signed_points,
)
from winnow.cli.report.paired import Comparison, compared
from winnow.domain import tables
from winnow.runtime.parent import end_with_parent

N_PROCESSES = 2
STEPS_PER_ROUND = 4
"""A round opened, its batch approved, its labels promoted, its committee active."""


def demo(
    *,
    data: Annotated[
        str,
        typer.Option(
            help="Your images (a folder with a sub-folder per class, a COCO file, .npz), `digits`, "
            "or another simulated town (roads:town=3,frames=2000)."
        ),
    ] = "",
    size: Annotated[str, typer.Option(help="small (CI), standard or large.")] = "standard",
    out: Annotated[Path, typer.Option(help="Where worlds and report go.")] = Path("build/demo"),
    seeds: Annotated[int, typer.Option(help="Paired seeds; 0 takes those of the size.")] = 0,
    limit: Annotated[int, typer.Option(help="Most frames of DATA; 0 takes all.")] = 2000,
) -> None:
    """Run whole rounds through all services, with a random control beside them.

    Without --data a simulated fleet drives by day and night, and a committee of detectors looks
    for persons and bicycles, which are rare at night. Scripted annotators answer, so own images
    must have known classes.

    Example: winnow demo --data photos/ --seeds 3
    """
    console = Console()
    started = time.monotonic()
    shutil.rmtree(out, ignore_errors=True)
    subject = plan.subject_of(data, size=size, seeds=seeds, limit=limit, out=out)
    worlds = plan.worlds(subject, out=out.absolute())
    _say_plan(console, subject)
    run_all(worlds, console)
    main = worlds[0]
    facts = facts_of(main)
    report = Report(
        title=f"Winnow: {subject.title}",
        facts=facts,
        comparisons=compare(worlds, subject.measures),
        replayed=replay_all(main, facts),
        interest=subject.interest,
    )
    path = out / "report.html"
    path.write_text(render(report, FileBlobs(main.state_dir / "blobs")), encoding="utf-8")
    for line in summary(report):
        console.print(line, highlight=False, soft_wrap=True)
    for measure in subject.measures:
        if measure not in report.measures:
            console.print(f"{measure.name} not measured: the holdout has no such objects")
    console.print(f"time                     {time.monotonic() - started:.0f} s")
    console.print(f"state of the shown run   {main.state_dir}", soft_wrap=True)
    console.print(f"report                   {path}", style="bold", soft_wrap=True)


def _say_plan(console: Console, subject: plan.Subject) -> None:
    size = subject.size
    console.print(
        f"Winnow demo on {subject.told}: {size.rounds} rounds, a committee of {size.members}, "
        f"{size.n_seeds} paired seeds of chosen against random.",
        highlight=False,
        soft_wrap=True,
    )


def run_all(worlds: Sequence[World], console: Console) -> None:
    """Run all worlds, two at a time, with a bar for the shown one and one for all rounds.

    The first failure ends the rest and is raised.
    """
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(N_PROCESSES, context, initializer=end_with_parent) as pool,
        Progress(
            TextColumn("{task.description:<38}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), console=console,
        ) as progress,
    ):  # fmt: skip
        futures = [pool.submit(run_world, world) for world in worlds]
        try:
            _follow(worlds, futures, progress)
        except BaseException:
            # Leaving the pool waits for all that was begun or queued, here for minutes.
            for process in multiprocessing.active_children():
                process.kill()
            raise


def _follow(worlds: Sequence[World], futures: Sequence[Future[None]], progress: Progress) -> None:
    n_steps = worlds[0].rounds * STEPS_PER_ROUND
    shown = progress.add_task("shown run: steps of its rounds", total=n_steps)
    rounds = progress.add_task("all runs: rounds", total=sum(world.rounds for world in worlds))
    while not all(future.done() for future in futures):
        for future in futures:
            if future.done():
                future.result()
        steps = [_steps_done(world) for world in worlds]
        progress.update(shown, completed=min(steps[0], n_steps))
        progress.update(rounds, completed=sum(count // STEPS_PER_ROUND for count in steps))
        time.sleep(0.5)
    for future in futures:
        future.result()
    progress.update(shown, completed=n_steps)
    progress.update(rounds, completed=sum(world.rounds for world in worlds))


def _steps_done(world: World) -> int:
    """Count rounds opened, batches approved, promotions and committees of a world so far."""
    if not (world.state_dir / "ledger.db").exists():
        return 0
    with ledger_of(world) as ledger, ledger.snapshot() as tx:
        return (
            sum(row.snapshot is not None for row in tx.records.find(tables.ROUNDS))
            + len(tx.records.find(tables.BATCHES, state="approved"))
            + len(tx.records.find(tables.PROMOTIONS))
            + len(tx.records.find(tables.COMMITTEES))
        )


@contextlib.contextmanager
def ledger_of(world: World) -> Iterator[SqliteLedger]:
    """Open the ledger of a world and close it again."""
    ledger = SqliteLedger(world.state_dir / "ledger.db")
    try:
        yield ledger
    finally:
        ledger.close()


def facts_of(world: World) -> WorldFacts:
    """Read the facts of one world."""
    with ledger_of(world) as ledger:
        return read_facts(ledger, FileBlobs(world.state_dir / "blobs"))


def compare(worlds: Sequence[World], measures: Sequence[Measure]) -> tuple[Comparison, ...]:
    """Compare the arms by each measure that all worlds have.

    Raises
    ------
    BadParameter
        There is none: a world trained no committee, or the holdout has nothing to measure by.
    """
    rounds = {world.name: _rounds_of(world) for world in worlds}
    found = []
    for measure in measures:
        chosen, control = (
            [run_of(rounds[world.name], measure) for world in worlds if world.arm == arm]
            for arm in ("chosen", "random")
        )
        if all(labels for labels, _ in (*chosen, *control)):
            found.append(compared(measure, chosen, control))
    if not found:
        raise typer.BadParameter(_nothing_measured(rounds, measures))
    return tuple(found)


def _rounds_of(world: World) -> tuple[RoundFacts, ...]:
    with ledger_of(world) as ledger, ledger.snapshot() as tx:
        return read_rounds(tx, FileBlobs(world.state_dir / "blobs"))


def _nothing_measured(
    rounds: Mapping[str, Sequence[RoundFacts]], measures: Sequence[Measure]
) -> str:
    names = " or ".join(measure.name for measure in measures)
    told = "; ".join(
        f"{name}: round {one.number} {one.state} {one.reason}".strip()
        for name, of_world in rounds.items()
        for one in of_world
    )
    return f"expected committees whose {names} is measured on the holdout, found none ({told})"


def replay_all(world: World, facts: WorldFacts) -> tuple[int, int]:
    """Replay every batch of a world; give (identical, replayed)."""
    numbers = [round_facts.number for round_facts in facts.rounds if round_facts.picks]
    log = world.state_dir.parent / f"{world.name}.log"
    for number in numbers:
        command(["replay", str(number), "--state", str(world.state_dir)], log=log)
    return len(numbers), len(numbers)


def summary(report: Report) -> Iterator[str]:
    """Give the dozen lines that say what the shown run did."""
    facts = report.facts
    bought = [len(round_facts.picks) for round_facts in facts.rounds]
    n_random = sum(
        pick.arm in ("random", "both") for round_facts in facts.rounds for pick in round_facts.picks
    )
    yield f"pool                     {facts.n_frames:,} frames, {facts.n_holdout:,} more held out"
    yield (
        f"labels bought            {sum(bought)} in {len(bought)} rounds "
        f"({' + '.join(map(str, bought))}), {n_random} of them drawn at random"
    )
    yield f"labels accepted          {facts.n_accepted}"
    for comparison in report.comparisons:
        name, difference = comparison.measure.name, comparison.difference
        yield f"{name:<24} {run_of(facts.rounds, comparison.measure)[1][-1]:.3f} on the holdout"
        if difference:
            yield (
                f"  against random         {signed_points(difference.mean)} at {difference.labels} "
                f"labels, {counted(difference.n_seeds, 'paired seed')}, {difference.interval}"
            )
    for budget in facts.budgets:
        if not budget.committed_steps:
            continue
        unit, balances = budget.budget.unit.code, budget.balances
        yield (
            f"  {budget.budget.kind.value:<22} {amount(balances.spent, unit)} spent of "
            f"{amount(-balances.funding, unit)}, {amount(balances.reserved, unit)} reserved"
        )
    for what, cost in cost_per_label(facts):
        yield f"cost                     {cost} {what}"
    refused = ", ".join(f"{count} {gate}" for gate, count in facts.refused.items())
    yield f"frames refused           {refused or 'none'}"
    if report.replayed:
        yield "replayed byte for byte   {} of {} batches".format(*report.replayed)
