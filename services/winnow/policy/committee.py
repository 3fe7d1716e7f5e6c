"""Who needs a committee's answers: strategies, and the scores that they choose by."""

from __future__ import annotations

from winnow.acquisition.detection import is_detection_score
from winnow.policy.chosen_strategy import ChosenStrategy, chosen, plain_names
from winnow.policy.score_section import ScoresSection
from winnow.strategies.protocol import Strategy


def strategy_columns(strategy: Strategy) -> frozenset[str]:
    """Give the columns that a strategy's options name."""
    found = (getattr(strategy, option, ()) for option in ("columns", "cells"))
    return frozenset(name for names in found for name in names)


def needs_committee(choice: ChosenStrategy, scores: ScoresSection) -> bool:
    """Tell whether a strategy cannot choose by these scores before a committee has answered."""
    strategy = choice.strategy()
    needs = strategy.needs
    return (
        "probs" in needs
        or ("scores" in needs and scores_need_committee(scores))
        or any(is_detection_score(name) for name in strategy_columns(strategy))
    )


def scores_need_committee(scores: ScoresSection) -> bool:
    """Tell whether scores ask a committee, or are made of the frames' own columns."""
    parts = scores.parts()
    return not parts or any(
        part.acquisition is not None or is_detection_score(part.name) for part in parts
    )


def cold_names(scores: ScoresSection) -> tuple[str, ...]:
    """Give the strategies that, with default options, can choose without a committee; sorted."""
    return tuple(name for name in plain_names() if not needs_committee(chosen(name), scores))
