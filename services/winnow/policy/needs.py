"""What must be read before a policy can choose: nothing else is."""

from __future__ import annotations

from dataclasses import dataclass

from winnow.acquisition.detection import DETECTION_ACQUISITIONS, is_detection_score
from winnow.domain.labels import DETECTION
from winnow.policy.committee import scores_need_committee, strategy_columns
from winnow.policy.constraint_section import MODALITY, PREDICTED_CLASS
from winnow.policy.model import Policy
from winnow.policy.score_section import SCORERS
from winnow.policy.selection_section import names_asked
from winnow.policy.switch import Standing, switch_of
from winnow.strategies.protocol import Input, Strategy

_OWN = frozenset({"session", "cluster", PREDICTED_CLASS, MODALITY})
"""Names that constraints may use and that are no ordinary columns."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Inputs of a choice, by kind and by the names of columns."""

    inputs: frozenset[Input]
    columns: frozenset[str]
    """Of the frames: provenance, tags, scores, prices; and what a detection committee says."""
    welcome: frozenset[Input] = frozenset()
    """What the strategy chooses better with, and can do without."""

    def reads(self, name: Input) -> bool:
        """Tell whether an input is read where it is there."""
        return name in self.inputs or name in self.welcome


def welcome_to(strategy: Strategy) -> frozenset[Input]:
    """Give the inputs that a strategy chooses better with: its `uses`, if it has any."""
    return frozenset(getattr(strategy, "uses", frozenset())) - strategy.needs


def needs_of(policy: Policy, standing: Standing) -> Needs:
    """Give what this policy reads in a round that stands like this."""
    strategy = switch_of(policy, standing).strategy.strategy()
    inputs: set[Input] = set(strategy.needs)
    functions, columns = names_asked(policy.scores, policy.selection)
    if standing.has_committee:
        if policy.label.kind != DETECTION:
            inputs.add("probs")
        if any("embeddings" in SCORERS[name].needs for name in functions & SCORERS.keys()):
            inputs.add("embeddings")
    has_scores = standing.has_committee or not scores_need_committee(policy.scores)
    if has_scores and policy.scores.density_beta:
        inputs.add("embeddings")
    asked = policy.constraints.columns()
    if policy.constraints.gap_seconds:
        inputs |= {"sessions", "times"}
    if "session" in asked:
        inputs.add("sessions")
    columns |= {*strategy_columns(strategy), *policy.risk.columns(), *(asked - _OWN)}
    if policy.money.price_column is not None:
        columns.add(policy.money.price_column)
    columns |= functions & DETECTION_ACQUISITIONS.keys()
    if not standing.has_committee:
        columns = {name for name in columns if not is_detection_score(name)}
    return Needs(frozenset(inputs), frozenset(columns), welcome_to(strategy))
