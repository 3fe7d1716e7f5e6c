"""The ledger of money as a model small enough to be believed: plain dictionaries."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from winnow.domain.money import (
    Account,
    OutcomeKind,
    Reserve,
)

K = OutcomeKind


@dataclass
class Model:
    """What the ledger must do, in plain dictionaries."""

    purses: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    closed: set[tuple[str, str]] = field(default_factory=set)
    held: dict[UUID, list[object]] = field(default_factory=dict)
    spent_by: dict[UUID, list[object]] = field(default_factory=dict)

    def shut(self, purse: tuple[str, str]) -> OutcomeKind | None:
        if purse not in self.purses:
            return K.PERIOD_UNKNOWN
        return K.PERIOD_CLOSED if purse in self.closed else None

    def move(self, purse: tuple[str, str], **changes: int) -> OutcomeKind:
        """Move, unless `available` would fall below zero."""
        accounts = self.purses[purse]
        if accounts["available"] + changes.get("available", 0) < 0:
            return K.EXCEEDS_AVAILABLE
        for account, change in changes.items():
            accounts[account] += change
        return K.APPLIED

    def allocate(self, purse: tuple[str, str], amount: int) -> OutcomeKind:
        if purse in self.closed:
            return K.PERIOD_CLOSED
        self.purses.setdefault(purse, dict.fromkeys(Account, 0))
        return self.move(purse, funding=-amount, available=amount)

    def reserve(self, group: list[Reserve]) -> list[OutcomeKind]:
        left = {purse: accounts["available"] for purse, accounts in self.purses.items()}
        for pos, one in enumerate(group):
            purse = one.budget_id, one.period
            kind = self.shut(purse) or (one.amount > left[purse] and K.EXCEEDS_AVAILABLE)
            if kind:
                return [kind if n == pos else K.LINKED_FAILED for n in range(len(group))]
            left[purse] -= one.amount
        for one in group:
            purse = one.budget_id, one.period
            self.move(purse, available=-one.amount, reserved=one.amount)
            self.held[one.transfer_id] = [purse, one.amount, "open"]
        return [K.APPLIED] * len(group)

    def resolve(self, key: UUID, request: UUID, spent: int, state: str) -> OutcomeKind:
        if key not in self.held:
            return K.RESERVATION_UNKNOWN
        purse, amount, found = self.held[key]
        assert isinstance(amount, int)
        if found != "open":
            ended = {"committed": K.ALREADY_COMMITTED, "released": K.ALREADY_RELEASED}
            return ended.get(str(found), K.RESERVATION_EXPIRED)
        if spent > amount:
            return K.EXCEEDS_RESERVED
        self.held[key][2] = state
        if state == "committed":
            self.spent_by[request] = [purse, spent]
        return self.move(purse, reserved=-amount, spent=spent, available=amount - spent)  # type: ignore[arg-type]

    def overrun(self, key: UUID, request: UUID, amount: int, *, allowed: bool) -> OutcomeKind:
        purse, _, state = self.held.get(key, [None, 0, None])
        if purse is None:
            return K.RESERVATION_UNKNOWN
        if not allowed:
            return K.OVERRUN_FORBIDDEN
        ended = {"open": K.NOT_COMMITTED, "released": K.ALREADY_RELEASED}
        if state != "committed":
            return ended.get(str(state), K.RESERVATION_EXPIRED)
        kind = self.shut(purse) or self.move(purse, available=-amount, spent=amount)  # type: ignore[arg-type]
        if kind is K.APPLIED:
            self.spent_by[request] = [purse, amount]
        return kind

    def correct(self, purse: tuple[str, str], corrects: UUID, amount: int) -> OutcomeKind:
        kind = self.shut(purse)
        if kind:
            return kind
        where, left = self.spent_by.get(corrects, [None, 0])
        if where != purse:
            return K.TRANSFER_UNKNOWN
        assert isinstance(left, int)
        if amount > left:
            return K.EXCEEDS_SPENT
        kind = self.move(purse, available=amount, spent=-amount)
        if kind is K.APPLIED:
            self.spent_by[corrects][1] = left - amount
        return kind

    def close(self, purse: tuple[str, str]) -> OutcomeKind:
        kind = self.shut(purse)
        if kind is None and any(one[0] == purse and one[2] == "open" for one in self.held.values()):
            kind = K.RESERVATIONS_OPEN
        if kind is None:
            self.closed.add(purse)
            rest = self.purses[purse]["available"]
            kind = self.move(purse, available=-rest, returned=rest)
        return kind
