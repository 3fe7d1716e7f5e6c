"""What people may send, checked before anything is done with it."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from winnow.domain.acts import HUMAN_ROLES
from winnow.domain.labels import Role
from winnow.domain.money import BudgetKind

AMOUNT_MAX = 2**63 - 1
Amount = Annotated[int, Field(strict=True, ge=0, le=AMOUNT_MAX)]
Positive = Annotated[int, Field(strict=True, gt=0, le=AMOUNT_MAX)]
Text = Annotated[str, Field(max_length=500)]
Reason = Annotated[str, Field(min_length=1, max_length=500)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,79}$")]
Period = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$")]
FrameIds = tuple[Annotated[str, Field(pattern="^[0-9a-f]{32}$")], ...]


class Body(BaseModel):
    """Base: unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AllocateBody(Body):
    """Fund a budget; amounts are integers of its smallest unit."""

    kind: BudgetKind
    amount: Amount
    owner: Name | None = None
    currency: str | None = None
    period: Period | None = None
    approval: Text = ""
    overrun_allowed: bool = False


class TransferBody(Body):
    """Move available money from one budget to another."""

    from_budget: Name
    to_budget: Name
    amount: Positive
    rate_id: Text | None = None


class RateBody(Body):
    """A dated price: `micros` of a currency for `per` units of a resource."""

    rate_id: Name
    resource: Literal["bytes", "gpu_ms"]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    micros: Positive
    per: Positive
    valid_from: AwareDatetime


class CorrectBody(Body):
    """Undo (part of) an entry; a negative amount takes more."""

    corrects: UUID
    amount: Annotated[int, Field(strict=True, ge=-AMOUNT_MAX, le=AMOUNT_MAX)]
    reason: Reason


class CloseBody(Body):
    """Close a period; none names the open one."""

    period: Period | None = None


class OpenRoundBody(Body):
    """Policy text (YAML or JSON) and where it came from, for its error messages."""

    policy: Annotated[str, Field(max_length=256 * 1024)]
    where: Text = "policy"
    open_max: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Refuse if so many rounds are under way; none: as many as the service allows."""


class DecideBody(Body):
    """Approve or reject a proposed batch."""

    reason: Text = ""


class AmendBody(Body):
    """Take frames out of a proposed batch, put others in, and let it go."""

    removed: FrameIds = ()
    added: FrameIds = ()
    reason: Reason


class PromoteBody(Body):
    """Let a round's accepted labels be used."""

    round_id: Annotated[str, Field(pattern="^r[0-9]+$")]
    reason: Text = ""


class ResolveBody(Body):
    """How an exception was settled."""

    resolution: Reason


class ReplayBody(Body):
    """Dead letters by their ids (or how they begin), or all that are open."""

    ids: tuple[Text, ...] = ()
    everything: bool = False


class PersonBody(Body):
    """A new person with roles."""

    name: Name
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]

    def human_roles(self) -> tuple[Role, ...]:
        """Give the roles that a person may hold, of those asked for."""
        return tuple(role for role in self.roles if role in HUMAN_ROLES)
