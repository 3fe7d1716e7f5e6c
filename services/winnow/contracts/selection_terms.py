"""What a choice of frames depends on besides its snapshot: the ledger at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from winnow.contracts.batch_sizes import frames_asked
from winnow.contracts.manifests import Snapshot
from winnow.domain.errors import NotFound
from winnow.domain.ids import BudgetId
from winnow.domain.labels import LabelState
from winnow.domain.money import BudgetKind
from winnow.domain.tables import BATCHES
from winnow.policy.model import Policy
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Transaction


@dataclass(frozen=True, slots=True)
class SelectionTerms:
    """What the ledger says at one moment, as far as a choice depends on it."""

    available: int
    """Micros that are left for annotation."""
    held: tuple[str, ...]
    """Frames that have a label, or are on their way to one; sorted."""
    approved: frozenset[str]
    """Batches that hold frames: as long as these stay the same, so does `held`."""
    n_asked: int | None
    """Frames that an adaptive batch size came to; none: those of the policy."""


def selection_terms(
    view: Transaction, blobs: Blobs, policy: Policy, snapshot: Snapshot
) -> SelectionTerms:
    """Read the terms from a view of the ledger, or inside a transaction."""
    states = [state for state in LabelState if state is not LabelState.REJECTED]
    live = view.labels.find(states=states, label_task=snapshot.label_task)
    return SelectionTerms(
        available=available_micros(view, snapshot),
        held=tuple(sorted({label.key.frame_id for label in live})),
        approved=approved_batches(view),
        n_asked=frames_asked(view, blobs, policy, snapshot),
    )


def available_micros(view: Transaction, snapshot: Snapshot) -> int:
    """Give what is left for annotation; nothing where no period of the budget is open."""
    kind = BudgetKind.HUMAN_ANNOTATION
    budget_id = BudgetId(dict(snapshot.budget_ids).get(kind, kind))
    try:
        period = view.money.open_period(budget_id)
    except NotFound:
        return 0
    return int(view.money.balances(budget_id, period).available)


def approved_batches(view: Transaction) -> frozenset[str]:
    """Give the batches that hold frames."""
    return frozenset(row.key for row in view.records.find(BATCHES, state="approved"))
