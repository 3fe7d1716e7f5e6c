"""Who competes: each method is a policy, so that it chooses as `winnow select` does with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from winnow.acquisition.registry import acquisition_names
from winnow.domain.errors import BadInput
from winnow.policy.chosen_strategy import plain_names
from winnow.policy.model import Policy, parse_policy
from winnow.policy.selection_section import SelectionSection

BASELINE = "random"
COLD_START = "typiclust"
"""The first batch of all methods but the baseline: typical frames, one of each cluster."""


@dataclass(frozen=True, slots=True)
class Method:
    """A query strategy with the acquisition function that it asks."""

    name: str
    strategy: str
    acquisition: str = "margin"
    cold_start: str = COLD_START

    @property
    def is_baseline(self) -> bool:
        """Tell whether it spends all labels at random and nothing helps it."""
        return self.name == BASELINE

    @property
    def told(self) -> str:
        """Say how it chooses."""
        if self.is_baseline:
            return "every label at random"
        return f"first {self.cold_start}, then {self.strategy} ({self.acquisition})"


_DEFAULT = SelectionSection()
KNOWN: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method(BASELINE, "random", cold_start="random"),
        Method("random_warm", "random"),
        Method("entropy", "top_k", "entropy"),
        Method("margin", "top_k", "margin"),
        Method("least_confidence", "top_k", "least_confidence"),
        Method("bald", "top_k", "bald"),
        Method("k_center", "k_center"),
        Method("badge", "badge"),
        Method("hybrid", "shortlist_k_center", "margin"),
        Method("default", _DEFAULT.strategy.name, _DEFAULT.acquisition),
    )
}


def method_named(name: str) -> Method:
    """Give a method: a known one, or any strategy, `strategy` or `strategy:acquisition`.

    Raises
    ------
    BadInput
        There is no such strategy or acquisition function.
    """
    if name in KNOWN:
        return KNOWN[name]
    strategy, _, acquisition = name.partition(":")
    acquisition = acquisition or _DEFAULT.acquisition
    if strategy not in plain_names() or acquisition not in acquisition_names():
        msg = (
            f"method: expected one of {', '.join(KNOWN)}, or STRATEGY or STRATEGY:ACQUISITION with "
            f"a strategy of {', '.join(plain_names())}, found {name!r}"
        )
        raise BadInput(msg)
    return Method(name, strategy, acquisition)


def policy_of(
    method: Method,
    *,
    batch_size: int,
    class_names: Sequence[str],
    random_arm: float,
    starving: Mapping[str, float],
) -> Policy:
    """Give the policy of one round.

    Parameters
    ----------
    starving
        Class → share of the batch that it gets at least, by what the committee takes frames for.
    """
    minimums = [
        {"column": "predicted_class", "value": name, "share": share}
        for name, share in starving.items()
    ]
    return parse_policy(
        yaml.safe_dump(
            {
                "name": method.name,
                "label": {"class_names": list(class_names)},
                "random_arm": {"share": random_arm},
                "selection": {
                    "batch_size": batch_size,
                    "strategy": method.strategy,
                    "acquisition": method.acquisition,
                    "cold_start": method.cold_start,
                },
                "constraints": {"minimums": minimums},
            }
        ),
        where=f"benchmark, method {method.name}",
    )
