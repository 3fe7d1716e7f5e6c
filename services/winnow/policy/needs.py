"""What must be read before a policy can choose: nothing else is."""

from __future__ import annotations

from dataclasses import dataclass

from winnow.policy.constraint_section import MODALITY, PREDICTED_CLASS
from winnow.policy.model import Policy
from winnow.policy.score_section import SCORERS
from winnow.policy.scores import names_asked
from winnow.policy.switch import Standing, switch_of
from winnow.strategies.protocol import Input, Strategy

_OWN = frozenset({"session", "cluster", PREDICTED_CLASS, MODALITY})
"""Names that constraints may use and that are no ordinary columns."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Inputs of a choice, by kind and by the names of columns."""

    inputs: frozenset[Input]
    columns: frozenset[str]
    """Of the frames: provenance, tags, scores, prices."""


def strategy_columns(strategy: Strategy) -> frozenset[str]:
    """Give the columns that a strategy's options name."""
    found = (getattr(strategy, option, ()) for option in ("columns", "cells"))
    return frozenset(name for names in found for name in names)


def needs_of(policy: Policy, standing: Standing) -> Needs:
    """Give what this policy reads in a round that stands like this."""
    strategy = switch_of(policy, standing).strategy.strategy()
    inputs: set[Input] = set(strategy.needs)
    functions, columns = names_asked(policy.scores, policy.selection)
    if standing.has_committee:
        inputs.add("probs")
        more = any("embeddings" in SCORERS[name].needs for name in functions)
        inputs |= {"embeddings"} if more or policy.scores.density_beta else set()
    asked = policy.constraints.columns()
    if policy.constraints.gap_seconds:
        inputs |= {"sessions", "times"}
    if "session" in asked:
        inputs.add("sessions")
    columns |= {*strategy_columns(strategy), *policy.risk.columns(), *(asked - _OWN)}
    if policy.money.price_column is not None:
        columns.add(policy.money.price_column)
    return Needs(frozenset(inputs), frozenset(columns))
