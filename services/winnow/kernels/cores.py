"""How many cores matrix products use."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
R = TypeVar("R")
_LIBRARIES: Final = ThreadpoolController()


def on_one_core(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that multiplies small matrices many times: its products use one core.

    A product that several cores share ends when the last of them does. Where another process runs
    beside, a share of a millisecond's work waits for that process's turn: on two busy cores
    herding took 4 times as long as on one, the hybrid 20 times. Costs 6 microseconds a call. The
    limit is the process's: what other threads multiply meanwhile is on one core too.
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _LIBRARIES.limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited
