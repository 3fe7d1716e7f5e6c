"""Killed at any point and started again, a benchmark ends with the same numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.frames import save
from benchmark.plan import Plan
from benchmark.runs import orders_of, read_runs, run_all
from benchmark.worst_slice import MiningRun
from tests.unit.benchmark.made import silent, small_frames, small_plan


class Killed(Exception):
    """Whoever watched pulled the plug."""


def accuracies(folder: Path, plan: Plan) -> tuple[list[list[float]], list[MiningRun]]:
    curves, mined = read_runs(folder, plan, range(plan.seeds))
    return [[step.accuracy for step in run.steps] for run in curves], mined


def test_a_run_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    plan, file = small_plan(), tmp_path / "frames.npz"
    save(small_frames(), file)
    run_all(plan, file, tmp_path / "whole", seeds=range(2), jobs=1, show=silent)

    def pull_the_plug(what: str, done: int, total: int) -> None:
        if done == 3:
            raise Killed

    with pytest.raises(Killed):
        run_all(plan, file, tmp_path / "cut", seeds=range(2), jobs=1, show=pull_the_plug)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cut").iterdir()}
    assert len(kept) == 3
    run_all(plan, file, tmp_path / "cut", seeds=range(2), jobs=1, show=silent)
    assert accuracies(tmp_path / "cut", plan) == accuracies(tmp_path / "whole", plan)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


def test_a_damaged_file_is_done_again(tmp_path: Path) -> None:
    plan, file = small_plan(seeds=1, mining=False), tmp_path / "frames.npz"
    save(small_frames(), file)
    run_all(plan, file, tmp_path / "runs", seeds=[0], jobs=1, show=silent)
    before = accuracies(tmp_path / "runs", plan)
    (tmp_path / "runs" / orders_of(plan, [0])[1].file_name).write_text("{half")
    run_all(plan, file, tmp_path / "runs", seeds=[0], jobs=1, show=silent)
    assert accuracies(tmp_path / "runs", plan) == before


def test_runs_of_other_settings_never_mix() -> None:
    plan = small_plan()
    name = plan.digest("data", "2")
    assert name != small_plan(random_arm=0.2).digest("data", "2")
    assert name != plan.digest("other data", "2")
    assert name == small_plan(seeds=9, methods=("badge",), label_price_micros=1).digest("data", "2")
