"""Stopping rules: each says on which numbers it decided."""

from __future__ import annotations

import json

from winnow.policy.stopping import stop_record, verdicts_of
from winnow.policy.stopping_section import StoppingSection
from winnow.stopping.rules import AccuracyTarget, Plateau, Progress, RoundsMax, first_to_stop


def test_rounds_max_counts_the_cold_start() -> None:
    assert not RoundsMax(3).decide(Progress(2, (None, None))).stop
    assert RoundsMax(3).decide(Progress(3, (None, None, None))).stop


def test_the_accuracy_target_needs_a_measurement() -> None:
    assert AccuracyTarget(0.9).decide(Progress(1, (0.9,))).stop
    assert not AccuracyTarget(0.9).decide(Progress(2, (0.95, 0.89))).stop
    assert "not measurable" in AccuracyTarget(0.9).decide(Progress(1, (None,))).reason


def test_a_plateau_is_no_gain_over_its_window() -> None:
    rule = Plateau(n_rounds=2, gain_min=0.01)
    assert not rule.decide(Progress(2, (0.5, 0.5))).stop
    assert rule.decide(Progress(3, (0.5, 0.49, 0.505))).stop
    assert not rule.decide(Progress(3, (0.5, 0.49, 0.52))).stop
    assert not rule.decide(Progress(4, (None, 0.5, None, 0.5))).stop


def test_the_record_holds_every_verdict_and_the_first_that_stops() -> None:
    section = StoppingSection(rounds_max=2, accuracy_target=0.8)
    verdicts = verdicts_of(section, Progress(2, (0.5, 0.9)))
    record = json.loads(stop_record(verdicts))
    assert (record["stop"], record["rule"]) == (True, "accuracy_target")
    assert [v["rule"] for v in record["verdicts"]] == ["accuracy_target", "rounds_max"]
    assert record["verdicts"][0]["numbers"] == {"accuracy": 0.9, "target": 0.8}
    going_on = verdicts_of(section, Progress(1, (0.5,)))
    assert first_to_stop(going_on) is None
    assert json.loads(stop_record(going_on))["stop"] is False
