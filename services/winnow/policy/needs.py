"""What must be read before a policy can choose: nothing else is."""

from __future__ import annotations

from dataclasses import dataclass

from winnow.policy.model import Policy
from winnow.policy.switch import Standing, switch_of
from winnow.strategies.protocol import Input


@dataclass(frozen=True, slots=True)
class Needs:
    """Inputs of a choice, by kind and by the names of columns."""

    inputs: frozenset[Input]
    columns: frozenset[str]
    """Of the frames: provenance, tags, scores, prices."""


def needs_of(policy: Policy, standing: Standing) -> Needs:
    """Give what this policy reads in a round that stands like this."""
    strategy = switch_of(policy.selection, standing).strategy.strategy()
    columns = set(getattr(strategy, "columns", ()))
    if policy.money.price_column is not None:
        columns.add(policy.money.price_column)
    return Needs(frozenset(strategy.needs), frozenset(columns))
