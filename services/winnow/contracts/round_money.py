"""The money of a round: inference reserved at its opening, everything given back at its halt."""

from __future__ import annotations

from datetime import datetime, timedelta

from winnow.domain.errors import NotFound
from winnow.domain.ids import Micros, RoundId, derived_uuid, inference_reservation_id
from winnow.domain.money import BudgetKind, Release, Reserve
from winnow.policy.model import Policy
from winnow.ports.ledger import Money


def reserve_inference(
    money: Money,
    round_id: RoundId,
    policy: Policy,
    *,
    n_eligible: int,
    n_members: int,
    at: datetime,
) -> str:
    """Reserve what scoring a snapshot may cost.

    Returns
    -------
    str
        Empty if it is reserved or nothing is needed, else what the round waits for.
    """
    amount = Micros(n_eligible * n_members * policy.money.scoring_ms_per_frame)
    if amount == 0:
        return ""
    kind = BudgetKind.AUTO_LABEL_INFERENCE
    budget = next((b for b in money.budgets() if b.kind is kind), None)
    if budget is None:
        return f"waits for a budget: winnow budget allocate {kind} {amount}ms"
    try:
        period = money.open_period(budget.budget_id)
    except NotFound:
        return f"waits for an open period of budget {budget.budget_id}"
    available = money.balances(budget.budget_id, period).available
    if available < amount:
        # Asked before reserving: a refusal would be stored under the reservation's id for ever.
        return f"waits for money: {budget.budget_id} has {available} GPU-ms, needs {amount}"
    request = Reserve(
        transfer_id=inference_reservation_id(round_id),
        budget_id=budget.budget_id,
        period=period,
        amount=amount,
        expires_at=at + timedelta(minutes=2 * policy.scoring.deadline_minutes),
        subject=round_id,
        round_id=round_id,
        at=at,
    )
    outcome = money.reserve([request])[0]
    return "" if outcome.applied else f"waits for money: {budget.budget_id}: {outcome.kind}"


def release_round(money: Money, round_id: RoundId, *, reason: str, at: datetime) -> int:
    """Give back every open reservation of a round; give how many there were."""
    held = money.reservations(round_id=round_id, open_only=True)
    for reservation in held:
        transfer_id = derived_uuid("halt", reservation.reservation_id)
        money.release(Release(transfer_id, reservation.reservation_id, reason, at))
    return len(held)
