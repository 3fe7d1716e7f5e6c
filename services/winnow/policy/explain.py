"""What a policy will do, in plain words, step by step in the order in which it is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from winnow.policy.chosen_strategy import ChosenStrategy
from winnow.policy.committee import needs_committee
from winnow.policy.model import Policy
from winnow.policy.random_arm import arm_size
from winnow.policy.score_section import function_of
from winnow.policy.stopping_words import stopping_words
from winnow.strategies.registry import STRATEGIES

MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a round, and what the policy does there."""

    title: str
    sentences: tuple[str, ...]


def explain(policy: Policy) -> tuple[Step, ...]:
    """Give the steps in their fixed order; every number is the policy's.

    Examples
    --------
    >>> [step.title for step in explain(Policy())][:4]
    ['Gates', 'Random arm', 'Calibration', 'Score']
    """
    return (
        Step("Gates", tuple(_gates(policy))),
        Step("Random arm", tuple(_random_arm(policy))),
        Step("Calibration", tuple(_calibration(policy))),
        Step("Score", tuple(_score(policy))),
        Step("Conditions and risk", tuple(_conditions(policy))),
        Step("Strategy", tuple(_strategy(policy))),
        Step("Constraints", tuple(_constraints(policy))),
        Step("Money", tuple(_money(policy))),
        Step("Approval and labels", tuple(_approval(policy))),
        Step("Training", tuple(_training(policy))),
        Step("Next round", tuple(stopping_words(policy))),
    )


def _gates(policy: Policy) -> Iterator[str]:
    gates = policy.gates
    yield (
        "Frames that are blocked for privacy, unreadable, too dark, blurred, tiny, without "
        "calibration, in the holdout or labeled already cannot be chosen."
    )
    yield (
        f"Of near-duplicates (perceptual hashes within {gates.duplicate_hash_bits} bits and "
        f"embeddings of cosine {gates.duplicate_cosine:g} or more) one frame stays."
    )


def _random_arm(policy: Policy) -> Iterator[str]:
    share = policy.random_arm.share
    if not share:
        yield "Nothing is drawn at random, so nobody will know what choosing is worth."
        return
    n_asked = policy.selection.batch_size_first
    yield (
        f"{arm_size(share, n_asked):,} of {n_asked:,} frames ({share:.0%}) are a simple random "
        "sample of the pool, drawn first, paid first, and free of all constraints."
    )
    if share == 1.0:
        yield "That is the whole batch: no score, strategy or constraint has a say."


def _calibration(policy: Policy) -> Iterator[str]:
    share = policy.training.calibration_share
    if share:
        yield f"Each member's probabilities get a temperature, fitted on {share:.0%} of the labels."
    else:
        yield "Probabilities are taken as the members give them: no labels are kept to calibrate."
    scoring = policy.scoring
    yield (
        f"The committee's answer counts once {scoring.members_min} members answered about "
        f"{scoring.coverage_min:.0%} of the frames, or after {scoring.deadline_minutes:g} minutes "
        "as far as it goes."
    )
    age = scoring.rescoring.score_age_max
    old = "the newest committee's" if not age else f"at most {age} committee version(s) old"
    again = scoring.rescoring.again_max
    then = (
        f"a pool with older ones is scored anew, {again} time(s) at most"
        if again
        else ("older ones halt the round")
    )
    yield f"Scores that a batch is chosen by are {old}; {then}."


def _score(policy: Policy) -> Iterator[str]:
    scores = policy.scores
    if scores.cascade is not None:
        stages = " -> ".join(stage.name for stage in scores.cascade.stages)
        yield f"Tasks build on one another: {stages}."
        for stage in scores.cascade.stages[:-1]:
            yield f"A frame goes past {stage.name} if {stage.passes}; else that score counts."
        first = {"early": "stop earliest", "late": "come farthest", "score": "score highest"}
        yield f"Frames that {first[scores.cascade.first]} come first."
    elif scores.terms:
        scale = {"rank": "the share of frames below", "min_max": "0 to 1", "z": "z-scores"}
        terms = ", ".join(f"{term.weight:g} x {term.name}" for term in scores.terms)
        how = "the sum" if scores.combine == "sum" else "the largest"
        yield f"A frame is worth {how} of {terms}, each brought to {scale[scores.scale]} first."
    else:
        function = function_of(policy.selection.acquisition)
        unit = f" in {function.unit}" if function.unit else ""
        yield f"A frame is worth its {policy.selection.acquisition}: {function.word}{unit}."
    if scores.density_beta:
        yield (
            f"That is multiplied by the density of the pool around it to the power "
            f"{scores.density_beta:g}: typical frames before odd ones."
        )


def _conditions(policy: Policy) -> Iterator[str]:
    scores, risk = policy.scores, policy.risk
    if scores.only is not None:
        yield f"Only frames with {scores.only} may be chosen."
    for name, condition in sorted(scores.modalities.items()):
        yield f"{name} is labeled where {condition}."
    if scores.modalities:
        yield "Frames that ask for no modality are left."
    verb = {"multiply": "times", "add": "plus"}[risk.mode]
    for weight in risk.weights:
        if weight.points is not None:
            pairs = ", ".join(f"{factor:g} at {number:g}" for number, factor in weight.points)
            yield f"Scores are taken {verb} a weight along {weight.column}: {pairs}."
        else:
            pairs = ", ".join(
                f"{factor:g} for {name}" for name, factor in (weight.values or {}).items()
            )
            yield f"Scores are taken {verb} a weight by {weight.column}: {pairs}."
    if risk.weights and "scores" not in policy.selection.strategy.strategy().needs:
        yield f"But {policy.selection.strategy.name} looks at no scores, so risk changes nothing."
    if scores.only is None and not scores.modalities and not risk.weights:
        yield "None: every frame of the pool may be chosen, and circumstances change no score."


def _strategy(policy: Policy) -> Iterator[str]:
    selection = policy.selection
    until = list(_until(policy))
    if until:
        yield f"Cold start, until {' and '.join(until)}: {_told(selection.cold_start)}"
        yield f"From then on: {_told(selection.strategy)}"
        yield "Every record says which of the two chose, and by which of these numbers."
    else:
        yield f"In every round: {_told(selection.strategy)}"
    if selection.examples is not None:
        yield f"Examples of what to look for are {selection.examples}."


def _until(policy: Policy) -> Iterator[str]:
    selection = policy.selection
    if needs_committee(selection.strategy, policy.scores):
        yield "a committee has answered"
    if selection.cold_start_rounds:
        yield f"{selection.cold_start_rounds} round(s) are behind"
    if selection.switch.labels_min:
        yield f"{selection.switch.labels_min:,} frames are labeled"
    if selection.switch.labels_per_class_min:
        yield f"every class has {selection.switch.labels_per_class_min:,} labels"


def _told(choice: ChosenStrategy) -> str:
    first = (STRATEGIES[choice.name].__doc__ or "").strip().split("\n\n")[0]
    return f"{choice}. {' '.join(first.split())}"


def _constraints(policy: Policy) -> Iterator[str]:
    constraints = policy.constraints
    if constraints.gap_seconds:
        yield f"Frames of one session are at least {constraints.gap_seconds:g} s apart."
    for name, cap in sorted(constraints.caps.items()):
        if isinstance(cap, int):
            yield f"At most {cap:,} frames of one {name}."
        else:
            named = ", ".join(f"{most:,} of {value}" for value, most in sorted(cap.items()))
            yield f"By {name}, at most {named}."
    if constraints.caps and constraints.caps_count_labeled:
        yield "Frames that are labeled or held by other rounds count in these caps."
    for minimum in constraints.minimums:
        n_asked = policy.selection.batch_size_first
        value = "(each value)" if minimum.value is None else minimum.value
        least = minimum.least(n_asked)
        yield f"At least {least:,} frames of {minimum.column} {value}, as far as there are any."
    if constraints.allocation is not None:
        section, n_asked = constraints.allocation, policy.selection.batch_size_first
        shares = ", ".join(f"{n:,} {name}" for name, n in section.frames(n_asked).items())
        yield f"The batch is divided by {section.column} as its budgets can pay: {shares}."
    if constraints.minimums:
        yield "The last places, and the money for them, are kept for those that would starve."
    if constraints.one_per_cluster:
        yield "At most one frame of a near-duplicate cluster."
    yield "All of it is asked at every pick, so the batch is full whenever it can be."


def _money(policy: Policy) -> Iterator[str]:
    money, slots = policy.money, policy.label.slots
    price = _amount(money.label_price_micros * slots)
    each = f" ({slots} annotations)" if slots > 1 else ""
    if money.price_column is None:
        yield f"A frame costs {price}{each}, unless frames bring prices of their own."
    else:
        column = money.price_column
        yield f"A frame costs what column {column} says{each}, {price} where it is empty."
    n_asked = policy.selection.batch_size_first
    whole = _amount(money.label_price_micros * slots * n_asked)
    cap = (
        ""
        if money.batch_micros_max is None
        else f", never more than {_amount(money.batch_micros_max)}"
    )
    yield f"A batch of {n_asked:,} costs {whole}{cap}, and never more than the budget has."


def _amount(micros: int) -> str:
    return f"{micros / MICROS:,.2f} currency units"


def _approval(policy: Policy) -> Iterator[str]:
    if policy.approval.mode == "person":
        yield "The batch waits until a person approves, amends or rejects it."
    else:
        yield "The batch goes to the annotators at once."
    qa = policy.qa
    yield (
        f"{qa.sample_share:.0%} of the labels are expected to be inspected, each with a chance of "
        f"at least {qa.inclusion_floor:.0%}."
    )
    who = f"{qa.data_steward}'s standing order" if qa.promotion == "automatic" else "a data steward"
    yield f"Labels are promoted for {qa.allowed_use.replace('_', ' ')} by {who}."


def _training(policy: Policy) -> Iterator[str]:
    training, kind = policy.training, policy.label.kind
    height, width = training.height_width
    networks = list(
        dict.fromkeys(training.network_of(m, kind=kind) for m in range(training.members))
    )
    labels = "their own bootstrap samples of the labels" if training.bagging else "all labels"
    yield (
        f"{training.members} members ({', '.join(networks)}; {width} x {height} pixels) train on "
        f"{labels}, {training.epochs} passes or {training.steps_min:,} steps."
    )
    if training.weights == "inclusion":
        yield (
            "Labels count by the inverse of the probability with which their frames were chosen, "
            f"at most {training.weight_max:g} times."
        )
    if training.weights == "lure":
        yield (
            "Drawn labels count by LURE, so that their loss is that of the round's pool, at most "
            f"{training.weight_max:g} times; labels of rounds whose frames were not drawn from the "
            "whole pool count once."
        )
    least = training.members_min or policy.scoring.members_min
    yield f"A member that fails is left out; with fewer than {least} the round is halted."
    if training.labels_per_class_min:
        yield f"A class with fewer than {training.labels_per_class_min:,} labels halts the round."
