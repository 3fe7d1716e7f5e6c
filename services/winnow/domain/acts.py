"""What people may do: one table from act to roles. Who does not hold one of them is refused."""

from __future__ import annotations

from collections.abc import Collection

from winnow.domain.errors import NotAllowed
from winnow.domain.labels import Role

HUMAN_ROLES = frozenset(
    {
        Role.ANNOTATOR,
        Role.REVIEWER,
        Role.ADJUDICATOR,
        Role.DATA_STEWARD,
        Role.SAFETY_REVIEWER,
        Role.BUDGET_OWNER,
        Role.PRIVACY_OFFICER,
        Role.ML_ENGINEER,
        Role.PLATFORM_ENGINEER,
    }
)
"""Roles that a person can hold; the others belong to services."""

_OWNERS = frozenset({Role.BUDGET_OWNER})
_BATCH = frozenset({Role.REVIEWER, Role.ADJUDICATOR})

ACTS: dict[str, frozenset[Role]] = {
    "budget.allocate": _OWNERS,
    "budget.transfer": _OWNERS,
    "budget.correct": _OWNERS,
    "budget.close": _OWNERS,
    "budget.rate": _OWNERS,
    "round.open": frozenset({Role.ML_ENGINEER}),
    "batch.approve": _BATCH,
    "batch.reject": _BATCH,
    "batch.amend": _BATCH,
    "label.promote": frozenset({Role.DATA_STEWARD}),
    "exception.resolve": _BATCH | {Role.PLATFORM_ENGINEER, Role.PRIVACY_OFFICER},
    "dlq.replay": frozenset({Role.PLATFORM_ENGINEER, Role.ML_ENGINEER}),
    "person.add": frozenset({Role.PLATFORM_ENGINEER}),
    "person.remove": frozenset({Role.PLATFORM_ENGINEER}),
    "audit.read": frozenset({Role.PRIVACY_OFFICER, Role.PLATFORM_ENGINEER, Role.DATA_STEWARD}),
    "console.read": HUMAN_ROLES,
}


def role_for(act: str, roles: Collection[Role], *, person: str) -> Role:
    """Give the role under which a person may do this act.

    Raises
    ------
    NotAllowed
        None of the person's roles covers it; the text names those that would.
    """
    covering = sorted(ACTS[act] & set(roles))
    if not covering:
        needed = ", ".join(sorted(ACTS[act]))
        held = ", ".join(sorted(roles)) or "no role"
        msg = f"{act}: expected one of the roles {needed}, found {held} for {person}"
        raise NotAllowed(msg)
    return covering[0]
