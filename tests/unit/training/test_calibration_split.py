"""Which labels fit the temperatures: sessions and duplicates are on one side, where that can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from retrain.calibration_split import calibration_mask, n_divided
from retrain.data import Pack
from winnow.domain.blob_ref import BlobRef
from winnow.tasks.examples import Examples, examples_of

NOWHERE = BlobRef("b", "k", "0" * 64, 1, "x")


def pack(n: int, **columns: Sequence[str | None]) -> Pack:
    return Pack(
        frame_ids=tuple(f"f{pos:04d}" for pos in range(n)),
        pixels=NOWHERE,
        values=NOWHERE,
        counts=NOWHERE,
        sizes=NOWHERE,
        inclusion_probabilities=(None,) * n,
        n_left_out=0,
        **{name: tuple(values) for name, values in columns.items()},
    )


def labels(classes: Sequence[int]) -> Examples:
    targets = [np.full((1, 1), one, np.float32) for one in classes]
    return examples_of(np.zeros((len(classes), 3, 1, 1), np.uint8), targets)


def test_whole_sessions_and_duplicates_are_kept_out_near_the_share() -> None:
    n = 400
    sessions = [f"s{pos // 8}" for pos in range(n)]
    # A near-duplicate in the next session ties both together.
    clusters = [f"c{pos - 8 if pos % 80 == 8 else pos}" for pos in range(n)]
    document, examples = pack(n, sessions=sessions, clusters=clusters), labels([0, 1] * (n // 2))
    kept_out = calibration_mask(document, examples, 0.1)
    assert 20 <= kept_out.sum() <= 80
    for names in (sessions, clusters):
        sides = {(name, kept) for name, kept in zip(names, kept_out.tolist(), strict=True)}
        assert max(Counter(name for name, _ in sides).values()) == 1
    assert n_divided(document, kept_out) == 0


def test_later_rounds_keep_the_same_sessions_out() -> None:
    sessions = [f"s{pos // 5}" for pos in range(600)]
    earlier, later = (
        calibration_mask(pack(n, sessions=sessions[:n]), labels([0] * n), 0.1) for n in (300, 600)
    )
    assert earlier.any()
    assert (later[:300] == earlier).all()


@pytest.mark.parametrize("sessions", [[], [None] * 100, [""] * 100])
def test_without_sessions_frames_are_taken_one_by_one(sessions: list[str | None]) -> None:
    document = pack(100, sessions=sessions)
    kept_out = calibration_mask(document, labels([0] * 100), 0.1)
    assert 5 <= kept_out.sum() <= 20
    assert n_divided(document, kept_out) == 0


def test_sessions_too_long_to_keep_out_are_divided_and_told() -> None:
    document = pack(120, sessions=["a"] * 50 + ["b"] * 70)
    kept_out = calibration_mask(document, labels([0] * 120), 0.1)
    assert 6 <= kept_out.sum() <= 24
    assert n_divided(document, kept_out) == 2


def test_the_session_that_holds_a_rare_class_stays_in_training() -> None:
    sessions = [f"s{pos // 10}" for pos in range(100)]
    for rare in range(10):
        classes = [int(session == f"s{rare}") for session in sessions]
        kept_out = calibration_mask(pack(100, sessions=sessions), labels(classes), 0.2)
        assert 10 <= kept_out.sum() <= 40
        assert not kept_out[np.array(classes) == 1].any()


def test_of_a_class_with_one_label_nothing_is_kept_out() -> None:
    kept_out = calibration_mask(pack(10), labels(range(10)), 0.4)
    assert not kept_out.any()
    assert not calibration_mask(pack(20), labels([0] * 20), 0.0).any()
    assert not calibration_mask(pack(0), labels([0]).take([]), 0.1).any()
