"""From the policy's sections to rules, and the records of what they decided."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from winnow.policy.stopping_section import BatchSizeSection, RescoringSection, StoppingSection
from winnow.stopping import (
    AccuracyTarget,
    AdaptiveBatchSize,
    BatchSize,
    BreakEvenRule,
    BudgetLeft,
    ClassPlateau,
    GainBelow,
    GainForecast,
    Knee,
    LabelsMax,
    MeanUncertainty,
    Plateau,
    PredictionStability,
    Progress,
    Rescore,
    ReturnOnLabels,
    RoundsMax,
    SeedNoise,
    StoppingRule,
    Verdict,
    WeightStability,
    advice_of,
    first_to_stop,
    rescore_needed,
)


def rules_of(section: StoppingSection) -> tuple[StoppingRule, ...]:
    """Give the rules that a policy asks for, in the order in which they are asked.

    First what says that the goal is reached, then what says that labels bring too little, then
    money, then the counts; last what reports and advises.
    """
    return (
        *_goal_rules(section),
        *_gain_rules(section),
        *_stability_rules(section),
        *_money_rules(section),
        *([] if section.labels_max is None else [LabelsMax(section.labels_max)]),
        RoundsMax(section.rounds_max),
        ReturnOnLabels(section.return_min, section.return_rounds),
        *_class_rules(section),
    )


def verdicts_of(section: StoppingSection, progress: Progress) -> tuple[Verdict, ...]:
    """Ask every rule."""
    return tuple(rule.decide(progress) for rule in rules_of(section))


def stop_record(verdicts: Sequence[Verdict]) -> str:
    """Give the canonical JSON of all verdicts and of the one that stopped the loop, if any."""
    stopper = first_to_stop(verdicts)
    document = {
        "stop": stopper is not None,
        "rule": stopper.rule if stopper else "",
        "reason": stopper.reason if stopper else "",
        "advice": [advice.text for advice in advice_of(verdicts)],
        "verdicts": [{**asdict(verdict), "numbers": dict(verdict.numbers)} for verdict in verdicts],
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def next_batch_size(section: BatchSizeSection, progress: Progress) -> BatchSize:
    """Give the size of the next batch, and the numbers that it was decided on."""
    return AdaptiveBatchSize(
        start=section.start,
        end=section.end,
        accuracy_young=section.accuracy_young,
        accuracy_mature=section.accuracy_mature,
        entropy_young=section.entropy_young,
        entropy_mature=section.entropy_mature,
        gain_mature=section.gain_mature,
    ).decide(progress)


def rescore(section: RescoringSection, age: int, *, kappa: float | None = None) -> Rescore:
    """Say whether scores of this age (`score_age`) are too old to choose by."""
    return rescore_needed(
        age, age_max=section.score_age_max, kappa=kappa, kappa_min=section.kappa_min
    )


def _goal_rules(section: StoppingSection) -> list[StoppingRule]:
    return [] if section.accuracy_target is None else [AccuracyTarget(section.accuracy_target)]


def _gain_rules(section: StoppingSection) -> list[StoppingRule]:
    noise = SeedNoise(section.noise_z, section.noise_floor)
    rules: list[StoppingRule] = []
    if section.plateau_rounds is not None:
        rules.append(Plateau(section.plateau_rounds, section.plateau_gain_min))
    if section.gain_min is not None:
        rules.append(GainBelow(section.gain_min, section.gain_rounds, noise))
    if section.forecast_gain_min is not None:
        rules.append(GainForecast(section.forecast_gain_min, section.forecast_rounds, noise))
    if section.knee_rounds is not None:
        rules.append(Knee(section.knee_rounds, section.knee_sensitivity))
    return rules


def _stability_rules(section: StoppingSection) -> list[StoppingRule]:
    rules: list[StoppingRule] = []
    if section.kappa_min is not None:
        rules.append(PredictionStability(section.kappa_min, section.kappa_rounds))
    if section.weight_change_max is not None:
        rules.append(WeightStability(section.weight_change_max, section.weight_change_rounds))
    if section.mean_entropy_max is not None:
        rules.append(MeanUncertainty(section.mean_entropy_max))
    return rules


def _money_rules(section: StoppingSection) -> list[StoppingRule]:
    rules: list[StoppingRule] = []
    if section.budget_frames_min is not None:
        rules.append(BudgetLeft(section.budget_frames_min))
    if section.break_even:
        rules.append(BreakEvenRule(section.round_overhead_micros, section.training_micros))
    return rules


def _class_rules(section: StoppingSection) -> list[StoppingRule]:
    if section.class_rounds is None:
        return []
    return [
        ClassPlateau(
            n_rounds=section.class_rounds,
            gain_min=section.class_gain_min,
            recall_enough=section.class_recall_enough,
            support_min=section.class_support_min,
            slices_max=section.class_slices_max,
        )
    ]
