"""Counts, targets and plateaus: each says on which numbers it decided."""

from __future__ import annotations

import json

import pytest

from winnow.domain.errors import BadInput
from winnow.policy.stopping import rules_of, stop_record, verdicts_of
from winnow.policy.stopping_section import StoppingSection
from winnow.stopping import (
    AccuracyTarget,
    GainBelow,
    LabelsMax,
    MeanUncertainty,
    Plateau,
    Progress,
    RoundsMax,
    SeedNoise,
    first_to_stop,
)


def test_rounds_max_counts_the_cold_start() -> None:
    assert not RoundsMax(3).decide(Progress(2, (None, None))).stop
    assert RoundsMax(3).decide(Progress(3, (None, None, None))).stop


def test_labels_max_counts_what_the_committee_learned_from() -> None:
    assert not LabelsMax(200).decide(Progress(1, (0.5,), n_labels=(199,))).stop
    assert LabelsMax(200).decide(Progress(1, (0.5,), n_labels=(200,))).stop
    assert LabelsMax(1).decide(Progress(1, (0.5,))).reason == (
        "not measurable: labels are not counted"
    )


def test_the_accuracy_target_needs_a_measurement() -> None:
    assert AccuracyTarget(0.9).decide(Progress(1, (0.9,))).stop
    assert not AccuracyTarget(0.9).decide(Progress(2, (0.95, 0.89))).stop
    assert "not measurable" in AccuracyTarget(0.9).decide(Progress(1, (None,))).reason


def test_a_certain_committee_stops_and_one_that_was_not_asked_does_not() -> None:
    assert MeanUncertainty(0.05).decide(Progress(2, (), mean_entropies=(0.6, 0.04))).stop
    assert not MeanUncertainty(0.05).decide(Progress(2, (), mean_entropies=(0.04, 0.05))).stop
    assert "not measurable" in MeanUncertainty().decide(Progress(1, ())).reason


def test_a_plateau_is_no_gain_over_its_window() -> None:
    rule = Plateau(n_rounds=2, gain_min=0.01)
    assert not rule.decide(Progress(2, (0.5, 0.5))).stop
    assert rule.decide(Progress(3, (0.5, 0.49, 0.505))).stop
    assert not rule.decide(Progress(3, (0.5, 0.49, 0.52))).stop
    assert not rule.decide(Progress(4, (None, 0.5, None, 0.5))).stop


def test_one_odd_dip_is_no_plateau_of_the_best() -> None:
    """Peers compare each of the last values with the newest, so that one dip resets them."""
    assert Plateau(2, 0.01).decide(Progress(4, (0.8, 0.801, 0.6, 0.802))).stop


def test_a_round_that_brings_too_little_stops() -> None:
    assert GainBelow(0.01).decide(Progress(2, (0.5, 0.505))).stop
    assert not GainBelow(0.01).decide(Progress(2, (0.5, 0.52))).stop
    assert GainBelow(0.01).decide(Progress(2, (0.5, 0.4))).stop
    assert not GainBelow(0.01, n_rounds=2).decide(Progress(3, (0.5, 0.53, 0.53))).stop
    assert "not measurable" in GainBelow(0.01).decide(Progress(2, (None, 0.5))).reason


def test_a_gain_within_seed_noise_counts_as_none() -> None:
    so_far = Progress(2, (0.5, 0.52), accuracy_errors=(0.01, 0.01))
    verdict = GainBelow(0.01).decide(so_far)
    assert verdict.stop
    assert dict(verdict.numbers)["gain_per_round"] == 0.0
    assert dict(verdict.numbers)["noise"] == pytest.approx(2 * 0.01 * 2**0.5)
    assert not GainBelow(0.01, noise=SeedNoise(z=1.0)).decide(so_far).stop
    unknown = Progress(2, (0.5, 0.52), accuracy_errors=(None, 0.01))
    assert not GainBelow(0.01).decide(unknown).stop


def test_the_record_holds_every_verdict_and_the_first_that_stops() -> None:
    section = StoppingSection(rounds_max=2, accuracy_target=0.8)
    verdicts = verdicts_of(section, Progress(2, (0.5, 0.9)))
    record = json.loads(stop_record(verdicts))
    assert (record["stop"], record["rule"]) == (True, "accuracy_target")
    rules = [v["rule"] for v in record["verdicts"]]
    assert rules == ["accuracy_target", "rounds_max", "return_on_labels", "class_plateau"]
    assert record["verdicts"][0]["numbers"] == {"accuracy": 0.9, "target": 0.8}
    going_on = verdicts_of(section, Progress(1, (0.5,)))
    assert first_to_stop(going_on) is None
    assert json.loads(stop_record(going_on))["stop"] is False


EVERYTHING = StoppingSection(
    labels_max=1000,
    accuracy_target=0.99,
    plateau_rounds=2,
    gain_min=0.001,
    forecast_gain_min=0.001,
    knee_rounds=2,
    kappa_min=0.99,
    weight_change_max=0.01,
    mean_entropy_max=0.05,
    budget_frames_min=10,
    return_min=0.0,
    break_even=True,
)


def test_a_policy_may_ask_every_rule_and_nothing_measured_stops_none() -> None:
    rules = rules_of(EVERYTHING)
    assert len({type(rule) for rule in rules}) == len(rules) == 14
    for progress in (Progress(0, ()), Progress(2, ()), Progress(3, (None,) * 3)):
        verdicts = verdicts_of(EVERYTHING, progress)
        assert first_to_stop(verdicts) is None
        told = [v.reason for v in verdicts if v.rule != "rounds_max"]
        assert all(reason.startswith("not measurable: ") for reason in told)
        assert json.loads(stop_record(verdicts))["advice"] == []


def test_a_series_of_another_length_is_refused() -> None:
    with pytest.raises(BadInput, match="kappas: expected 2 elements or 0, found 1"):
        Progress(2, (0.5, 0.6), kappas=(0.9,))


def test_every_setting_says_what_it_is() -> None:
    assert all(known.description for known in StoppingSection.model_fields.values())
