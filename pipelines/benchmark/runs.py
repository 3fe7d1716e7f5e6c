"""All runs of a plan: one file per finished run, so that whatever was killed goes on."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from benchmark.curve import Run, curve_of
from benchmark.frames import Show, load
from benchmark.plan import Plan, PoolKind
from benchmark.pools import Pool, pool_of
from benchmark.worst_slice import METHOD, MiningRun, mining_of
from winnow.domain.errors import TrainingFailed
from winnow.runtime.parent import end_with_parent
from winnow.tasks.whole_files import write_whole

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Order:
    """One run to do."""

    pool: PoolKind
    method: str
    seed: int

    @property
    def file_name(self) -> str:
        """Name of the file of the finished run."""
        return f"{self.pool}-{self.method.replace(':', '~')}-{self.seed}.json"


def orders_of(plan: Plan, seeds: Sequence[int]) -> list[Order]:
    """Give all runs of some seeds, seed by seed."""
    found = []
    for seed in seeds:
        found += [Order(pool, method, seed) for pool in plan.pools for method in plan.methods]
        found += [Order("plain", METHOD, seed)] if plan.mining else []
    return found


def run_all(
    plan: Plan,
    frames_file: Path,
    folder: Path,
    *,
    seeds: Sequence[int],
    jobs: int,
    show: Show,
) -> None:
    """Do every run that has no file in `folder` yet, `jobs` at a time.

    Raises
    ------
    TrainingFailed
        A process was killed from outside; what is finished is kept.
    """
    orders = orders_of(plan, seeds)
    missing = [order for order in orders if not is_done(folder / order.file_name)]
    done = len(orders) - len(missing)
    show("runs", done, len(orders))
    for _ in _finished(plan, frames_file, folder, missing, jobs):
        done += 1
        show("runs", done, len(orders))


def do(plan: Plan, frames_file: Path, folder: Path, order: Order) -> None:
    """Do one run and keep it."""
    pool = _pool(frames_file, order.pool, order.seed, plan.holdout_share)
    found: Run | MiningRun
    if order.method == METHOD:
        found = mining_of(pool, order.seed, plan=plan)
    else:
        found = curve_of(pool, order.method, order.seed, plan=plan)
    write_whole(folder / order.file_name, found.model_dump_json(indent=1).encode())


def read_runs(folder: Path, plan: Plan, seeds: Sequence[int]) -> tuple[list[Run], list[MiningRun]]:
    """Give the finished runs, in the order of the plan."""
    orders = orders_of(plan, seeds)
    texts = [(order, (folder / order.file_name).read_bytes()) for order in orders]
    curves = [Run.model_validate_json(text) for order, text in texts if order.method != METHOD]
    mined = [MiningRun.model_validate_json(text) for order, text in texts if order.method == METHOD]
    return curves, mined


def is_done(file: Path) -> bool:
    """Tell whether a file holds a whole run; a damaged one is done again."""
    if not file.exists():
        return False
    kind = MiningRun if f"-{METHOD}-" in file.name else Run
    try:
        kind.model_validate_json(file.read_bytes())
    except ValidationError:
        return False
    return True


def _finished(
    plan: Plan, frames_file: Path, folder: Path, orders: Sequence[Order], jobs: int
) -> Iterator[None]:
    if jobs == 1:
        for order in orders:
            do(plan, frames_file, folder, order)
            yield
        return
    # Each process computes on one core: more threads in each would only wait for each other.
    os.environ.update(dict.fromkeys(THREADS, "1"))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=end_with_parent) as workers:
        waiting = [workers.submit(do, plan, frames_file, folder, order) for order in orders]
        try:
            for one in as_completed(waiting):
                one.result()
                yield
        except BrokenProcessPool as error:
            msg = f"benchmark: a process was killed; finished runs are in {folder}, start it again"
            raise TrainingFailed(msg) from error
        finally:
            workers.shutdown(cancel_futures=True)


@lru_cache(maxsize=2)
def _pool(frames_file: Path, kind: PoolKind, seed: int, holdout_share: float) -> Pool:
    return pool_of(load(frames_file), kind, seed, holdout_share=holdout_share)
