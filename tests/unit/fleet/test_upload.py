"""Stage 1: given a vehicle with these segments and these limits, this upload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, combinations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.domain.errors import BadInput
from winnow.strategies.protocol import Candidates
from winnow.strategies.segments import Segment, segments_of
from winnow.strategies.upload import UploadChoice, choose_uploads
from winnow.strategies.upload_limits import UploadLimits

HOUR = 3_600_000_000
FREE = UploadLimits(budget_bytes=10**9, now_us=0)


def frames(places: Sequence[float], *, known: Sequence[float] | None = None) -> Candidates:
    """Frames on a line; far places look different."""
    ids = np.array([f"{number:032x}" for number in range(len(places))])
    return Candidates(
        ids,
        embeddings_ND=np.array(places, dtype=np.float32)[:, None],
        centers_LD=None if known is None else np.array(known, dtype=np.float32)[:, None],
    )


def segments(sizes: list[int], *, frames_each: int = 2, **fields: object) -> list[Segment]:
    return [
        Segment(
            name=f"s/{number:04d}",
            positions=np.arange(number * frames_each, (number + 1) * frames_each),
            size_bytes=size,
            captured_until_us=number * HOUR,
            **fields,  # type: ignore[arg-type]
        )
        for number, size in enumerate(sizes)
    ]


def names(choice: UploadChoice, of: list[Segment]) -> list[str]:
    return [of[group].name for group in choice.order]


def test_the_vehicle_sends_what_the_cloud_does_not_know() -> None:
    four = segments([10, 10, 10, 10])
    places = [0, 1, 500, 501, 900, 901, 2, 3]
    choice = choose_uploads(
        frames(places, known=[0, 1, 2, 3]), four, replace(FREE, budget_bytes=20)
    )
    assert sorted(names(choice, four)) == ["s/0001", "s/0002"]
    assert choice.used_bytes == 20
    passed = [verdict for verdict in choice.verdicts if verdict.rank is None]
    assert [verdict.reason for verdict in passed] == [
        "adds nothing to what the cloud and this upload show"
    ] * 2
    assert choice.coverage_after == pytest.approx(8.0, abs=0.05)


def test_of_two_equal_segments_one_is_sent_the_one_that_comes_first_by_name() -> None:
    two = segments([10, 10])
    choice = choose_uploads(frames([5, 9, 5, 9]), two, FREE)
    assert names(choice, two) == ["s/0000"]


def test_a_segment_larger_than_the_budget_is_told_apart_from_one_that_does_not_fit() -> None:
    three = segments([50, 8, 7])
    choice = choose_uploads(
        frames([0, 1, 300, 301, 900, 901]), three, replace(FREE, budget_bytes=10)
    )
    reasons = [verdict.reason for verdict in choice.verdicts]
    assert reasons[0] == "larger than the budget: 50 of 10 bytes"
    assert len(choice.order) == 1
    (other,) = {1, 2} - set(choice.order)
    left = 10 - choice.used_bytes
    assert reasons[other].startswith("does not fit beside better ones: ")
    assert reasons[other].endswith(f"{left} were left")


def test_without_bytes_nothing_is_sent_and_everything_has_a_reason() -> None:
    two = segments([10, 10])
    choice = choose_uploads(frames([0, 1, 5, 6]), two, replace(FREE, budget_bytes=0))
    assert (choice.order, choice.used_bytes) == ((), 0)
    assert {verdict.reason for verdict in choice.verdicts} == {
        "larger than the budget: 10 of 0 bytes"
    }
    assert choice.coverage_before == choice.coverage_after == choice.coverage_ceiling


def test_a_vehicle_without_segments_sends_nothing() -> None:
    choice = choose_uploads(frames([]), [], FREE)
    assert (choice.order, choice.verdicts) == ((), ())


def test_what_would_be_lost_before_the_next_window_goes_first() -> None:
    old, new = segments([10, 10])
    both = [replace(old, deadline_us=2 * HOUR), replace(new, deadline_us=90 * HOUR)]
    limits = replace(FREE, budget_bytes=10, now_us=HOUR, next_window_us=24 * HOUR)
    candidates = frames([0, 1, 800, 1600], known=[0, 2])  # the new one shows far more
    first = choose_uploads(candidates, both, limits)
    assert names(first, both) == ["s/0000"]
    assert first.verdicts[0].reason.endswith("; its last chance")
    assert (first.verdicts[1].last_chance, first.verdicts[1].kept) == (False, True)
    alike = choose_uploads(candidates, both, replace(limits, last_chance="alike"))
    assert names(alike, both) == ["s/0001"]
    assert (alike.verdicts[0].last_chance, alike.verdicts[0].kept) == (True, False)


def test_after_its_retention_a_segment_is_never_sent() -> None:
    one = segments([10], deadline_us=HOUR)
    choice = choose_uploads(frames([0, 1]), one, replace(FREE, now_us=HOUR + 1))
    assert choice.order == ()
    assert choice.verdicts[0].reason == "its retention ended at 1970-01-01T01:00:00+00:00"
    assert not choice.verdicts[0].kept
    assert choose_uploads(frames([0, 1]), one, replace(FREE, now_us=HOUR)).order == (0,)


def test_storage_limits_the_upload_and_overwrites_the_oldest_of_the_rest() -> None:
    four = segments([10, 10, 10, 10])
    candidates = frames([0, 1, 300, 301, 600, 601, 900, 901])
    limits = replace(FREE, budget_bytes=100, storage_bytes=20, last_chance="alike")
    choice = choose_uploads(candidates, four, limits)
    assert choice.used_bytes == 20
    assert sum(verdict.kept for verdict in choice.verdicts) == 2  # what is sent, and nothing else
    assert [verdict.last_chance for verdict in choice.verdicts] == [True, True, False, False]
    wide = choose_uploads(candidates, four, replace(limits, storage_bytes=30, budget_bytes=10))
    kept = [verdict.kept for verdict in wide.verdicts]
    newest = [group for group in (3, 2, 1, 0) if group not in wide.order][:2]
    assert [group for group in range(4) if kept[group]] == sorted([*wide.order, *newest])


def test_a_segment_larger_than_the_storage_is_no_choice() -> None:
    one = segments([30])
    choice = choose_uploads(frames([0, 1]), one, replace(FREE, storage_bytes=20))
    assert choice.verdicts[0].reason == "larger than the storage: 30 of 20 bytes"


def test_uncertain_frames_are_covered_first() -> None:
    two = segments([10, 10])
    candidates = frames([0, 1, 900, 901])
    for uncertain, expected in ((0, "s/0000"), (2, "s/0001")):
        scores = np.full(4, 0.1)
        scores[uncertain : uncertain + 2] = 1.0
        choice = choose_uploads(
            replace(candidates, scores_N=scores), two, replace(FREE, budget_bytes=10)
        )
        assert names(choice, two) == [expected]


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"limits": replace(FREE, budget_bytes=-1)}, "budget of at least 0 bytes, found -1"),
        ({"limits": replace(FREE, storage_bytes=-2)}, "storage of at least 0 bytes, found -2"),
        ({"observations_max": 0}, "at least 1 observation"),
        ({"segments": segments([1, 1], frames_each=1) + segments([1], frames_each=1)}, "disjoint"),
        ({"segments": [replace(segments([1])[0], positions=np.array([], np.intp))]}, "1 without"),
        ({"candidates": replace(frames([0, 1]), embeddings_ND=None)}, "embeddings_ND"),
        ({"candidates": frames([0, float("nan")])}, "finite"),
        ({"candidates": replace(frames([0, 1]), scores_N=np.array([1.0, -1.0]))}, "at least 0"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object], expected: str) -> None:
    given_ = {"candidates": frames([0, 1]), "segments": segments([1]), "limits": FREE, **wrong}
    with pytest.raises(BadInput, match=expected):
        choose_uploads(**given_)  # type: ignore[arg-type]


def a_vehicle(seed: int, *, n: int = 14) -> tuple[Candidates, list[Segment]]:
    rng = np.random.default_rng(seed)
    ids = np.array([rng.bytes(16).hex() for _ in range(n)])
    rows = (rng.normal(0, 300, (n, 2)) // 50 * 50).astype(np.float32)
    cut = segments_of(
        np.sort(rng.choice(["a", "b"], n)),
        rng.integers(0, 20, n) * 1_000_000,
        rng.integers(1, 9, n),
        frames_max=3,
        gap_us=4_000_000,
    )
    return Candidates(ids, embeddings_ND=rows, centers_LD=rows[:2] + np.float32(10)), cut


def affordable(cut: list[Segment], limit: int) -> list[tuple[int, ...]]:
    choices = chain.from_iterable(combinations(range(len(cut)), k) for k in range(len(cut) + 1))
    return [one for one in choices if sum(cut[group].size_bytes for group in one) <= limit]


def covered(candidates: Candidates, cut: list[Segment], choice: tuple[int, ...]) -> float:
    rows, known = candidates.embeddings_ND, candidates.centers_LD
    assert rows is not None
    assert known is not None
    positions = [pos for group in choice for pos in cut[group].positions]
    there = np.concatenate([known, rows[positions]]).astype(np.float64)
    distance = np.sqrt(((rows[:, None].astype(np.float64) - there) ** 2).sum(axis=2))
    return float((1 / (1 + 0.01 * distance)).max(axis=1).sum())


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(0, 40))
def test_the_promise_holds_and_the_ceiling_is_one(seed: int, budget: int) -> None:
    candidates, cut = a_vehicle(seed, n=12)
    choice = choose_uploads(candidates, cut, replace(FREE, budget_bytes=budget))
    best = max(covered(candidates, cut, one) for one in affordable(cut, budget))
    assert choice.coverage_after == pytest.approx(covered(candidates, cut, choice.order))
    gained, possible = (end - choice.coverage_before for end in (choice.coverage_after, best))
    assert gained >= (1 - 1 / np.e) / 2 * possible - 1e-9
    assert best <= choice.coverage_ceiling + 1e-9
    assert choice.used_bytes <= budget


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_the_order_of_frames_and_segments_changes_no_bit(seed: int) -> None:
    candidates, cut = a_vehicle(seed)
    limits = replace(FREE, budget_bytes=30, storage_bytes=60, now_us=0)
    choice = choose_uploads(candidates, cut, limits, observations_max=9)
    rng = np.random.default_rng(seed)
    order, turned = rng.permutation(len(candidates)), rng.permutation(len(cut)).tolist()
    place = np.argsort(order)
    rows = candidates.embeddings_ND
    assert rows is not None
    shuffled = replace(candidates, frame_ids=candidates.frame_ids[order], embeddings_ND=rows[order])
    moved = [replace(cut[group], positions=place[cut[group].positions]) for group in turned]
    again = choose_uploads(shuffled, moved, limits, observations_max=9)
    assert names(again, moved) == names(choice, cut)
    by_name = {cut[group].name: choice.verdicts[group] for group in range(len(cut))}
    assert {moved[g].name: again.verdicts[g] for g in range(len(cut))} == by_name
    assert replace(again, verdicts=(), order=()) == replace(choice, verdicts=(), order=())


def test_coverage_on_a_sample_of_observations_is_an_estimate_of_that_on_all() -> None:
    candidates, cut = a_vehicle(3, n=400)
    whole = choose_uploads(candidates, cut, replace(FREE, budget_bytes=100))
    part = choose_uploads(
        candidates, cut, replace(FREE, budget_bytes=100), seed=5, observations_max=200
    )
    assert part.n_observations == 200
    assert part.coverage_before / 200 == pytest.approx(whole.coverage_before / 400, rel=0.1)


def test_later_recordings_change_no_full_segment() -> None:
    sessions = np.array(["a"] * 5)
    times: npt.NDArray[np.int64] = np.arange(5) * 1_000_000
    sizes = np.ones(5, dtype=np.int64)
    early = segments_of(sessions[:4], times[:4], sizes[:4], frames_max=2, gap_us=HOUR)
    late = segments_of(sessions, times, sizes, frames_max=2, gap_us=HOUR, retention_us=HOUR)
    assert [one.name for one in late] == ["a/0000", "a/0001", "a/0002"]
    for one, other in zip(early, late, strict=False):
        assert one.positions.tolist() == other.positions.tolist()
    assert [one.deadline_us for one in late] == [
        HOUR + 1_000_000,
        HOUR + 3_000_000,
        HOUR + 4_000_000,
    ]
    with pytest.raises(BadInput, match="at least 1 frame"):
        segments_of(sessions, times, sizes, frames_max=0, gap_us=HOUR)
