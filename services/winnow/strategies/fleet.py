"""Two-stage fleet selection: vehicles choose what to upload, the cloud what to label.

Vehicle v sees observations V_v and may send bytes; the cloud may spend annotation money on what
arrives. With f(S) = Σᵢ wᵢ · max over j in S ∪ K of 1 / (1 + 0.01·‖xᵢ - xⱼ‖), K what the cloud has:

1. every vehicle chooses U_v among V_v, greedily for f under its bytes, without the others;
2. the cloud chooses greedily for f under the annotation money among the union of all U_v, and
   compares with what it would choose from each U_v alone.

That is the shape of GreeDi. **Bound**, for one f that all evaluate (`observed="fleet"`) and α the
promise of one greedy choice (1 - 1/e with equal costs, else (1 - 1/e)/2): let O be the best
affordable batch of all observations. By submodularity the parts O ∩ V_v together add at least what
O adds, so one of the m parts adds at least 1/m of it. If that part fits into its vehicle's bytes,
U_v adds at least α/m of what O adds; so does the batch, if the cloud can pay for all of U_v or if
all sizes and all prices are equal (the batch among U_v alone then begins as U_v does). For other
mixtures of bytes and money nothing is promised. GreeDi's own worst case falls with the number of
parts, too: 1/min(m, k) for batches of k (Mirzasoleiman et al. 2013). If observations fell on
vehicles at random, (1 - 1/e)/2 would hold in expectation under equal costs (Barbosa et al. 2015);
a fleet's do not: each vehicle sees its own streets. Vehicles in turn, each knowing what those
before it chose (`interactive`), reach 1/2 of the best upload under a number of frames for each
vehicle, α/(1 + α) under bytes (Fisher, Nemhauser and Wolsey 1978; Goundan and Schulz 2007). A
vehicle that knows only its own observations (`observed="own"`, as in practice) maximises its own
share of f: then each bound is about that share, and what the fleet gains is measured, not promised
(`winnow.testing.fleet`).

**What follows the paper** (Akcin, Goel, Zhao and Chinchali, CoRL 2025, "DUAL"; its public
repository has a text and no code): the two stages; stage 1 local, decentralised and under a cap on
what is sent and stored; stage 2 central, under a cap on labels; submodular maximisation in both;
robots in environments of their own mixture of classes, rounds, a growing cloud set. From its
predecessor (Akcin, Unuvar, Ure and Chinchali, CoRL 2023, whose code is public) come the objective,
the policies distributed, interactive and centralised, and the setting of the simulator.

**What does not, or is not known**: the paper's abstract claims a guarantee without its constant,
so the bound above is derived here. Caps are bytes and money with unequal costs, not numbers of
frames; segments, retention deadlines, a signed manifest, the ceiling of `choose_uploads` and the
counts of `stands_for` are ours, as are the baselines `by_volume` and `independent`. Which embedding
each of the paper's tasks used, how its cloud breaks ties and whether it compares with single
vehicles is not known to us. To our knowledge this is the first open, tested implementation.

References
----------
Mirzasoleiman, Karbasi, Sarkar and Krause, "Distributed submodular maximization: identifying
representative elements in massive data", NIPS 2013. Barbosa, Ene, Nguyen and Ward, "The power of
randomization: distributed submodular maximization on massive datasets", ICML 2015, arXiv
1502.02606. Fisher, Nemhauser and Wolsey, "An analysis of approximations for maximizing submodular
set functions II", 1978. Goundan and Schulz, "Revisiting the greedy approach to submodular set
function maximization", 2007.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput
from winnow.kernels.alike import first_alike
from winnow.kernels.budgeted_greedy import Budget, budgeted_greedy
from winnow.kernels.facility_location import FacilityLocation
from winnow.kernels.nearest import nearest_center
from winnow.kernels.philox import order_of
from winnow.strategies.protocol import (
    Candidates,
    Flags,
    Floats,
    Positions,
    Ranks,
    Rows,
    centers_of,
    check,
    embeddings_of,
    tie_ranks,
)
from winnow.strategies.upload import NEEDS, SIMILARITY

STEP: Final = 52
"""Draws of what comes first where nobody chooses."""
Observed = Literal["own", "fleet"]
Amounts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What the vehicles of a fleet have observed since the last round, and what may be spent."""

    candidates: Candidates
    """All observations. `centers_LD`: what the cloud has; `price_micros_N`: of a label, 1 unless
    given; `scores_N`: what covering each observation is worth, 1 unless given."""
    vehicle_N: npt.NDArray[np.intp]
    """Whose observation it is: 0 up to V - 1."""
    size_bytes_N: Amounts
    budget_bytes_V: Amounts
    budget_micros: int
    sent_V: Sequence[Rows] = ()
    """What each vehicle has sent before, for `independent`; nothing unless told."""
    observed: Observed = "own"
    """Whose observations a vehicle measures its coverage on."""
    counts: bool = True
    """Vehicles tell how many of their observations each upload stands for (`stands_for`), and the
    cloud weighs by it. Ours, and it costs no bandwidth to speak of; the paper knows no such thing.
    With `observed="fleet"` the cloud sees all observations anyway."""


@dataclass(frozen=True, slots=True)
class FleetChoice:
    """Positions of observations: sent by vehicle after vehicle, and labeled, in order."""

    uploaded: tuple[int, ...]
    labeled: tuple[int, ...]


def choose_labels(
    candidates: Candidates,
    budget_micros: int,
    *,
    sender_N: npt.NDArray[np.intp] | None = None,
    observed: Candidates | None = None,
) -> list[int]:
    """Choose which uploaded frames to label, under money: stage 2.

    Parameters
    ----------
    candidates
        All uploads. `centers_LD`: what the cloud has; `price_micros_N`: 1 for each unless given;
        `scores_N`: what covering each frame is worth (at least 0), 1 unless given.
    sender_N
        Which vehicle sent each frame: the choice among each one's uploads alone is tried as well,
        and the best of all is given, as GreeDi asks.
    observed
        On what coverage is measured, if the cloud knows more than the uploads.

    Returns
    -------
    list of int
        Positions, best first; at most `budget_micros` together, and none that adds nothing.

    Raises
    ------
    BadInput
        No embeddings or ones that are not finite; a price or budget below 0.

    Notes
    -----
    At least (1 - 1/e)/2 of the best choice among the uploads, 1 - 1/e if all cost the same. Costs
    (L + N)·M·D multiply-adds for M observed frames and a few M·D for each pick; memory N·D.
    """
    rank_N = check(candidates, 0, NEEDS)
    price_N = _prices(candidates)
    _refuse_negative("price or budget", price_N, np.array([budget_micros]))
    ground = candidates if observed is None else observed
    coverage = _coverage(candidates, centers_of(candidates), ground)
    budget = Budget(price_N, np.array([budget_micros], dtype=np.int64))
    alone = [] if sender_N is None else [sender_N == one for one in np.unique(sender_N)]
    bounds_N = coverage.bounds()
    tried = [
        budgeted_greedy(coverage, [budget], rank_N, allowed_G=allowed_N, bounds_G=bounds_N)
        for allowed_N in [None, *(alone if len(alone) > 1 else [])]
    ]
    chosen, _ = max(tried, key=lambda one: one[1].value)
    return list(chosen.groups)


def stands_for(observed: Candidates, uploads_KD: Rows, known_LD: Rows | None = None) -> Floats:
    """Give how many of a vehicle's observations each of its uploads is the nearest thing to.

    Parameters
    ----------
    observed
        The vehicle's observations; `scores_N`: what each counts, 1 unless given.
    uploads_KD
        Embeddings of what it sends, in the order that decides between equally near ones.
    known_LD
        What the cloud has: observations that are at least as near to it count for no upload.

    Returns
    -------
    numpy.ndarray
        float64 [K]. The cloud, which never sees what stayed behind, weighs uploads by it: without,
        an odd frame counts as much as one that a thousand others look like.

    Notes
    -----
    Costs N·(K + L)·D multiply-adds.

    Examples
    --------
    >>> line = Candidates(np.array(["a", "b", "c"]), embeddings_ND=np.float32([[0], [1], [9]]))
    >>> stands_for(line, np.float32([[0], [8]])).tolist()
    [2.0, 1.0]
    """
    known_LD = uploads_KD[:0] if known_LD is None else known_LD
    if not len(uploads_KD):
        return np.zeros(0)
    there = np.concatenate([known_LD, uploads_KD])
    ground = np.argsort(tie_ranks(observed.frame_ids))
    worth_N = observed.scores_N
    nearest_M = nearest_center(embeddings_of(observed)[ground], there)
    counts = np.bincount(nearest_M, None if worth_N is None else worth_N[ground], len(there))
    return counts[len(known_LD) :].astype(np.float64)


def by_volume(fleet: Fleet, *, seed: int) -> FleetChoice:
    """Send what comes first until the bytes are full; label what arrives, vehicles in turn."""
    _check_fleet(fleet)
    drawn = order_of(fleet.candidates.frame_ids, seed=seed, step=STEP)
    uploads = [
        _affordable(drawn[own_N[drawn]], fleet.size_bytes_N, limit)
        for own_N, limit in _vehicles(fleet)
    ]
    return _labeled_as_sent(fleet, uploads)


def independent(fleet: Fleet, *, seed: int) -> FleetChoice:
    """Each vehicle chooses for itself, knowing neither the cloud's set nor the others.

    It knows what it has sent itself. The cloud labels the vehicles' first choices, in turn.
    """
    del seed
    rank_N = _check_fleet(fleet)
    sent_V = fleet.sent_V or [centers_of(fleet.candidates)[:0]] * len(fleet.budget_bytes_V)
    uploads = [
        _upload(fleet, rank_N, own_N, limit, sent_LD)
        for (own_N, limit), sent_LD in zip(_vehicles(fleet), sent_V, strict=True)
    ]
    return _labeled_as_sent(fleet, uploads)


def distributed(fleet: Fleet, *, seed: int) -> FleetChoice:
    """Each vehicle chooses given the cloud's set; the cloud chooses among all: both stages."""
    del seed
    rank_N, known_LD = _check_fleet(fleet), centers_of(fleet.candidates)
    uploads = [_upload(fleet, rank_N, own_N, limit, known_LD) for own_N, limit in _vehicles(fleet)]
    return _labeled_by_choice(fleet, uploads)


def interactive(fleet: Fleet, *, seed: int) -> FleetChoice:
    """Vehicles choose in turn, each given what those before it sent; then as `distributed`."""
    del seed
    rank_N, known_LD = _check_fleet(fleet), centers_of(fleet.candidates)
    uploads = list[list[int]]()
    for own_N, limit in _vehicles(fleet):
        uploads.append(_upload(fleet, rank_N, own_N, limit, known_LD))
        sent_KD = embeddings_of(fleet.candidates)[uploads[-1]]
        known_LD = np.concatenate([known_LD, sent_KD])
    return _labeled_by_choice(fleet, uploads)


def centralised(fleet: Fleet, *, seed: int) -> FleetChoice:
    """Choose the labels among all observations at once, each within its vehicle's bytes.

    What someone who sees everything would do: the others are measured against it.
    """
    del seed
    rank_N, candidates = _check_fleet(fleet), fleet.candidates
    coverage = _coverage(candidates, centers_of(candidates), candidates)
    budgets = [
        Budget(_prices(candidates), np.array([fleet.budget_micros], dtype=np.int64)),
        Budget(fleet.size_bytes_N, fleet.budget_bytes_V, fleet.vehicle_N),
    ]
    chosen, _ = budgeted_greedy(coverage, budgets, rank_N)
    return FleetChoice(chosen.groups, chosen.groups)


FLEET_POLICIES: Final[Mapping[str, Callable[..., FleetChoice]]] = {
    "by_volume": by_volume,
    "independent": independent,
    "distributed": distributed,
    "interactive": interactive,
    "centralised": centralised,
}


def _check_fleet(fleet: Fleet) -> Ranks:
    rank_N = check(fleet.candidates, 0, NEEDS)
    n, n_vehicles = len(fleet.candidates), len(fleet.budget_bytes_V)
    shapes = {fleet.vehicle_N.shape, fleet.size_bytes_N.shape}
    strangers = n and not (fleet.vehicle_N.min() >= 0 and fleet.vehicle_N.max() < n_vehicles)
    if shapes != {(n,)} or strangers:
        msg = (
            f"fleet: expected a size and one of {n_vehicles} vehicles for each of {n} "
            f"observations, found shapes {sorted(shapes)}"
        )
        raise BadInput(msg)
    _refuse_negative("size or budget", fleet.size_bytes_N, fleet.budget_bytes_V)
    _refuse_negative("price or budget", _prices(fleet.candidates), np.array([fleet.budget_micros]))
    return rank_N


def _refuse_negative(what: str, *amounts: Amounts) -> None:
    least = min(int(each.min(initial=0)) for each in amounts)
    if least < 0:
        msg = f"fleet: expected every {what} to be at least 0, found {least}"
        raise BadInput(msg)


def _prices(candidates: Candidates) -> Amounts:
    found = candidates.price_micros_N
    return np.ones(len(candidates), dtype=np.int64) if found is None else found


def _vehicles(fleet: Fleet) -> Iterator[tuple[Flags, int]]:
    for vehicle, limit in enumerate(fleet.budget_bytes_V.tolist()):
        yield fleet.vehicle_N == vehicle, limit


def _coverage(candidates: Candidates, known_LD: Rows, observed: Candidates) -> FacilityLocation:
    """Give the coverage of what was observed, in the order of its frame ids, by single frames."""
    ground = np.argsort(tie_ranks(observed.frame_ids))
    rows_MD, worth_M = embeddings_of(observed)[ground], observed.scores_N
    # Robots of one street see the same: one target that counts for all of them.
    first, target_M = np.unique(first_alike(rows_MD), return_inverse=True)
    weights = np.bincount(target_M, None if worth_M is None else worth_M[ground], len(first))
    return FacilityLocation(
        embeddings_of(candidates),
        rows_MD[first],
        known_LD=known_LD,
        similarity=SIMILARITY,
        weights_T=weights.astype(np.float64),
    )


def _part(candidates: Candidates, positions: Positions) -> Candidates:
    scores_N = candidates.scores_N
    return Candidates(
        frame_ids=candidates.frame_ids[positions],
        scores_N=None if scores_N is None else scores_N[positions],
        embeddings_ND=embeddings_of(candidates)[positions],
        centers_LD=candidates.centers_LD,
        price_micros_N=_prices(candidates)[positions],
    )


def _upload(
    fleet: Fleet, rank_N: Ranks, own_N: Flags, limit_bytes: int, known_LD: Rows
) -> list[int]:
    """Choose a vehicle's upload, best first: stage 1 with single observations."""
    own = np.flatnonzero(own_N)
    part = _part(fleet.candidates, own)
    coverage = _coverage(part, known_LD, part if fleet.observed == "own" else fleet.candidates)
    budget = Budget(fleet.size_bytes_N[own], np.array([limit_bytes], dtype=np.int64))
    chosen, _ = budgeted_greedy(coverage, [budget], rank_N[own])
    return [int(own[place]) for place in chosen.groups]


def _affordable(order: Positions, costs_N: Amounts, limit: int) -> list[int]:
    """Give the first of an order that can be paid for together; it ends with the first too dear."""
    return [int(pos) for pos in order[np.cumsum(costs_N[order]) <= limit]]


def _labeled_as_sent(fleet: Fleet, uploads: Sequence[Sequence[int]]) -> FleetChoice:
    turns = range(max((len(one) for one in uploads), default=0))
    in_turn = np.array(
        [one[turn] for turn in turns for one in uploads if turn < len(one)], dtype=np.intp
    )
    labeled = _affordable(in_turn, _prices(fleet.candidates), fleet.budget_micros)
    return FleetChoice(tuple(pos for one in uploads for pos in one), tuple(labeled))


def _labeled_by_choice(fleet: Fleet, uploads: Sequence[Sequence[int]]) -> FleetChoice:
    sent = np.array([pos for one in uploads for pos in one], dtype=np.intp)
    arrived = _part(fleet.candidates, sent)
    told = fleet.counts and fleet.observed == "own"
    labeled = choose_labels(
        replace(arrived, scores_N=_told(fleet, uploads)) if told else arrived,
        fleet.budget_micros,
        sender_N=fleet.vehicle_N[sent],
        observed=fleet.candidates if fleet.observed == "fleet" else None,
    )
    return FleetChoice(tuple(sent.tolist()), tuple(sent[labeled].tolist()))


def _told(fleet: Fleet, uploads: Sequence[Sequence[int]]) -> Floats:
    """Give what each upload stands for, vehicle after vehicle."""
    counts = [
        stands_for(
            _part(fleet.candidates, np.flatnonzero(own_N)),
            embeddings_of(fleet.candidates)[list(sent)],
            centers_of(fleet.candidates),
        )
        for (own_N, _), sent in zip(_vehicles(fleet), uploads, strict=True)
        if len(sent)
    ]
    return np.concatenate(counts) if counts else np.zeros(0)
