"""When the loop goes on, asks for fewer frames, or ends, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from winnow.domain.labels import DETECTION
from winnow.policy.model import Policy
from winnow.policy.stopping_section import StoppingSection


def stopping_words(policy: Policy) -> Iterator[str]:
    """Give a sentence for each rule that the policy asks."""
    size = policy.selection.batch_size
    if isinstance(size, int):
        yield f"Every round asks for {size:,} frames."
    else:
        yield (
            f"Rounds ask for {size.start:,} frames, falling to {size.end:,} as accuracy goes from "
            f"{size.accuracy_young:g} to {size.accuracy_mature:g}, mean uncertainty from "
            f"{size.entropy_young:g} to {size.entropy_mature:g}, and a label's gain to "
            f"{size.gain_mature:g} of its height."
        )
    rules = [*_goals(policy.stopping), *_gains(policy.stopping), *_stability(policy)]
    rules += _money(policy.stopping)
    yield f"The loop ends after {policy.stopping.rounds_max:,} rounds" + (
        f", or as soon as {'; or '.join(rules)}." if rules else "."
    )
    n_rounds = policy.stopping.class_rounds
    if n_rounds is not None:
        yield (
            f"A class whose recall does not grow over {n_rounds} rounds is named, with the slices "
            "to collect for it."
        )


def _goals(stopping: StoppingSection) -> Iterator[str]:
    if stopping.accuracy_target is not None:
        yield f"holdout accuracy reaches {stopping.accuracy_target:g}"
    if stopping.labels_max is not None:
        yield f"the committee has learned from {stopping.labels_max:,} labels"


def _gains(stopping: StoppingSection) -> Iterator[str]:
    if stopping.plateau_rounds is not None:
        yield (
            f"{stopping.plateau_rounds} rounds bring less than {stopping.plateau_gain_min:g} "
            "accuracy"
        )
    if stopping.gain_min is not None:
        yield (
            f"the last {stopping.gain_rounds} rounds bring less than {stopping.gain_min:g} "
            "accuracy each, on average"
        )
    if stopping.forecast_gain_min is not None:
        yield f"the next round is forecast to bring less than {stopping.forecast_gain_min:g}"
    if stopping.knee_rounds is not None:
        yield f"the knee of the learning curve lies {stopping.knee_rounds} rounds back"


def _stability(policy: Policy) -> Iterator[str]:
    stopping = policy.stopping
    if stopping.kappa_min is not None:
        measure = "F1 of boxes" if policy.label.kind == DETECTION else "kappa"
        yield (
            f"successive committees agree by {measure} {stopping.kappa_min:g} over "
            f"{stopping.kappa_rounds} rounds"
        )
    if stopping.weight_change_max is not None:
        yield f"weights change by at most {stopping.weight_change_max:.2%}"
    if stopping.mean_entropy_max is not None:
        yield f"mean uncertainty falls below {stopping.mean_entropy_max:g}"


def _money(stopping: StoppingSection) -> list[str]:
    rules = []
    if stopping.budget_frames_min is not None:
        rules.append(f"the money left buys fewer than {stopping.budget_frames_min:,} frames")
    if stopping.return_min is not None:
        rules.append(f"100 labels bring less than {stopping.return_min:g} accuracy")
    if stopping.break_even:
        rules.append("choosing costs more than labeling the whole pool")
    return rules
