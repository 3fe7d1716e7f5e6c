"""Sessions are drawn whole, and slices cut where tags say."""

from __future__ import annotations

import numpy as np
import pytest

from winnow.calibration.slices import slices_of
from winnow.estimation.session_bootstrap import session_intervals, session_weights


def test_frames_of_a_session_come_together() -> None:
    sessions = ["a"] * 3 + ["b"] * 2 + ["c"]
    weights = session_weights(sessions, rng=np.random.default_rng(1), draws=50)
    assert (weights[:, :3] == weights[:, :1]).all()
    assert (weights[:, 3] == weights[:, 4]).all()
    assert (weights[:, 0] + weights[:, 3] + weights[:, 5] == 3).all()


def test_the_interval_is_that_of_the_mean_of_sessions() -> None:
    rng = np.random.default_rng(2)
    means = rng.normal(size=60)
    values_N = np.repeat(means, 10)
    sessions = [f"s{n:02}" for n in np.repeat(np.arange(60), 10)]

    def mean(weights_N: object) -> dict[str, float]:
        return {"mean": float(np.average(values_N, weights=np.asarray(weights_N)))}

    low, high = session_intervals(mean, sessions, rng=rng, draws=2000)["mean"]
    half = 1.96 * means.std() / np.sqrt(60)
    assert (low, high) == pytest.approx((means.mean() - half, means.mean() + half), abs=0.15 * half)


def test_of_one_session_nothing_is_claimed() -> None:
    assert session_intervals(lambda w: {"x": 1.0}, ["s"] * 9, rng=np.random.default_rng(0)) == {}


def test_what_is_rarely_defined_has_no_interval() -> None:
    def rare(weights_N: object) -> dict[str, float]:
        weights = np.asarray(weights_N)
        return {"often": 1.0, "rare": 1.0 if weights[0] == 2 else float("nan")}

    found = session_intervals(rare, ["a", "b", "c"], rng=np.random.default_rng(0))
    assert set(found) == {"often"}


def test_slices_come_from_columns_and_tags() -> None:
    tags = ['{"time":"night","wet":true}'] * 4 + ['{"time":"day"}'] * 6
    found = slices_of({"site": ["here"] * 10, "vehicle": ["v1", "v2"] * 5}, tags=tags, frames_min=4)
    assert {name: int(rows.sum()) for name, rows in found.items()} == {
        "time=day": 6, "time=night": 4, "vehicle=v1": 5, "vehicle=v2": 5, "wet=true": 4,
    }  # fmt: skip


def test_only_frequent_values_become_slices() -> None:
    sites = [f"s{n}" for n in range(30) for _ in range(1 + n)]
    found = slices_of({"site": sites})
    assert len(found) == 12
    assert "site=s29" in found
    assert "site=s3" not in found
