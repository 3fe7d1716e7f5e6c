"""How the loop went so far, from the ledger and the stored evaluations: for the stopping rules."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from winnow.agreement.boxes import shared_boxes
from winnow.contracts.artifacts import read_manifest, read_table
from winnow.contracts.manifests import Evaluation, Members
from winnow.contracts.tables import ORACLE
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import NotFound
from winnow.domain.labels import DETECTION
from winnow.domain.money import BudgetKind, Unit
from winnow.domain.tables import BATCHES, COMMITTEES, PROMOTIONS, RoundRow
from winnow.policy.model import Policy
from winnow.policy.rounds import main_metric, progress_of
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Money, Transaction
from winnow.stopping import ClassRecall, Progress, cohen_kappa

CURRENCY = "currency:"


@dataclass(frozen=True, slots=True)
class Trained:
    """What a round trained, and what was measured of it."""

    members: Members
    evaluation: Evaluation | None


def progress_after(
    view: Transaction,
    blobs: Blobs,
    rounds: Sequence[RoundRow],
    policy: Policy,
    *,
    newest: Members,
) -> Progress:
    """Give all that is measured of the closed rounds.

    Parameters
    ----------
    view
        Ledger.
    rounds
        Of any state; those that are not closed do not count. The one that `newest` was trained by
        has just closed.
    newest
        The committee that has just rolled.

    Notes
    -----
    Reads two or three small objects for each round. Where something is missing, e.g. in rounds of
    an earlier version, the series has a gap there, and rules say what they lack.
    """
    closed = sorted((row for row in rounds if row.state == "closed"), key=lambda row: row.number)
    trained = [
        _read(blobs, newest) if row.key == newest.round_id else _trained(view, blobs, row)
        for row in closed
    ]
    labels = [_n_labels(view, row) for row in closed]
    return replace(
        progress_of(rounds),
        accuracy_errors=tuple(map(_accuracy_error, trained)),
        n_labels=tuple(labels),
        spent_micros=tuple(_spent_micros(view.money, row) for row in closed),
        recalls=tuple(map(_recalls, trained)),
        kappas=_against_before(trained, lambda a, b: agreement_of(blobs, a, b)),
        weight_changes=_against_before(trained, _weight_change),
        mean_entropies=tuple(_mean_entropy(one) for one in trained),
        n_unlabeled=_n_unlabeled(view, closed[-1]) if closed else None,
        available_micros=_available_micros(view.money),
        frame_price_micros=policy.money.label_price_micros * policy.label.slots,
    )


def _trained(view: Transaction, blobs: Blobs, row: RoundRow) -> Trained | None:
    committees = view.records.find(COMMITTEES, group=row.key)
    if not committees:
        return None
    latest = max(committees, key=lambda committee: committee.generation)
    return trained_as(blobs, latest.members)


def trained_as(blobs: Blobs, members: BlobRef) -> Trained:
    """Read a committee's manifest and, where it was evaluated, that of its evaluation."""
    return _read(blobs, read_manifest(blobs, members, Members))


def _read(blobs: Blobs, members: Members) -> Trained:
    ref = members.evaluation
    return Trained(members, None if ref is None else read_manifest(blobs, ref, Evaluation))


def _accuracy_error(trained: Trained | None) -> float | None:
    """Give the standard error of the members' mean main metric: what other seeds would change."""
    if trained is None:
        return None
    metrics = [member.metrics for member in trained.members.members]
    values = [value for found in metrics if (value := main_metric(found)) is not None]
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) * (value - mean) for value in values) / (len(values) - 1)
    return math.sqrt(variance / len(values))


def _recalls(trained: Trained | None) -> tuple[ClassRecall, ...]:
    if trained is None or trained.evaluation is None:
        return ()
    return tuple(
        ClassRecall(name, found[measure], int(found["n"]))
        for name, found in sorted(trained.evaluation.classes.items())
        for measure in ("recall", "ap50")
        if measure in found
    )


def _against_before(
    trained: Sequence[Trained | None], compare: Callable[[Trained, Trained], float | None]
) -> tuple[float | None, ...]:
    """Compare each with the one before it; nothing comes before the first."""
    pairs = zip([None, *trained], trained, strict=False)
    return tuple(None if a is None or b is None else compare(a, b) for a, b in pairs)


def agreement_of(blobs: Blobs, before: Trained, after: Trained) -> float | None:
    """Compare two committees' predictions of the frames that both were evaluated on.

    Returns
    -------
    float or None
        Classes: Cohen's kappa, -1 to 1; boxes: F1 of matches, 0 to 1. None where one was not
        evaluated, or on other frames or classes.
    """
    sets = [one.evaluation.stop_set if one.evaluation else None for one in (before, after)]
    first, second = sets
    if first is None or second is None or first.frames_sha256 != second.frames_sha256:
        return None
    known = [(one.members.label_kind, one.members.class_names) for one in (before, after)]
    if known[0] != known[1]:
        return None
    if known[0][0] == DETECTION:
        return shared_boxes(_labels(blobs, first.predictions), _labels(blobs, second.predictions))
    return cohen_kappa(_array(blobs, first.predictions), _array(blobs, second.predictions))


def _weight_change(before: Trained, after: Trained) -> float | None:
    """Give the relative change of the members' mean L2 norm.

    Members start from other weights each round, so that the distance between old and new ones
    says nothing; their length can be compared, if networks and trainings are alike.
    """
    norms = [_mean_norm(one.members) for one in (before, after)]
    alike = (
        before.members.config == after.members.config
        and before.members.class_names == after.members.class_names
    )
    if not alike or norms[0] is None or norms[1] is None or norms[0] == 0.0:
        return None
    return abs(norms[1] - norms[0]) / norms[0]


def _mean_norm(members: Members) -> float | None:
    norms = [member.metrics.get("weight_norm") for member in members.members]
    known = [norm for norm in norms if norm is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(norms) else None


def _mean_entropy(trained: Trained | None) -> float | None:
    if trained is None or trained.evaluation is None or trained.evaluation.stop_set is None:
        return None
    return trained.evaluation.stop_set.mean_entropy


def _n_labels(view: Transaction, row: RoundRow) -> int | None:
    promotions = view.records.find(PROMOTIONS, group=row.key)
    return max((promotion.n_labels for promotion in promotions), default=None)


def _n_unlabeled(view: Transaction, row: RoundRow) -> int:
    """Give the frames that this round could have chosen and did not."""
    batches = view.records.find(BATCHES, group=row.key, state="approved")
    return max(0, row.n_frames - sum(batch.n_frames for batch in batches))


def _spent_micros(money: Money, row: RoundRow) -> int | None:
    """Give what the round cost in money; none if it was paid in more than one currency."""
    units: dict[Unit, int] = {}
    for reservation in money.reservations(round_id=row.key, open_only=False):
        unit = money.budget(reservation.budget_id).unit
        if reservation.committed and unit.code.startswith(CURRENCY):
            units[unit] = units.get(unit, 0) + reservation.committed
    return None if len(units) > 1 else sum(units.values())


def _available_micros(money: Money) -> int | None:
    kind = BudgetKind.HUMAN_ANNOTATION
    budget = next((one for one in money.budgets() if one.kind is kind), None)
    if budget is None:
        return None
    try:
        period = money.open_period(budget.budget_id)
    except NotFound:
        return 0
    return money.balances(budget.budget_id, period).available


def _labels(blobs: Blobs, ref: BlobRef) -> list[str]:
    labels: list[str] = read_table(blobs, ref, ORACLE)["label"].to_pylist()
    return labels


def _array(blobs: Blobs, ref: BlobRef) -> npt.NDArray[np.int64]:
    found = np.load(io.BytesIO(blobs.get(ref)), allow_pickle=False)
    return np.asarray(found, dtype=np.int64)
