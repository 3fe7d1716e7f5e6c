"""Two sides of an inference find each other in any order, and each record is told exactly once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from winnow.adapters.frame_sources.payload_join import Again, Alone, Pair, joined


@dataclass(frozen=True)
class Side:
    key: int
    is_request: bool
    number: int
    """Where it stood in the log, to tell repetitions apart."""


SIDES = st.tuples(st.integers(0, 12), st.booleans())
LOGS = st.lists(SIDES, max_size=60).map(
    lambda sides: [Side(key, is_request, n) for n, (key, is_request) in enumerate(sides)]
)


@given(LOGS, st.randoms(use_true_random=False))
def test_the_order_of_the_log_changes_neither_pairs_nor_counts(
    log: list[Side], random: object
) -> None:
    shuffled = list(log)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    def told(halves: list[Side]) -> Counter[tuple[str, object]]:
        outcomes: Counter[tuple[str, object]] = Counter()
        for found in joined(halves):
            match found:
                case Pair(request, response):
                    assert request.is_request
                    assert not response.is_request
                    assert request.key == response.key
                    outcomes["pair", request.key] += 1
                case Alone(half) | Again(half):
                    outcomes[type(found).__name__, (half.key, half.is_request)] += 1
        return outcomes

    expected: Counter[tuple[str, object]] = Counter()
    counts = Counter((side.key, side.is_request) for side in log)
    for (key, is_request), n in counts.items():
        expected["Again", (key, is_request)] = n - 1
        if not counts[key, not is_request]:
            expected["Alone", (key, is_request)] = 1
        elif is_request:
            expected["pair", key] = 1
    assert told(log) == told(shuffled) == +expected


@given(LOGS, st.integers(1, 5))
def test_however_few_are_remembered_no_record_is_lost_or_told_twice(
    log: list[Side], window: int
) -> None:
    told: list[Side] = []
    for found in joined(log, window=window):
        told += [found.request, found.response] if isinstance(found, Pair) else [found.half]
    assert sorted(side.number for side in told) == list(range(len(log)))


@given(LOGS, st.integers(1, 5))
def test_what_lies_close_enough_is_joined_with_few_remembered(log: list[Side], window: int) -> None:
    """Only so many keys can stand between the sides of a pair that is still found."""
    once = {(side.key, side.is_request): side for side in reversed(log)}
    pairs = {found.request.key for found in joined(log, window=window) if isinstance(found, Pair)}
    for (key, is_request), side in once.items():
        other = once.get((key, not is_request))
        if other is None or not is_request:
            continue
        first, last = sorted((side.number, other.number))
        between = {log[number].key for number in range(first, last)}
        if len(between) <= window:
            assert key in pairs
