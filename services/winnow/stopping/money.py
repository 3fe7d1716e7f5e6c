"""Stop when money cannot buy a useful batch, or when choosing costs more than it saves."""

from __future__ import annotations

from dataclasses import dataclass

from winnow.domain.errors import BadInput
from winnow.stopping.progress import Progress, newest
from winnow.stopping.verdict import Numbers, Verdict, not_measurable


@dataclass(frozen=True, slots=True)
class BudgetLeft:
    """Stop when the money that is left buys fewer frames than a useful batch has."""

    frames_min: int

    def decide(self, progress: Progress) -> Verdict:
        """Give the verdict after the newest round."""
        available, price = progress.available_micros, progress.frame_price_micros
        numbers: Numbers = (
            ("available_micros", available),
            ("frame_price_micros", price),
            ("frames_min", self.frames_min),
        )
        if available is None or price is None:
            return not_measurable("budget_left", "no budget or no price is known", numbers)
        if price <= 0:
            return Verdict("budget_left", stop=False, reason="labels are free", numbers=numbers)
        n_frames = max(0, available) // price
        numbers = (*numbers, ("n_affordable", n_frames))
        reason = f"money for {n_frames} frames, a useful batch has {self.frames_min}"
        return Verdict("budget_left", n_frames < self.frames_min, reason, numbers)


@dataclass(frozen=True, slots=True)
class Costs:
    """What labeling costs beside money for labels. Whole micros of one currency."""

    frame_price_micros: int
    """One label, all annotations and inspections of the frame together."""
    round_micros: int
    """Overhead of every round: people who prepare, review and wait; scoring the pool."""
    training_micros: int
    """Training a committee once."""


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Choosing in rounds against labeling everything in one go. Whole micros."""

    everything_micros: int
    """Labels of the whole pool, one overhead, one training."""
    so_far_micros: int
    """What choosing has cost until now."""
    next_round_micros: int
    """What one more round costs."""
    rest_micros: int
    """What labeling all the rest at once would cost now."""
    n_labels_even: int
    """Most labels that choosing may need and still cost no more than labeling everything."""
    n_rounds_left: int
    """Rounds that cost no more than labeling all the rest now."""

    @property
    def pays(self) -> bool:
        """Tell whether one more round pays.

        With it choosing costs no more in all than labeling everything, and it is cheaper than
        labeling the rest at once.
        """
        in_all = self.so_far_micros + self.next_round_micros
        return in_all <= self.everything_micros and self.next_round_micros < self.rest_micros


def break_even(
    costs: Costs,
    *,
    n_pool: int,
    n_labels: int,
    n_rounds: int,
    batch_size: int,
    spent_micros: int | None = None,
) -> BreakEven:
    """Compare choosing in rounds with labeling everything.

    Parameters
    ----------
    n_pool
        Frames in all, labeled or not.
    n_labels, n_rounds
        Labels and rounds until now.
    batch_size
        Frames of each round.
    spent_micros
        What labels have really cost until now; without it their number times the price.

    Raises
    ------
    BadInput
        A negative number, no batch, or more labels than frames.

    Notes
    -----
    Choosing L labels costs L·price + ⌈L / batch⌉·(overhead + training); everything costs N·price +
    overhead + training. `n_labels_even` is the largest L for which the first is not larger. Whole
    numbers throughout.

    Examples
    --------
    >>> found = break_even(Costs(100, 4_000, 1_000), n_pool=1_000, n_labels=400, n_rounds=4,
    ...     batch_size=100)
    >>> found.n_labels_even, found.pays
    (700, True)
    """
    _check(costs, n_pool, n_labels, n_rounds, batch_size)
    price, fixed = costs.frame_price_micros, costs.round_micros + costs.training_micros
    everything = n_pool * price + fixed
    labels_micros = n_labels * price if spent_micros is None else spent_micros
    n_rest = n_pool - n_labels
    next_round = min(batch_size, n_rest) * price + fixed
    rest = n_rest * price + fixed
    return BreakEven(
        everything_micros=everything,
        so_far_micros=labels_micros + n_rounds * fixed,
        next_round_micros=next_round,
        rest_micros=rest,
        n_labels_even=min(n_pool, _n_labels_for(everything, price, fixed, batch_size, n_pool)),
        n_rounds_left=rest // next_round if next_round else n_rest // batch_size,
    )


@dataclass(frozen=True, slots=True)
class BreakEvenRule:
    """Stop when choosing no longer pays against labeling everything."""

    round_micros: int
    """Overhead of every round."""
    training_micros: int
    """Training a committee once."""
    batch_size: int | None = None
    """Frames of the next rounds; none takes the labels that the newest round brought."""

    def decide(self, progress: Progress) -> Verdict:
        """Give the verdict after the newest round."""
        n_labels = progress.n_labels[-1] if progress.n_labels else None
        n_left, price = progress.n_unlabeled, progress.frame_price_micros
        if n_labels is None or n_left is None or price is None:
            why = "labels, unlabeled frames or their price are not known"
            return not_measurable("break_even", why)
        spent = newest(progress.spent_micros, progress.n_rounds)
        before = progress.n_labels[-2] if progress.n_rounds > 1 else 0
        batch_size = self.batch_size or n_labels - (before or 0)
        if batch_size < 1:
            return not_measurable("break_even", "the newest round brought no labels")
        found = break_even(
            Costs(price, self.round_micros, self.training_micros),
            n_pool=n_labels + n_left,
            n_labels=n_labels,
            n_rounds=progress.n_rounds,
            batch_size=batch_size,
            spent_micros=None if spent is None else sum(spent),
        )
        numbers: Numbers = (
            ("everything_micros", found.everything_micros),
            ("so_far_micros", found.so_far_micros),
            ("next_round_micros", found.next_round_micros),
            ("rest_micros", found.rest_micros),
            ("n_labels", n_labels),
            ("n_labels_even", found.n_labels_even),
            ("n_rounds_left", found.n_rounds_left),
        )
        return Verdict("break_even", not found.pays, _told(found, n_labels), numbers)


def _told(found: BreakEven, n_labels: int) -> str:
    even = f"even with labeling everything at {found.n_labels_even} labels, {n_labels} so far"
    if found.pays:
        return f"choosing pays: {even}"
    if found.next_round_micros >= found.rest_micros:
        return "one more round costs as much as labeling all the rest: label the rest"
    return f"choosing no longer pays: {even}"


def _n_labels_for(micros: int, price: int, fixed: int, batch_size: int, n_pool: int) -> int:
    """Give how many labels in rounds of this size an amount buys."""
    whole_round = batch_size * price + fixed
    if not whole_round:
        return n_pool
    n_whole, left = divmod(micros, whole_round)
    extra = max(0, left - fixed) // price if price else 0
    return n_whole * batch_size + extra


def _check(costs: Costs, n_pool: int, n_labels: int, n_rounds: int, batch_size: int) -> None:
    amounts = (costs.frame_price_micros, costs.round_micros, costs.training_micros)
    if min(*amounts, n_labels, n_rounds) < 0 or batch_size < 1 or n_labels > n_pool:
        msg = (
            "break-even: expected amounts and counts of at least 0, a batch of at least 1 and at "
            f"most {n_pool} labels, found {amounts}, {n_labels} labels, {n_rounds} rounds, batch "
            f"{batch_size}"
        )
        raise BadInput(msg)
