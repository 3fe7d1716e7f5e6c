"""The `winnow demo` command: run the worlds, compare them, draw the report."""

from __future__ import annotations

import contextlib
import multiprocessing
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.frame_sources.open import open_source
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.cli.demo import plan
from winnow.cli.demo.plan import World
from winnow.cli.demo.world import command, run_world
from winnow.cli.report.facts import WorldFacts, read_facts
from winnow.cli.report.page import Report, amount, cost_per_label, render
from winnow.cli.report.paired import Curves, PairedDifference, Run, paired_difference
from winnow.domain import tables
from winnow.policy.rounds import main_metric

N_PROCESSES = 2
STEPS_PER_ROUND = 4
"""A round opened, its batch approved, its labels promoted, its committee active."""


def demo(
    *,
    data: Annotated[
        Path | None,
        typer.Option(help="Your images: a folder with a sub-folder per class, a COCO file, .npz."),
    ] = None,
    size: Annotated[str, typer.Option(help="small (CI), standard or large.")] = "standard",
    out: Annotated[Path, typer.Option(help="Where worlds and report go.")] = Path("build/demo"),
    seeds: Annotated[int, typer.Option(help="Paired seeds; 0 takes those of the size.")] = 0,
    limit: Annotated[int, typer.Option(help="Most frames of DATA; 0 takes all.")] = 2000,
) -> None:
    """Run whole rounds on real images, with a random control beside them.

    Without --data it takes the handwritten digits that scikit-learn ships. Scripted annotators
    answer, so the images must have known classes.

    Example: winnow demo --data photos/ --seeds 3
    """
    console = Console()
    started = time.monotonic()
    base = plan.size_of(size)
    if data is not None:
        # Own frames are larger than digits: fewer seeds unless more are asked for.
        n_seeds = seeds or min(base.n_seeds, 3)
        source = open_source(data)
        chosen_size = plan.fitted(base, source=source, n_frames_max=limit, n_seeds=n_seeds)
    else:
        chosen_size = replace(base, n_seeds=seeds or base.n_seeds)
    shutil.rmtree(out, ignore_errors=True)
    worlds = plan.worlds(
        data=(data or plan.write_digits(out / "digits.npz")).absolute(),
        out=out.absolute(),
        size=chosen_size,
        input_pixels=32 if data else 16,
        n_frames_max=limit if data else 0,
    )
    _say_plan(console, worlds, data)
    run_all(worlds, console)
    main = worlds[0]
    facts = facts_of(main)
    curves = {arm: _curves(worlds, arm) for arm in ("chosen", "random")}
    difference = paired_difference(curves["chosen"].runs, curves["random"].runs)
    replayed = replay_all(main, facts)
    name = "scikit-learn digits" if data is None else data.name
    page = render(
        Report(
            title=f"Winnow: {name}",
            facts=facts,
            chosen=curves["chosen"],
            control=curves["random"],
            difference=difference,
            replayed=replayed,
        ),
        FileBlobs(main.state_dir / "blobs"),
    )
    path = out / "report.html"
    path.write_text(page, encoding="utf-8")
    for line in summary(facts, difference, replayed):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"time                     {time.monotonic() - started:.0f} s")
    console.print(f"state of the shown run   {main.state_dir}", soft_wrap=True)
    console.print(f"report                   {path}", style="bold", soft_wrap=True)


def _say_plan(console: Console, worlds: Sequence[World], data: Path | None) -> None:
    first = worlds[0]
    source = str(data) if data else "scikit-learn's handwritten digits (1,797 images)"
    console.print(
        f"Winnow demo on {source}: {first.rounds} rounds, a committee of {plan.MEMBERS}, "
        f"{len(worlds) // 2} paired seeds of chosen against random.",
        highlight=False,
        soft_wrap=True,
    )


def run_all(worlds: Sequence[World], console: Console) -> None:
    """Run all worlds, two at a time, with a bar for the shown one and one for all rounds.

    The first failure ends the rest and is raised.
    """
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(N_PROCESSES, mp_context=context) as pool,
        Progress(
            TextColumn("{task.description:<38}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), console=console,
        ) as progress,
    ):  # fmt: skip
        futures = [pool.submit(run_world, world) for world in worlds]
        try:
            _follow(worlds, futures, progress)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
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


def _curves(worlds: Sequence[World], arm: str) -> Curves:
    return Curves(tuple(_run(world) for world in worlds if world.arm == arm))


def _run(world: World) -> Run:
    with ledger_of(world) as ledger, ledger.snapshot() as tx:
        labels = {row.round_id: row.n_labels for row in tx.records.find(tables.PROMOTIONS)}
        rounds = sorted(tx.records.find(tables.ROUNDS), key=lambda row: row.number)
    measured = ((row.key, main_metric(dict(row.metrics))) for row in rounds)
    points = [(labels[key], value) for key, value in measured if value is not None]
    if not points:
        reasons = "; ".join(f"{row.key} {row.state}: {row.reason}" for row in rounds)
        msg = f"world {world.name} trained no committee ({reasons or 'no round'})"
        raise typer.BadParameter(msg)
    return tuple(count for count, _ in points), tuple(value for _, value in points)


def replay_all(world: World, facts: WorldFacts) -> tuple[int, int]:
    """Replay every batch of a world; give (identical, replayed)."""
    numbers = [round_facts.number for round_facts in facts.rounds if round_facts.picks]
    log = world.state_dir.parent / f"{world.name}.log"
    for number in numbers:
        command(["replay", str(number), "--state", str(world.state_dir)], log=log)
    return len(numbers), len(numbers)


def summary(
    facts: WorldFacts, difference: PairedDifference, replayed: tuple[int, int]
) -> Iterator[str]:
    """Give the dozen lines that say what the shown run did."""
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
    yield f"committee accuracy       {facts.curve[-1][1]:.3f} on the holdout"
    yield (
        f"against random           {difference.mean * 100:+.1f} points at {difference.labels} "
        f"labels, 95 % interval [{difference.low * 100:+.1f}, {difference.high * 100:+.1f}], "
        f"{difference.n_seeds} paired seeds"
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
    yield f"replayed byte for byte   {replayed[0]} of {replayed[1]} batches"
