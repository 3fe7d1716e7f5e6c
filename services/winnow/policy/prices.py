"""What each frame costs, and how many of them the money buys."""

from __future__ import annotations

import numpy as np

from winnow.domain.errors import BadInput
from winnow.policy.inputs import Flags, Micros, Sizes
from winnow.policy.model import Policy
from winnow.policy.random_arm import arm_size
from winnow.strategies.protocol import Candidates, Column

PRICE_MAX = 10**10
"""Micros for one annotation; the sum over the largest batch still fits 64 bits."""


def prices_of(policy: Policy, frames: Candidates) -> Micros:
    """Give what each frame costs, all its slots together, in micros.

    Raises
    ------
    BadInput
        The policy's price column is not there, or holds what is no price.
    """
    money, n_frames = policy.money, len(frames)
    price = np.full(n_frames, money.label_price_micros, dtype=np.int64)
    if money.price_column is not None:
        column = frames.columns.get(money.price_column)
        if column is None:
            msg = f"money.price_column: expected a column {money.price_column!r}, found none"
            raise BadInput(msg)
        own, known = _numbers(money.price_column, column)
        price[known] = own
    return price * policy.label.slots


def _numbers(name: str, column: Column) -> tuple[Micros, Flags]:
    """Give the prices that are there, and where."""
    if column.dtype.kind == "U":
        known = column != ""
        try:
            own = column[known].astype(np.float64)
        except ValueError as error:
            msg = f"column {name}: expected prices in micros, found texts: {error}"
            raise BadInput(msg) from error
    else:
        known = ~np.isnan(column.astype(np.float64))
        own = column[known].astype(np.float64)
    wrong = ~((own >= 0) & (own <= PRICE_MAX) & (own == np.floor(own)))
    if wrong.any():
        row = int(np.flatnonzero(known)[np.argmax(wrong)])
        msg = (
            f"column {name}: expected whole micros from 0 to {PRICE_MAX}, found "
            f"{own[wrong][0]} in row {row} and {int(wrong.sum()) - 1} more like it"
        )
        raise BadInput(msg)
    return own.astype(np.int64), known


def sizes_of(policy: Policy, prices_N: Micros, *, n_asked: int, affordable_micros: int) -> Sizes:
    """Give how many frames are asked for, there, and paid for, and how many are drawn.

    Where frames differ in price, the random arm is as long as its share of the batch and of the
    money allow on average, and never so long that its dearest outcome could not be paid: so the
    arm stays a simple random sample that nobody has to cut short.
    """
    cap = policy.money.batch_micros_max
    micros_max = affordable_micros if cap is None else min(cap, affordable_micros)
    n_eligible = len(prices_N)
    in_order = np.sort(prices_N)
    n_affordable = int(np.searchsorted(np.cumsum(in_order), micros_max, side="right"))
    share = policy.random_arm.share
    n_random = arm_size(share, min(n_asked, n_eligible, n_affordable))
    dearest = np.cumsum(in_order[::-1][:n_random])
    if n_random and in_order[0] != in_order[-1]:
        mean = max(1, int(in_order.sum()) // n_eligible)
        n_random = min(n_random, arm_size(share, micros_max // mean))
        n_random = min(n_random, int(np.searchsorted(dearest, micros_max, side="right")))
    return Sizes(
        n_asked=n_asked,
        n_eligible=n_eligible,
        n_affordable=n_affordable,
        n_random=n_random,
        price_micros=policy.money.label_price_micros * policy.label.slots,
        micros_max=micros_max,
        arm_micros_max=int(dearest[n_random - 1]) if n_random else 0,
    )
