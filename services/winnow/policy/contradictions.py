"""Settings that are sound by themselves and cannot all be true together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from winnow.policy.reading import Path
from winnow.policy.round_sections import (
    LabelSection,
    MoneySection,
    QaSection,
    RandomArmSection,
    ScoringSection,
    TrainingSection,
)
from winnow.policy.selection_section import SelectionSection


class Sections(Protocol):
    """The parts of a policy that may contradict each other."""

    @property
    def label(self) -> LabelSection:
        """Give what people are asked."""
        ...

    @property
    def random_arm(self) -> RandomArmSection:
        """Give what is drawn."""
        ...

    @property
    def scoring(self) -> ScoringSection:
        """Give when an answer is enough."""
        ...

    @property
    def selection(self) -> SelectionSection:
        """Give which frames."""
        ...

    @property
    def money(self) -> MoneySection:
        """Give what a label may cost."""
        ...

    @property
    def qa(self) -> QaSection:
        """Give how labels are checked."""
        ...

    @property
    def training(self) -> TrainingSection:
        """Give the committee."""
        ...


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What cannot be, and the settings that it lies between; the first is to blame."""

    paths: tuple[Path, ...]
    text: str

    def __str__(self) -> str:
        """Give it with the first setting's path."""
        return f"{'.'.join(map(str, self.paths[0]))}: {self.text}"


def contradictions(policy: Sections) -> list[Contradiction]:
    """Find all of them."""
    return [*_committee(policy), *_attempts(policy), *_money(policy)]


def _committee(policy: Sections) -> list[Contradiction]:
    asked, trained = policy.scoring.members_min, policy.training.members
    if asked <= trained:
        return []
    text = f"expected at most training.members ({trained}), found {asked}"
    return [Contradiction((("scoring", "members_min"), ("training", "members")), text)]


def _attempts(policy: Sections) -> list[Contradiction]:
    attempts, reworks = policy.label.attempts_max, policy.qa.reworks_max
    if attempts > reworks:
        return []
    text = f"expected more than qa.reworks_max ({reworks}), found {attempts}"
    return [Contradiction((("label", "attempts_max"), ("qa", "reworks_max")), text)]


def _money(policy: Sections) -> list[Contradiction]:
    price = policy.money.label_price_micros * policy.label.slots
    most = policy.money.batch_micros_max
    if policy.money.price_column is not None or most is None or price <= most:
        return []
    text = (
        f"expected at least the price of one frame ({price} = label_price_micros x slots), "
        f"found {most}: no batch could have a frame"
    )
    paths: tuple[Path, ...] = (
        ("money", "batch_micros_max"),
        ("money", "label_price_micros"),
        ("label", "slots"),
    )
    return [Contradiction(paths, text)]
