"""The succession of rounds: numbers, seeds, what overlaps, and how the loop went so far."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import Conflict
from winnow.domain.ids import round_id_of
from winnow.domain.tables import RoundRow
from winnow.policy.model import Policy
from winnow.stopping import Progress

UNDER_WAY = frozenset({"requested", "open", "training"})
ENDED = frozenset({"closed", "halted"})


def next_round(
    rounds: Sequence[RoundRow], policy: Policy, ref: BlobRef, *, opened_by: str
) -> RoundRow:
    """Give the row of the round that is asked for now; its number follows the highest."""
    number = max((row.number for row in rounds), default=-1) + 1
    return RoundRow(
        key=round_id_of(number),
        number=number,
        state="requested",
        policy=ref,
        policy_sha256=policy.sha256,
        seed=seed_of(policy, number),
        committee_version="",
        members=None,
        snapshot=None,
        n_frames=0,
        opened_by=opened_by,
    )


def opened_once(new: RoundRow, old: RoundRow) -> RoundRow:
    """Give the opened row in place of the requested one.

    Raises
    ------
    Conflict
        Another process opened (or halted) it meanwhile; the later one rolls back.
    """
    if old.state != "requested":
        msg = f"round {old.key}: expected state requested, found {old.state}"
        raise Conflict(msg)
    return new


def closed_round(row: RoundRow, measured: Mapping[str, float]) -> RoundRow:
    """Give the row of a round whose committee has rolled, with what was measured of it."""
    metrics = tuple(sorted(measured.items()))
    return replace(row, state="closed", metrics=metrics, reason="", due_at=None)


def seed_of(policy: Policy, number: int) -> int:
    """Give a round's seed: 63 bits that depend on the policy's seed and the round's number."""
    digest = hashlib.sha256(f"{policy.seed}\x1f{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def waits_for_rounds(rounds: Sequence[RoundRow], *, open_max: int) -> str:
    """Say which open rounds must end before another opens; empty if none must."""
    is_open = sorted((r.number, r.key) for r in rounds if r.state in ("open", "training"))
    if len(is_open) < open_max:
        return ""
    return f"waits for {', '.join(key for _, key in is_open)}: at most {open_max} overlap"


MAIN_METRICS = ("accuracy", "map50")
"""What a committee's rounds are compared by: of classification, of detection."""


def main_metric(metrics: Mapping[str, float]) -> float | None:
    """Give the number that tells how good a committee is; None if it was not measured.

    Examples
    --------
    >>> main_metric({"map": 0.2, "map50": 0.4})
    0.4
    """
    known = [metrics[name] for name in MAIN_METRICS if name in metrics]
    return known[0] if known and math.isfinite(known[0]) else None


def progress_of(rounds: Sequence[RoundRow]) -> Progress:
    """Give how the closed rounds went, in order; halted ones do not count."""
    closed = sorted((row for row in rounds if row.state == "closed"), key=lambda row: row.number)
    return Progress(
        n_rounds=len(closed),
        accuracies=tuple(main_metric(dict(row.metrics)) for row in closed),
    )
