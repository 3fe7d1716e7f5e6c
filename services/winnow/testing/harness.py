"""Several services in one thread, by turns, under a clock that moves when nobody has work."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from winnow.runtime.worker import Worker
from winnow.testing.manual_clock import ManualClock

STEPS_MAX = 20_000


def drive(
    workers: Sequence[Worker],
    clock: ManualClock,
    until: Callable[[], bool],
    *,
    steps_max: int = STEPS_MAX,
    idle_seconds: float = 1.0,
) -> int:
    """Step all workers in turn until `until()` holds; give the number of turns.

    Raises
    ------
    AssertionError
        It did not hold after `steps_max` turns.
    """
    for turn in range(steps_max):
        if until():
            return turn
        busy = [worker.step() for worker in workers]
        if not any(busy):
            clock.advance(seconds=idle_seconds)
    msg = f"expected the end within {steps_max} turns, found none by {clock.now().isoformat()}"
    raise AssertionError(msg)


def settle(workers: Sequence[Worker], *, steps_max: int = STEPS_MAX) -> int:
    """Step all workers until nobody has work, without moving the clock; give the turns."""
    for turn in range(steps_max):
        if not any([worker.step() for worker in workers]):  # noqa: C419 - all must step
            return turn
    msg = f"expected rest within {steps_max} turns, found none"
    raise AssertionError(msg)
