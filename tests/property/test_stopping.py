"""Stopping rules on any progress: they never fail, and what is not measured never stops."""

from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from winnow.policy.stopping import next_batch_size, rules_of, stop_record, verdicts_of
from winnow.policy.stopping_section import BatchSizeSection, StoppingSection
from winnow.stopping import ClassRecall, Progress, SliceRecall, first_to_stop

RATIO = st.floats(0, 1)
CLASSES = st.builds(ClassRecall, st.sampled_from("abc"), RATIO, st.integers(0, 99))
SLICES = st.builds(
    SliceRecall,
    st.sampled_from("abc"),
    st.sampled_from(["night", "fog"]),
    RATIO,
    st.integers(0, 99),
)
EVERYTHING = StoppingSection(
    rounds_max=1000, labels_max=500, accuracy_target=0.9, plateau_rounds=2, gain_min=0.01,
    forecast_gain_min=0.01, knee_rounds=1, kappa_min=0.9, weight_change_max=0.1,
    mean_entropy_max=0.2, budget_frames_min=5, return_min=0.01, break_even=True, class_rounds=1,
)  # fmt: skip


@st.composite
def progresses(draw: st.DrawFn) -> Progress:
    n = draw(st.integers(0, 8))

    def series(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
        whole = st.lists(st.none() | values, min_size=n, max_size=n).map(tuple)
        return st.just(()) | whole

    ratios = series(RATIO)
    amounts = series(st.integers(0, 10**12))
    return draw(
        st.builds(
            Progress,
            n_rounds=st.just(n),
            accuracies=ratios,
            accuracy_errors=ratios,
            n_labels=amounts,
            spent_micros=amounts,
            recalls=st.just(())
            | st.lists(st.lists(CLASSES, max_size=3).map(tuple), min_size=n, max_size=n).map(tuple),
            slice_recalls=st.lists(SLICES, max_size=3).map(tuple),
            kappas=series(st.floats(-1, 1)),
            weight_changes=series(st.floats(0, 10)),
            mean_entropies=ratios,
            n_unlabeled=st.none() | st.integers(0, 10**9),
            available_micros=st.none() | st.integers(-(10**9), 10**12),
            frame_price_micros=st.none() | st.integers(0, 10**9),
        )
    )


@given(progresses())
def test_every_rule_gives_a_verdict_that_can_be_stored(progress: Progress) -> None:
    verdicts = verdicts_of(EVERYTHING, progress)
    assert len(verdicts) == len(rules_of(EVERYTHING))
    for verdict in verdicts:
        assert verdict.reason
        assert all(v is None or math.isfinite(v) for _, v in verdict.numbers)
        assert not (verdict.stop and verdict.reason.startswith("not measurable"))
    assert json.loads(stop_record(verdicts))["stop"] == (first_to_stop(verdicts) is not None)


@given(st.integers(0, 20))
def test_without_measurements_only_the_count_of_rounds_can_stop(n_rounds: int) -> None:
    for bare in (Progress(n_rounds, ()), Progress(n_rounds, (None,) * n_rounds)):
        assert first_to_stop(verdicts_of(EVERYTHING, bare)) is None
        counted = EVERYTHING.model_copy(update={"rounds_max": 5})
        stopper = first_to_stop(verdicts_of(counted, bare))
        assert (stopper is not None) == (n_rounds >= 5)


@given(progresses())
def test_batches_never_grow_and_stay_in_their_bounds(progress: Progress) -> None:
    section = BatchSizeSection(start=800, end=50)
    sizes = [next_batch_size(section, progress.until(n)).size for n in range(progress.n_rounds + 1)]
    assert sizes == sorted(sizes, reverse=True)
    assert all(50 <= size <= 800 for size in sizes)
