"""The registry keeps the rules of names and labels."""

from __future__ import annotations

import pytest

from winnow.telemetry import metrics


def test_a_name_without_the_prefix_is_refused() -> None:
    with pytest.raises(ValueError, match="expected prefix winnow_"):
        metrics.gauge("frames", "Frames.")


def test_an_identifier_is_no_label() -> None:
    with pytest.raises(ValueError, match="round_id"):
        metrics.gauge("winnow_test_frames", "Frames.", ["round_id"])


def test_a_counter_must_end_in_total() -> None:
    with pytest.raises(ValueError, match="_total"):
        metrics.counter("winnow_test_frames", "Frames.")


def test_registered_names_are_those_that_dashboards_query() -> None:
    metrics.counter("winnow_test_listed_total", "Listed.")
    metrics.histogram("winnow_test_listed_seconds", "Listed.")
    listed = metrics.registered()
    assert "winnow_test_listed_total" in listed
    assert "winnow_test_listed_seconds" in listed
    assert b"winnow_test_listed_total" in metrics.exposition()
