"""Coverage: against full evaluation of the objective at every pick, and against the optimum."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.constraints.caps import AtMost
from winnow.domain.errors import BadInput
from winnow.strategies import kinds
from winnow.strategies.coverage import Coverage
from winnow.strategies.protocol import Candidates, Column

Frame = tuple[str, str, float, int]
"""Vehicle, site, speed, score."""
SPEEDS = st.sampled_from([0.0, 4.9, 5.0, 12.0, math.nan])
FRAMES = st.lists(
    st.tuples(st.sampled_from(["v", "w", "x"]), st.sampled_from("ab"), SPEEDS, st.integers(0, 3)),
    min_size=1,
    max_size=16,
)
EDGES = {"speed": (5.0, 10.0)}


def columns(frames: Sequence[Frame]) -> dict[str, Column]:
    return {
        "vehicle": np.array([frame[0] for frame in frames]),
        "site": np.array([frame[1] for frame in frames]),
        "speed": np.array([frame[2] for frame in frames]),
    }


def pool(frames: Sequence[Frame], labeled: Sequence[Frame] = ()) -> Candidates:
    return Candidates(
        frame_ids=np.array([f"{i:032x}" for i in range(len(frames))]),
        scores_N=np.array([float(frame[3]) for frame in frames]),
        columns=columns(frames),
        labeled_columns=columns(labeled) if labeled else {},
    )


def cells(frame: Frame) -> list[object]:
    speed = frame[2]
    place = -1 if math.isnan(speed) else int(np.digitize(speed, EDGES["speed"]))
    return [("v", frame[0]), ("s", frame[1]), ("both", frame[1], place)]


def gain(frame: Frame, counts: Counter[object]) -> float:
    return sum(math.sqrt(counts[c] + 1) - math.sqrt(counts[c]) for c in cells(frame))


@given(
    frames=FRAMES,
    labeled=st.one_of(st.just([]), FRAMES),
    share=st.floats(0, 1),
    cap=st.integers(1, 4),
    block=st.sampled_from([1, 2, 256]),
)
def test_every_pick_is_one_that_adds_most(
    frames: list[Frame], labeled: list[Frame], share: float, cap: int, block: int
) -> None:
    n = round(len(frames) * share)
    strategy = Coverage(columns=("vehicle", "site"), cells=("site", "speed"), edges=EDGES)
    at_most = AtMost(np.array([frame[0] for frame in frames]), cap, "vehicle")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinds, "BLOCK", block)
        picks = strategy.choose(pool(frames, labeled), n, seed=0, constraints=[at_most])
    counts: Counter[object] = Counter(cell for frame in labeled for cell in cells(frame))
    vehicles: Counter[str] = Counter()
    left = list(range(len(frames)))
    for pick in picks:
        may = [pos for pos in left if vehicles[frames[pos][0]] < cap]
        best = max(gain(frames[pos], counts) for pos in may)
        assert pick.utility == pytest.approx(best)
        ties = [pos for pos in may if gain(frames[pos], counts) > best - 1e-9]
        assert pick.pos == max(ties, key=lambda pos: (frames[pos][3], -pos))
        counts.update(cells(frames[pick.pos]))
        vehicles[frames[pick.pos][0]] += 1
        left.remove(pick.pos)
    assert len(picks) == n or not [pos for pos in left if vehicles[frames[pos][0]] < cap]


@given(frames=FRAMES, share=st.floats(0, 1))
def test_one_division_is_covered_as_well_as_can_be_and_several_to_their_bound(
    frames: list[Frame], share: float
) -> None:
    frames = frames[:9]
    n = round(len(frames) * share)

    def worth(chosen: Sequence[int], n_kinds: int) -> float:
        counts = Counter(c for pos in chosen for c in cells(frames[pos])[:n_kinds])
        return sum(math.sqrt(count) for count in counts.values())

    for names, bound in ((("vehicle",), 1.0), (("vehicle", "site"), 1 - 1 / math.e)):
        picks = Coverage(columns=names).choose(pool(frames), n, seed=0)
        found = worth([pick.pos for pick in picks], len(names))
        batches = combinations(range(len(frames)), n)
        assert found >= bound * max(worth(batch, len(names)) for batch in batches) - 1e-9


def test_cells_and_their_counts_are_told() -> None:
    frames: list[Frame] = [("v", "a", 7.0, 1), ("v", "", math.nan, 2), ("w", "a", 3.0, 0)]
    strategy = Coverage(columns=("vehicle",), cells=("site", "speed"), edges=EDGES)
    picks = strategy.choose(pool(frames, [("v", "a", 12.0, 0)]), 3, seed=0)
    assert [pick.reason for pick in picks] == [
        "vehicle=w: 0 chosen or labeled; site=a, speed below 5: 0 chosen or labeled; score 0.000",
        "vehicle=v: 1 chosen or labeled; site=unknown, speed=unknown: 0 chosen or labeled; "
        "score 2.000",
        "vehicle=v: 2 chosen or labeled; site=a, speed 5 to 10: 0 chosen or labeled; score 1.000",
    ]
    above = strategy.choose(pool([("v", "a", 10.0, 1)]), 1, seed=0)
    assert "site=a, speed from 10: 0 chosen" in above[0].reason


def test_without_scores_ids_decide() -> None:
    frames: list[Frame] = [("v", "a", 0.0, 1), ("v", "a", 0.0, 2)]
    for use_scores, expected in ((True, 1), (False, 0)):
        strategy = Coverage(columns=("vehicle",), use_scores=use_scores)
        assert ("scores" in strategy.needs) == use_scores
        assert strategy.choose(pool(frames), 1, seed=0)[0].pos == expected


def test_a_column_that_nobody_can_count_is_refused() -> None:
    candidates = pool([("v", "a", 1.0, 1)], [("v", "a", 1.0, 1)])
    with pytest.raises(BadInput, match="found neither"):
        Coverage(columns=())
    hint = "; numbers that are names belong into a column of texts"
    with pytest.raises(BadInput, match=f"some for the numbers of 'speed', found none{hint}"):
        Coverage(columns=("speed",)).choose(candidates, 1, seed=0)
    for name, edges in (("speed", (2.0, 1.0)), ("speed", ()), ("site", (1.0,))):
        with pytest.raises(BadInput, match="rising numbers"):
            Coverage(columns=(name,), edges={name: edges}).choose(candidates, 1, seed=0)
    other = Candidates(
        candidates.frame_ids,
        scores_N=candidates.scores_N,
        columns={"vehicle": np.array([1])},
        labeled_columns={"vehicle": np.array(["v"])},
    )
    with pytest.raises(BadInput, match="labeled_columns: expected int64 in 'vehicle'"):
        Coverage(columns=("vehicle",)).choose(other, 1, seed=0)
